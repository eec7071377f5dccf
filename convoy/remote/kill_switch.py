"""The kill switch: it is asked where anything leaves, in every phase and every process."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import gevent
from gevent import get_hub, getcurrent

from convoy.clock import clock_s
from convoy.errors import ConvoyError, KillSwitchError
from convoy.files import whether_there
from convoy.remote.wire_faults import StoppedError

LOOKS_EVERY_S = 0.2


class KillSwitch:
    """On while a file may be there, once it was thrown, and outside of the window of an approval.

    `clock` is in seconds since 1970, and may be stepped; `steady_clock` is not.
    """

    def __init__(
        self,
        file: Path,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = clock_s,
    ) -> None:
        self._file = file
        self._clock = clock
        self._steady_clock = steady_clock
        self._window_begins_s = -inf
        self._window_ends_s = self._over_s = inf
        self.known_until_s = -inf
        """Until when it is off, unless it is thrown: nothing is looked for before."""
        self._thrown = ""
        self._signal: object = None

    def keep_to_window(self, begins_s: float, ends_s: float) -> None:
        """Be on before and after these moments, in seconds since 1970.

        They are those of the approval that the present connections are for.
        """
        if (begins_s, ends_s) != (self._window_begins_s, self._window_ends_s):
            self._window_begins_s, self._window_ends_s = begins_s, ends_s
            self._over_s = inf
        # A clock that is set back gives nobody more time, whoever asks again.
        self._over_s = min(self._over_s, self._steady_clock() + (ends_s - self._clock()))
        self.known_until_s = -inf

    @property
    def reason(self) -> str:
        """Why nothing may leave any more, "" where it may.

        Asked for every message, so that it looks now and then only.
        """
        steady_s = self._steady_clock()
        if steady_s < self.known_until_s:
            return ""
        now_s = self._clock()
        if self._thrown:
            return f"the kill switch: {self._thrown}"
        if now_s >= self._window_ends_s or steady_s >= self._over_s:
            return "the window of the approval is over"
        if now_s < self._window_begins_s:
            return "by this machine's clock the window of the approval has not begun"
        if found := whether_there(self._file):
            return f"the kill switch: {self._file} {found}"
        self.known_until_s = min(steady_s + LOOKS_EVERY_S, self._over_s)
        return ""

    def check(self) -> None:
        """Raise KillSwitchError where nothing may leave any more."""
        if reason := self.reason:
            raise KillSwitchError(f"{reason}; nothing more was sent, and no run begins")

    def throw(self, why: str) -> None:
        """Let nothing leave until `reset`."""
        self._thrown, self.known_until_s = why, -inf

    def reset(self) -> None:
        """Forget that it was thrown: another run is prepared."""
        self._thrown = ""

    def hear_signal(self) -> None:
        """Have SIGUSR1 throw it from now on."""
        if self._signal is None:
            self._signal = gevent.signal_handler(signal.SIGUSR1, self.throw, "SIGUSR1")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raise KillSwitchError inside when it comes on, whatever the present greenlet waits for.

        It is raised in place of what fails because nothing leaves any more.
        """
        self.hear_signal()
        watched, timer = getcurrent(), get_hub().loop.timer(LOOKS_EVERY_S, LOOKS_EVERY_S)

        def look() -> None:
            try:
                self.check()
            except KillSwitchError as error:
                timer.stop()  # once, because what is inside may wait again while it ends
                watched.throw(error)

        timer.start(look)
        try:
            yield
        except KillSwitchError:
            raise
        except ConvoyError:
            self.check()
            raise
        finally:
            timer.stop()
            timer.close()
        self.check()


class RunSwitch:
    """The kill switch as the connections of one run in a process ask it.

    It is also on once their run was stopped: the kill switch that did it may be of another process,
    which can only say so.
    """

    def __init__(self, of_process: KillSwitch | None = None) -> None:
        self._of_process = of_process
        self._is_stopped = False

    @property
    def reason(self) -> str:
        """Why nothing of the run may leave any more, "" where it may."""
        if self._is_stopped:
            return "the run was stopped"
        return "" if self._of_process is None else self._of_process.reason

    def check(self) -> None:
        """Raise KillSwitchError where nothing of the run may leave any more."""
        if self._of_process is not None:
            self._of_process.check()
        if self._is_stopped:
            raise KillSwitchError("the run was stopped; nothing more was sent")

    def let_pass(self, now_s: float = inf) -> None:
        """Raise StoppedError where nothing of the run may leave any more: its users go on.

        Who has just asked the process's clock hands that in, and saves asking it once more.
        """
        of_process = self._of_process
        is_known = of_process is None or now_s < of_process.known_until_s
        if (self._is_stopped or not is_known) and (reason := self.reason):
            raise StoppedError(reason)

    def stop(self) -> None:
        """Let nothing of the run leave any more."""
        self._is_stopped = True
