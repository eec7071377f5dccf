"""A real simulator in a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any
from urllib.parse import quote

from tests.fork_server import ROOT, Program

READY = "listening on "
OWN_SEED = 1_000 + os.getpid()
"""A seed, and with it an organisation, that no test has that runs at the same time."""
DEADLINE_S = 120.0


class SimulatorProcess:
    """Starts when made, stops when the `with` block ends; `options` are command-line options.

    Raises AssertionError with the process's own words if it does not get ready in time.
    """

    def __init__(self, *options: str, port: int = 0) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `_reap`
        self.process = Program(
            *("simulator", "--port", str(port), *options),
            cwd=ROOT,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        try:
            self.url = self._ready_line().removeprefix(READY)
        except BaseException:
            self.kill()
            raise
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> SimulatorProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code; harmless if it has ended already."""
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_S)
        finally:
            self.kill()
        return self.process.returncode

    def kill(self) -> None:
        """End it by SIGKILL; harmless if it has ended already."""
        self.process.kill()
        self.process.wait(DEADLINE_S)
        if self.process.stdout:
            self.process.stdout.close()
        self._complaints.close()

    def is_running(self) -> bool:
        return self.process.poll() is None

    def ledger(self, run_id: str | None = None) -> dict[str, Any]:
        """What the simulator accepted and rejected, of one run or in the whole."""
        query = "" if run_id is None else f"?run_id={quote(run_id, safe='')}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request("GET", f"/simulator/ledger{query}")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer

    def complaints(self) -> str:
        """What the process has written to stderr."""
        self._complaints.seek(0)
        return self._complaints.read().decode("utf-8", "replace")

    def _ready_line(self) -> str:
        assert self.process.stdout is not None
        deadline = time.monotonic() + DEADLINE_S
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                piece = os.read(self.process.stdout.fileno(), 4096) if ready else b""
                assert piece, f"the simulator did not get ready: {line!r} {self.complaints()}"
                line += piece
        return line.decode().rstrip("\n")
