"""The report that a run prints when it ends."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.generator import GeneratorState
from convoy.results.outcome import Cause
from convoy.results.progress import progress_figures, progress_measured
from convoy.results.reports.text import WIDTH, closing_report, error_table, text_report
from convoy.results.result import Change
from tests.unit.results import ACCEPTED, FAILED, REJECTED, RESULT, UNKNOWN, changed, summary_of


def line_of(report: str, label: str) -> str:
    """Return what stands behind a label; there is exactly one such line."""
    [line] = [line for line in report.splitlines() if line.startswith(f"  {label} ")]
    return line.removeprefix(f"  {label}").strip()


def test_the_report_says_what_was_planned_sent_and_accepted() -> None:
    report = text_report(summary_of(*[ACCEPTED] * 1234, given_up=1))

    assert "run-1" in report and "smoke against simulator" in report
    assert line_of(report, "scheduled") == "1,235"
    assert line_of(report, "sent") == "1,234"
    assert line_of(report, "accepted") == "1,234"
    assert line_of(report, "not sent") == "1 by cause target"
    assert "1,234.00/s achieved of 1,235.00/s configured" in line_of(report, "rate")


def test_the_report_shows_each_code_once_the_most_frequent_first() -> None:
    outcomes = [FAILED] * 3 + [REJECTED] * 100_000 + [UNKNOWN] * 20

    report = text_report(summary_of(*outcomes))

    codes = ["400 invalid_payload", "connection reset", "connection refused"]
    assert [report.count(code) for code in codes] == [1, 1, 1]
    assert sorted(codes, key=report.index) == codes
    assert line_of(report, "failures") == "100,000  400 invalid_payload"


def test_refusals_that_were_asked_for_are_no_failures() -> None:
    refused = changed(REJECTED, ok=True)

    summary = summary_of(*[refused] * 7, *[REJECTED] * 2, changed(ACCEPTED, ok=False), UNKNOWN)
    expected = summary_of(*[refused] * 7)

    report = text_report(summary)
    assert summary.totals.failures == {
        "400 invalid_payload": 2,
        "200 unexpected": 1,
        "connection reset": 1,
    }
    assert line_of(report, "failures") == "2  400 invalid_payload"
    assert line_of(report, "as expected") == "7  400 invalid_payload"
    assert line_of(text_report(expected), "failures") == "none"
    assert error_table(expected) == ""
    assert list(expected.error_samples) == ["400 invalid_payload"]


def test_a_run_without_failures_says_so() -> None:
    assert line_of(text_report(summary_of(ACCEPTED)), "failures") == "none"


def test_late_messages_are_shown_with_their_cause() -> None:
    report = text_report(summary_of(changed(ACCEPTED, sent_s=ACCEPTED.due_s + 0.05)))

    assert line_of(report, "sent") == "1 (late: 1 by cause target)"


def test_lower_bounds_are_shown_as_such() -> None:
    report = text_report(summary_of(*[ACCEPTED] * 9, UNKNOWN))

    shown = line_of(report, "response time")
    assert re.match(r"p50 101\.\d  p95 ≥ 30,0\d\d\.\d  ", shown)
    assert shown.count("≥") == 4


def test_words_that_the_report_brings_up_are_explained_in_it() -> None:
    summary = summary_of(ACCEPTED)
    strained, too_slow = (
        text_report(replace(summary, generator=replace(summary.generator, state=state)))
        for state in ("strained", "too slow")
    )

    assert "(send error: between when a message was due and when it was sent)" in strained
    assert "(strained: " in strained and "(too slow: " in too_slow


def test_durations_without_samples_are_no_zeros() -> None:
    report = text_report(summary_of(FAILED))

    assert line_of(report, "response time") == "no samples"
    assert line_of(report, "service time") == "no samples"


def test_changes_of_the_run_stand_before_its_verdict() -> None:
    changes = (Change(2.04, "pause"), Change(12.5, "rate", 40.0))

    lines = text_report(summary_of(ACCEPTED, changes=changes)).splitlines()

    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("  changed")] == [
        "pause from 2.0 s on",
        "rate of 40/s from 12.5 s on",
    ]


@pytest.mark.parametrize(
    ("state", "workers", "line"),
    [
        (
            "ok",
            1,
            "ok: CPU 23% of a core (highest 31%), loop lag p99 0.4 ms (longest 7.0 ms)",
        ),
        (
            "flat out",
            1,
            "flat out (a busy core is by design): CPU 23% of a core (highest 31%), "
            "loop lag p99 0.4 ms (longest 7.0 ms)",
        ),
        (
            "strained",
            3,
            "strained: CPU 23% of a core (highest 31%), loop lag p99 0.4 ms (longest 7.0 ms), "
            "worst of 3 workers",
        ),
        ("not measured", 1, "not measured"),
    ],
    ids=["ok", "flat out", "strained", "not measured"],
)
def test_the_generator_s_health_is_one_line(state: GeneratorState, workers: int, line: str) -> None:
    summary = summary_of(ACCEPTED, workers=RESULT.workers * workers)
    generator = replace(summary.generator, state=state)

    report = text_report(replace(summary, generator=generator), width=150)
    assert line_of(report, "generator") == line


def test_warnings_on_the_generator_stand_below_its_health() -> None:
    summary = summary_of(ACCEPTED)
    generator = replace(summary.generator, warnings=("worker-1 stood still for 2.0 s",))

    lines = text_report(replace(summary, generator=generator)).splitlines()

    [at] = [number for number, line in enumerate(lines) if line.startswith("  generator ")]
    assert lines[at + 1].strip() == "worker-1 stood still for 2.0 s"


@pytest.mark.parametrize(
    ("given_up", "verdict"),
    [(0, "PASS (exit code 0)"), (1, "FAIL (exit code 3)")],
    ids=["pass", "fail"],
)
def test_the_report_begins_with_the_verdict_and_its_reasons(given_up: int, verdict: str) -> None:
    summary = summary_of(ACCEPTED, given_up=given_up)

    report = text_report(summary)

    assert line_of(report, "verdict") == verdict
    above = " ".join(report.partition("\nconversation_messages\n")[0].split())
    assert all(reason in above for reason in summary.reasons)


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        pytest.param(
            CriterionResult("p95(response_time) < 400ms", 12.3456, 400.0, "pass", "ms"),
            "pass                   12.3 ms   p95(response_time) < 400ms",
            id="a time",
        ),
        pytest.param(
            CriterionResult("p9(send_error) < 2s for 30s", 30_001.2, 2e3, "fail", "ms", True, 45.0),
            "fail        ≥ 30,001.2 ms at 45 s   p9(send_error) < 2s for 30s",
            id="a lower bound in a window",
        ),
        pytest.param(
            CriterionResult("max(rejected_time) < 1s", None, 1e3, "not judged", "ms"),
            "not judged             nothing   max(rejected_time) < 1s",
            id="no samples",
        ),
        pytest.param(
            CriterionResult("count(errors[5??]) == 0", 1234.0, 0.0, "fail"),
            "fail                     1,234   count(errors[5??]) == 0",
            id="a number",
        ),
    ],
)
def test_each_criterion_is_shown_with_what_was_observed(found: CriterionResult, shown: str) -> None:
    report = text_report(replace(summary_of(ACCEPTED), criteria=(found,)))

    lines = report.splitlines()
    assert line_of(report, "criteria") == shown
    assert lines[lines.index(f"  criteria        {shown}") - 1].startswith("  verdict ")


def test_a_criterion_too_long_for_its_line_goes_on_below() -> None:
    long = f"share(errors[5??], {'scenario_' * 15}) < 1% over 60s, abort"
    found = CriterionResult(long, 0.125, 1.0, "pass", "%")

    report = text_report(replace(summary_of(ACCEPTED), criteria=(found, found)))

    shown = report.partition("0.125%")[2].partition("pass")[0]
    assert "".join(shown.split()) == "".join(long.split())
    assert max(map(len, report.splitlines())) <= WIDTH


def test_no_line_is_longer_than_the_terminal_is_wide() -> None:
    reasons = ("p95(response_time) < 400ms: observed 512 ms " * 5, "x" * 110)
    warnings = ("worker-1 stood still for 2.0 s, " * 5,)
    summary = summary_of(ACCEPTED)
    generator = replace(summary.generator, warnings=warnings)

    report = text_report(replace(summary, reasons=reasons, generator=generator))

    assert max(map(len, report.splitlines())) <= WIDTH


def test_without_a_schedule_there_is_no_rate_to_compare_with() -> None:
    report = text_report(summary_of(ACCEPTED, is_scheduled=False))

    assert line_of(report, "rate") == "1.00/s achieved"


def test_retired_conversations_are_shown_by_what_they_answered() -> None:
    report = text_report(summary_of(ACCEPTED))

    shown = line_of(report, "retired")
    assert "1 by 400 conversation.closed" in shown and "1 by 404 not.found" in shown
    assert "3 messages went elsewhere" in shown


def test_progress_has_rate_late_messages_and_failures() -> None:
    totals = Counts(sent=240, accepted=237, not_ok=3, late={Cause.TARGET: 2})

    told = progress_figures(totals, 12.0)

    assert told == "240 sent (20.0/s), 237 accepted, 2 late, 0 not sent, 3 failed"
    assert progress_figures(Counts(), 0.0).startswith("0 sent (0.0/s)")


@pytest.mark.parametrize(
    ("reported_s", "sent", "rate", "share"),
    [(-1.0, 0, "0.0", 0.0), (9.5, 190, "20.0", 0.475), (25.0, 400, "20.0", 1.0)],
    ids=["before T0", "in the midst", "over"],
)
def test_progress_divides_by_the_time_that_is_known(
    reported_s: float, sent: int, rate: str, share: float
) -> None:
    progress = progress_measured("here", "measuring", Counts(sent=sent), reported_s, 20.0)

    assert progress.so_far.startswith(f"{sent} sent ({rate}/s), ")
    assert progress.share == pytest.approx(share)


STRAINED = ("a sentence about the machine that goes on for a while, " * 4).strip()


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_a_closing_report_fits_the_terminal_and_holds_everything(width: int) -> None:
    summary = summary_of(*[ACCEPTED] * 9, UNKNOWN, *[REJECTED] * 3)
    found = CriterionResult("p95(response_time) < 400ms", 123.4, 400, "pass", "ms")
    summary = replace(summary, reasons=(STRAINED,), criteria=(found, found))

    report = closing_report(summary, "runs/run-1", width=width)

    assert max(map(len, report.splitlines())) <= max(width, 30)
    words = " ".join(report.split())
    told = (
        STRAINED,
        "p95(response_time) < 400ms",
        "123.4 ms",
        "400 invalid_payload",
        "connection reset",
    )
    for part in told if width >= 60 else told[1:]:
        assert part in words, part


def test_a_closing_report_says_first_what_matters_most() -> None:
    summary = summary_of(ACCEPTED, REJECTED)
    found = CriterionResult("share(failures[*]) < 1%", 50.0, 1, "fail", "%")
    summary = replace(summary, reasons=("too many failed",), criteria=(found,))

    report = closing_report(summary, "runs/run-1, not whole", "runs/run-1/report.html")

    parts = (
        "  verdict ",
        "too many failed",
        "  criteria ",
        "  scheduled ",
        "  generator ",
        "code, usual cause, an example",
        "  record          runs/run-1, not whole\n",
        "  report          runs/run-1/report.html\n",
    )
    assert sorted(parts, key=report.index) == list(parts)


def test_without_a_report_none_is_named_and_without_errors_there_is_no_table() -> None:
    report = closing_report(summary_of(ACCEPTED), "runs/run-1")

    assert "  report  " not in report and "usual cause" not in report


def test_where_files_are_is_never_broken() -> None:
    place = "/a/long/path" * 20

    report = closing_report(summary_of(ACCEPTED), place, place, width=40)

    assert report.splitlines()[-2:] == [f"  record          {place}", f"  report          {place}"]


def test_a_name_that_would_steer_the_terminal_is_shown_without_doing_so() -> None:
    summary = summary_of(REJECTED)
    strange = "\x1b[2J\r\n\x9b400"
    scenario = replace(summary.scenarios["conversation_messages"], failures={strange: 1})
    samples = {strange: summary.error_samples["400 invalid_payload"]}
    summary = replace(
        summary,
        scenarios={strange: scenario},
        totals=replace(summary.totals, failures={strange: 1}),
        error_samples=samples,
    )

    for width in (60, 120):
        report = closing_report(summary, "runs/run-1", width=width)

        assert report.replace("\n", "").isprintable()
        assert report.count("?[2J???400") == 3
