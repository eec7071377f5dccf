"""The pool of conversations: what it holds, and the fingerprint of it."""

from __future__ import annotations

import pytest

from convoy.plan.conversations import Conversation, ConversationPool


def test_a_pool_keeps_conversations_with_their_participants_in_order() -> None:
    conversations = [Conversation("b", "customer-1", "agent-1"), Conversation("a", "customer-2")]

    pool = ConversationPool.of(conversations)

    assert [pool[index] for index in range(len(pool))] == conversations


def test_of_an_id_that_is_there_twice_the_first_entry_counts() -> None:
    pool = ConversationPool.of([Conversation("a", "customer-1"), Conversation("a", "customer-2")])

    assert len(pool) == 1
    assert pool[0] == Conversation("a", "customer-1")


def test_columns_that_nobody_filled_are_left_out() -> None:
    pool = ConversationPool.of([Conversation("a"), Conversation("b", agent_id="agent-1")])

    assert (pool.customer_ids, pool.agent_ids) == ((), ("", "agent-1"))
    assert [pool[0], pool[1]] == [Conversation("a"), Conversation("b", "", "agent-1")]


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(ConversationPool(("b", "a")), id="another order"),
        pytest.param(ConversationPool(("a",)), id="one less"),
        pytest.param(ConversationPool(("a", "b", "c")), id="one more"),
        pytest.param(ConversationPool(("ab",)), id="joined"),
        pytest.param(ConversationPool(()), id="empty"),
        pytest.param(ConversationPool(("a", "b"), ("c", "")), id="a customer"),
        pytest.param(ConversationPool(("a", "b"), (), ("c", "")), id="an agent"),
    ],
)
def test_another_pool_has_another_hash(pool: ConversationPool) -> None:
    assert pool.hash != ConversationPool(("a", "b")).hash


def test_a_customer_is_no_agent() -> None:
    customers, agents = ConversationPool(("a",), ("x",)), ConversationPool(("a",), (), ("x",))

    assert customers.hash != agents.hash


def test_equal_pools_have_equal_hashes() -> None:
    assert ConversationPool(["a", "b"]).hash == ConversationPool(("a", "b")).hash
