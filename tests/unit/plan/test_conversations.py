"""The pool of conversations and the pick of one for each message."""

from __future__ import annotations

import pytest

from convoy.plan.conversations import ConversationPool, RandomPick, parse_pool


def test_every_conversation_is_picked_about_equally_often() -> None:
    ids = [f"conversation-{number}" for number in range(10)]
    pick = RandomPick(ConversationPool(ids), 1, "scenario")
    picked = dict.fromkeys(ids, 0)

    for k in range(10_000):
        picked[pick.conversation_id(k)] += 1

    assert all(850 <= count <= 1150 for count in picked.values()), picked


def test_a_pool_of_one_is_always_picked() -> None:
    pick = RandomPick(ConversationPool(["only"]), 1, "scenario")

    assert {pick.conversation_id(k) for k in range(100)} == {"only"}


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(("b", "a"), id="another order"),
        pytest.param(("a",), id="one less"),
        pytest.param(("a", "b", "c"), id="one more"),
        pytest.param(("ab",), id="joined"),
        pytest.param((), id="empty"),
    ],
)
def test_another_pool_has_another_hash(ids: tuple[str, ...]) -> None:
    assert ConversationPool(ids).hash != ConversationPool(("a", "b")).hash


def test_equal_pools_have_equal_hashes() -> None:
    assert ConversationPool(["a", "b"]).hash == ConversationPool(("a", "b")).hash


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        pytest.param("a\nb\n", ["a", "b"], id="one a line"),
        pytest.param("  a \r\n\tb", ["a", "b"], id="blanks and line ends of any kind"),
        pytest.param("\n\na\n\n", ["a"], id="blank lines"),
        pytest.param("# of the test organisation\na\n  # b\n", ["a"], id="comments"),
        pytest.param("b\na\nb\n", ["b", "a"], id="listed twice"),
        pytest.param("", [], id="empty"),
    ],
)
def test_a_pool_file_holds_one_id_a_line(text: str, ids: list[str]) -> None:
    assert parse_pool(text) == ids
