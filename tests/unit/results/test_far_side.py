"""What the far side has of a run, against what we count."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from convoy.results.far_side import FarSide, Ledger, far_side, mismatches
from convoy.results.verdict import Verdict, judge
from tests.unit.results import counts_of, result_of

SINCE = "2026-11-22T12:00:00.000000+00:00"
LEDGER = Ledger(accepted=3, duplicates=0, by_conversation={"a": 2, "b": 1}, since=SINCE)
COUNTS = counts_of(accepted=90, unknown=10)


@pytest.mark.parametrize(
    ("planned", "misdirected"),
    [
        pytest.param({"a": 2, "b": 1}, 0, id="as planned"),
        pytest.param({"a": 5, "b": 5}, 0, id="fewer than planned"),
        pytest.param({"a": 1, "b": 2}, 1, id="one elsewhere"),
        pytest.param({"c": 3}, 3, id="all elsewhere"),
        pytest.param({"": 3}, 0, id="in conversations of their own"),
        pytest.param({"": 1, "a": 2}, 0, id="one in a conversation of its own"),
        pytest.param({"": 2, "a": 1}, 1, id="one of its own in another's"),
        pytest.param({"": 1, "c": 2}, 2, id="more of their own than planned"),
        pytest.param(None, None, id="no plan by conversation"),
    ],
)
def test_messages_beyond_the_plan_of_a_conversation_are_misdirected(
    planned: dict[str, int] | None, misdirected: int | None
) -> None:
    assert far_side(LEDGER, SINCE, planned) == FarSide("", 3, 0, misdirected)


def test_a_ledger_that_was_emptied_meanwhile_is_not_compared() -> None:
    found = far_side(LEDGER, "2026-11-22T11:00:00.000000+00:00", {})

    assert "restarted or emptied" in found.not_compared
    assert list(mismatches(found, COUNTS, 0)) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(FarSide("", 90), "", id="all accepted ones"),
        pytest.param(FarSide("", 100), "", id="all unknown ones, too"),
        pytest.param(FarSide("", 89), "89 messages of this run, and we count 90 to 100", id="less"),
        pytest.param(FarSide("", 101), "101 messages of this run", id="more"),
        pytest.param(FarSide("", 95, 2), "2 messages of this run twice", id="duplicates"),
        pytest.param(FarSide("", 90, 0, 4), "", id="as many elsewhere as redirected"),
        pytest.param(FarSide("", 90, 0, 5), "5 messages in conversations", id="more elsewhere"),
    ],
)
def test_every_disagreement_is_a_sentence(found: FarSide, told: str) -> None:
    sentences = list(mismatches(found, COUNTS, redirected=4))

    assert len(sentences) == bool(told)
    assert all(told in sentence for sentence in sentences)


def test_a_disagreement_makes_the_run_invalid() -> None:
    result = replace(result_of(messages=counts_of(accepted=90)), far_side=FarSide("", 60))

    judgement = judge(result)

    assert judgement.verdict is Verdict.INVALID
    assert judgement.reasons == ("the far side has 60 messages of this run, and we count 90",)
