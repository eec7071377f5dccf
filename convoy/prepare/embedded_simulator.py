"""The embedded simulator: started where the target file says, or elsewhere if that is taken."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import gevent
from gevent import subprocess

from convoy.errors import RefusedError
from convoy.prepare.checklist import Checklist
from convoy.remote.simulator import PERSON, starter_of_simulator
from convoy.settings import Origin, Settings

_REPOSITORY = Path(__file__).resolve().parents[2]
_READY = "listening on "
_ANY_PORT = 0
_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0


class EmbeddedSimulator:
    """A simulator process of ours, at most one; `stop` ends it and may be called at any time.

    It runs in the environment `environ`.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._process: subprocess.Popen[str] | None = None
        self._wanted_url = ""
        self._url = ""
        self.urls: set[str] = set()
        """Where those that were started answer, or did."""

    def settings_at(self, settings: Settings, run_id: str, checklist: Checklist) -> Settings:
        """Return settings with the address of the embedded simulator, which is started for them.

        Any other target stays as it is. Raises RefusedError where no simulator can be started.
        """
        if not settings.target.embedded_simulator:
            return settings
        wanted = settings.target.api_url
        with checklist.step("simulator"):
            url, is_ours = self.ensure(wanted, run_id)
        if is_ours:
            told = "" if url == wanted else f", because something else has {wanted}"
            checklist.ok("simulator", f"started at {url}{told}")
        else:
            told = f"a simulator that was running already is used at {url}"
            checklist.warn("simulator", told, "stop it to have a fresh one")
        there = settings.target.model_copy(update={"api_url": url, "login_url": url})
        return settings.model_copy(update={"target": there})

    def ensure(
        self,
        url: str,
        run_id: str,
        *,
        starter_of: Callable[[str], str | None] = starter_of_simulator,
    ) -> tuple[str, bool]:
        """Return where a simulator answers, and whether it is this one.

        That is at `url`, or at a free port if something else has that one.

        One that a person started at `url` is used. Another run's is not, because it ends with that
        run; neither is anything else. Raises RefusedError when none can be started for `run_id`.
        """
        if self._process is not None and self._process.poll() is None and self._wanted_url == url:
            return self._url, True
        starter = starter_of(url)
        if starter == PERSON:
            return url, False
        self._wanted_url = url
        wanted = Origin.parse(url)
        # Another run's may have begun to listen there since nothing did, hence the second try.
        if starter is None and self._start(wanted, run_id) is None:
            return self._url, True
        last_words = self._start(replace(wanted, port=_ANY_PORT), run_id)
        if last_words is not None:
            raise RefusedError(f"the simulator did not start at {wanted.host}: {last_words}")
        return self._url, True

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

    def _start(self, at: Origin, run_id: str) -> str | None:
        """Start one at this host and port; return the last line of its output if that failed."""
        self.stop()
        place = ["--host", at.host, "--port", str(at.port), "--started-by", run_id]
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "simulator", *place],
            cwd=_REPOSITORY,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A Ctrl-C in the terminal would end it, too, and the run still waits for its answers.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        atexit.register(self._stop_at_exit, os.getpid())
        ready, last_words = _read_until_ready(process)
        if not ready:
            self.stop()
            return last_words
        self._url = replace(at, port=int(last_words.rpartition(":")[2])).url
        self.urls.add(self._url)
        return None

    def _stop_at_exit(self, starter: int) -> None:
        """Stop the simulator in the process that started it, and not in its forked workers."""
        if os.getpid() == starter:
            self.stop()


def _read_until_ready(process: subprocess.Popen[str]) -> tuple[bool, str]:
    """Return whether the simulator listens, and the last line that it printed until then."""
    assert process.stdout is not None
    last = "it said nothing"
    killer = gevent.spawn_later(_START_TIMEOUT_S, process.kill)
    try:
        for line in process.stdout:
            last = line.strip() or last
            if line.startswith(_READY):
                gevent.spawn(deque, process.stdout, 0)  # read on, so that no full pipe blocks it
                return True, last
        return False, last
    finally:
        killer.kill()


def _end_with_parent() -> None:
    """On Linux, have the kernel end the simulator when the process that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
