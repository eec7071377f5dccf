"""A relay before the simulator that remembers every message: the ledger keeps no texts."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple

from tests.simulator_process import SimulatorProcess

TIMEOUT_S = 30.0
MARKER = re.compile(r"\[convoy:([^:\]]+):([^:\]]+):(\d+)\]")


class SentMessage(NamedTuple):
    """Where a message was posted to, and its body with every marker taken out."""

    path: str
    body: str


class RecordingRelay:
    """Passes all requests on to a simulator, on a free port, until the `with` block ends.

    `most_at_once` is the highest number of messages that were in one conversation at a time, each
    from when it came until its answer left; `came_s` holds when each came, by `time.monotonic`.
    Until `goes_on` is set again it takes no body; `receive_bytes` bound what the system takes then.
    """

    def __init__(self, simulator: SimulatorProcess, receive_bytes: int | None = None) -> None:
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.most_at_once = 0
        self.came_s: list[float] = []
        self._at_once: Counter[str] = Counter()
        self._messages: dict[str, list[tuple[str, int, SentMessage]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), _handler(self, simulator.port, receive_bytes)
        )
        self._server.daemon_threads = True
        if receive_bytes is not None:  # of the connections that it accepts from now on
            self._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> RecordingRelay:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(TIMEOUT_S)
        self._server.server_close()

    def messages(self, run_id: str) -> dict[tuple[str, int], SentMessage]:
        """Return `{(scenario, k): message}` of a run; fails when one was sent twice."""
        with self._lock:
            messages = self._messages[run_id]
            by_number = {(scenario, k): message for scenario, k, message in messages}
            assert len(by_number) == len(messages)
            return by_number

    @contextmanager
    def recording(self, path: str, body: bytes) -> Iterator[None]:
        """Take note of a request, if it carries a marker, while it is on its way."""
        text = json.dumps(json.loads(body), ensure_ascii=False) if b"[convoy:" in body else ""
        found = MARKER.search(text)
        if not found:
            yield
            return
        conversation = json.dumps(json.loads(body)["to"])
        with self._lock:
            message = SentMessage(path, MARKER.sub("", text))
            self._messages[found[1]].append((found[2], int(found[3]), message))
            self.came_s.append(time.monotonic())
            self._at_once[conversation] += 1
            self.most_at_once = max(self.most_at_once, self._at_once[conversation])
        try:
            yield
        finally:
            with self._lock:
                self._at_once[conversation] -= 1


def _handler(
    relay: RecordingRelay, port: int, receive_bytes: int | None
) -> type[BaseHTTPRequestHandler]:
    """Return a handler that passes requests on to this port; each connection has one of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        # So that a body is not read with the headers before it.
        rbufsize = -1 if receive_bytes is None else 256
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self._far_side = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

        def finish(self) -> None:
            self._far_side.close()
            super().finish()

        def do_POST(self) -> None:
            relay.goes_on.wait(TIMEOUT_S)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with relay.recording(self.path, body):
                self._far_side.request(self.command, self.path, body, dict(self.headers))
                answer = self._far_side.getresponse()
                content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() != "transfer-encoding":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_DELETE = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the test speaks."""

    return Handler
