"""A TCP server in threads that answers each connection as a test tells it to, and counts."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PATIENCE_S = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of an answer with a content length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Visitor:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket, server: MisbehavingServer) -> None:
        self.connection = connection
        self.server = server
        self._buffer = b""

    def read_request(self) -> bytes:
        """Return the next whole request, empty when the client has gone."""
        while not (size := _request_bytes(self._buffer)):
            data = self.connection.recv(65_536)
            if not data:
                return b""
            self._buffer += data
        request, self._buffer = self._buffer[:size], self._buffer[size:]
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer_all(self, data: bytes) -> None:
        """Answer every request of the connection with `data`."""
        while self.read_request():
            self.send(data)

    def wait_for_close(self) -> None:
        """Read on until the client closes."""
        while self.connection.recv(65_536):
            pass

    def reset(self) -> None:
        """Close so that the client gets a reset."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


def _request_bytes(buffer: bytes) -> int:
    head, found, _ = buffer.partition(b"\r\n\r\n")
    if not found:
        return 0
    size = len(head) + 4
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size += int(line.partition(b":")[2])
    return size if len(buffer) >= size else 0


Behaviour = Callable[[Visitor], None]


def sends(*pieces: bytes) -> Behaviour:
    """Read one request, send the pieces, close."""

    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        for piece in pieces:
            visitor.send(piece)

    return behave


def silent(visitor: Visitor) -> None:
    """Read one request and say nothing."""
    visitor.read_request()
    visitor.wait_for_close()


def answers_all(visitor: Visitor) -> None:
    visitor.answer_all(OK)


class MisbehavingServer:
    """Listens on 127.0.0.1; the n-th connection gets the n-th behaviour, later ones the last."""

    def __init__(
        self, behaviours: tuple[Behaviour, ...], tls: ssl.SSLContext | None, port: int
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = 0
        self._behaviours = behaviours
        self._tls = tls
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            self._open.append(connection)
            behave = self._behaviours[min(self.connections, len(self._behaviours) - 1)]
            self.connections += 1
            self._start(self._serve, connection, behave)

    def _serve(self, connection: socket.socket, behave: Behaviour) -> None:
        try:
            if self._tls is not None:
                # Not overlooking an end without a goodbye, which a test of the goodbye needs.
                connection = self._tls.wrap_socket(
                    connection, server_side=True, suppress_ragged_eofs=False
                )
                self._open.append(connection)
            behave(Visitor(connection, self))
        except OSError:
            pass
        finally:
            connection.close()
            self.closed += 1

    def was_asked_for(self, path: str) -> bool:
        return any(each.split(b" ")[1] == path.encode() for each in self.requests)

    def wait_for_closed(self, number: int) -> None:
        """Wait until the server has closed `number` connections."""
        self.wait_until(lambda: self.closed >= number)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the server's threads bring about, with a deadline."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, "the condition did not come about"
            time.sleep(0.002)

    def stop(self) -> None:
        # A close alone does not wake a thread that waits in accept or recv.
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)


@contextmanager
def serving(
    *behaviours: Behaviour, tls: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[MisbehavingServer]:
    """Run a server for the time of a with-block."""
    server = MisbehavingServer(behaviours, tls, port)
    try:
        yield server
    finally:
        server.stop()
