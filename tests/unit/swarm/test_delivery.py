"""What a channel that drops messages delivers: all of them, in order, each once, before a lease."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.swarm.delivery import Delivery
from convoy.swarm.messages import (
    Ask,
    Farewell,
    Lease,
    Missed,
    Over,
    Release,
    Released,
    Stop,
    ToMaster,
    ToWorker,
)
from tests.unit.swarm import RUN_ID

Sent = list[ToMaster | ToWorker]
LEASE, ASK = Lease(RUN_ID, 1.0, 2.0), Ask(RUN_ID, 1.0, 2.0)


def release(number: int) -> Release:
    return Release(RUN_ID, {"a": [number]})


def released(number: int) -> Released:
    return Released(RUN_ID, {"a": {number: 0}})


def sent_of(*messages: ToMaster | ToWorker) -> Sent:
    """Return what leaves one end that says these."""
    sent: Sent = []
    end = Delivery(RUN_ID, sent.append)
    for each in messages:
        end.say(each)
    return sent


@pytest.mark.parametrize(
    ("messages", "numbers", "said"),
    [
        ((release(1), LEASE, Farewell(RUN_ID), LEASE), [1, 2], [1, 2]),
        ((released(1), ASK, released(2), ASK), [1, 2], [1, 2]),
        ((Lease(RUN_ID, 1.0, 2.0, turns=[3.0]), LEASE), [1], [1]),
        ((Lease(RUN_ID, 1.0, 2.0, starts=[3.0]), LEASE), [1], [1]),
        ((Lease(RUN_ID, 1.0, 2.0, beyond=1), LEASE, Stop(RUN_ID)), [1], [1]),
    ],
    ids=["by the master", "by a worker", "turns", "starts", "messages beyond the plan"],
)
def test_what_is_said_once_is_numbered_and_the_rest_says_how_much_there_was(
    messages: tuple[ToMaster | ToWorker, ...], numbers: list[int], said: list[int]
) -> None:
    sent = sent_of(*messages)

    assert [n for each in sent if (n := getattr(each, "number", 0))] == numbers
    others = [each for each in sent if not getattr(each, "number", 0)]
    assert [each.said for each in others if isinstance(each, Ask | Lease)] == said


def test_without_what_came_before_a_lease_is_not_taken_but_a_stop_is() -> None:
    _, lost, lease, later = sent_of(release(1), release(2), LEASE, release(3))
    asked: Sent = []
    worker = Delivery(RUN_ID, asked.append, received=1)

    early = [worker.takes(each) for each in (lease, later, Stop(RUN_ID), Over(RUN_ID))]
    then = [worker.takes(each) for each in (lost, later, lost, lease)]

    assert early == [False, False, True, True]
    assert asked == [Missed(RUN_ID, 1)] * 2
    assert then == [True, True, False, True]


def test_what_is_missed_is_said_again_in_order_but_for_what_is_there_for_certain() -> None:
    sent: Sent = []
    master = Delivery(RUN_ID, sent.append, other_has=1)
    for number in (1, 2, 3):
        master.say(release(number))
    said = sent.copy()

    taken = [master.takes(Missed(RUN_ID, received)) for received in (0, 2, 3, 2**60)]

    assert taken == [False] * 4
    assert sent == [*said, *said[1:], *said[2:]]


def test_what_the_other_end_has_is_kept_no_longer() -> None:
    sent: Sent = []
    master = Delivery(RUN_ID, sent.append, other_has=1)
    for number in (1, 2, 3):
        master.say(release(number))
    said = sent.copy()

    master.takes(Ask(RUN_ID, 1.0, 2.0, received=2))
    master.takes(Missed(RUN_ID, 0))

    assert sent == [*said, said[2]]


def test_a_question_says_how_much_was_received() -> None:
    sent: Sent = []
    worker = Delivery(RUN_ID, sent.append, received=1)

    worker.takes(sent_of(release(1), release(2))[1])
    worker.say(ASK)

    assert isinstance(sent[0], Ask) and sent[0].received == 2


@given(st.lists(st.tuples(st.sampled_from(["up", "down", "ask"]), st.booleans()), max_size=40))
def test_whatever_is_dropped_both_follow_all_in_order_and_none_asks_or_leases_before(
    sayings: list[tuple[str, bool]],
) -> None:
    is_whole = [True]
    followed: dict[str, list[int]] = {"up": [], "down": [1]}
    said = {"up": 0, "down": 1}

    def carried(to: Callable[[ToMaster | ToWorker], None]) -> Callable[[object], None]:
        return lambda message: to(message) if is_whole[0] else None  # type: ignore[arg-type]

    def to_master(message: ToMaster | ToWorker) -> None:
        if not master.takes(message):
            return
        if isinstance(message, Released):
            followed["up"] += message.lanes["a"]
        elif isinstance(message, Ask):
            assert len(followed["up"]) == said["up"]
            master.say(LEASE)

    def to_worker(message: ToMaster | ToWorker) -> None:
        if not worker.takes(message):
            return
        if isinstance(message, Release):
            followed["down"] += message.lanes["a"]
        elif isinstance(message, Lease):
            assert len(followed["down"]) == said["down"]

    master = Delivery(RUN_ID, carried(to_worker), other_has=1)
    worker = Delivery(RUN_ID, carried(to_master), received=1)
    is_whole[0] = False
    master.say(release(1))
    # The last questions get through; as long as none does, there is no lease.
    for kind, is_dropped in [*sayings, ("ask", False), ("ask", False)]:
        is_whole[0] = not is_dropped
        if kind == "ask":
            worker.say(ASK)
            continue
        said[kind] += 1
        end, message = (worker, released) if kind == "up" else (master, release)
        end.say(message(said[kind]))  # type: ignore[operator]

    assert followed == {kind: list(range(1, number + 1)) for kind, number in said.items()}
