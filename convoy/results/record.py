"""The record of a run: a folder `runs/<run id>` and the link `runs/latest` to the newest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from convoy.errors import RefusedError
from convoy.results.reports import REPORTS
from convoy.results.summary import Summary


def write_record(runs: Path, summary: Summary, settings: Mapping[str, Any]) -> Path:
    """Write the record of a run below `runs` and return its folder; raises OSError.

    `settings` are the resolved ones with nothing secret in them. Each file appears whole or not
    at all, and `latest` moves only when all are there.
    """
    folder = runs / summary.run_id
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "settings.yaml", yaml.safe_dump(dict(settings), sort_keys=False))
    for name, report in REPORTS.items():
        _write(folder / name, report(summary))
    _point(runs / "latest", folder.name)
    return folder


def check_folder(runs: Path) -> None:
    """Raise RefusedError unless records can be written below `runs`; makes it if need be."""
    trial = runs / ".trial"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise RefusedError(
            f"the record of a run cannot be written to {runs.absolute()} ({error.strerror}); start "
            "from a folder that can be written to"
        ) from error


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _point(link: Path, name: str) -> None:
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(name, target_is_directory=True)
    unfinished.replace(link)
