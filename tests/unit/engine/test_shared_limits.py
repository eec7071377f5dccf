"""The dispatcher with users that share their limits: they are asked again at the hand-over."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent import Greenlet

from convoy.clock import clock_s
from convoy.engine.dispatch import EARLY_S, Dispatcher, DueMessage
from convoy.remote.limits import Budget, Limit
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Cause
from tests.unit.engine import T0_S, Bench, Clock, let_the_loop_run, wait_until

REST_S = 0.05
"""How long a limit holds users back: they are woken in real time, whatever the clock says."""


class Sharing:
    """Users at one dispatcher, of whom some share a limit of one message for now."""

    def __init__(self) -> None:
        self.bench = Bench(Clock())
        self.ready_at_s = 0.0
        self.handed: list[tuple[str, DueMessage]] = []
        self.users: list[Greenlet[..., None]] = []

    def start_user(self, name: str, *, is_sharing: bool = True) -> Greenlet[..., None]:
        """Have a user wait for one message; it is waiting on return."""
        self.users.append(gevent.spawn(self._take, name, is_sharing))
        gevent.sleep(0)
        return self.users[-1]

    def fall_due_at(self, elapsed_s: float, *due_s: float) -> None:
        """Set the clock, and let the users know of messages that are due."""
        self.bench.clock.elapsed_s = elapsed_s
        messages = iter([(due, k) for k, due in enumerate(due_s)])
        self.bench.dispatcher.grant({0: messages})
        let_the_loop_run()

    def _take(self, name: str, is_sharing: bool) -> None:
        due = self.bench.dispatcher.take(
            lambda now_s: max(now_s, self.ready_at_s) if is_sharing else now_s
        )
        self.handed.append((name, due))
        if is_sharing:
            self.ready_at_s = self.bench.clock() + REST_S

    def names(self) -> list[str]:
        return [name for name, _ in self.handed]


@pytest.fixture
def sharing() -> Iterator[Sharing]:
    sharing = Sharing()
    yield sharing
    gevent.killall(sharing.users, timeout=60)


def test_who_waits_while_another_uses_up_their_limit_rests_until_there_is_room(
    sharing: Sharing,
) -> None:
    sharing.start_user("a")
    sharing.start_user("b")

    sharing.fall_due_at(1.0, 0.99, 0.999)
    at_first = sharing.names()
    sharing.bench.clock.elapsed_s = 1.0 + REST_S
    wait_until(lambda: len(sharing.handed) == 2)

    assert at_first == ["a"]
    assert sharing.names() == ["a", "b"]
    assert sharing.handed[1][1].late_cause is Cause.LIMITS
    assert sharing.bench.recorder.counts.scheduled == 2


def test_who_has_limits_of_its_own_goes_before_those_who_have_to_rest(sharing: Sharing) -> None:
    sharing.start_user("a")
    sharing.start_user("b")
    sharing.start_user("own", is_sharing=False)

    sharing.fall_due_at(1.0, 0.99, 0.999)

    assert sharing.names() == ["a", "own"]


def test_a_user_killed_while_it_was_sent_to_rest_takes_no_message_with_it(
    sharing: Sharing,
) -> None:
    sharing.start_user("a")
    leaver = sharing.start_user("leaver")
    sharing.fall_due_at(1.0, 0.99, 0.999)

    leaver.kill(timeout=60)
    sharing.start_user("own", is_sharing=False)
    wait_until(lambda: len(sharing.handed) == 2)

    assert sharing.names() == ["a", "own"]


def test_what_expires_while_all_were_sent_to_rest_is_by_the_limits(sharing: Sharing) -> None:
    for name in "ab":
        sharing.start_user(name)
    sharing.ready_at_s = T0_S + 1000

    sharing.fall_due_at(1.0 - EARLY_S / 2, 1.0, 2.0)
    sharing.bench.clock.elapsed_s = 10.0
    sharing.bench.dispatcher.expire()

    assert sharing.handed == []
    assert sharing.bench.recorder.counts.not_sent == {"limits": 2}


def test_users_with_one_token_never_go_over_its_budget() -> None:
    recorder = ScenarioRecorder(late_after_s=0.010, timeout_s=30)
    dispatcher = Dispatcher(recorder, max_lateness_s=60)
    budget = Budget([Limit("token", 3, 0.1)])
    sent_s: list[float] = []

    def send_for_ever() -> None:
        while True:
            dispatcher.take(budget.ready_at)
            sent_s.append(clock_s())
            budget.spend(sent_s[-1])
            gevent.sleep(0)

    users = [gevent.spawn(send_for_ever) for _ in range(5)]
    gevent.sleep(0)
    dispatcher.start(clock_s())
    dispatcher.grant({0: iter([(k / 1000, k) for k in range(12)])})
    wait_until(lambda: len(sent_s) == 12)

    gevent.killall(users, timeout=60)
    windows = [sent_s[first : first + 3] for first in range(0, 12, 3)]
    begins_s = [window[0] for window in windows]
    gaps_s = [later - earlier for earlier, later in zip(begins_s, begins_s[1:], strict=False)]
    assert min(gaps_s) >= 0.1
    assert (recorder.counts.scheduled, recorder.counts.not_sent) == (12, {})
