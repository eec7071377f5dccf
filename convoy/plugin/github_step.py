"""The step of a GitHub workflow that a process runs in: its summary, and its annotations."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import TextIO

from msgspec.structs import replace

from convoy import terminal
from convoy.errors import ConvoyError
from convoy.results.reports.github import annotate, annotations_of, step_summary
from convoy.results.summary import Summary

logger = logging.getLogger(__name__)

MOST_BYTES = 2**20
"""Of a step's summary: GitHub shows nothing of a longer one."""


class GitHubStep:
    """Says what came of a run where GitHub shows it; does nothing outside of GitHub's workflows.

    `GITHUB_STEP_SUMMARY` names the file of the summary, `GITHUB_ACTIONS` says that whatever is
    printed is searched for commands. `redact` hides secrets.
    """

    def __init__(self, environ: Mapping[str, str], redact: Callable[[str], str]) -> None:
        self._path = environ.get("GITHUB_STEP_SUMMARY", "")
        self._reads_commands = bool(environ.get("GITHUB_ACTIONS"))
        self._redact = redact
        self._stream: TextIO | None = None
        self._token = ""

    def stop_commands(self, stream: TextIO) -> None:
        """Have nothing that is printed taken for a command before this process prints its own.

        An error code or an answer of the API may look like one, and GitHub looks behind the white
        space at the beginning of a line, and for `##[` anywhere in it
        (https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs, read
        2026-11-26). `stream` is standard output or error, and takes the commands to come, too.
        """
        self._stream = stream
        if self._reads_commands:
            # Nobody can foresee it, so nothing but the end of this process undoes it.
            self._token = token_hex(16)
            self._print([f"::stop-commands::{self._token}"])

    def resume_commands(self) -> None:
        """Have commands taken for such again, after all that is not our own was printed."""
        if self._token:
            self._print([f"::{self._token}::"])
            self._token = ""

    def write_summary(self, summary: Summary | None) -> None:
        """Add a run to the summary of the step; where that cannot be, there is a warning."""
        if not self._path or summary is None:
            return
        path, text = Path(self._path), step_summary(self._redacted(summary)).encode()
        try:
            with path.open("ab") as file:
                if file.tell() + len(text) > MOST_BYTES:
                    raise OSError(f"it would have more than {MOST_BYTES:,} bytes")
                file.write(text)
        except OSError as error:
            logger.warning("the summary of the step cannot be written to %s: %s", path, error)

    def annotate(self, found: Summary | ConvoyError | None) -> None:
        """Print the annotations of a run, or of what ended the process without one, last of all."""
        self.resume_commands()
        if isinstance(found, Summary):
            self._print(annotations_of(self._redacted(found)))
        elif found is not None:
            title = f"Convoy: exit code {found.exit_code:d}"
            sentences = self._redact(str(found)).splitlines()
            self._print(annotate(title, [("error", each) for each in sentences]))

    def _redacted(self, summary: Summary) -> Summary:
        # Before anything is escaped: a secret would not be found any more.
        return replace(summary, reasons=tuple(map(self._redact, summary.reasons)))

    def _print(self, lines: Iterable[str]) -> None:
        if not self._reads_commands:
            return
        try:
            for line in lines:
                print(line, file=self._stream or sys.stdout, flush=True)
        except OSError as error:  # such as a full disk, or a reader that has left
            logger.warning("GitHub is not told of this run: %s", error)
            terminal.print_no_more()
