"""A TCP connection in gevent's loop, on the real non-blocking socket."""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent

from convoy.remote.outbox import Outbox, readable_sockets
from convoy.remote.wire_faults import StoppedError

if TYPE_CHECKING:
    from greenlet import greenlet

    from convoy.remote.pace import Departures

_READ, _WRITE = 1, 2
# A larger buffer costs more in each receive than it saves in the few large answers.
_RECEIVE_BYTES = 4_096
_NEVER_S = float("inf")
_BROKEN_OFF = (BrokenPipeError, ConnectionResetError)
_REASONS = _READY, _EXPIRED, _STOPPED = object(), object(), object()
"""Why a wait ended; any other value that the greenlet is switched to with is ignored."""

_TCP_CLOSE = 7
"""The state of a connection that is over, in Linux' include/net/tcp_states.h."""
_DISCARDS, _DELIVERS = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)
"""What the kernel does with what it has still to send when the socket is closed (SO_LINGER)."""

# What gevent's resolver gives for one address: (family, type, protocol, name, address).
Address = tuple[int, int, int, str, tuple[object, ...]]


class Connection:
    """A connection without TLS; only `connect`, `read_some`, `wait` and `post` block.

    One greenlet reads, or none where the loop calls back (`listen`). Any greenlet may `post`
    meanwhile: what the kernel does not take at once is sent later by the loop. The connection uses
    the interpreter's own socket class, which neither Locust's monkey patch nor gevent's wrappers
    touch, and one read and one write watcher for its whole life. Where there are `departures`, each
    `post` waits for them: nobody sends past an approval because he does not know of it.

    `unsent` is what the kernel has still to take. `sent_s` is when the kernel took the first byte
    since the owner set `sent_s` to None. A message that the other side has not received (`holds`)
    is discarded when the connection ends, also by the end of the process: the kernel would go on
    delivering it, minutes later after an outage. `message_end` says where the latest one ends in
    all `given_bytes`. `received_s` is the time of the latest receive. `is_ended` says that the
    server has closed its side. Before the kernel gets a message, `may_go_on` is asked: the process
    may have stood still, or worked, since it was posted. Where that returns False the connection is
    reset. With `expects_silence` a request is not sent when something has arrived before it: the
    connection `is_readable` then, and the request stays `unsent`. Before it `is_set_up` a proxy and
    TLS have their say. It is long because sending,
    waiting and each end share one socket, its three watchers and the greenlet that waits.
    """

    def __init__(self, address: Address, clock: Callable[[], float], outbox: Outbox) -> None:
        family, kind, protocol, _, self._address = address
        self._clock = clock
        self._outbox = outbox
        self._socket = _socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        # Else the second of two sends in a row waits until the first one is acknowledged, which a
        # kernel puts off: 44 ms over loopback.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # From the first on, because nobody closes a socket whose process was killed.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARDS)
        self._hub = get_hub()
        loop, number = self._hub.loop, self._socket.fileno()
        self._readable = loop.io(number, _READ)
        self._writable = loop.io(number, _WRITE)
        self._timer = loop.timer(0.0, ref=False)
        self._timer_fires_s = _NEVER_S
        self._deadline_s = 0.0
        self._waiting: greenlet | None = None
        self.unsent: bytes | memoryview = b""
        self._send_fault: OSError | None = None
        self.given_bytes = self.message_end = 0
        self.number = number
        self.expects_silence = self.is_readable = self._is_listened_to = False
        self.sent_s: float | None = None
        self.departures: Departures | None = None
        self.may_go_on: Callable[[], bool] | None = None
        self.received_s = 0.0
        self.is_set_up = self.is_ended = False
        self.is_open = True

    @property
    def certificate_ends_s(self) -> float | None:
        """Until when the server's certificate is valid, in Unix seconds; None without TLS."""
        return None

    @property
    def peer(self) -> str:
        """Where it leads to, `address port`."""
        return "{} {}".format(*self._address)

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

    def post(self, data: bytes, *, is_control: bool = False, is_counted: bool = True) -> None:
        """Have data sent with what other connections send, before the loop polls again.

        It is a message, or a part of one, unless it `is_control`. A message waits for `departures`
        unless it was counted before, or is in no rate: then it is not to be counted here. That
        raises TimeoutError, and one of WIRE_EXCEPTIONS where nothing may leave any more or TLS has
        ended. What else goes wrong is raised where the answer is waited for. That wait also ends
        where nothing was sent because the connection `is_readable`.
        """
        if self.departures is None or is_control or not is_counted:
            data = self._sealed(data)
        else:
            data = self.departures.let_leave(partial(self._sealed, data))
            if not self.is_open:
                self.departures.keep()
        # A copy, because what is left of a send is a memoryview, to which nothing can be added.
        self.unsent, self.is_readable = bytes(self.unsent) + data if self.unsent else data, False
        self.given_bytes += len(data)
        if not is_control:
            self.message_end = self.given_bytes
        self._outbox.put(self)

    def _sealed(self, data: bytes) -> bytes:
        return data  # over TLS, records of it

    def send(self) -> None:
        """Hand to the kernel what it takes of `unsent`, and the rest as soon as there is room."""
        unsent = self.unsent
        if not (unsent and self.is_open):
            return
        # Read before the call, which takes up to 13 us where it wakes the server.
        sent_s, count = self._clock(), 0
        try:
            count = self._socket.send(unsent)
        except BlockingIOError:
            pass
        except OSError as exc:
            self._send_fault = exc
            if self.departures is not None:
                self.departures.keep()  # nothing of it leaves, though its owner may not close it
            self.wake()
            return
        if count:
            if self.sent_s is None:
                self.sent_s = sent_s
            if self.departures is not None:
                self.departures.has_left(self)
        if count == len(unsent):
            self.unsent = b""
            return
        self.unsent = memoryview(unsent)[count:]
        self._writable.start(self.flush)

    def flush(self) -> None:
        """Send what is `unsent`, or reset the connection where that is a message that may not."""
        self._writable.stop()
        is_message = self.given_bytes - len(self.unsent) < self.message_end
        if is_message and self.may_go_on is not None and not self.may_go_on():
            self.reset()
        else:
            self.send()

    def wake(self) -> None:
        """Have a wait in progress end soon."""
        # Not by a switch here: the one that waits would go on in the midst of what the caller does.
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

    def write(self, data: bytes) -> None:
        """Send data of the set-up at once, below any TLS; once that is over, `post` the data.

        Data of the set-up is no message: `holds` does not wait for it.
        """
        if self.is_set_up:
            self.post(data)
            return
        self.unsent = bytes(self.unsent) + data
        self.given_bytes += len(data)
        self.send()

    def holds(self, end: int) -> bool:
        """True while the other side has not received all up to there, a value of `message_end`.

        False once the connection is closed, or was reset by the other side, because nothing is
        delivered then any more.
        """
        if not self.is_open:
            return False
        left = _unacknowledged_bytes(self.number)
        if left and _is_reset(self._socket):
            return False
        return self.given_bytes - len(self.unsent) - left < end

    def read_some(self, deadline_s: float) -> bytes:
        """Wait for bytes and return what has come, `b""` at the end; raises as `wait`."""
        while (data := self.receive()) is None:
            self.wait(deadline_s)
        return data

    def listen(self, on_arrival: Callable[[], None]) -> None:
        """From now on have `on_arrival` called in the loop whenever `receive` may have something.

        A `wait` ends then by `wake`, and as it does otherwise.
        """
        self._is_listened_to = True
        self._readable.start(on_arrival)

    def is_quiet(self) -> bool:
        """True when a request may be written: open on both sides, and nothing to read."""
        return self.is_open and not readable_sockets([self.number])

    def wait(self, deadline_s: float, *, for_room: bool = False) -> None:
        """Wait until `receive` may have something; `for_room` until it is connected.

        Raises TimeoutError, StoppedError, and the OSError that kept data from being sent. Where the
        server broke off in the middle of it there may be an answer, which `receive` returns.
        """
        if self._send_fault is not None or not self.is_open:
            self._raise_fault()
        me = self._waiting = getcurrent()
        watcher = self._writable if for_room else self._readable
        self._deadline_s = deadline_s
        if deadline_s < self._timer_fires_s:
            self._arm_timer()
        if not self._is_listened_to:
            watcher.start(me.switch, _READY)
        try:
            woken = self._hub.switch()
            while woken not in _REASONS:
                woken = self._hub.switch()
        finally:
            self._waiting = None
            if not self._is_listened_to:
                watcher.stop()
        if woken is _READY:
            if self._send_fault is not None:
                self._raise_fault()
            return
        if woken is _EXPIRED:
            raise TimeoutError("no whole answer by the deadline")
        raise _stopped()

    def _raise_fault(self) -> None:
        if not self.is_open:
            raise _stopped()
        fault = self._send_fault
        if fault is not None and (self.sent_s is None or not isinstance(fault, _BROKEN_OFF)):
            raise fault

    # The timer is not stopped when a wait ends: deadlines mostly grow, so it fires about once per
    # timeout and is armed again for whatever is waiting then, instead of once per request.
    def _arm_timer(self) -> None:
        self._timer.close()
        self._timer_fires_s = self._deadline_s
        delay_s = max(0.0, self._deadline_s - self._clock())
        self._timer = self._hub.loop.timer(delay_s, ref=False)
        self._timer.start(self._on_timer, update=True)  # else it counts from the latest poll

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
        self._end(_DISCARDS if self.holds(self.message_end) else _DELIVERS)

    def reset(self) -> None:
        """Close the socket by a reset: what the kernel has still to send is discarded."""
        self._end(_DISCARDS)

    def _end(self, lingering: bytes) -> None:
        if not self.is_open:
            return
        self.is_open = False
        with suppress(OSError):  # some systems know a socket no more that the server has reset
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        for watcher in (self._readable, self._writable, self._timer):
            watcher.stop()
            watcher.close()
        self._socket.close()
        if self.departures is not None:
            self.departures.keep()
        if self._waiting is not None:
            self._hub.loop.run_callback(self._end_wait, _STOPPED)

    def _end_wait(self, why: object) -> None:
        if self._waiting is not None:
            self._waiting.switch(why)


def _unacknowledged_bytes(number: int) -> int:
    """Return how much a socket's kernel has taken and not delivered; 0 where it does not tell."""
    try:
        answer = fcntl.ioctl(number, termios.TIOCOUTQ, b"\0" * struct.calcsize("i"))
    except OSError:
        return 0
    return int.from_bytes(answer, sys.byteorder)


def _is_reset(connected: _socket.socket) -> bool:
    """Return whether the other side has reset a connection, which its owner may not know yet."""
    # Its kernel keeps on counting what was not acknowledged. Others than Linux count nothing.
    return connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE


def _stopped() -> StoppedError:
    return StoppedError("the connection was closed by its owner")
