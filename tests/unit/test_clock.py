"""The clock of a process: what it measures is over when a suspended machine goes on."""

from __future__ import annotations

import sys
import time
from math import inf

import pytest

from convoy.clock import clock_of, clock_s
from convoy.remote import login_turns
from convoy.remote.login_turns import Turns
from convoy.remote.pace import Pace
from convoy.swarm.lease_clock import LeaseClock

BEGAN_S = 1000.0
LEASE_S = 2.5


class Linux:
    """The clocks of a machine, of which one stands still while it is suspended."""

    CLOCK_BOOTTIME = 7

    def __init__(self) -> None:
        self.now_s = BEGAN_S
        self.suspended_s = 0.0

    def clock_gettime(self, number: int) -> float:
        return {self.CLOCK_BOOTTIME: self.now_s}[number]

    def perf_counter(self) -> float:
        return self.now_s - self.suspended_s

    def suspend(self, for_s: float) -> None:
        self.now_s += for_s
        self.suspended_s += for_s

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s


class Elsewhere:
    """A system that has Python's own clock only."""

    def perf_counter(self) -> float:
        return BEGAN_S


@pytest.mark.parametrize(
    ("suspended_s", "holds"),
    [
        pytest.param(0.0, True, id="it was not"),
        pytest.param(2.0, True, id="for less than the lease had left"),
        pytest.param(2.6, False, id="for more than the lease had left"),
        pytest.param(3600.0, False, id="for an hour"),
    ],
)
def test_a_lease_is_over_where_the_machine_was_suspended_for_longer(
    suspended_s: float, holds: bool
) -> None:
    system = Linux()
    clock = clock_of(system)
    lease, pace = LeaseClock(LEASE_S, clock()), Pace(5, clock)
    lease.renew(clock(), 500.0, clock())
    pace.ends_s = lease.ends_s

    system.suspend(suspended_s)

    assert (pace.ready_at(clock()) < inf) is holds


def test_a_turn_to_log_in_is_void_where_its_moment_passed_while_the_machine_was_suspended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = Linux()
    monkeypatch.setattr(login_turns.gevent, "sleep", system.sleep)
    clock = clock_of(system)
    turns = Turns(2.0, clock, is_given=True)
    turns.give([BEGAN_S + 0.5, BEGAN_S + 4.5])

    system.suspend(4.0)
    turns.take()

    assert (turns.wanted, system.now_s) == (2, BEGAN_S + 4.5)


def test_where_a_system_has_no_such_clock_it_is_that_of_python() -> None:
    assert clock_of(Elsewhere())() == BEGAN_S


@pytest.mark.skipif(sys.platform != "linux", reason="there is no such clock")
def test_the_clock_of_this_process_is_the_one_that_goes_on() -> None:
    before_s = time.clock_gettime(time.CLOCK_BOOTTIME)

    now_s = clock_s()

    assert before_s <= now_s <= time.clock_gettime(time.CLOCK_BOOTTIME)
