"""A proxy for tests: what a `MisbehavingServer` does that tunnels to this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from tests.unit.remote.misbehaving_server import PATIENCE_S, Behaviour, Visitor

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 a-test\r\n\r\n"


def name_proxies(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Let the environment name these proxies, and none besides."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def name_proxy_at(monkeypatch: pytest.MonkeyPatch, port: int, login: str = "") -> None:
    """Let the environment name a proxy at a port of this machine for all https addresses."""
    name_proxies(monkeypatch, HTTPS_PROXY=f"http://{login}127.0.0.1:{port}")


def tunnels(visitor: Visitor) -> None:
    """Connect whoever asks to the port asked for, of this machine whatever the host."""
    request = visitor.read_request()
    method, target, _ = request.split(b" ", 2)
    assert method == b"CONNECT"
    port = int(target.rpartition(b":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as far:
        visitor.send(ESTABLISHED)
        back = threading.Thread(target=_pump, args=(far, visitor.connection), daemon=True)
        back.start()
        _pump(visitor.connection, far)
        back.join(PATIENCE_S)


def answers_connect(*pieces: bytes) -> Behaviour:
    """Answer a CONNECT with these bytes, and wait until the client has had enough."""

    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        for piece in pieces:
            visitor.send(piece)
        visitor.wait_for_close()

    return behave


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
