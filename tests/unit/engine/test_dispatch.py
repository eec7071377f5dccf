"""The dispatcher with users that wait for messages in real time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import gevent
import pytest
from gevent import Greenlet

from convoy.clock import clock_s
from convoy.engine.dispatch import EARLY_S, Dispatcher, DueMessage
from convoy.plan.arrivals import EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause
from tests.unit.engine import ready_from, wait_until

SOON_S = 0.02


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that a user got, and when."""

    user: str
    due: DueMessage
    at_s: float


class Stand:
    """A dispatcher that has started, and the users that take messages from it."""

    def __init__(self, max_lateness_s: float = 60) -> None:
        self.recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
        self.dispatcher = Dispatcher(self.recorder, max_lateness_s=max_lateness_s)
        self.handed: list[Handed] = []
        self.t0_s = clock_s()
        self.dispatcher.start(self.t0_s)
        self._users: list[Greenlet[..., None]] = []

    def grant(self, lane: int, due_s: Iterable[float], first_k: int = 0) -> None:
        """Grant a lane whose messages are due so many seconds from now."""
        from_t0_s = clock_s() - self.t0_s
        numbered = enumerate(due_s, first_k)
        self.dispatcher.grant({lane: ((from_t0_s + due, k) for k, due in numbered)})

    def start_user(self, name: str, ready_in_s: float = 0.0) -> Greenlet[..., None]:
        """Start a user that takes one message after the other; it is waiting on return."""
        user = gevent.spawn(self._take_for_ever, name, clock_s() + ready_in_s)
        self._users.append(user)
        gevent.sleep(0)
        return user

    def end(self) -> None:
        gevent.killall(self._users, timeout=60)

    def _take_for_ever(self, name: str, ready_at_s: float) -> None:
        while True:
            due = self.dispatcher.take(ready_from(ready_at_s))
            self.handed.append(Handed(name, due, clock_s()))
            gevent.sleep(0)


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.end()


def block_the_loop_until(at_s: float) -> None:
    while clock_s() < at_s:
        pass


@pytest.mark.parametrize("users", [1, 8])
def test_every_message_is_handed_out_once_and_never_before_its_time(
    stand: Stand, users: int
) -> None:
    curve = RateCurve([Stage(200, 200, 0.3), Stage(200, 0, 0.2)])
    for name in range(users):
        stand.start_user(f"user-{name}")

    for lane in range(LANES):
        stand.dispatcher.grant({lane: EvenArrivals(curve).lane(lane)})
    wait_until(lambda: len(stand.handed) >= curve.count)

    assert [handed.due.k for handed in stand.handed] == list(range(80))
    assert all(handed.at_s >= handed.due.due_s - EARLY_S for handed in stand.handed)
    assert stand.dispatcher.is_exhausted
    assert stand.recorder.counts.scheduled == 80
    assert stand.recorder.counts.not_sent == {}


def test_lanes_granted_while_others_run_join_in_by_due_time(stand: Stand) -> None:
    stand.start_user("a")
    stand.grant(0, [SOON_S, 3 * SOON_S])

    stand.grant(1, [2 * SOON_S, 4 * SOON_S], first_k=10)
    wait_until(lambda: len(stand.handed) == 4)

    assert [handed.due.k for handed in stand.handed] == [0, 10, 1, 11]


def test_a_lane_that_is_overdue_when_it_is_granted_goes_out_at_once(stand: Stand) -> None:
    stand.start_user("a")

    stand.grant(0, [-3.0, -2.0, -1.0])
    wait_until(lambda: len(stand.handed) == 3)

    assert stand.recorder.counts.scheduled == 3


def test_the_user_that_is_idle_longest_goes_first(stand: Stand) -> None:
    for name in ("a", "b", "c"):
        stand.start_user(name)

    stand.grant(0, [SOON_S, 2 * SOON_S, 3 * SOON_S, 4 * SOON_S, 5 * SOON_S, 6 * SOON_S])
    wait_until(lambda: len(stand.handed) == 6)

    assert [handed.user for handed in stand.handed] == ["a", "b", "c", "a", "b", "c"]


def test_what_is_due_is_taken_without_a_switch_when_nobody_waits(stand: Stand) -> None:
    stand.grant(0, [-0.001])
    switched: list[bool] = []
    other = gevent.spawn(switched.append, True)

    due = stand.dispatcher.take()

    assert due.k == 0
    assert switched == []
    other.join(timeout=60)


def test_the_loop_has_a_turn_while_there_is_more_than_users_can_make(stand: Stand) -> None:
    def work() -> None:
        while True:
            stand.dispatcher.take()
            block_the_loop_until(clock_s() + 0.005)
            made.append(None)

    made: list[None] = []
    users = [gevent.spawn(work) for _ in range(3)]
    gevent.sleep(0)
    turn = gevent.spawn_later(0.01, lambda: len(made))

    stand.grant(0, [SOON_S / 2] * 100)
    turn.join(timeout=60)
    wait_until(lambda: len(made) == 100)
    gevent.killall(users, timeout=60)

    assert turn.value < 50


@pytest.mark.parametrize("ready_in_s", [0.0, 60.0], ids=["idle", "resting"])
def test_a_user_killed_while_it_waits_takes_no_message_with_it(
    stand: Stand, ready_in_s: float
) -> None:
    leaver = stand.start_user("leaver", ready_in_s)
    stand.start_user("stayer")

    leaver.kill(timeout=60)
    stand.grant(0, [0.0, SOON_S, 2 * SOON_S])
    wait_until(lambda: len(stand.handed) == 3)

    assert [handed.user for handed in stand.handed] == ["stayer"] * 3
    assert stand.recorder.counts.scheduled == 3


@pytest.mark.parametrize("ready_in_s", [0.0, SOON_S], ids=["idle", "resting"])
def test_a_user_that_is_about_to_be_killed_is_handed_nothing_more(
    stand: Stand, ready_in_s: float
) -> None:
    leaver = stand.start_user("leaver", ready_in_s)
    stand.start_user("stayer")

    stand.dispatcher.dismiss(leaver)
    stand.grant(0, [0.0, SOON_S, 2 * SOON_S])
    wait_until(lambda: len(stand.handed) == 3)
    leaver.kill(timeout=60)

    assert [handed.user for handed in stand.handed] == ["stayer"] * 3


def test_messages_wait_for_the_next_user_when_all_were_killed(stand: Stand) -> None:
    for name in ("a", "b"):
        stand.start_user(name)
    stand.grant(0, [SOON_S])
    stand.end()
    wait_until(lambda: clock_s() > stand.t0_s + 2 * SOON_S)

    stand.start_user("c")
    wait_until(lambda: len(stand.handed) == 1)

    assert stand.handed[0].user == "c"
    assert stand.recorder.counts.scheduled == 1


def test_a_resting_user_gets_nothing_before_it_is_ready(stand: Stand) -> None:
    ready_at_s = clock_s() + 0.1
    stand.start_user("resting", ready_in_s=0.1)

    stand.grant(0, [0.0, 0.05, 0.15])
    wait_until(lambda: len(stand.handed) == 3)

    assert [handed.due.k for handed in stand.handed] == [0, 1, 2]
    assert all(handed.at_s >= ready_at_s for handed in stand.handed)


def test_others_are_served_while_a_user_rests(stand: Stand) -> None:
    stand.start_user("resting", ready_in_s=60)
    stand.start_user("ready")

    stand.grant(0, [0.0, SOON_S])
    wait_until(lambda: len(stand.handed) == 2)

    assert [handed.user for handed in stand.handed] == ["ready", "ready"]


def test_messages_that_a_blocked_loop_kept_from_an_idle_user_are_the_generators_fault() -> None:
    stand = Stand(max_lateness_s=0.05)
    stand.start_user("idle")
    stand.grant(0, [0.01, 0.02])

    block_the_loop_until(clock_s() + 0.1)
    wait_until(lambda: stand.dispatcher.is_exhausted)

    stand.end()
    assert stand.handed == []
    assert stand.recorder.counts.not_sent == {"generator": 2}
    assert stand.recorder.counts.scheduled == 2


def test_a_message_that_a_blocked_loop_made_late_carries_the_generator_as_cause(
    stand: Stand,
) -> None:
    stand.start_user("idle")
    stand.grant(0, [0.01, 0.02])

    block_the_loop_until(clock_s() + 0.1)
    wait_until(lambda: len(stand.handed) == 2)

    assert [handed.due.late_cause for handed in stand.handed] == [Cause.GENERATOR] * 2


def test_a_lane_that_comes_when_nobody_waits_is_not_kept_waiting_for_an_old_alarm(
    stand: Stand,
) -> None:
    leaver = stand.start_user("leaver")
    stand.grant(0, [30.0])
    stand.dispatcher.queue.release([0])
    leaver.kill(timeout=60)

    stand.grant(1, [SOON_S], first_k=1)
    stand.start_user("comer")
    wait_until(lambda: bool(stand.handed))

    assert stand.handed[0].due.k == 1
