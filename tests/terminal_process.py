"""Locust on a terminal of its own: what it writes there, what a person sees, and keys pressed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pyte

from tests.fork_server import Program, take_terminal
from tests.locust_process import DEADLINE_S, ROOT, clean_environment, wait_until

_LONG = 10_000
_SEQUENCES = re.compile(r"\x1b(\[[?\d;]*[A-Za-z]|\][^\x1b]*\x1b\\)")
_PLAIN = {"CI": "", "NO_COLOR": "", "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}


class TerminalProcess:
    """Starts `locust` with these options on a terminal; its process group is gone after the block.

    While the terminal `is_read` what is written there is taken and drawn, as a window would do it.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        columns: int = 80,
        lines: int = 24,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.screen = pyte.HistoryScreen(columns, lines, history=_LONG, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)
        self._written = bytearray()
        self._lock = threading.Lock()
        self._may_read = threading.Event()
        self._may_read.set()
        self._window, terminal = pty.openpty()
        self._set_size(columns, lines)
        self.process = Program(
            *("locust", "-f", str(ROOT / "locustfile.py"), *options),
            cwd=folder,
            env=clean_environment() | _PLAIN | dict(environment or {}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(terminal)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> TerminalProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.read_on()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        os.close(self._window)

    def written(self) -> str:
        """Everything that was written until now, with all sequences."""
        with self._lock:
            return self._written.decode("utf-8", "replace")

    def text(self) -> str:
        """Everything that was written until now, without sequences: what has been shown at all."""
        return _SEQUENCES.sub("", self.written()).replace("\r", "")

    def shown(self) -> list[str]:
        """The lines that a person sees now, without the spaces at their ends."""
        with self._lock:
            return [line.rstrip() for line in self.screen.display]

    def scrolled(self) -> list[str]:
        """The lines that have left the terminal at its top, and those that it shows."""
        with self._lock:
            columns = range(self.screen.columns)
            above = ["".join(line[at].data for at in columns) for line in self.screen.history.top]
            return [line.rstrip() for line in [*above, *self.screen.display]]

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the terminal has shown this; fails with all of it where that never comes."""
        return wait_until(lambda: self._find(pattern), self._explain)

    def press(self, keys: bytes) -> None:
        os.write(self._window, keys)

    def resize(self, columns: int, lines: int) -> None:
        with self._lock:
            self.screen.resize(lines, columns)
        self._set_size(columns, lines)

    def read_no_more(self) -> None:
        """Take nothing more from the terminal, as one does that has lost its connection."""
        self._may_read.clear()

    def read_on(self) -> None:
        self._may_read.set()

    def end(self) -> int:
        """Wait for the process to end by itself; return its exit code."""
        try:
            exit_code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"locust did not end: {self._explain()}") from None
        self._reader.join(DEADLINE_S)
        return exit_code

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._window, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> None:
        # Without a process at its other end, reading from a terminal fails.
        with contextlib.suppress(OSError):
            while self._may_read.wait() and (data := os.read(self._window, 4096)):
                with self._lock:
                    self._written += data
                    self._stream.feed(data)

    def _find(self, pattern: str) -> re.Match[str] | None:
        found = re.search(pattern, self.text())
        if found is None and self.process.poll() is not None:
            raise AssertionError(f"locust ended without showing {pattern!r}: {self._explain()}")
        return found

    def _explain(self) -> str:
        return self.text()
