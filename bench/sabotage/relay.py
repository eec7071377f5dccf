"""A relay before the simulator that spoils measured messages and passes everything else on."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.sabotage.markers import measured_number
from bench.sabotage.scene import Means, Scene

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class RelayedAnswer:
    """What the client gets; with `is_cut` half of the body, and then the connection is closed."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"),)
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """One measured message on its way; `memory` is shared by all messages of a relay.

    `send` passes a body on to the simulator and returns the simulator's answer.
    """

    body: bytes
    send: Callable[[bytes], RelayedAnswer]
    memory: dict[str, Any]


Spoil = Callable[[Passage], RelayedAnswer]


def relayed(spoil: Spoil) -> Means:
    """Return the means that puts a relay before the simulator, which spoils measured messages."""

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        with _Relay(scene.simulator.port, spoil) as relay:
            scene.start.url = relay.url
            yield
        scene.effects["messages at the relay"] = relay.spoiled

    return means


@dataclass(slots=True)
class _Relay(AbstractContextManager["_Relay"]):
    """Listens on a free port while its block lasts; `spoiled` counts measured messages."""

    simulator_port: int
    spoil: Spoil
    spoiled: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> _Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(_TIMEOUT_S)
        self._server.server_close()

    def answer(self, body: bytes, send: Callable[[bytes], RelayedAnswer]) -> RelayedAnswer:
        """Return the answer to a request, spoiled if it carries a measured message."""
        if measured_number(body) is None:
            return send(body)
        with self.lock:
            self.spoiled += 1
        return self.spoil(Passage(body, send, self.memory))


def _handler(relay: _Relay) -> type[BaseHTTPRequestHandler]:
    """Return a handler for the connections to a relay, each with one to the simulator."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self._far_side = http.client.HTTPConnection(
                "127.0.0.1", relay.simulator_port, timeout=_TIMEOUT_S
            )

        def finish(self) -> None:
            self._far_side.close()
            super().finish()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._write(relay.answer(body, self._send))

        do_GET = do_DELETE = do_POST

        def _send(self, body: bytes) -> RelayedAnswer:
            length = {"Content-Length": str(len(body))} if body else {}
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() != "content-length"
            }
            self._far_side.request(self.command, self.path, body or None, headers | length)
            answer = self._far_side.getresponse()
            kept = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("content-length", "transfer-encoding")
            ]
            return RelayedAnswer(answer.status, answer.read(), kept)

        def _write(self, answer: RelayedAnswer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if answer.status != http.client.NO_CONTENT:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if answer.is_cut:
                self.close_connection = True
            whole = answer.body
            self.wfile.write(whole[: len(whole) // 2] if answer.is_cut else whole)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the bench reports."""

    return Handler
