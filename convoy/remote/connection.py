"""One TCP connection in gevent's loop: the real non-blocking socket, its watchers and deadline."""

from __future__ import annotations

import _socket
import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent

from convoy.remote.outbox import Outbox, readable_sockets
from convoy.remote.wire_faults import StoppedError

if TYPE_CHECKING:
    from greenlet import greenlet

_READ, _WRITE = 1, 2
# A larger buffer costs more in each receive than it saves in the few large answers.
_RECEIVE_BYTES = 4_096
_NEVER_S = float("inf")
_REASONS = _READY, _EXPIRED, _STOPPED = object(), object(), object()
"""Why a wait ended; any other value that the greenlet is switched to with is ignored."""

# What gevent's resolver gives for one address: (family, type, protocol, name, address).
Address = tuple[int, int, int, str, tuple[object, ...]]


class Connection:
    """A connection without TLS; only `connect`, `write_all`, `read_some` and the waits block.

    It uses the interpreter's own socket class, which neither Locust's monkey patch nor gevent's
    wrappers touch, and one read and one write watcher for its whole life. `unsent` is what the
    kernel has still to take; `sent_s` is when it took the first byte since its owner set it
    to None; `received_s` is the time of the latest receive; `is_ended` says that the server has
    closed its side. It `is_new` until something was sent, and `is_readable` if something had
    arrived before a request was sent: the request is still `unsent` then.
    """

    def __init__(self, address: Address, clock: Callable[[], float], outbox: Outbox) -> None:
        family, kind, protocol, _, self._address = address
        self._clock = clock
        self._outbox = outbox
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
        self.unsent: bytes | memoryview = b""
        self._send_fault: OSError | None = None
        self.number = number
        self.is_new, self.is_readable = True, False
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
            self.wait(deadline_s, for_room=True)
            fault = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            raise OSError(fault, os.strerror(fault))

    def post(self, request: bytes) -> None:
        """Have a request sent with those of other connections, before the loop polls again.

        The caller waits for the answer at once. That wait ends early when the kernel does not take
        all of it, and `send_rest` goes on; or when the socket is readable already.
        """
        self.unsent, self.is_readable = request, False
        self._outbox.put(self)

    def try_to_send(self) -> bool:
        """Hand to the kernel what it takes of `unsent`; true when no more can or need be done.

        Raises nothing: `send_rest` raises what went wrong.
        """
        unsent = self.unsent
        if not (unsent and self.is_open):
            return True
        sent_s = self._clock()
        try:
            count = self._socket.send(unsent)
        except BlockingIOError:
            return False
        except OSError as exc:
            self._send_fault = exc
            return False
        if self.sent_s is None:
            self.sent_s, self.is_new = sent_s, False
        if count == len(unsent):
            self.unsent = b""
            return True
        self.unsent = memoryview(unsent)[count:]
        return False

    def send_rest(self) -> bool:
        """Go on with what is unsent; true when nothing is left. Raises OSError."""
        if self._send_fault is None and self.try_to_send():
            return True
        if self._send_fault is not None:
            raise self._send_fault
        return False

    def wake(self) -> None:
        """Have a wait in progress end soon."""
        self._hub.loop.run_callback(self._end_wait, _READY)

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
        """Hand all of `data` to the kernel below any TLS. Raises OSError and as `wait`."""
        self.unsent = data
        while not self.send_rest():
            self.wait(deadline_s, for_room=True)

    def read_some(self, deadline_s: float) -> bytes:
        """Wait for bytes and return them as they came, below any TLS. Raises as `wait`."""
        while (data := Connection.receive(self)) is None:
            self.wait(deadline_s)
        return data

    def is_quiet(self) -> bool:
        """True when a request may be written: open on both sides, and nothing to read."""
        return self.is_open and not readable_sockets([self.number])

    def wait(self, deadline_s: float, *, for_room: bool = False) -> None:
        """Wait until `receive` may have something, or there may be room for more to send.

        Raises TimeoutError, StoppedError.
        """
        if not self.is_open:
            raise _stopped()
        me = self._waiting = getcurrent()
        watcher = self._writable if for_room else self._readable
        self._deadline_s = deadline_s
        if deadline_s < self._timer_fires_s:
            self._arm_timer()
        watcher.start(me.switch, _READY)
        try:
            woken = self._hub.switch()
            while woken not in _REASONS:
                woken = self._hub.switch()
        finally:
            self._waiting = None
            watcher.stop()
        if woken is _READY:
            return
        if woken is _EXPIRED:
            raise TimeoutError("no whole answer by the deadline")
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
            self._hub.loop.run_callback(self._end_wait, _STOPPED)

    def _end_wait(self, why: object) -> None:
        if self._waiting is not None:
            self._waiting.switch(why)


def _stopped() -> StoppedError:
    return StoppedError("the connection was closed by its owner")
