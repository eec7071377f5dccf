"""One TCP connection in gevent's loop: the real non-blocking socket, its watchers and deadline."""

from __future__ import annotations

import _socket
import errno
import os
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gevent import get_hub, getcurrent, monkey

from convoy.remote.wire_faults import StoppedError

if TYPE_CHECKING:
    from greenlet import greenlet

_READ, _WRITE = 1, 2
# A larger buffer costs more in each receive than it saves in the few large answers.
_RECEIVE_BYTES = 16_384
_NEVER_S = float("inf")
_READY, _EXPIRED, _STOPPED = object(), object(), object()

# What gevent's resolver gives for one address: (family, type, protocol, name, address).
Address = tuple[int, int, int, str, tuple[object, ...]]


class Connection:
    """A connection without TLS; `send` and `receive` never block, the `wait_…` methods do.

    It uses the interpreter's own socket class, which neither Locust's monkey patch nor gevent's
    wrappers touch, and one read and one write watcher for its whole life. `sent_s` is when the
    first byte of the present request was handed to the kernel, None before; `received_s` is the
    time of the latest receive; `is_ended` says that the server has closed its side.
    """

    def __init__(self, address: Address, clock: Callable[[], float]) -> None:
        family, kind, protocol, _, self._address = address
        self._clock = clock
        self._socket = _socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._hub = get_hub()
        loop, number = self._hub.loop, self._socket.fileno()
        self._readable = loop.io(number, _READ)
        self._writable = loop.io(number, _READ | _WRITE)
        self._timer = loop.timer(0.0, ref=False)
        self._timer_fires_s = _NEVER_S
        self._deadline_s = 0.0
        self._waiting: greenlet | None = None
        self._unsent = memoryview(b"")
        # To ask the kernel for news without an exception when there is none, as `recv` has.
        self._news = monkey.get_original("select", "poll")()
        self._news.register(number, select.POLLIN)
        self.sent_s: float | None = None
        self.received_s = 0.0
        self.is_ended = False
        self.is_open = True

    @property
    def certificate_ends_s(self) -> float | None:
        """Until when the server's certificate is valid, in Unix seconds; None without TLS."""
        return None

    def connect(self, deadline_s: float) -> None:
        """Connect to the address. Raises OSError, TimeoutError at the deadline, StoppedError."""
        if not self.is_open:
            raise _stopped()
        fault = self._socket.connect_ex(self._address)
        while fault in (errno.EINPROGRESS, errno.EALREADY):
            self._wait(self._writable, deadline_s)
            fault = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            raise OSError(fault, os.strerror(fault))

    def send(self, data: bytes) -> bool:
        """Hand as much of `data` to the kernel as it takes now; true when that was all of it."""
        sent_s = self._clock()
        try:
            count = self._socket.send(data)
        except BlockingIOError:
            count = 0
        if count:
            self.sent_s = sent_s
            if count == len(data):
                return True
        self._unsent = memoryview(data)[count:]
        return False

    def send_rest(self) -> bool:
        """Go on with what `send` left over; true when nothing is left."""
        sent_s = self._clock()
        try:
            count = self._socket.send(self._unsent)
        except BlockingIOError:
            return False
        if self.sent_s is None:
            self.sent_s = sent_s
        self._unsent = self._unsent[count:]
        return not self._unsent

    def receive(self) -> bytes | None:
        """Return what has arrived, `b""` at the connection's end, None when nothing is there."""
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return None
        self.received_s = self._clock()
        if not data:
            self.is_ended = True
        return data

    def write_all(self, data: bytes, deadline_s: float) -> None:
        """Hand all of `data` to the kernel as it is, below any TLS. Raises as `wait_any`."""
        is_sent = Connection.send(self, data)
        while not is_sent:
            self.wait_any(deadline_s)
            is_sent = self.send_rest()

    def read_some(self, deadline_s: float) -> bytes:
        """Wait for bytes and return them as they came, below any TLS. Raises as `wait_readable`."""
        while (data := Connection.receive(self)) is None:
            self.wait_readable(deadline_s)
        return data

    def forget_exchange(self) -> None:
        """Have it that nothing was sent: what left belongs to no request, or to the one before."""
        self.sent_s = None

    def is_quiet(self) -> bool:
        """True when a request may be written: not closed by the server, nothing unasked for."""
        return self.is_open and not self._news.poll(0)

    def wait_readable(self, deadline_s: float) -> None:
        """Wait until `receive` has something. Raises TimeoutError, StoppedError."""
        self._wait(self._readable, deadline_s)

    def wait_any(self, deadline_s: float) -> None:
        """Wait until the socket takes or has bytes. Raises TimeoutError, StoppedError."""
        self._wait(self._writable, deadline_s)

    def _wait(self, watcher: Any, deadline_s: float) -> None:
        if not self.is_open:
            raise _stopped()
        me = self._waiting = getcurrent()
        self._deadline_s = deadline_s
        if deadline_s < self._timer_fires_s:
            self._arm_timer()
        watcher.start(me.switch, _READY)
        try:
            woken = self._hub.switch()
            while woken is not _READY and woken is not _EXPIRED and woken is not _STOPPED:
                woken = self._hub.switch()
        finally:
            self._waiting = None
            watcher.stop()
        if woken is _EXPIRED:
            raise TimeoutError("no whole answer by the deadline")
        if woken is _STOPPED:
            raise _stopped()

    # The timer is not stopped when a wait ends: deadlines mostly grow, so it fires about once per
    # timeout and is armed again for whatever is waiting then, instead of once per request.
    def _arm_timer(self) -> None:
        self._timer.close()
        self._timer_fires_s = self._deadline_s
        delay_s = max(0.0, self._deadline_s - self._clock())
        self._timer = self._hub.loop.timer(delay_s, ref=False)
        self._timer.start(self._on_timer, update=True)

    def _on_timer(self) -> None:
        self._timer_fires_s = _NEVER_S
        if self._waiting is None:
            return
        if self._clock() < self._deadline_s:
            self._arm_timer()
        else:
            self._waiting.switch(_EXPIRED)

    def close(self) -> None:
        """Close the socket; a greenlet that waits on it gets StoppedError."""
        if not self.is_open:
            return
        self.is_open = False
        for watcher in (self._readable, self._writable, self._timer):
            watcher.stop()
            watcher.close()
        self._socket.close()
        if self._waiting is not None:
            self._hub.loop.run_callback(self._stop_waiting)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.switch(_STOPPED)


def _stopped() -> StoppedError:
    return StoppedError("the connection was closed by its owner")
