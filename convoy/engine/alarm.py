"""A timer in gevent's loop that expires when it should, to a fraction of a millisecond."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub

A_POLL_S = 1e-6
"""To sleep while others go on. With 0 gevent's loop would run what sleeps again and again, up to 50
times, before it polls for what is due."""
_READ = 1
_FIRST = 2
"""The highest priority in gevent's loop: of what one poll finds, an alarm is called before others,
which may take milliseconds together. Timers are without it."""
_NS_PER_S = 1_000_000_000


class Alarm(Protocol):
    """Calls a function once after each `set`; a later one replaces what was set before."""

    def set(self, delay_s: float) -> None:
        """Expire in so many seconds, at once for none or less."""


class LoopAlarm:
    """An alarm by a timer of the loop, whose resolution is that of the system call it waits in.

    With kqueue (macOS, BSD) these are nanoseconds; with Linux's epoll a timer is up to 1 ms late.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._timer: Any = None

    def set(self, delay_s: float) -> None:
        loop = get_hub().loop
        # The delay of a timer of gevent's is fixed when it is made, so each one needs a new timer.
        if self._timer is not None:
            self._timer.close()
        self._timer = loop.timer(max(0.0, delay_s), ref=False)
        # The loop takes its time when it polls. Without an update the delay would count from then,
        # and a timer of 20 ms expires at once after 30 ms of work.
        self._timer.start(self._callback, update=True)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class TimerFdAlarm:
    """An alarm by Linux's timerfd_create(2), for which the loop waits as it does for a socket.

    The descriptor is closed when the alarm is garbage-collected. Raises OSError when no descriptor
    is left.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._spec = _TimerSpec()
        self._at = ctypes.byref(self._spec)
        self._is_set = False
        library = ctypes.CDLL(None, use_errno=True)
        self._set_time = library.timerfd_settime
        # The clock is that of `clock_s`; with another one what falls due while the machine is
        # suspended would wait for longer. TFD_NONBLOCK and TFD_CLOEXEC are those of open(2).
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self._number: int = library.timerfd_create(time.CLOCK_BOOTTIME, flags)
        if self._number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        # The loop keeps the watcher, and the watcher its arguments: with the alarm itself among
        # them it would never be collected, and its descriptor never closed.
        watcher = get_hub().loop.io(self._number, _READ, ref=False, priority=_FIRST)
        watcher.start(_expire, weakref.ref(self))
        # Not at the end of the process: the loop may be gone by then, and all is closed anyway.
        weakref.finalize(self, _release, watcher, self._number).atexit = False

    def set(self, delay_s: float) -> None:
        self._is_set = True
        self._start(max(1, int(delay_s * _NS_PER_S)))  # 0 would stop the timer

    def expire(self) -> None:
        """Call the callback, and stop the timer unless it was set anew: the loop would spin.

        To set or to stop the timer makes its descriptor unreadable, so nothing reads from it.
        """
        self._is_set = False  # before the callback, which may set it
        try:
            self._callback()
        finally:
            if not self._is_set:
                self._start(0)

    def _start(self, delay_ns: int) -> None:
        value = self._spec.value
        value.s, value.ns = divmod(delay_ns, _NS_PER_S)
        self._set_time(self._number, 0, self._at, None)


def make_alarm(callback: Callable[[], None]) -> Alarm:
    """Return the alarm of the highest resolution that this system has."""
    return TimerFdAlarm(callback) if sys.platform == "linux" else LoopAlarm(callback)


def weak_callback(callback: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls a method as long as the method's object exists.

    An object that owns an alarm for itself would make a reference cycle otherwise, and the garbage
    collector would free both, possibly in another thread.
    """
    method = weakref.WeakMethod(callback)

    def call() -> None:
        bound = method()
        if bound is not None:
            bound()

    return call


def _expire(reference: weakref.ref[TimerFdAlarm]) -> None:
    alarm = reference()
    if alarm is not None:
        alarm.expire()


def _release(watcher: Any, number: int) -> None:
    watcher.stop()
    watcher.close()
    os.close(number)
