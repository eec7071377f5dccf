"""A proxy for tests: what a `MisbehavingServer` does that tunnels or forwards to this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from convoy.settings import Proxies
from tests.unit.remote.misbehaving_server import PATIENCE_S, Behaviour, Visitor

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 a-test\r\n\r\n"


def proxies_at(port: int, login: str = "") -> Proxies:
    """Return the proxies of an environment that names a port of this machine for everything."""
    url = f"http://{login}127.0.0.1:{port}"
    return Proxies.of({"HTTP_PROXY": url, "HTTPS_PROXY": url})


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
