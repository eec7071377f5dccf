"""The record of a run: a folder `runs/<run id>` and the link `runs/latest` to the newest."""

from __future__ import annotations

import gzip
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from convoy.errors import Fault, RefusedError, SettingsError
from convoy.files import FileError, read_bytes
from convoy.results.histograms import BucketCounts, Histogram
from convoy.results.reports import REPORTS
from convoy.results.result import RunResult
from convoy.results.summary import Summary

logger = logging.getLogger(__name__)

_MOST_BYTES = 2**30
"""Of a record, unpacked: that of four hours with many scenarios."""

RESULT = "result.json.gz"
"""The file of a record that holds everything that is known of the run; `read_result` reads it."""


class _Kept(msgspec.Struct, frozen=True):
    schema: Literal[1]
    result: RunResult


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


def write_record(folder: Path, summary: Summary, result: RunResult) -> None:
    """Write reports and result of a run into its folder, each file whole or not at all.

    Raises OSError.
    """
    for name, report in REPORTS.items():
        _write(folder / name, report(summary))
    kept = msgspec.json.encode(_Kept(1, result), enc_hook=_pairs)
    _write(folder / RESULT, gzip.compress(kept, compresslevel=6))


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


def read_result(folder: Path) -> RunResult:
    """Return the result of the run whose record a folder is; raises SettingsError."""
    path = folder / RESULT
    try:
        content = read_bytes(path, _MOST_BYTES)
        return msgspec.json.decode(content, type=_Kept, dec_hook=_histogram).result
    except FileError as error:
        raise SettingsError([Fault(str(path), str(error))]) from error
    except (ValueError, RecursionError) as error:
        problem = f"is no result of a run (schema 1): {error}"
        raise SettingsError([Fault(str(path), problem)]) from error


def _pairs(value: object) -> tuple[BucketCounts, BucketCounts]:
    if isinstance(value, Histogram):
        return value.pairs()
    raise NotImplementedError(type(value).__name__)


def _histogram(kind: type[Histogram], pairs: object) -> Histogram:
    known, censored = msgspec.convert(pairs, tuple[BucketCounts, BucketCounts])
    histogram = kind()
    histogram.add(known)
    histogram.add_censored(censored)
    return histogram


def _write(path: Path, content: str | bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    unfinished.replace(path)


def _point(link: Path, name: str) -> None:
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(name, target_is_directory=True)
    unfinished.replace(link)
