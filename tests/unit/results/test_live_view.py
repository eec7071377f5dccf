"""The live view: what it says in each phase, in terminals of any size, of names of any kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.outcome import Cause
from convoy.results.progress import Progress
from convoy.results.reports.live import HIGHEST, WIDEST, drawn, live_view
from convoy.results.result import GeneratorStep, RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from tests.unit.results import RESULT, counts_of, durations_of, result_of, run_of

MEASURING = Progress("run run-1 to http://127.0.0.1:8080", "measuring, 3 of 8 s, 5 s left", 0.4, "")
PREPARING = Progress(MEASURING.where, "preparing for 1 s", None, "7 of 10 users are ready")
WARMING_UP = Progress(MEASURING.where, "warming up, 1.1 s left", None, "it does not count")
DRAINING = Progress(MEASURING.where, "draining, 30 s more", 1.0, "")
STOPPING = Progress(MEASURING.where, "stopping, 30 s more", 0.7, "")
OVER = Progress(MEASURING.where, "over", 1.0, "")
GOOD = counts_of(accepted=20)


def summary_of(result: RunResult) -> Summary:
    return summarise(result, judge(result))


def lines_of(
    result: RunResult,
    progress: Progress = MEASURING,
    *,
    width: int = 80,
    height: int = 24,
    summary: Summary | None = None,
) -> list[tuple[str, int]]:
    """Return the lines of the view with the sequences for colours, and the columns of each."""
    view = live_view(summary or summary_of(result), result, progress, width=width, height=height)
    return [drawn(line, width) for line in view]


def shown(result: RunResult, progress: Progress = MEASURING, **given: Any) -> list[str]:
    """Return the lines of the view without colours."""
    lines = [
        (re.sub(r"\x1b\[[\d;]*m", "", text), columns)
        for text, columns in lines_of(result, progress, **given)
    ]
    assert all(columns == cell_len(text) and text == text.rstrip() for text, columns in lines)
    return [text for text, _ in lines]


def many(codes: int, scenarios: int, criteria: int) -> tuple[RunResult, Summary]:
    """A run with so many error codes, scenarios and criteria, the last criterion broken."""
    errors = {f"400 code_{number}": number + 1 for number in range(codes)}
    sent = sum(errors.values()) + 10
    by_code = {"errors": errors, "failures": errors}
    counts = Counts(scheduled=sent, sent=sent, accepted=10, not_ok=sent - 10, **by_code)
    names = [f"scenario_{number}" for number in range(scenarios)]
    result = replace(result_of(**dict.fromkeys(names, GOOD)), is_over=False)
    first = replace(
        result.scenarios[names[0]], counts=counts, durations=durations_of(counts_of(accepted=10))
    )
    result = replace(result, scenarios={**result.scenarios, names[0]: first})
    found = [
        CriterionResult(f"p95(response_time) < {each}ms", 1.0, each, "pass", "ms")
        for each in range(criteria - 1)
    ]
    broken = CriterionResult("p99(response_time) < 1ms", 5.5, 1, "fail", "ms")
    return result, replace(summary_of(result), criteria=(*found, broken))


@pytest.mark.parametrize("width", [20, 40, 80, 120])
@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (PREPARING, "7 of 10 users"),
        (WARMING_UP, "it does not"),
        (MEASURING, "20 sent"),
        (DRAINING, "20 sent"),
        (STOPPING, "20 sent"),
        (OVER, "20 sent"),
    ],
    ids=lambda each: each.told if isinstance(each, Progress) else "",
)
def test_each_phase_says_how_long_it_takes_and_what_came_of_it(
    progress: Progress, said: str, width: int
) -> None:
    lines = shown(replace(result_of(messages=GOOD), is_over=False), progress, width=width)

    assert progress.told[: width - 1] in "\n".join(lines)
    assert said in " ".join(" ".join(lines).split())


def test_before_the_measured_phase_there_are_no_figures() -> None:
    lines = shown(RESULT, PREPARING)

    assert not any("verdict" in line or "rate" in line for line in lines)


def test_the_bar_shows_how_much_of_the_measured_phase_is_over() -> None:
    bars = []
    for share in (0.0, 0.5, 1.0):
        progress = Progress("where", "measuring", share, "")
        [line] = [line for line in shown(RESULT, progress, width=33) if "measuring" in line]
        bars.append(line)

    assert bars == [
        "measuring  [>                   ]",
        "measuring  [==========>         ]",
        "measuring  [====================]",
    ]


def test_without_samples_there_is_no_time_and_no_rate() -> None:
    lines = shown(replace(result_of(messages=Counts()), is_over=False))

    assert "rate       nothing is known yet" in lines
    [row] = [line for line in lines if line.startswith("messages ") and "accepted" not in line]
    assert row.split() == ["messages", "0", "–", "–", "–", "–", "0"]


def test_the_rates_are_those_of_the_last_seconds_that_all_workers_have_reported() -> None:
    seconds = [counts_of(accepted=1)] * 5 + [counts_of(accepted=18)] * 10
    result = run_of(*seconds, due=[1] * 5 + [20] * 25, until_s=15.4, duration_s=30.0)

    lines = shown(replace(result, is_over=False))

    assert "rate       20.0/s configured, 18.0/s achieved in the last 10 s" in lines


def test_where_nothing_is_due_no_rate_is_configured() -> None:
    result = run_of(*[counts_of(accepted=7)] * 4, due=[], until_s=4.0, duration_s=30.0)

    assert "rate       7.0/s achieved in the last 4 s" in shown(replace(result, is_over=False))


def test_messages_are_counted_by_what_became_of_them() -> None:
    counts = counts_of(accepted=1000, rejected=2, late={Cause.TARGET: 3}, not_sent={"limits": 4})  # type: ignore[dict-item]

    lines = shown(replace(result_of(messages=counts), is_over=False))

    assert "messages   1,002 sent, 1,000 accepted, 2 failed, 3 late, 4 not sent" in lines
    assert any(line.split() == ["2", "0.20%", "400", "invalid_payload"] for line in lines)


def test_the_generator_is_shown_with_its_users() -> None:
    steps = {0: GeneratorStep(5, 0.1, 1.0), 3: GeneratorStep(1_234, 0.1, 1.0)}

    lines = shown(replace(result_of(messages=GOOD), generator=steps, is_over=False), width=100)

    text = " ".join(" ".join(lines).split())
    assert "generator ok: CPU 23% of a core" in text and "; 1,234 users ready" in text


def test_of_many_reasons_the_first_are_shown() -> None:
    result = replace(result_of(messages=GOOD), is_over=False)
    reasons = tuple(f"reason {number}" for number in range(50))

    lines = shown(result, summary=replace(summary_of(result), reasons=reasons))

    told = [line.strip() for line in lines if "reason" in line]
    assert told == ["reason 0", "reason 1", "reason 2", "... and 47 more reasons"]


def test_broken_criteria_come_first() -> None:
    result, summary = many(codes=0, scenarios=1, criteria=4)

    lines = shown(result, summary=summary)

    first = lines[next(at for at, line in enumerate(lines) if line.startswith("criteria")) + 1]
    assert first.split() == ["fail", "5.5", "ms", "p99(response_time)", "<", "1ms"]


SIZES = [(200, 50, 100), (3, 2, 4), (0, 1, 1)]


@pytest.mark.parametrize("height", [1, 2, 5, 8, 11, 15, 24, 49, 200])
@pytest.mark.parametrize("width", [20, 40, 80, 120])
@pytest.mark.parametrize(("codes", "scenarios", "criteria"), SIZES)
def test_the_view_never_goes_beyond_the_terminal(
    codes: int, scenarios: int, criteria: int, width: int, height: int
) -> None:
    result, summary = many(codes, scenarios, criteria)

    lines = shown(result, width=width, height=height, summary=summary)

    assert len(lines) <= min(height, HIGHEST)
    assert max(map(cell_len, lines)) <= min(width, WIDEST)


@pytest.mark.parametrize("height", [1, 5, 9, 11, 12, 14, 16, 24, 49, 200])
@pytest.mark.parametrize(("codes", "scenarios", "criteria"), SIZES)
def test_what_is_cut_is_said(codes: int, scenarios: int, criteria: int, height: int) -> None:
    result, summary = many(codes, scenarios, criteria)

    lines = shown(result, height=height, summary=summary)

    rows = {"(response_time)": criteria, "scenario_": scenarios, "code_": codes}
    left_out = [total - sum(word in line for line in lines) for word, total in rows.items()]
    told = [int(line.split()[2]) for line in lines if line.startswith("... and ")]
    if lines[-1] == "... this terminal is too low for the rest":
        assert set(told) < set(left_out)
    else:
        assert told == [number for number in left_out if number]


STRANGE: Mapping[str, str] = {
    "markup": "[bold]400[/bold] [link=http://x]y[/link]",
    "an emoji's name": ":boom: 400",
    "a sequence for the terminal": "\x1b[2J\x1b]0;owned\x07400",
    "a line break": "400\r\nverdict pass",
    "one byte sequences": "\x9b2J\x90400",
    "backwards": "\u202e400",
    "wide": "漢字" * 60,
}


@pytest.mark.parametrize("code", STRANGE.values(), ids=STRANGE)
def test_nothing_in_a_name_from_elsewhere_has_a_meaning(code: str) -> None:
    counts = Counts(
        scheduled=2, sent=2, accepted=1, rejected=1, errors={code: 1}, failures={code: 1}, not_ok=1
    )
    result = replace(result_of(messages=GOOD), is_over=False)
    scenario = replace(result.scenarios["messages"], counts=counts)
    result = replace(result, scenarios={code: scenario}, target=code)

    lines = shown(result)
    text = "".join(text for text, _ in lines_of(result))

    meant = "".join(each if each.isprintable() else "?" for each in code)[:12]
    assert sum(meant in line for line in lines) == 3
    assert not set("\x07\x9b\x90\r\n\u202e") & set(text)
    assert "\x1b[2J" not in text and "\x1b]" not in text


def test_colours_are_those_that_any_theme_has() -> None:
    result, summary = many(codes=1, scenarios=1, criteria=2)

    text = "".join(text for text, _ in lines_of(result, summary=summary))

    assert "\x1b[1;31mfail" in text and "\x1b[32mpass" in text
    assert "38;" not in text
