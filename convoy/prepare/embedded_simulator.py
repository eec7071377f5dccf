"""The embedded simulator: started where the target file says, when nothing listens there yet."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import gevent
from gevent import subprocess

from convoy.errors import RefusedError
from convoy.remote.discovery import is_convoy_simulator
from convoy.settings import Origin

_REPOSITORY = Path(__file__).resolve().parents[2]
_READY = "listening on "
_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0


class EmbeddedSimulator:
    """A simulator process of ours, at most one; `stop` ends it and may be called at any time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def ensure(
        self, url: str, *, is_simulator: Callable[[str], bool | None] = is_convoy_simulator
    ) -> bool:
        """Make sure that a simulator answers at `url`; return whether it is this one.

        Raises RefusedError when another program listens there, or when it does not start.
        """
        found = is_simulator(url)
        if found is None:
            self._start(url)
            return True
        if not found:
            raise RefusedError(
                f"something else than the simulator listens at {url}; stop it, choose another "
                "address in the target file, or load it on purpose with -H"
            )
        return self._url == url and self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()

    def _start(self, url: str) -> None:
        origin = Origin.parse(url)
        self.stop()
        self._url = url
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--host", origin.host, "--port", str(origin.port)],
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        atexit.register(self._stop_at_exit, os.getpid())
        last_words = _last_words_before_ready(process)
        if last_words is not None:
            self.stop()
            raise RefusedError(f"the simulator did not start at {url}: {last_words}")

    def _stop_at_exit(self, starter: int) -> None:
        """Stop the simulator in the process that started it, and not in its forked workers."""
        if os.getpid() == starter:
            self.stop()


def _last_words_before_ready(process: subprocess.Popen[str]) -> str | None:
    """Return None once the simulator listens, else the last line of its output."""
    assert process.stdout is not None
    last = "it said nothing"
    killer = gevent.spawn_later(_START_TIMEOUT_S, process.kill)
    try:
        for line in process.stdout:
            if line.startswith(_READY):
                gevent.spawn(_drain, process.stdout)
                return None
            last = line.strip() or last
        return last
    finally:
        killer.kill()


def _drain(output: Iterable[str]) -> None:
    """Read the simulator's output, so that it never blocks on a full pipe."""
    deque(output, maxlen=0)


def _end_with_parent() -> None:
    """On Linux, have the kernel end the simulator when the process that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
