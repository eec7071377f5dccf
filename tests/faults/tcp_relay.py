"""A TCP relay before a port of 127.0.0.1 whose two directions can be delayed and cut."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from types import TracebackType

_POLL_S = 0.01
_LARGEST_PIECE = 65536


@dataclass(slots=True)
class Direction:
    """What happens to the bytes that go one way, over all connections.

    They arrive `delay_s` seconds later, and as long as `is_cut` not at all. None is lost, as a
    network that is broken for a while loses none of a TCP connection. `held` counts what had to
    wait.
    """

    delay_s: float = 0.0
    is_cut: bool = False
    held: int = 0

    def holds(self, came_s: float) -> bool:
        """Return whether what came at that moment of the monotonic clock has to wait."""
        return self.is_cut or time.monotonic() < came_s + self.delay_s


@dataclass(slots=True)
class TcpRelay:
    """Listens on a free port while its block lasts; `up` leads to `behind_port`, `down` back.

    `recorded` holds all bytes of both ways, as they came, where it `is_recording`.
    """

    behind_port: int
    is_recording: bool = False
    recorded: list[bytes] = field(default_factory=list)
    up: Direction = field(default_factory=Direction)
    down: Direction = field(default_factory=Direction)
    _listener: socket.socket = field(init=False)
    _ends: list[socket.socket] = field(default_factory=list)
    _is_broken: bool = False
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        _start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> TcpRelay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        for each in (self._listener, *self._ends):
            # Only this wakes up a thread that waits for the socket.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @contextlib.contextmanager
    def broken(self) -> Iterator[None]:
        """Have all connections end, as those of a forwarded port do whose program is restarted.

        What has not been received is lost, and there are no others while the block lasts.
        """
        self._is_broken = True
        for each in self._ends:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._is_broken = False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_broken:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self.behind_port))
                except ConnectionRefusedError:
                    near.close()  # it tries again, as it would without a relay
                    continue
                self._ends += near, far
                _start(self._carry, near, far, self.up)
                _start(self._carry, far, near, self.down)

    def _carry(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        """Take what comes from one end at once, so that only the direction's delay holds it."""
        pieces: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        _start(self._deliver, pieces, sink, direction)
        with contextlib.suppress(OSError):
            while piece := source.recv(_LARGEST_PIECE):
                pieces.put((time.monotonic(), piece))
                if self.is_recording:
                    self.recorded.append(piece)
        pieces.put((time.monotonic(), b""))

    def _deliver(
        self, pieces: SimpleQueue[tuple[float, bytes]], sink: socket.socket, direction: Direction
    ) -> None:
        with contextlib.suppress(OSError):
            while not self._is_over:
                came_s, piece = pieces.get()
                direction.held += direction.holds(came_s)
                while direction.holds(came_s) and not self._is_over:
                    time.sleep(_POLL_S)
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(piece)


def _start(run: object, *arguments: object) -> None:
    Thread(target=run, args=arguments, daemon=True).start()  # type: ignore[arg-type]
