"""The accepted messages against those at the far side: each discrepancy by its id, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from convoy.errors import ExitCode
from convoy.results.far_side import Happening, Ledger
from convoy.results.journal import JournalWriter, replay
from convoy.results.message_log import LoggedMessage
from convoy.results.outcome import Fate
from convoy.results.reconciled import (
    Discrepancy,
    FoundMessage,
    Key,
    Look,
    Markers,
    Reconciled,
    Visibility,
    compare,
    compare_with_ledger,
    narrower,
    visibility,
)
from convoy.results.reports.html import html_report
from convoy.results.reports.junit import junit_report
from convoy.results.reports.text import text_report
from convoy.results.summary import summarise
from convoy.results.verdict import Verdict, judge
from convoy.secrets import STARS, Redactor
from tests.unit.results import counts_of, result_of

RUN, T0_S = "20261126-100000-abcdef", 1_800_000_000.0


def logged(k: int, fate: Fate = Fate.ACCEPTED, conversation_id: str = "c-1") -> LoggedMessage:
    """Message `k`, sent after so many seconds and answered 100 ms later."""
    id = f"m-{k}" if fate is Fate.ACCEPTED else ""
    return LoggedMessage("chat", k, fate, "", id, conversation_id, 1000 * k, 1000 * k + 100)


def stored(number: int, **changes: object) -> FoundMessage:
    """The message of this number as it should be; `changes` are made to it, times count from T0."""
    at_s = changes.pop("at_s", number)
    assert isinstance(at_s, (int, float))
    message = FoundMessage(
        f"m-{number}", "c-1", "inbound", T0_S + at_s, "chat", number, f"text {number}"
    )
    return replace(message, **changes)


def text_of(key: Key) -> str | None:
    return f"text {key[1]}"


def told(found: Sequence[Discrepancy]) -> list[tuple[str, int | None, tuple[str, ...]]]:
    return [(each.kind, each.k, each.message_ids) for each in found]


SENT = [logged(0), logged(1), logged(2, Fate.UNKNOWN), logged(3, Fate.REJECTED)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([stored(0), stored(1)], [], id="all there"),
        pytest.param([stored(0), stored(1), stored(2)], [], id="an unknown one is there, too"),
        pytest.param([stored(1)], [("lost", 0, ("m-0",))], id="lost"),
        pytest.param(
            [stored(0), stored(1), stored(1, id="x")],
            [("doubled", 1, ("m-1", "x"))],
            id="stored twice",
        ),
        pytest.param([stored(0), stored(1), stored(1)], [], id="listed twice under one id"),
        pytest.param([stored(0), stored(1, text="x")], [("changed", 1, ("m-1",))], id="text"),
        pytest.param(
            [stored(0), stored(1, conversation_id="c-9")],
            [("changed", 1, ("m-1",))],
            id="in another conversation",
        ),
        pytest.param(
            [stored(0), stored(1, scenario="", k=-1, text="x")],
            [("changed", 1, ("m-1",))],
            id="without its marker, but known by the id of the answer",
        ),
        pytest.param(
            [stored(0), stored(1), stored(7, scenario="", k=-1)], [], id="one of somebody else"
        ),
        pytest.param(
            [stored(0), stored(1), stored(3)],
            [("unexpected", 3, ("m-3",))],
            id="refused, and there",
        ),
        pytest.param(
            [stored(0), stored(1), stored(9)], [("unexpected", 9, ("m-9",))], id="never sent"
        ),
        pytest.param(
            [stored(1, at_s=0), stored(0, at_s=1)],
            [("out_of_order", 0, ("m-0",))],
            id="overtaken by a later one",
        ),
        pytest.param(
            [stored(1, at_s=0), stored(0, at_s=0)],
            [("out_of_order", 0, ("m-0",))],
            id="overtaken within a millisecond",
        ),
        pytest.param(
            [stored(1, at_s=0), stored(0, at_s=1, direction="outbound")],
            [],
            id="the two directions have no common order",
        ),
    ],
)
def test_each_discrepancy_is_found(
    found: list[FoundMessage], expected: list[tuple[str, int, tuple[str, ...]]]
) -> None:
    assert told(list(compare(SENT, found, text_of))) == expected


@pytest.mark.parametrize(("apart_ms", "is_told"), [(0, True), (899, True), (900, False)])
def test_the_order_of_messages_that_were_in_flight_together_is_not_known(
    apart_ms: int, is_told: bool
) -> None:
    found = [stored(1, at_s=0), stored(0, at_s=1)]

    together = [logged(0), replace(logged(1), sent_ms=100)]

    assert list(compare(together, found, text_of)) == []
    assert bool(list(compare([logged(0), logged(1)], found, text_of, apart_ms))) == is_told


def test_without_both_moments_of_a_message_its_order_is_not_known() -> None:
    found = [stored(1, at_s=0), stored(0, at_s=1)]

    assert list(compare([replace(logged(0), done_ms=None), logged(1)], found, text_of)) == []


def test_a_text_that_is_not_known_is_not_compared() -> None:
    assert list(compare(SENT, [stored(0), stored(1, text="x")], lambda key: None)) == []


@dataclass(frozen=True)
class _Platform:
    """What is stored of some messages, and what became of which."""

    found: list[FoundMessage]
    lost: set[int]
    doubled: set[int]
    changed: set[int]
    overtaken: set[int]


def spoiled(random: Random, count: int, share: float) -> _Platform:
    """Messages to three conversations, of which a platform loses, doubles, changes, reorders."""
    platform = _Platform([], set(), set(), set(), set())
    kept: dict[str, list[list[FoundMessage]]] = {}
    for k in range(count):
        side = f"c-{k % 3}"
        if random.random() < share:
            platform.lost.add(k)
            continue
        message = stored(k, conversation_id=side)
        if random.random() < share:
            platform.changed.add(k)
            message = replace(message, text="another")
        copies = [message]
        if random.random() < share:
            platform.doubled.add(k)
            copies.append(replace(message, id=f"twin-{k}"))
        kept.setdefault(side, []).append(copies)
    for messages in kept.values():
        place = 0
        while place + 1 < len(messages):
            if random.random() < share:
                first, second = messages[place : place + 2]
                platform.overtaken.add(first[0].k)
                at_s = first[0].at_s, second[0].at_s
                messages[place : place + 2] = [
                    [replace(each, at_s=at_s[0]) for each in second],
                    [replace(each, at_s=at_s[1]) for each in first],
                ]
                place += 1
            place += 1
        platform.found.extend(each for copies in messages for each in copies)
    return platform


@given(st.integers(0, 2**32), st.integers(0, 40), st.sampled_from([0.0, 0.05, 0.3]))
def test_what_a_platform_does_to_random_logs_is_found_exactly(
    seed: int, count: int, share: float
) -> None:
    platform = spoiled(Random(seed), count, share)
    sent = [logged(k, conversation_id=f"c-{k % 3}") for k in range(count)]

    found = list(compare(sent, platform.found, text_of))

    by_kind = {kind: {each.k for each in found if each.kind == kind} for kind in KINDS_BY_NAME}
    assert by_kind == {kind: getattr(platform, name) for kind, name in KINDS_BY_NAME.items()}
    assert len(found) == sum(map(len, by_kind.values()))


KINDS_BY_NAME = {
    "lost": "lost",
    "doubled": "doubled",
    "changed": "changed",
    "out_of_order": "overtaken",
}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"[convoy:{RUN}:chat:12] Hello", ("chat", 12)),
        (f"[convoy:{RUN}-warmup:chat:12] Hello", None),
        (f"[convoy:other:chat:1] [convoy:{RUN}:chat:2]", ("chat", 2)),
        (f"[convoy:{RUN}:chat:x]", None),
        (f"[convoy:{RUN}:chat:13]", None),
        (f"[convoy:{RUN}:chat:4915112345678] [convoy:{RUN}:chat:2]", ("chat", 2)),
        (f"[convoy:{RUN}:open:1]", None),
        (f"[convoy:{RUN}:open:1] [convoy:{RUN}:chat:2]", ("chat", 2)),
        ("Hello", None),
    ],
)
def test_a_marker_names_the_message_of_this_run(text: str, key: Key | None) -> None:
    assert Markers(RUN, {"chat": 13}).key_in("", text) == key


def test_a_ledger_names_what_became_of_messages_and_counts_the_others() -> None:
    happenings = tuple(
        Happening(what, f"[convoy:{RUN}:{scenario}:{k}]", "c-1", (f"m-{k}",))
        for what, scenario, k in [
            ("lost", "chat", 0),
            ("delayed", "chat", 1),
            ("corrupted", "chat", 1),
            ("doubled", "open", 1),
        ]
    )
    ledger = Ledger(2, 0, {"c-1": 1, "c-2": 2}, "now", happenings)
    sent = [logged(0), logged(1), logged(2, conversation_id="c-2")]

    found = list(compare_with_ledger(RUN, sent, ledger, {"chat": 3}, str))

    assert told(found) == [
        ("lost", 0, ("m-0",)),
        ("changed", 1, ("m-1",)),
        ("lost", None, ()),
        ("unexpected", None, ()),
    ]


def test_what_a_ledger_says_is_redacted() -> None:
    redactor = Redactor()
    redactor.register("open-sesame")
    lost = Happening("lost", f"[convoy:{RUN}:chat:0]", "open-sesame", ("m-0", "open-sesame"))
    ledger = Ledger(1, 0, {"c-1": 1}, "now", (lost,))

    found = list(compare_with_ledger(RUN, [logged(0)], ledger, {"chat": 1}, redactor.redact))

    assert found == [Discrepancy("lost", "chat", 0, STARS, ("m-0", STARS))]


def test_a_message_is_visible_from_when_analytics_counts_it() -> None:
    sent = [logged(k) for k in range(4)]
    others = [stored(9, at_s=0.5, id="other", scenario="", k=-1)]
    looks = {("c-1", "inbound"): [Look(T0_S + 3, 1), Look(T0_S + 5, 3), Look(T0_S + 9, 4)]}

    found = visibility(sent, [*map(stored, range(4)), *others], looks, T0_S)

    # With somebody else's between the first two: seen at 3, 5, 9 and never, that is 9 at least.
    by_time = [round(each, 1) for each, _ in found.times.durations()]
    assert (by_time, found.times.censored, found.at_first_look) == ([3.0, 4.0, 6.0, 7.0], 1, 1)


def seen_by(*looks: Look) -> Visibility:
    return visibility(
        [logged(k) for k in range(3)], map(stored, range(3)), {("c-1", "inbound"): looks}, T0_S
    )


@pytest.mark.parametrize(
    ("earlier", "later", "is_later"),
    [
        (None, seen_by(Look(T0_S + 9, 3)), True),
        (seen_by(Look(T0_S + 5, 3)), seen_by(Look(T0_S + 60, 3)), False),
        (seen_by(Look(T0_S + 5, 2)), seen_by(Look(T0_S + 60, 3)), True),
        (seen_by(Look(T0_S + 5, 3)), None, False),
        (None, None, False),
    ],
    ids=["the first", "nothing new", "more was seen", "not asked again", "never asked"],
)
def test_a_later_reconciliation_does_not_make_what_was_visible_later(
    earlier: Visibility | None, later: Visibility | None, is_later: bool
) -> None:
    assert narrower(earlier, later) is (later if is_later else earlier)


FOUND = [Discrepancy("lost", "chat", k, "<b>c-1</b>", (f"m-{k}",)) for k in range(250)]


def reconciled(*found: Discrepancy) -> Reconciled:
    sent = [logged(k) for k in range(300)]
    seen = visibility(sent, map(stored, range(3)), {("c-1", "inbound"): [Look(T0_S + 9, 2)]}, T0_S)
    return Reconciled.of(
        "2026-11-26T10:00:00Z",
        len(sent),
        found,
        not_named=7,
        how=["by marker"],
        not_compared=["texts: <none>"],
        visibility=seen,
    )


@pytest.mark.parametrize(
    ("found", "verdict", "reason"),
    [
        pytest.param(FOUND, Verdict.FAIL, ("lost 250",), id="lost"),
        pytest.param([replace(FOUND[0], kind="doubled")], Verdict.FAIL, ("doubled 1",), id="twice"),
        pytest.param(
            [replace(FOUND[0], kind="changed")], Verdict.FAIL, ("changed 1",), id="changed"
        ),
        pytest.param([replace(FOUND[0], kind="out_of_order")], Verdict.PASS, (), id="order"),
        pytest.param([replace(FOUND[0], kind="unexpected")], Verdict.PASS, (), id="unexpected"),
        pytest.param([], Verdict.PASS, (), id="nothing"),
    ],
)
def test_loss_doubling_and_change_after_acceptance_fail_a_run(
    found: list[Discrepancy], verdict: Verdict, reason: tuple[str, ...]
) -> None:
    run = replace(result_of(chat=counts_of(accepted=300)), reconciled=reconciled(*found))

    judgement = judge(run)

    ending = tuple(f"of 300 accepted messages the far side has {each}" for each in reason)
    assert (judgement.verdict, judgement.reasons) == (verdict, ending)
    assert judgement.exit_code is (ExitCode.FAIL if reason else ExitCode.PASS)


def test_what_was_found_is_in_record_summary_and_reports() -> None:
    before = result_of(chat=counts_of(accepted=300))
    after = replace(before, reconciled=reconciled(*FOUND))
    writer = JournalWriter()

    kept = replay(writer.entry(before) + writer.entry(after))
    summary = summarise(kept, judge(kept))

    assert summary.reconciled is not None and summary.reconciled.analytics_visible is not None
    assert (summary.reconciled.lost.count, len(summary.reconciled.lost.messages)) == (250, 100)
    assert (summary.reconciled.accepted, summary.reconciled.found) == (300, 43)
    visible = summary.reconciled.analytics_visible
    assert (visible.matched, visible.missing, visible.at_first_look) == (2, 1, 2)
    assert "43 of 300 accepted messages found, 250 lost at 2026-11-26T10:00:00Z" in text_report(
        summary
    )
    page = html_report(summary, kept)
    assert "<code>&lt;b&gt;c-1&lt;/b&gt;</code>" in page and "m-99" in page
    assert "visible in analytics" in page
    assert '<failure message="of 300 accepted messages the far side has lost 250"' in junit_report(
        summary, kept
    )
