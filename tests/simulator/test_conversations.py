"""The pool of conversations: seeded, paged, and closed on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from simulator.model.conversations import ConversationPool
from tests.simulator.api import (
    MESSAGES,
    bearer,
    call,
    canonical_body,
    conversations,
    open_conversations,
)
from tests.simulator_process import SimulatorProcess


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--conversations", "30") as process:
        yield process


def test_the_same_seed_gives_the_same_conversations_in_another_process(
    simulator: SimulatorProcess,
) -> None:
    with SimulatorProcess("--conversations", "30") as other:
        assert conversations(other) == conversations(simulator)


def test_another_seed_gives_other_conversations() -> None:
    first, second = ConversationPool(1, 100), ConversationPool(2, 100)

    assert first.by_id.keys().isdisjoint(second.by_id.keys())


def test_a_larger_pool_begins_with_the_smaller_one() -> None:
    small, large = ConversationPool(1, 20), ConversationPool(1, 200)

    assert large.ordered[:20] == small.ordered


def test_about_a_tenth_is_disconnected_and_a_twentieth_webmessaging() -> None:
    pool = ConversationPool(1, 10_000)

    states = Counter(each.state for each in pool.ordered)
    types = Counter(each.type for each in pool.ordered)

    assert 900 < states["disconnected"] < 1_100
    assert 400 < types["webmessaging"] < 600


def test_a_pool_of_one_takes_messages_whatever_the_seed() -> None:
    only = [ConversationPool(seed, 1).ordered[0] for seed in range(100)]

    assert {(each.state, each.type) for each in only} == {("connected", "webchat")}


def test_the_pages_together_hold_every_conversation_once(simulator: SimulatorProcess) -> None:
    token = bearer(simulator)
    pages = [
        call(
            simulator,
            "GET",
            f"/api/v2/conversations?pageSize=7&pageNumber={number}",
            headers=token,
        ).json
        for number in range(1, 6)
    ]

    ids = [entity["id"] for page in pages for entity in page["entities"]]

    assert ids == [each["id"] for each in conversations(simulator)]
    assert {page["pageCount"] for page in pages} == {5}


@pytest.mark.parametrize(
    "query", ["pageSize=0", "pageSize=x", "pageSize=101", "pageSize=", "pageNumber=-1"]
)
def test_a_nonsense_page_is_refused_by_name(simulator: SimulatorProcess, query: str) -> None:
    reply = call(simulator, "GET", f"/api/v2/conversations?{query}", headers=bearer(simulator))

    assert reply.status == 400
    assert reply.json["code"] == "invalid.query.param.value"
    assert query.partition("=")[0] in reply.json["message"]


def test_an_empty_pool_lists_nothing() -> None:
    with SimulatorProcess("--conversations", "0") as empty:
        assert conversations(empty) == []


def test_a_conversation_that_is_closed_takes_no_more_messages(
    simulator: SimulatorProcess,
) -> None:
    conversation = open_conversations(simulator)[-1]["id"]

    closing = call(simulator, "POST", f"/simulator/conversations/{conversation}/close")
    reply = call(simulator, "POST", MESSAGES, canonical_body(conversation), bearer(simulator))

    assert closing.status == 204
    assert reply.json["code"] == "conversation.closed"
