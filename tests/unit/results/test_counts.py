"""Counters of one scenario, and a sentence for every equation that does not hold."""

from __future__ import annotations

from dataclasses import fields

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.results.counts import Counts
from convoy.results.equations import violations
from convoy.results.outcome import MOST, MOST_SECONDS, Cause, Outcome
from tests.unit.results import ACCEPTED, FAILED, REJECTED, UNKNOWN, changed, counts_of

NUMBERS = st.integers(0, 10**6)
CONSISTENT = st.builds(
    counts_of,
    accepted=NUMBERS,
    rejected=NUMBERS,
    failed=NUMBERS,
    unknown=NUMBERS,
    resent=NUMBERS,
    not_sent=st.dictionaries(st.sampled_from(Cause), NUMBERS),
)


@given(counts=CONSISTENT)
def test_consistent_counts_violate_no_equation(counts: Counts) -> None:
    assert [*violations(counts, planned=counts.scheduled)] == []


@pytest.mark.parametrize(
    ("changes", "equations"),
    [
        pytest.param({"scheduled": 1}, ["planned = ", "scheduled = sent + not sent"], id="missing"),
        pytest.param(
            {"sent": 1, "attempts": 1, "errors": 1},
            ["scheduled = sent + not sent", "sent = accepted + rejected + failed + unknown"],
            id="sent without a fate",
        ),
        pytest.param({"not_sent": 1}, ["scheduled = sent + not sent"], id="given up twice"),
        pytest.param(
            {"accepted": 1, "errors": -1},
            ["sent = accepted + rejected + failed + unknown"],
            id="two fates",
        ),
        pytest.param({"attempts": 1}, ["attempts = sent + resent"], id="attempt"),
        pytest.param({"resent": 1}, ["attempts = sent + resent"], id="resent"),
        pytest.param({"errors": 1}, ["errors = rejected + failed + unknown"], id="error"),
    ],
)
def test_each_violated_equation_is_named(changes: dict[str, int], equations: list[str]) -> None:
    counts = counts_of(
        accepted=90, rejected=3, failed=2, unknown=1, resent=2, not_sent={Cause.TARGET: 4}
    )
    for name, change in changes.items():
        if name == "errors":
            counts.errors["timeout"] += change
        elif name == "not_sent":
            counts.not_sent[Cause.TARGET] += change
        else:
            setattr(counts, name, getattr(counts, name) + change)

    sentences = [*violations(counts, planned=100)]

    assert len(sentences) == len(equations)
    for sentence, equation in zip(sentences, equations, strict=True):
        assert sentence.startswith(equation)
        assert "does not hold: " in sentence


def test_a_message_of_the_plan_that_nobody_accounted_for_is_named_with_both_numbers() -> None:
    assert [*violations(counts_of(accepted=99), planned=100)] == [
        "planned = scheduled does not hold: 100 against 99"
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(ACCEPTED, {"accepted": 1, "not_ok": 0, "errors": {}}, id="accepted"),
        pytest.param(
            REJECTED, {"rejected": 1, "not_ok": 1, "errors": {"400 invalid_payload": 1}}, id="no"
        ),
        pytest.param(
            changed(REJECTED, ok=True),
            {"rejected": 1, "not_ok": 0, "errors": {"400 invalid_payload": 1}},
            id="rejected as the scenario expects",
        ),
        pytest.param(
            changed(ACCEPTED, ok=False),
            {"accepted": 1, "not_ok": 1, "unexpected": 1, "errors": {}},
            id="accepted though the scenario expects a refusal",
        ),
        pytest.param(
            FAILED, {"failed": 1, "not_ok": 1, "errors": {"connection refused": 1}}, id="failed"
        ),
        pytest.param(
            UNKNOWN, {"unknown": 1, "not_ok": 1, "errors": {"connection reset": 1}}, id="unknown"
        ),
    ],
)
def test_a_message_counts_by_its_fate(outcome: Outcome, expected: dict[str, object]) -> None:
    counts = Counts(scheduled=1)

    counts.record(outcome)

    shown = msgspec.to_builtins(counts)
    fates = dict.fromkeys(("accepted", "rejected", "failed", "unknown"), 0)
    assert shown | fates | expected == shown
    assert [*violations(counts, planned=1)] == []


def test_a_recovered_attempt_shows_in_resent_only() -> None:
    counts = Counts(scheduled=1)

    counts.record(changed(ACCEPTED, attempts=2))

    assert (counts.sent, counts.resent, counts.attempts, counts.accepted) == (1, 1, 2, 1)
    assert counts.errors == {}
    assert [*violations(counts, planned=1)] == []


def test_a_message_that_is_given_up_counts_by_its_cause() -> None:
    counts = Counts(scheduled=3)

    for cause in (Cause.LIMITS, Cause.TARGET, Cause.LIMITS):
        counts.give_up(cause)

    assert counts.not_sent == {"limits": 2, "target": 1}
    assert [*violations(counts, planned=3)] == []


@pytest.mark.parametrize("messages", [0, 1, 17])
def test_messages_of_a_dead_worker_are_unknown(messages: int) -> None:
    counts = counts_of(accepted=5)

    counts.lose(messages)

    assert counts.unknown == messages
    assert dict(counts.errors) == ({"worker lost": messages} if messages else {})
    assert [*violations(counts, planned=5 + messages)] == []


@given(first=CONSISTENT, second=CONSISTENT)
def test_counts_add_up_and_stay_consistent(first: Counts, second: Counts) -> None:
    total = Counts.total([first, second])

    assert [*violations(total, planned=first.scheduled + second.scheduled)] == []
    assert sum(total.errors.values()) == sum(first.errors.values()) + sum(second.errors.values())


def test_a_total_of_the_largest_counts_can_be_read_again() -> None:
    largest = Counts(
        **{
            each.name: {Cause.POOL: MOST} if each.name in ("late", "not_sent") else {"x": MOST}
            for each in fields(Counts)
            if str(each.type).startswith("dict")
        },
        **{each.name: MOST for each in fields(Counts) if each.type == "Number"},
        limited_s=MOST_SECONDS,
    )
    data = msgspec.json.encode(Counts.total([largest, largest]))

    assert msgspec.json.decode(data, type=Counts) == largest


def test_codes_of_one_name_and_times_that_were_less_than_none_can_be_read_again() -> None:
    counts = Counts(errors={"a": MOST, "b": MOST}, limited_s=-MOST_SECONDS)
    total = Counts.total([counts, counts])
    total.rename_codes(lambda code: "other")

    assert msgspec.json.decode(msgspec.json.encode(total), type=Counts) == total
    assert total.errors == {"other": MOST}


def test_a_total_does_not_count_on_with_its_parts() -> None:
    part = counts_of(rejected=1, not_sent={Cause.LIMITS: 1})
    total = Counts.total([part])

    part.record(REJECTED)
    part.give_up(Cause.LIMITS)

    assert total == counts_of(rejected=1, not_sent={Cause.LIMITS: 1})


@given(first=CONSISTENT, second=CONSISTENT)
def test_what_was_counted_since_a_moment_is_the_difference(first: Counts, second: Counts) -> None:
    later = Counts.total([first, second])

    gained = later.since(first)

    assert gained == second
    assert later == Counts.total([first, second])


def test_failures_are_those_that_are_not_ok_by_their_code() -> None:
    counts = Counts(scheduled=4)

    for outcome in (REJECTED, changed(REJECTED, ok=True), changed(ACCEPTED, ok=False), UNKNOWN):
        counts.record(outcome)
    counts.lose(2)

    assert counts.failures == {
        "400 invalid_payload": 1,
        "200 unexpected": 1,
        "connection reset": 1,
        "worker lost": 2,
    }
    assert sum(counts.failures.values()) == counts.not_ok


@given(counts=CONSISTENT)
def test_counts_travel_and_count_on(counts: Counts) -> None:
    arrived = msgspec.msgpack.decode(msgspec.msgpack.encode(counts), type=Counts)

    assert arrived == counts
    arrived.scheduled += 1
    arrived.give_up(Cause.POOL)
    assert [*violations(arrived, planned=arrived.scheduled)] == []
