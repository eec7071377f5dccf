"""An alarm in gevent's loop that goes off when it should, to a fraction of a millisecond."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub

_READ = 1
_NS_PER_S = 1_000_000_000


class Alarm(Protocol):
    """Calls a function once after each `set`; a later one replaces what was set before."""

    def set(self, delay_s: float) -> None:
        """Go off in so many seconds, at once for none or less."""


class LoopAlarm:
    """An alarm by a timer of the loop, which is as fine as the system call that it waits in.

    That is nanoseconds with kqueue (macOS, BSD); with Linux's epoll a timer is up to 1 ms late.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: Any = None

    def set(self, delay_s: float) -> None:
        loop = get_hub().loop
        if self._timer is not None:
            self._timer.close()
        self._timer = loop.timer(max(0.0, delay_s), ref=False)
        self._timer.start(self._ring, update=True)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class TimerFdAlarm:
    """An alarm by a timer of Linux that the loop waits for like for a socket: timerfd_create(2).

    The descriptor is closed when nobody holds the alarm any more. Raises OSError when there is no
    descriptor left.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._spec = _TimerSpec()
        self._at = ctypes.byref(self._spec)
        self._is_set = False
        library = ctypes.CDLL(None, use_errno=True)
        self._set_time = library.timerfd_settime
        # As in <sys/timerfd.h>: CLOCK_MONOTONIC; TFD_NONBLOCK and TFD_CLOEXEC are those of open(2).
        self._number: int = library.timerfd_create(1, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        watcher = get_hub().loop.io(self._number, _READ, ref=False)
        watcher.start(_let_go_off, weakref.ref(self))
        # Not at the end of the process, where the loop may be gone and all is closed anyway.
        weakref.finalize(self, _release, watcher, self._number).atexit = False

    def set(self, delay_s: float) -> None:
        self._is_set = True
        self._start(max(1, int(delay_s * _NS_PER_S)))

    def go_off(self) -> None:
        """Ring; the timer is read by setting it anew, or else it is stopped."""
        self._is_set = False
        try:
            self._ring()
        finally:
            if not self._is_set:
                self._start(0)

    def _start(self, delay_ns: int) -> None:
        value = self._spec.value
        value.s, value.ns = divmod(delay_ns, _NS_PER_S)
        self._set_time(self._number, 0, self._at, None)


def make_alarm(ring: Callable[[], None]) -> Alarm:
    """Return the finest alarm that this system has."""
    return TimerFdAlarm(ring) if sys.platform == "linux" else LoopAlarm(ring)


def weakly(ring: Callable[[], None]) -> Callable[[], None]:
    """Return what calls a method as long as somebody holds its object.

    Whoever holds an alarm that rings for it would be held by it otherwise, and end at the hands of
    the garbage collector, in whatever thread.
    """
    method = weakref.WeakMethod(ring)

    def call() -> None:
        held = method()
        if held is not None:
            held()

    return call


def _let_go_off(alarm: weakref.ref[TimerFdAlarm]) -> None:
    held = alarm()
    if held is not None:
        held.go_off()


def _release(watcher: Any, number: int) -> None:
    watcher.stop()
    watcher.close()
    os.close(number)
