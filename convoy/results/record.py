"""The record of a run: a folder `runs/<run id>` and the link `runs/latest` to the newest."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from convoy.errors import RefusedError
from convoy.results.reports import REPORTS
from convoy.results.summary import Summary

logger = logging.getLogger(__name__)


def begin_record(runs: Path, run_id: str, settings: Mapping[str, Any]) -> Path:
    """Make the folder of a run that begins, with its settings, and return it; raises RefusedError.

    `settings` are the resolved ones with nothing secret in them. `latest` moves at once, so that
    nobody takes the record of an earlier run for that of one that could not be written. Where it
    cannot, there is a warning.
    """
    folder = runs / run_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "settings.yaml", yaml.safe_dump(dict(settings), sort_keys=False))
    except OSError as error:
        raise _unwritable(runs, error) from error
    try:
        _point(runs / "latest", run_id)
    except OSError as error:
        logger.warning("%s does not point to this run: %s", runs / "latest", error)
    return folder


def write_record(folder: Path, summary: Summary) -> None:
    """Write all reports of a run into its folder, each whole or not at all; raises OSError."""
    for name, report in REPORTS.items():
        _write(folder / name, report(summary))


def check_folder(runs: Path) -> None:
    """Raise RefusedError unless records can be written below `runs`; makes it if need be."""
    trial = runs / ".trial"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise _unwritable(runs, error) from error


def _unwritable(runs: Path, error: OSError) -> RefusedError:
    return RefusedError(
        f"the record of a run cannot be written to {runs.absolute()} ({error.strerror}); start "
        "from a folder that can be written to"
    )


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _point(link: Path, name: str) -> None:
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(name, target_is_directory=True)
    unfinished.replace(link)
