"""Greenlets that open connections leave the event loop time for what is due."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent import get_hub

from convoy.remote.loop_share import LoopShare
from tests.unit.engine import let_the_loop_run

_STEP_S = 0.0004
"""Two and a half of them are as much as may be done between two polls."""


class Opening:
    """Greenlets with two steps each, which take time of a clock of the test."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.polls: dict[str, int] = {}
        self.now_s = 0.0
        self.share = LoopShare(lambda: self.now_s)

    def begin(self, name: str) -> gevent.Greenlet[..., None]:
        return gevent.spawn(self._open, name)

    def _open(self, name: str) -> None:
        self.share.wait()
        self.step(f"{name} begins")
        gevent.sleep(0)
        self.share.wait(has_begun=True)
        self.step(f"{name} ends")

    def step(self, what: str) -> None:
        self.done.append(what)
        self.polls[what] = get_hub().loop.iteration
        self.now_s += _STEP_S


@pytest.fixture
def opening() -> Iterator[Opening]:
    yield Opening()


def test_few_steps_do_not_wait(opening: Opening) -> None:
    gevent.joinall([opening.begin("a")], raise_error=True)

    assert opening.done == ["a begins", "a ends"]


def test_no_more_is_done_between_two_polls_than_there_is_time_for(opening: Opening) -> None:
    gevent.joinall([opening.begin(str(number)) for number in range(20)], raise_error=True)

    polls = list(opening.polls.values())
    assert len(polls) == 40
    assert max(map(polls.count, polls)) == 3, "the third began before the time was over"


def test_who_waits_goes_on_in_turn_and_who_has_begun_first(opening: Opening) -> None:
    gevent.joinall([opening.begin(name) for name in "abcde"], raise_error=True)

    begun = [each[0] for each in opening.done if each.endswith("begins")]
    ended = [each[0] for each in opening.done if each.endswith("ends")]
    assert begun == ended == list("abcde")
    assert opening.done.index("a ends") < opening.done.index("d begins")


def test_what_is_due_meanwhile_comes_before_the_rest(opening: Opening) -> None:
    loop = get_hub().loop
    due = loop.timer(0.0, priority=2)
    due.start(lambda: opening.done.append("due"))

    gevent.joinall([opening.begin(name) for name in "abcdefgh"], raise_error=True)

    assert opening.done.index("due") == 3


def test_who_is_killed_while_it_waits_is_not_waited_for(opening: Opening) -> None:
    greenlets = [opening.begin(name) for name in "abcdef"]
    killed = greenlets[3]
    gevent.spawn(lambda: killed.kill(block=False))

    gevent.joinall(greenlets, raise_error=False)

    assert [each[0] for each in opening.done if each.endswith("ends")] == list("abcef")
    assert "d begins" not in opening.done


def test_who_was_killed_while_it_waited_is_not_switched_to_again(opening: Opening) -> None:
    switched: list[object] = []

    def wait_on() -> None:
        try:
            opening.share.wait()
        except gevent.GreenletExit:
            switched.append(get_hub().switch())

    greenlets = [opening.begin(name) for name in "abc"]
    killed = gevent.spawn(wait_on)
    gevent.spawn(lambda: killed.kill(block=False))
    gevent.joinall(greenlets, raise_error=True)
    let_the_loop_run()

    assert switched == []
    killed.kill()


def test_another_switch_does_not_end_a_wait(opening: Opening) -> None:
    greenlets = [opening.begin(name) for name in "abcdef"]
    gevent.spawn(lambda: get_hub().loop.run_callback(greenlets[5].switch, "something else"))

    gevent.joinall(greenlets, raise_error=True)

    assert max(map(list(opening.polls.values()).count, opening.polls.values())) == 3


def test_who_waits_goes_on_where_nothing_else_is_in_the_loop(opening: Opening) -> None:
    for _ in range(4):
        opening.share.wait()
        opening.now_s += 1.0

    assert opening.now_s == 4.0
