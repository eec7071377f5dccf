"""Turns to log in: processes keep to the rate together, however late one of them joins."""

from __future__ import annotations

import random

import gevent
import pytest

from convoy.remote import login_turns
from convoy.remote.login_turns import TurnBook, Turns
from tests.unit.engine import let_the_loop_run
from tests.unit.remote.exchanges import LONG_S
from tests.unit.remote.held import Held

BEGAN_S = 1000.0
ASKS_EVERY_S = 0.25


class Clock:
    """A clock that sleeping moves; each sleep may last too long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *late_s: float) -> None:
        self.now_s = BEGAN_S
        self._late_s = list(late_s)
        monkeypatch.setattr(login_turns.gevent, "sleep", self.sleep)

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s + (self._late_s.pop(0) if self._late_s else 0.0)


def most_in_a_second(moments: list[float]) -> int:
    return max(sum(first <= each < first + 1.0 for each in moments) for first in moments)


@pytest.mark.parametrize("is_after_another", [False, True])
def test_the_only_process_takes_its_turns_by_itself(
    monkeypatch: pytest.MonkeyPatch, is_after_another: bool
) -> None:
    clock = Clock(monkeypatch)
    own = Turns(2.0, clock, is_after_another=is_after_another)

    taken = [(own.take(), clock.now_s)[1] for _ in range(3)]

    first_s = BEGAN_S + 0.55 * is_after_another
    assert taken == pytest.approx([first_s, first_s + 0.55, first_s + 1.1])


def test_after_a_pause_of_the_process_its_turns_do_not_come_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch, 5.0)
    own = Turns(2.0, clock, is_after_another=True)

    taken = [(own.take(), clock.now_s)[1] for _ in range(3)]

    assert taken == pytest.approx([1005.55, 1006.1, 1006.65])


class Outage(Clock):
    """Until it ends, in seconds since the beginning, what is kept does not arrive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ends_s: float, *kept: Held) -> None:
        super().__init__(monkeypatch)
        self._ends_s, self._kept = BEGAN_S + ends_s, kept

    def sleep(self, for_s: float) -> None:
        super().sleep(for_s)
        for each in self._kept:
            each.keeps = self.now_s < self._ends_s


@pytest.mark.parametrize(
    ("kept", "next_s"),
    [
        pytest.param(0, 0.66, id="all have arrived"),
        pytest.param(1, 10.0 + 0.22, id="one was kept"),
        pytest.param(3, 10.0 + 0.66, id="three arrive together"),
    ],
)
def test_no_turn_comes_while_what_was_sent_before_is_kept_from_arriving(
    monkeypatch: pytest.MonkeyPatch, kept: int, next_s: float
) -> None:
    connections = [Held() for _ in range(3)]
    for each in connections[kept:]:
        each.keeps = False
    clock = Outage(monkeypatch, 10.0, *connections[:kept])
    own = Turns(5.0, clock)
    for each in connections:
        own.take(connection=each)

    own.take()

    # One looks every twentieth of a second.
    assert clock.now_s - BEGAN_S == pytest.approx(next_s, abs=0.06)
    with pytest.raises(TimeoutError, match="no turn for it by the deadline"):
        own.take(clock.now_s + 0.2)


def test_who_waits_for_what_is_kept_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    clock = Outage(monkeypatch, 10.0, held)
    own = Turns(1.0, clock)
    own.take(connection=held)

    with pytest.raises(TimeoutError, match="no turn for it by the deadline"):
        own.take(BEGAN_S + 3.0)

    assert clock.now_s - BEGAN_S == pytest.approx(3.0, abs=0.06)


def test_a_turn_of_the_masters_is_left_out_while_what_was_sent_before_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = Held()
    clock = Outage(monkeypatch, 3.0, held)
    given = Turns(1.0, clock, is_given=True)
    given.give([BEGAN_S + each for each in (1.0, 2.1, 3.2, 4.31, 5.4)])
    given.take(connection=held)

    given.take()

    # The turn at 2.1 finds it kept, that at 3.2 finds that it has only just arrived.
    assert (clock.now_s, given.wanted) == (BEGAN_S + 4.31, 4)


@pytest.mark.parametrize(("is_given", "free_s"), [(True, 1.1), (False, 0.022)])
def test_what_others_had_held_arrives_in_the_same_second(
    monkeypatch: pytest.MonkeyPatch, is_given: bool, free_s: float
) -> None:
    held = Held()
    clock = Clock(monkeypatch)
    turns = Turns(50.0, clock, is_given=is_given)
    turns.give([BEGAN_S])
    turns.take(connection=held)
    for _ in range(4):
        clock.now_s += 0.25
        turns._is_free()
    held.keeps = False
    clock.now_s += 0.05

    assert not turns._is_free()
    clock.now_s += free_s - 0.001
    assert not turns._is_free()
    clock.now_s += 0.002
    assert turns._is_free()


def test_without_a_rate_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    for is_given in (False, True):
        of_process = Turns(None, clock, is_given=is_given)
        of_process.take()
        of_process.give([BEGAN_S + 3.0])
        of_process.end()

    assert clock.now_s == BEGAN_S
    assert TurnBook(None, BEGAN_S).give("late", 5, 1, BEGAN_S) == []


def test_a_turn_after_the_deadline_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    own = Turns(1.0, clock, is_after_another=True)
    given = Turns(1.0, clock, is_given=True)
    given.give([BEGAN_S + 1.0])

    for each in (own, given):
        with pytest.raises(TimeoutError, match="no turn for it by the deadline"):
            each.take(BEGAN_S + 0.5)

    assert clock.now_s == BEGAN_S
    with pytest.raises(TimeoutError):
        given.take(BEGAN_S)  # none was given any more
    own.take()
    assert clock.now_s == BEGAN_S + 1.1  # nobody has it in the place of who would not wait


@pytest.mark.parametrize(("late_s", "used_s"), [(0.049, 1001.049), (0.051, 1002.0)])
def test_a_turn_that_was_missed_is_left_out_and_another_one_asked_for(
    monkeypatch: pytest.MonkeyPatch, late_s: float, used_s: float
) -> None:
    clock = Clock(monkeypatch, late_s)
    given = Turns(1.0, clock, is_given=True)
    given.give([BEGAN_S + 1.0, BEGAN_S + 2.0])

    given.take()

    assert clock.now_s == pytest.approx(used_s)
    assert given.wanted == 1 + (used_s > 1002 - 1e-6)


def test_nobody_waits_for_a_turn_of_the_masters_once_turns_are_over() -> None:
    given = Turns(1.0, lambda: BEGAN_S, is_given=True)
    waiting = [gevent.spawn(given.take) for _ in range(3)]
    let_the_loop_run()
    assert not any(each.ready() for each in waiting)

    given.end()
    gevent.joinall(waiting, timeout=LONG_S)
    given.take()

    assert all(each.successful() for each in waiting)


@pytest.mark.parametrize("per_s", [0.3, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("late", [0, 1, 3])
def test_workers_keep_to_the_rate_together_however_late_they_join(per_s: float, late: int) -> None:
    book = TurnBook(per_s, BEGAN_S)
    joined_s = {"first": BEGAN_S} | {f"late-{n}": BEGAN_S + 10.0 for n in range(late)}
    wanted = {name: 20 for name in joined_s}
    # The master has just logged in.
    taken: dict[str, list[float]] = {"master": [BEGAN_S]} | {name: [] for name in joined_s}

    now_s = BEGAN_S
    while sum(map(len, taken.values())) < 1 + sum(wanted.values()):
        now_s += ASKS_EVERY_S / 7
        for name in joined_s:
            if now_s >= joined_s[name]:
                workers = sum(each <= now_s for each in joined_s.values())
                taken[name] += book.give(name, wanted[name], workers, now_s)

    every = sorted(turn for each in taken.values() for turn in each)
    # Each is used up to 50 ms late.
    assert min(b - a for a, b in zip(every, every[1:], strict=False)) > 1.1 / per_s - 1e-6
    assert most_in_a_second(every) <= max(1, per_s)
    # Nor is anybody left behind one that wants many.
    assert all(
        each[0] < joined_s[name] + 2 + (2 + late) * 1.1 / per_s
        for name, each in taken.items()
        if name in joined_s
    )


def test_each_has_its_part_of_a_second_ahead_of_it() -> None:
    book = TurnBook(10.0, BEGAN_S)

    first = book.give("first", 1000, 2, BEGAN_S)
    again = book.give("first", 1000, 2, BEGAN_S)
    other = book.give("other", 1, 2, BEGAN_S)

    assert len(first) == 5 and again == [] and len(other) == 1
    assert first[0] == pytest.approx(BEGAN_S + 0.3)  # not before its worker has received it
    assert len(book.give("first", 1000, 2, first[1])) == 2


@pytest.mark.parametrize("per_s", [0.3, 1.0, 5.0, 40.0])
@pytest.mark.parametrize(
    "ways_s",
    [
        pytest.param({"a": (0.0, 0.6), "b": (0.0, 0.0)}, id="a slow way back"),
        pytest.param({"a": (0.6, 0.0), "b": (0.0, 0.0)}, id="a slow way there"),
        pytest.param({"a": (0.6, 0.0), "b": (0.0, 0.6)}, id="both, apart"),
        pytest.param({"a": (0.2, 0.1), "b": (0.0, 0.05), "c": (0.4, 0.0)}, id="three"),
    ],
)
def test_workers_whose_ways_are_uneven_keep_to_the_rate(
    per_s: float, ways_s: dict[str, tuple[float, float]]
) -> None:
    book, chance, now_s = TurnBook(per_s, BEGAN_S), random.Random(1), BEGAN_S
    used, is_in_time = [BEGAN_S], True

    while len(used) < 60:
        now_s += 0.05
        name = chance.choice(list(ways_s))
        there_s, back_s = ways_s[name]
        unsure_s = (there_s + back_s) / 2
        for turn_s in book.give(name, len(used), len(ways_s), now_s, unsure_s):
            # Its clock is taken to be half of the way ahead, however uneven the two halves are.
            used.append(turn_s + (back_s - there_s) / 2)
            is_in_time = is_in_time and used[-1] >= now_s + back_s

    assert is_in_time
    assert most_in_a_second(used) <= max(1, per_s)


@pytest.mark.parametrize(
    ("per_s", "share", "places"), [(None, 1.0, 40), (5.0, 1.0, 10), (5.0, 0.5, 5), (0.1, 0.1, 1)]
)
def test_so_many_may_connect_ahead_of_their_turns_as_have_turns_soon(
    per_s: float | None, share: float, places: int
) -> None:
    turns = Turns(per_s, lambda: 0.0, share=share)
    waiting = [gevent.spawn(turns.await_place) for _ in range(40)]
    gevent.sleep(0)

    assert sum(each.ready() for each in waiting) == places
    if per_s:
        with pytest.raises(TimeoutError, match="no turn for it by the deadline"):
            turns.await_place(-1.0)
    turns.leave_place()
    gevent.joinall(waiting, timeout=5, count=min(places + 1, 40))
    assert sum(each.ready() for each in waiting) == min(places + 1, 40)
    gevent.killall(waiting)


def test_who_waits_takes_what_is_given_in_order() -> None:
    given = Turns(100.0, lambda: 0.0, is_given=True)
    waiting = [gevent.spawn(given.take) for _ in range(3)]
    gevent.sleep(0)

    given.give([0.0, 0.0])
    gevent.joinall(waiting, timeout=5, count=2)

    assert [each.ready() for each in waiting] == [True, True, False]
    assert given.wanted == 3
    gevent.killall(waiting)


@pytest.mark.parametrize(("unsure_s", "apart_s"), [(-0.5, 0.22), (-1e9, 0.22), (1e9, 5.22)])
def test_turns_stay_apart_whatever_a_worker_says_of_its_clock(
    unsure_s: float, apart_s: float
) -> None:
    book = TurnBook(5.0, BEGAN_S)

    turns = [
        turn
        for now_s in (BEGAN_S + each / 4 for each in range(40))
        for name, says_s in (("stranger", unsure_s), ("honest", 0.0))
        for turn in book.give(name, 40, 2, now_s, says_s)
    ]

    assert len(turns) > 1
    apart = [b - a for a, b in zip(sorted(turns), sorted(turns)[1:], strict=False)]
    assert min(apart) >= 0.22 - 1e-6 and turns[1] - turns[0] <= apart_s + 1e-6
