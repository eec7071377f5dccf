"""The journal: what its entries add up to, and what is left of it when it was cut short."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from msgspec.structs import replace

from convoy.results.journal import JournalWriter, replay
from convoy.results.result import Change, GeneratorStep, RunFacts, RunResult
from convoy.results.samples import CodeSamples
from tests.unit.results import counts_of, run_of

SECONDS = [counts_of(accepted=9, rejected=1), counts_of(accepted=10), counts_of(unknown=2)]
FACTS = RunFacts("rate: 20\n", "locust --headless", {"convoy": "1"}, {"build": "7"})


def result_after(seconds: int, *, is_over: bool = False) -> RunResult:
    """The result of one run at a moment; whatever was there before is the same object."""
    whole = run_of(*SECONDS, times_s=[[0.1] * 19], censored_s=[[30.0] * 2], due=DUE)
    series = whole.series["messages"]
    steps = {step: STEPS.setdefault(step, series.steps[step]) for step in range(seconds)}
    reports = {0: REPORTS.setdefault(0, series.reports[0])} if seconds == 3 else {}
    now = replace(series, steps=steps, reports=reports, until_s=float(seconds), due=DUE)
    return replace(
        whole,
        facts=FACTS,
        series={"messages": now},
        generator={step: GENERATOR[step] for step in range(seconds)},
        samples={code: SAMPLES[code] for code in list(SAMPLES)[:seconds]},
        changes=(Change(0.5, "rate", 9.0),) if seconds > 1 else (),
        is_over=is_over,
    )


DUE = [10, 20, 22]
STEPS: dict[int, object] = {}
REPORTS: dict[int, object] = {}
GENERATOR = [GeneratorStep(5, 0.1 * step, 1.0) for step in range(3)]
SAMPLES = {code: CodeSamples(1.0, 2.0) for code in ("400 a", "timeout", "503")}


def entries(*results: RunResult) -> list[bytes]:
    writer = JournalWriter()
    return [writer.entry(each) for each in results]


@pytest.mark.parametrize("is_over", [False, True], ids=["cut short", "over"])
def test_the_entries_add_up_to_the_last_result(is_over: bool) -> None:
    last = result_after(3, is_over=is_over)

    found = replay(b"".join(entries(result_after(1), result_after(2), last)))

    pairs = found.scenarios["messages"].durations.response.pairs()
    assert pairs == last.scenarios["messages"].durations.response.pairs()
    assert found.series == last.series
    for name in ("facts", "generator", "samples", "changes", "is_over", "started_at"):
        assert getattr(found, name) == getattr(last, name)


def test_what_was_entered_does_not_come_again() -> None:
    first, second = (
        json.loads(gzip.decompress(each)) for each in entries(result_after(1), result_after(2))
    )

    assert first["result"]["facts"]["command"] == "locust --headless"
    assert not any(second["result"]["facts"].values())
    assert list(second["result"]["series"]["messages"]["steps"]) == ["1"]
    assert second["result"]["series"]["messages"]["due"] == []
    assert list(second["result"]["generator"]) == ["1"]
    assert list(second["result"]["samples"]) == ["timeout"]


def test_due_times_that_change_with_the_rate_are_entered_again() -> None:
    before, changed = result_after(1), result_after(2)
    series = replace(changed.series["messages"], due=[10, 30, 50])

    found = replay(b"".join(entries(before, replace(changed, series={"messages": series}))))

    assert found.series["messages"].due == [10, 30, 50]


@pytest.mark.parametrize("kept", [1.0, 0.9, 0.5, 0.01])
def test_a_journal_that_was_cut_ends_with_its_last_whole_entry(kept: float) -> None:
    *whole, last = entries(result_after(1), result_after(2), result_after(3))

    found = replay(b"".join(whole) + last[: int(kept * len(last))])

    assert len(found.series["messages"].steps) == (3 if kept == 1.0 else 2)


def test_what_follows_that_is_no_entry_is_left_out() -> None:
    found = replay(b"".join(entries(result_after(1))) + b"\x00" * 100)

    assert list(found.series["messages"].steps) == [0]


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": {0: GeneratorStep(2**60, 0.1, 1.0)}},
        {"problems": ("a" * 10**7,)},
        {"samples": {"timeout": CodeSamples(1e10, 2.0)}},
    ],
    ids=["more users than there can be", "what packs too well", "no moment of a run"],
)
def test_what_could_not_be_read_again_is_not_entered(changes: dict[str, Any]) -> None:
    """Any worker may report it; what was entered before is kept."""
    with pytest.raises(ValueError):
        JournalWriter().entry(replace(result_after(1), **changes))


def test_a_change_of_long_ago_is_in_the_last_entry_at_the_latest() -> None:
    before = run_of(*[counts_of(accepted=1)] * 300)
    steps = {**before.series["messages"].steps, 0: counts_of(accepted=7)}
    now = replace(before, series={"messages": replace(before.series["messages"], steps=steps)})

    found = replay(b"".join(entries(replace(before, is_over=False), replace(now, is_over=True))))

    assert found.series["messages"].steps == steps
