"""`metrics.txt`, read back by Prometheus' own parser of OpenMetrics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from convoy.results.account import StepResult
from convoy.results.counts import Counts
from convoy.results.outcome import Cause
from convoy.results.reports.escaping import label_value
from convoy.results.reports.metrics import metrics_report
from convoy.results.result import RunFacts, RunResult
from convoy.results.steps import DUPLICATE
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from tests.unit.results import counts_of, durations_of, result_of
from tests.unit.results.pipelines import (
    BAD,
    GOOD,
    LENIENT,
    RUNS,
    STRICT,
    WITHOUT_SAMPLES,
    judged,
    many,
)

COUNTS = counts_of(
    accepted=900, rejected=60, unknown=40, late={Cause.TARGET: 7}, not_sent={Cause.POOL: 2}
)


def families(summary: Summary, result: RunResult) -> dict[str, Metric]:
    read = text_string_to_metric_families(metrics_report(summary, result))
    return {each.name: each for each in read}


def samples(summary: Summary, result: RunResult, name: str) -> Iterator[Sample]:
    """Yield the samples of a name as it stands in a line, with the suffix."""
    for family in families(summary, result).values():
        yield from (each for each in family.samples if each.name == name)


def by(run: tuple[Summary, RunResult], name: str, *labels: str) -> dict[str, float]:
    """Return the values of a name by these labels of theirs."""
    return {
        "/".join(each.labels[label] for label in labels): each.value for each in samples(*run, name)
    }


@pytest.mark.parametrize(("summary", "result"), RUNS.values(), ids=RUNS)
def test_every_sample_names_its_run(summary: Summary, result: RunResult) -> None:
    found = families(summary, result)

    common = {"run_id": "run-1", "profile": "smoke", "target": "simulator"}
    for family in found.values():
        assert family.name.startswith("convoy_") and family.documentation
        for sample in family.samples:
            assert sample.labels.items() >= common.items()


@pytest.mark.parametrize(("summary", "result"), RUNS.values(), ids=RUNS)
def test_the_verdict_is_the_one_state_that_is_set(summary: Summary, result: RunResult) -> None:
    states = by((summary, result), "convoy_verdict", "convoy_verdict")

    assert [name for name, value in states.items() if value] == [summary.verdict]
    assert states.keys() == {"pass", "fail", "invalid", "not judged"}
    [exit_code] = samples(summary, result, "convoy_exit_code")
    assert exit_code.value == summary.exit_code


def test_messages_are_counted_by_fate_code_and_cause() -> None:
    run = judged(COUNTS)

    assert by(run, "convoy_messages_total", "scenario", "fate") == {
        "conversation_messages/accepted": 900,
        "conversation_messages/rejected": 60,
        "conversation_messages/failed": 0,
        "conversation_messages/unknown": 40,
    }
    assert by(run, "convoy_scheduled_messages_total", "scenario") == {"conversation_messages": 1002}
    assert by(run, "convoy_errors_total", "code") == {"400 invalid_payload": 60, "timeout": 40}
    assert by(run, "convoy_late_messages_total", "cause") == {"target": 7}
    assert by(run, "convoy_not_sent_messages_total", "cause") == {"pool": 2}


def test_rates_are_those_of_the_summary() -> None:
    summary, result = judged(GOOD)
    rates = summary.scenarios["conversation_messages"].rate_per_s

    assert by((summary, result), "convoy_messages_per_second", "rate") == {
        "configured": rates.configured,
        "scheduled": rates.scheduled,
        "achieved": rates.achieved,
    }


def test_times_are_summaries_in_seconds() -> None:
    summary, result = judged(GOOD)
    times = summary.scenarios["conversation_messages"].response_time_ms

    family = families(summary, result)["convoy_response_time_seconds"]

    assert (family.type, family.unit) == ("summary", "seconds")
    quantiles = by((summary, result), "convoy_response_time_seconds", "quantile")
    assert quantiles == pytest.approx(
        {
            "0.5": times.p50 / 1000,
            "0.9": times.p90 / 1000,
            "0.95": times.p95 / 1000,
            "0.99": times.p99 / 1000,
            "0.999": times.p999 / 1000,
            "1.0": times.max / 1000,
        }
    )
    [count] = samples(summary, result, "convoy_response_time_seconds_count")
    [total] = samples(summary, result, "convoy_response_time_seconds_sum")
    assert count.value == 990
    assert total.value == pytest.approx(990 * 0.101, rel=1e-3)


def test_without_durations_there_is_a_count_of_none_and_no_quantile() -> None:
    run = judged(GOOD)

    assert by(run, "convoy_unknown_time_seconds", "quantile") == {}
    assert by(run, "convoy_unknown_time_seconds_count", "scenario") == {"conversation_messages": 0}


def test_quantiles_that_are_lower_bounds_are_marked() -> None:
    found = by(judged(BAD), "convoy_quantile_doubts", "time", "of", "doubt")

    assert found == {f"response_time/{of}/lower_bound": 1 for of in ("0.99", "0.999", "1.0")}


def test_criteria_have_what_was_observed_the_limit_and_the_verdict_in_base_units() -> None:
    run = judged(GOOD, LENIENT, STRICT, WITHOUT_SAMPLES, "achieved_rate >= 9/s", "sent >= 10")

    assert by(run, "convoy_criterion_limit", "criterion", "unit") == {
        f"{LENIENT}/ratio": 0.05,
        f"{STRICT}/seconds": 0.05,
        f"{WITHOUT_SAMPLES}/seconds": 1.0,
        "achieved_rate >= 9/s/messages_per_second": 9.0,
        "sent >= 10/messages": 10.0,
    }
    observed = by(run, "convoy_criterion_observed", "criterion")
    assert observed == pytest.approx(
        {LENIENT: 0.01, STRICT: 0.101, "achieved_rate >= 9/s": 1000, "sent >= 10": 1000}, rel=1e-3
    )
    verdicts = by(run, "convoy_criterion_verdict", "criterion", "convoy_criterion_verdict")
    assert verdicts[f"{STRICT}/fail"] == verdicts[f"{WITHOUT_SAMPLES}/not judged"] == 1
    assert sum(verdicts.values()) == 5


def test_steps_and_timings_have_counts_errors_and_times() -> None:
    step = counts_of(accepted=8, rejected=2)
    pair = Counts(
        scheduled=5, sent=4, accepted=4, not_sent={Cause.TARGET: 1}, errors={DUPLICATE: 3}
    )
    result = result_of(guests=counts_of(accepted=10))
    guests = replace(
        result.scenarios["guests"],
        steps={"typing": part(step)},
        timings={"first_reply": part(pair)},
    )
    result = replace(result, scenarios={"guests": guests})
    run = summarise(result, judge(result)), result

    assert by(run, "convoy_steps_total", "scenario", "step") == {"guests/typing": 10}
    assert by(run, "convoy_step_errors_total", "code") == {"400 invalid_payload": 2}
    assert by(run, "convoy_step_time_seconds_count", "step") == {"typing": 8}
    assert by(run, "convoy_timings_total", "timing", "outcome") == {
        "first_reply/matched": 4,
        "first_reply/missing": 1,
        "first_reply/duplicate": 3,
        "first_reply/unexpected": 0,
    }
    assert by(run, "convoy_timing_time_seconds_count", "timing") == {"first_reply": 5}


def part(counts: Counts) -> StepResult:
    return StepResult(counts, durations_of(counts))


def test_labels_of_the_operator_are_one_info_with_names_that_labels_may_have() -> None:
    labels = {"build": "1234", "git-branch": "main", "git.branch": 'a\\"b\n::c'}
    facts = RunFacts(labels=labels, versions={"convoy": "0.1.0"})

    [info] = samples(*judged(GOOD, facts=facts), "convoy_run_info")

    assert info.value == 1
    assert (
        info.labels.items()
        >= {
            "label_build": "1234",
            "label_git_branch": "main",
            "label_git_branch_2": 'a\\"b\n::c',
            "version_convoy": "0.1.0",
            "seed": "7",
            "plan_hash": "0123456789abcdef",
        }.items()
    )


def test_many_codes_and_texts_that_do_harm_are_read_back() -> None:
    summary, result = many()

    text = metrics_report(summary, result)

    errors = by((summary, result), "convoy_errors_total", "scenario", "code")
    assert len(errors) == 50 * 200
    assert text.endswith("\n# EOF\n")
    assert text.count("\n") == len(text.splitlines())


@given(st.text(st.characters(codec=None)))
def test_any_text_stays_one_value_on_one_line(text: str) -> None:
    line = f'# TYPE a gauge\na{{b="{label_value(text)}"}} 1\n# EOF\n'

    [family] = text_string_to_metric_families(line)

    kept = {character for character in text if character.isprintable()}
    assert len(line.splitlines()) == 3
    assert {*family.samples[0].labels["b"]} >= kept
