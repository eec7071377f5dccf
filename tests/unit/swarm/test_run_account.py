"""The account of a run: what the reports of its workers add up to, by second and as a whole."""

from __future__ import annotations

from msgspec.structs import replace

from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ScenarioPlan
from convoy.results.account import ScenarioResult
from convoy.results.series import Series
from convoy.swarm.run_account import RunAccount
from convoy.swarm.workers import WorkerStatus
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.swarm import ReportingWorker

NAME = "conversation_messages"
PLAN = ScenarioPlan(INPUTS)


def account() -> RunAccount:
    return RunAccount({NAME: PLAN}, timeout_s=30.0)


def whole_of(told: RunAccount) -> ScenarioResult:
    return told.scenario(NAME, planned=0, configured_per_s=None)


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
    assert told.worker("worker-2", WorkerStatus(), 0.0).sent == 20
    assert len(told.samples()["400 invalid_payload"].samples) == 2


def test_messages_of_a_lost_worker_are_in_the_whole_and_not_in_the_series() -> None:
    told, worker = account(), ReportingWorker()
    worker.send(accepted=10)
    told.absorb("worker-1", worker.report())
    before = series_of(told)

    told.lose("worker-1", NAME, 5)

    assert series_of(told) == before
    assert whole_of(told).counts.since(before.total).errors == {"worker lost": 5}
    assert told.worker("worker-1", WorkerStatus(is_lost=True), 0.0).state == "lost"


def test_a_scenario_that_does_not_run_is_left_out() -> None:
    told, report = account(), ReportingWorker().report()
    [part] = report.scenarios.values()

    told.absorb("worker-1", replace(report, scenarios={"unknown": part}))

    assert list(told.series(0.0)) == [NAME]


def test_what_is_due_follows_a_change_of_the_plan() -> None:
    told = account()
    rate = INPUTS.curve.stages[0].rate_from
    begins = list(series_of(told).due)[:10]

    told.follow({NAME: PLAN.with_curve(RateCurve([Stage(rate, rate, 10), Stage(5, 5, 20)]))})

    due = series_of(told).due
    assert list(due)[:10] == begins
    assert (due[10] - due[9], due[29] - due[9]) == (5, 100)
