"""A simulator in a process of its own, for as long as a block lasts, and its ledger."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.errors import BenchError
from bench.processes import last_lines, output_of, running, wait_until

CREDENTIALS = ("demo", "demo")
_NO_LIMIT = "1000000000"
_DEADLINE_S = 30.0
_LISTENING = re.compile(r"^listening on (http://\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator; `url` has no slash at its end."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ledger(self, run_id: str | None = None) -> dict[str, Any]:
        """Return what it accepted and rejected, of one run or in the whole."""
        query = "" if run_id is None else f"?run_id={quote(run_id, safe='')}"
        return self.get(f"/simulator/ledger{query}")

    def token(self) -> str:
        """Log in, and return the token."""
        basic = base64.b64encode(":".join(CREDENTIALS).encode()).decode()
        asked = urllib.request.Request(
            f"{self.url}/oauth/token",
            data=b"grant_type=client_credentials",
            headers={"Authorization": f"Basic {basic}"},
        )
        return str(_json_of(asked)["access_token"])

    def get(self, path: str, token: str = "") -> dict[str, Any]:
        """Return the JSON object that a path answers with; raises BenchError."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return _json_of(urllib.request.Request(self.url + path, headers=headers))


@contextmanager
def simulating(folder: Path, core: int, *options: str) -> Iterator[Simulator]:
    """Run a simulator without a limit of its tokens' rate, on one core; raises BenchError.

    What it prints is in `output.txt` in `folder`; `options` are those of its command line.
    """
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    command += ["--token-rate-per-minute", _NO_LIMIT, *options]
    with running(command, core=core, folder=folder) as process:
        wait_until(
            lambda: _LISTENING.search(output_of(folder)) is not None,
            deadline_s=_DEADLINE_S,
            explain=lambda: f"the simulator did not start: {last_lines(output_of(folder))}",
        )
        yield Simulator(process, _LISTENING.findall(output_of(folder))[0])


def _json_of(asked: urllib.request.Request) -> dict[str, Any]:
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(asked, timeout=_DEADLINE_S) as answer:
            values: dict[str, Any] = json.load(answer)
    except OSError as error:
        raise BenchError(f"the simulator does not answer {asked.full_url}: {error}") from error
    return values
