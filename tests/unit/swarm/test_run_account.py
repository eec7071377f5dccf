"""The account of a run: what the reports of its workers add up to, by second and as a whole."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, ScenarioPlan
from convoy.results.account import PoolReport, ScenarioResult, StepReport
from convoy.results.health import HealthSecond
from convoy.results.result import GeneratorStep
from convoy.results.series import Series
from convoy.secrets import STARS, Redactor
from convoy.swarm.messages import WorkerReport
from convoy.swarm.run_account import RunAccount
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.results import REJECTED, changed
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import ReportingWorker

NAME = "conversation_messages"
PLAN = ScenarioPlan(INPUTS)
CLOSED = ScenarioPlan(dataclasses.replace(INPUTS, arrivals=ArrivalRule("closed", None, 0.0)))


def account() -> RunAccount:
    return RunAccount({NAME: PLAN}, settings_of())


def of_seconds(**seconds: HealthSecond) -> WorkerReport:
    """Return a report of a worker's health in these seconds, by `at_<second>`."""
    report = ReportingWorker().report()
    by_second = {int(name.removeprefix("at_")): each for name, each in seconds.items()}
    return replace(report, health=replace(report.health, seconds=by_second))


def whole_of(told: RunAccount) -> ScenarioResult:
    return told.scenario(NAME, planned=0)


def series_of(told: RunAccount) -> Series:
    return told.series(until_s=0.0)[NAME]


def test_the_series_and_the_whole_are_what_the_reports_add_up_to() -> None:
    told, one, two = account(), ReportingWorker(), ReportingWorker()

    for accepted, rejected in ((10, 0), (8, 2)):
        one.send(accepted=accepted)
        two.send(accepted=accepted, rejected=rejected, in_flight=1)
        told.absorb("worker-1", one.report())
        told.absorb("worker-2", two.report())

    series = series_of(told)
    assert series.total == whole_of(told).counts
    assert [counts.sent for counts in series.steps.values()] == [20, 18]
    assert sum(len(each) for each in series.reports.values()) == 4
    assert told.worker("worker-2", is_lost=False, held_s=0.0).sent == 20
    assert len(told.samples()["400 invalid_payload"].samples) == 2


def test_what_only_the_master_knows_as_a_secret_is_hidden_as_it_comes() -> None:
    redactor, worker = Redactor(), ReportingWorker()
    told = RunAccount({NAME: PLAN}, settings_of(), redact=redactor.redact)
    redactor.register("masters-token")
    worker.send(rejected=1, rejection=changed(REJECTED, code="400 masters-token"))
    report = worker.report()
    report.scenarios[NAME].pool.retired[8] = "404 masters-token"
    report.scenarios[NAME].counts.exceptions["masters-token"] = 1

    told.absorb("worker-1", report)

    hidden = f"400 {STARS}"
    assert whole_of(told).counts.errors == whole_of(told).counts.failures == {hidden: 1}
    assert whole_of(told).retired == {"400 conversation.closed": 1, f"404 {STARS}": 1}
    assert whole_of(told).counts.exceptions == {STARS: 1}
    assert series_of(told).total.errors == {hidden: 1}
    (sample,) = told.samples()[hidden].samples
    assert sample.code == hidden


def test_a_secret_that_was_named_before_it_was_known_is_hidden_at_the_end() -> None:
    redactor, worker = Redactor(), ReportingWorker()
    told = RunAccount({NAME: PLAN}, settings_of(), redact=redactor.redact)
    rejection = changed(REJECTED, code="400 the-next-token", body=b"the-next-token")
    worker.send(rejected=1, rejection=rejection)
    report = worker.report()
    report.scenarios[NAME].pool.retired[7] = "400 the-next-token"
    report.scenarios[NAME].counts.exceptions["the-next-token"] = 1
    told.absorb("worker-1", report)
    before = series_of(told)
    redactor.register("the-next-token")

    told.redact()

    hidden = f"400 {STARS}"
    (sample,) = told.samples()[hidden].samples
    assert (sample.code, sample.answer) == (hidden, STARS)
    assert whole_of(told).counts.errors == whole_of(told).counts.failures == {hidden: 1}
    assert whole_of(told).retired == {hidden: 1}
    assert whole_of(told).counts.exceptions == {STARS: 1}
    assert series_of(told).total.errors == {hidden: 1}
    assert before.total.errors == {"400 the-next-token": 1}


def test_messages_of_a_lost_worker_are_in_the_whole_and_not_in_the_series() -> None:
    told, worker = account(), ReportingWorker()
    worker.send(accepted=10)
    told.absorb("worker-1", worker.report())
    before = series_of(told)

    told.lose("worker-1", {NAME: 5})

    assert series_of(told) == before
    assert whole_of(told).counts.since(before.total).errors == {"worker lost": 5}
    assert told.worker("worker-1", is_lost=True, held_s=0.0).state == "lost"


def test_messages_in_flight_at_the_last_report_of_a_lost_worker_are_scheduled_once() -> None:
    told, worker = account(), ReportingWorker()
    worker.send(accepted=10, in_flight=4)
    told.absorb("worker-1", worker.report())

    told.lose("worker-1", {NAME: 6})

    counts = whole_of(told).counts
    assert (counts.scheduled, counts.sent, counts.unknown) == (16, 16, 6)


def test_messages_that_nobody_sent_are_in_the_whole_and_in_the_series() -> None:
    told, worker = account(), ReportingWorker()
    worker.send(accepted=10)
    told.absorb("worker-1", worker.report())

    told.forgo(NAME, 7, 3.2)
    worker.send(accepted=1)
    told.absorb("worker-1", worker.report())

    whole = whole_of(told)
    assert (whole.counts.scheduled, whole.counts.not_sent) == (18, {"generator": 7})
    assert whole.durations.response.count == 18
    assert series_of(told).total == whole.counts
    assert series_of(told).steps[3].not_sent == {"generator": 7}


@pytest.mark.parametrize(
    ("numbers", "problems"),
    [
        pytest.param([1, 2], ["", ""], id="in order"),
        pytest.param([1, 3], ["", "1 reports of worker worker-1 are missing"], id="one is missing"),
        pytest.param(
            [1, 1], ["", "report 1 of worker worker-1 came again, and was left out"], id="again"
        ),
    ],
)
def test_reports_are_numbered(numbers: list[int], problems: list[str]) -> None:
    told, report = account(), ReportingWorker().report()

    assert [told.absorb("worker-1", replace(report, number=n)) for n in numbers] == problems


def test_a_scenario_that_does_not_run_is_left_out() -> None:
    told, report = account(), ReportingWorker().report()
    [part] = report.scenarios.values()

    told.absorb("worker-1", replace(report, scenarios={"unknown": part}))

    assert list(told.series(0.0)) == [NAME]


LATEST_S = 90
"""The run lasts 30 s; its messages may be 10 s late and take 20 s, a stop 10 s, each with 10 s."""
SLOW = ("max_lateness_s=10", "request_timeout_s=20", "stop_timeout_s=10")


def report_of_second(second: int, where: str) -> WorkerReport:
    """Return a report of 3 messages, of which one part has a second or a moment far away."""
    worker = ReportingWorker()
    worker.send(accepted=3)
    report = worker.report()
    [part] = report.scenarios.values()
    seconds = {second: part.counts}
    step = StepReport(part.counts, part.durations, seconds)
    parts = {
        "seconds": replace(part, seconds=seconds),
        "step": replace(part, steps={"typing": step}),
        "timing": replace(part, timings={"reply": step}),
    }
    health = replace(report.health, seconds={second: HealthSecond(0.5, 1.0)})
    return replace(
        report,
        at_s=float(second) if where == "at_s" else report.at_s,
        health=health if where == "health" else report.health,
        scenarios={NAME: parts.get(where, part)},
    )


@pytest.mark.parametrize("where", ["seconds", "step", "timing", "health", "at_s"])
def test_seconds_after_the_end_of_the_run_are_left_out(where: str) -> None:
    plan = PLAN.with_curve(RateCurve([Stage(20, 20, 30)]))
    told = RunAccount({NAME: plan}, settings_of(*SLOW))

    in_time = told.absorb("worker-1", report_of_second(LATEST_S, where))
    late = told.absorb("worker-1", replace(report_of_second(LATEST_S + 1, where), number=2))
    far = told.absorb("worker-1", replace(report_of_second(10**8 - 1, where), number=3))

    assert in_time == ""
    assert [late, far] == [
        f"worker worker-1 reported of second {second}, but the run is over by second {LATEST_S}: "
        "that is left out"
        for second in (LATEST_S + 1, 10**8 - 1)
    ]
    series = told.series(told.reported_until_s(["worker-1"], 0.0)).values()
    assert max(second for each in series for second in each.steps) <= LATEST_S
    assert max(stretch * each.report_s for each in series for stretch in each.reports) <= LATEST_S
    assert max(each.until_s for each in series) <= LATEST_S
    assert max(told.generator(), default=0) <= LATEST_S


def test_what_was_reported_before_the_plan_became_shorter_stays_and_more_comes() -> None:
    plan = PLAN.with_curve(RateCurve([Stage(20, 20, 30)]))
    told = RunAccount({NAME: plan}, settings_of(*SLOW))
    told.absorb("worker-1", report_of_second(1, "seconds"))

    for duration_s, latest_s in ((40, LATEST_S + 10), (5, LATEST_S + 10)):
        told.follow({NAME: PLAN.with_curve(RateCurve([Stage(20, 20, duration_s)]))})

        report = report_of_second(latest_s, "seconds")
        assert told.absorb(f"worker of {duration_s} s", report) == ""
        assert max(series_of(told).steps) == latest_s


def test_a_worker_cannot_make_up_steps_without_end() -> None:
    told, report = account(), ReportingWorker().report()
    [part] = report.scenarios.values()
    step = StepReport(part.counts, part.durations, part.seconds)

    said = [
        told.absorb(
            "worker-1",
            replace(
                report,
                number=number,
                scenarios={
                    NAME: replace(part, steps={f"{number}-{n}": step for n in range(9_999)})
                },
            ),
        )
        for number in (1, 2, 3)
    ]

    problem = "worker worker-1 reported of more steps than a run can have; no more count"
    assert said == ["", problem, problem]
    assert len(whole_of(told).steps) == 9_999
    assert len(told.series(0.0)) == 10_000


def test_unknown_codes_of_retired_conversations_are_few() -> None:
    told, report = account(), ReportingWorker().report()
    [part] = report.scenarios.values()
    pool = PoolReport({n: f"499 code {n}" for n in range(1000)}, redirected=0)

    told.absorb("worker-1", replace(report, scenarios={NAME: replace(part, pool=pool)}))

    retired = whole_of(told).retired
    assert len(retired) == 51
    assert (retired["499 code 0"], retired["4xx other"]) == (1, 950)


def test_of_each_step_the_worst_worker_and_the_most_users_are_noted() -> None:
    told = account()

    told.absorb("worker-1", of_seconds(at_0=HealthSecond(0.5, 2.0), at_3=HealthSecond(0.1, 1.0)))
    told.absorb("worker-2", of_seconds(at_0=HealthSecond(0.2, 7.0)))
    for at_s, users in ((3.1, 4), (3.5, 9), (3.9, 2), (4.0, 5)):
        told.note_users(at_s, users)

    assert told.generator() == {
        0: GeneratorStep(0, 0.5, 7.0),
        3: GeneratorStep(9, 0.1, 1.0),
        4: GeneratorStep(5, 0.0, 0.0),
    }


def test_the_health_of_a_worker_is_what_it_reported() -> None:
    told, report = account(), ReportingWorker().report()
    health = replace(report.health, measured_s=4.0, cpu_s=1.0, cpu_share_max=0.5)

    told.absorb("worker-1", replace(report, health=health))

    worker = told.worker("worker-1", is_lost=False, held_s=3.0)
    assert (worker.state, worker.held_s) == ("reported", 3.0)
    assert (worker.health.measured_s, worker.health.cpu_share.mean) == (4.0, 0.25)


def test_all_have_reported_up_to_where_the_last_of_them_has() -> None:
    told, one, two = account(), ReportingWorker(), ReportingWorker()
    reports = [one.report(), one.report(), two.report()]
    seen = [told.is_new("worker-1", reports[0])]
    for name, report in zip(("worker-1", "worker-1", "worker-2"), reports, strict=True):
        told.absorb(name, report)
    seen += [told.is_new("worker-1", reports[1]), told.is_new("worker-1", one.report())]

    assert seen == [True, False, True]
    assert told.reported_until_s(["worker-1", "worker-2"], 9.0) == 1.0
    assert told.reported_until_s([], 9.0) == 9.0
    assert told.reported()[1] == 2.0, "up to the last report, whoever sent it"
    assert account().reported()[1] == 0.0


def test_a_lost_worker_that_had_reported_everything_adds_nothing() -> None:
    told, worker = account(), ReportingWorker()
    worker.send(accepted=10)
    told.absorb("worker-1", worker.report())
    before = whole_of(told).counts

    assert told.lose("worker-1", {NAME: 0}) == 0
    assert whole_of(told).counts == before
    assert "worker lost" not in whole_of(told).counts.errors


@pytest.mark.parametrize(
    ("plan", "configured_per_s", "due"),
    [
        pytest.param(
            PLAN.with_curve(RateCurve([Stage(20, 20, 10), Stage(5, 5, 20)])),
            10.0,
            [*range(20, 201, 20), *range(205, 301, 5)],
            id="seconds",
        ),
        pytest.param(
            PLAN.with_curve(RateCurve([Stage(1, 1, 20_000)])),
            1.0,
            [*range(2, 20_001, 2)],
            id="a long run in steps",
        ),
        pytest.param(CLOSED, None, [], id="without a schedule"),
    ],
)
def test_what_is_due_is_known_by_step_and_in_the_mean(
    plan: ScenarioPlan, configured_per_s: float | None, due: list[int]
) -> None:
    told = RunAccount({NAME: plan}, settings_of())

    assert whole_of(told).configured_per_s == configured_per_s
    assert list(series_of(told).due) == due


def test_what_is_due_follows_a_change_of_the_plan() -> None:
    told = account()
    rate = INPUTS.curve.stages[0].rate_from
    begins = list(series_of(told).due)[:10]

    told.follow({NAME: PLAN.with_curve(RateCurve([Stage(rate, rate, 10), Stage(5, 5, 20)]))})

    due = series_of(told).due
    assert list(due)[:10] == begins
    assert (due[10] - due[9], due[29] - due[9]) == (5, 100)
