"""The record of a run: a folder `runs/<run id>` and the link `runs/latest` to the newest.

It is written as the run goes, so that it can be read up to the last second whatever ends the run.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from convoy.errors import Fault, RefusedError, SettingsError
from convoy.files import FileError, read_bytes, whether_there
from convoy.results.hlog import histogram_logs
from convoy.results.journal import JournalWriter, replay
from convoy.results.reports import REPORTS
from convoy.results.reports.series_lines import SeriesLines
from convoy.results.result import RunResult
from convoy.results.summary import Summary
from convoy.untrusted_text import UNREADABLE

logger = logging.getLogger(__name__)

_MOST_BYTES = 2**30
"""Of a journal: that of four hours with many scenarios."""
_YOUNG_S = 24 * 3600.0
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")

JOURNAL = "result.journal"
"""The file of a record that holds everything that is known of the run; `read_result` reads it."""
SETTINGS = "settings.yaml"
SERIES = "series.jsonl"
MESSAGES = "messages.jsonl.gz"
INPUTS = "inputs.msgpack"
"""What the plans are made of, as `swarm.run_inputs` packs it: by it one knows what was sent."""
OPENED = "opened.jsonl"
"""The ids of conversations that were opened before the load, a line for each."""
RUNS = Path("runs")
"""The folder of all records, in the one that a run is started from."""
STOP = "STOP"
"""Of the folder of all records: while a file of this name is there, no run goes on."""
NOT_OF_A_RUN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""What is raised where a value of a record is of another kind or size than those of a run. A record
may be a stranger's."""


class Record:
    """The record of one run while that goes on, in its `folder`; nobody else may read it.

    Everything raises OSError where it cannot be written. What is entered afterwards begins anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._journal = JournalWriter()
        self._series = SeriesLines()
        self._is_whole = True

    def enter(self, result: RunResult) -> Iterator[None]:
        """Enter what has become known of the run since the last call, a part at each step.

        Between two steps others may run: all at once takes so long that messages are late.
        """
        if not self._is_whole:
            self._begin_anew()
            for name in (JOURNAL, SERIES):
                (self.folder / name).unlink(missing_ok=True)
        self._is_whole = False
        append(self.folder / JOURNAL, self._journal.entry(result))
        lines: list[str] = []
        for line in self._series.lines(result):
            if line:
                lines += (line, "\n")
            yield
        if lines:
            append(self.folder / SERIES, "".join(lines).encode())
        self._is_whole = True

    def enter_messages(self, packed: bytes) -> None:
        """Add messages, one JSON object a line, in a gzip member of their own."""
        append(self.folder / MESSAGES, packed)

    def close(self, summary: Summary, result: RunResult) -> None:
        """Enter the result of the run at its end, and write its reports, all of them or none.

        A run whose record cannot be written is invalid, and a report that was written says less.
        """
        for _ in self.enter(result):
            pass
        try:
            write_reports(self.folder, summary, result)
        except OSError:
            for name in REPORTS:
                with suppress(OSError):
                    (self.folder / name).unlink()
            raise


def begin_record(runs: Path, run_id: str, settings: str, inputs: bytes = b"") -> Record:
    """Make the folder of a run that begins, with its settings, and return its record.

    `settings` are the resolved ones, as YAML, with nothing secret in them, `inputs` what its plans
    are made of. `latest` moves at once, so that nobody takes the record of an earlier run for that
    of one that could not be written; where it cannot, there is a warning. Raises as
    `check_folder`.
    """
    check_folder(runs)
    folder = runs / run_id
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / SETTINGS, settings)
    except OSError as error:
        raise _unwritable(runs, error) from error
    try:
        if inputs:
            append(folder / INPUTS, inputs)
    except OSError as error:
        logger.warning("what the messages say is not kept, for reconcile: %s", error)
    try:
        _point(runs / "latest", run_id)
    except OSError as error:
        logger.warning("%s does not point to this run: %s", runs / "latest", error)
    return Record(folder)


def note_opened(
    runs: Path, run_id: str, settings: str, redact: Callable[[str], str], conversation_id: str
) -> None:
    """Note a conversation that was opened for a run, so that it can be closed whatever comes.

    An id that `redact` changes holds a secret: it is not kept, and there is a warning. Raises
    RefusedError where another cannot be written.
    """
    if redact(conversation_id) != conversation_id:
        logger.warning("a conversation was opened whose id holds a secret: close it by hand")
        return
    folder = runs / run_id
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / SETTINGS).exists():
            _write(folder / SETTINGS, settings)
        append(folder / OPENED, f"{json.dumps(conversation_id)}\n".encode())
    except OSError as error:
        raise _unwritable(runs, error) from error


def enter_afterwards(folder: Path, before: RunResult, after: RunResult) -> None:
    """Enter what has become known of a run since its end; raises OSError."""
    writer = JournalWriter()
    writer.entry(before)
    append(folder / JOURNAL, writer.entry(after))


def write_reports(folder: Path, summary: Summary, result: RunResult) -> None:
    """Write the reports of a run into its folder, each file whole or not at all; raises OSError."""
    histograms = folder / "histograms"
    if histograms.is_symlink():  # a record may be a stranger's, and what it leads to is not
        raise OSError(f"{histograms} is a link, through which nothing is written; remove it")
    for name, report in REPORTS.items():
        _write(folder / name, report(summary, result))
    histograms.mkdir(mode=0o700, exist_ok=True)
    for name, log in histogram_logs(result):
        _write(histograms / name, log)


def check_folder(runs: Path) -> None:
    """Raise RefusedError unless records can be written below `runs`; makes it if need be.

    The file that stops every run is refused, too.
    """
    check_stop(runs)
    try:
        runs.mkdir(parents=True, exist_ok=True)
        # Of a name that nobody has, because one that is known could be a link to something else.
        with tempfile.NamedTemporaryFile(dir=runs, prefix=".trial-"):
            pass
    except OSError as error:
        raise _unwritable(runs, error) from error


def check_stop(runs: Path) -> None:
    """Raise RefusedError where the file may be there that stops every run."""
    if found := whether_there(runs / STOP):
        raise RefusedError(f"{runs / STOP} {found}, which stops every run; remove it to start one")


def _unwritable(runs: Path, error: OSError) -> RefusedError:
    return RefusedError(
        f"the record of a run cannot be written to {runs.absolute()} ({error.strerror}); start "
        "from a folder that can be written to"
    )


def records(runs: Path) -> list[Path]:
    """Return the folders of all records below `runs`, the oldest first."""
    if not runs.is_dir():
        return []
    found = (path for path in runs.iterdir() if _RUN_ID.fullmatch(path.name))
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def clear_records(runs: Path, kept: int, now_s: float) -> None:
    """Remove all but so many of the newest records, none that was written to within a day.

    `now_s` is in seconds since 1970. What cannot be removed stays, with a warning.
    """
    for folder in records(runs)[:-kept]:  # at least 1 by the settings: -0 would be none of them
        try:
            written_s = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if now_s - written_s > _YOUNG_S:
                shutil.rmtree(folder)
        except OSError as error:
            logger.warning("the old record %s cannot be removed: %s", folder, error.strerror)


def read_result(folder: Path) -> RunResult:
    """Return the result of the run whose record a folder is, as far as it was written.

    One that is not over was cut short, or is going on. Raises SettingsError.
    """
    path = folder / JOURNAL
    try:
        return replay(read_bytes(path, _MOST_BYTES))
    except FileError as error:
        raise SettingsError([Fault(str(path), str(error))]) from error
    except UNREADABLE as error:
        problem = f"is no result of a run (schema 1): {error}"
        raise SettingsError([Fault(str(path), problem)]) from error


def not_of_a_run(error: Exception) -> str:
    """Return what is wrong with a file of a record where `NOT_OF_A_RUN` was raised."""
    return f"holds what no run writes ({type(error).__name__}: {error})"


def _write(path: Path, content: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "x", encoding="utf-8", opener=_private) as file:
        file.write(content)
    unfinished.replace(path)


def append(path: Path, content: bytes) -> None:
    """Add to a file of a record: a process that is killed leaves all of it, or nothing.

    Raises OSError.
    """
    with open(path, "ab", buffering=0, opener=_private) as file:
        end = file.tell()
        try:
            written = file.write(content)
        except OSError:
            file.truncate(end)
            raise
        if written != len(content):  # the disk is full
            file.truncate(end)
            raise OSError(28, "No space left on device")


def _private(path: str, flags: int) -> int:
    """Open a file for its owner alone; in a stranger's record no link is followed, and no pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _point(link: Path, name: str) -> None:
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(name, target_is_directory=True)
    unfinished.replace(link)
