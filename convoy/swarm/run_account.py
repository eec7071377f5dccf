"""The account of a run on its master: what the reports of all workers add up to, by scenario."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from convoy.plan.scenario import ScenarioPlan
from convoy.results.account import Durations, ScenarioAccount, ScenarioResult, StepReport
from convoy.results.counts import Counts
from convoy.results.health import HealthAccount
from convoy.results.histograms import BucketCounts
from convoy.results.result import GeneratorStep, WorkerResult
from convoy.results.samples import CodeSamples, SampleBook
from convoy.results.series import REPORT_STEPS, Series, SeriesAccount, step_of
from convoy.routes.codes import CodeBook
from convoy.settings import Settings
from convoy.swarm.accounting import code_namer
from convoy.swarm.messages import WorkerReport
from convoy.swarm.phases import latest_end_s

logger = logging.getLogger(__name__)

_MOST_PROBLEMS = 100
"""In a run: a worker could make a problem of each of its messages."""
_MOST_PARTS = 10_000
"""Scenarios, steps and timings of a run: a dialogue has up to a hundred steps."""


@dataclass(slots=True)
class _Reported:
    """How many reports came from a worker, the last one made so long after T0; its health."""

    number: int = 0
    until_s: float = 0.0
    health: HealthAccount = field(default_factory=HealthAccount)


class Problems(list[str]):
    """What makes the numbers of a run doubtful, each in a sentence."""

    def note(self, problem: str) -> None:
        """Add and log one, unless it is "" or there already; of very many the first ones."""
        if problem and len(self) == _MOST_PROBLEMS:
            problem = "there were more problems, which are not listed"
        if problem and len(self) <= _MOST_PROBLEMS and problem not in self:
            logger.error("%s", problem)
            self.append(problem)


class RunAccount:
    """Accounts and series of the scenarios of a run, the samples of its errors, and its workers.

    A message that a lost worker may have sent counts as lasting until its deadline at least, one
    that nobody sent as late as a message may be. `redact` hides secrets in codes and samples.
    """

    def __init__(
        self,
        plans: Mapping[str, ScenarioPlan],
        settings: Settings,
        report_steps: int = REPORT_STEPS,
        redact: Callable[[str], str] = str,
    ) -> None:
        # A worker does not know the tokens and header values of its master.
        self._name_without_secrets = code_namer(redact)
        book = CodeBook()

        def name_code(code: str) -> str:
            return book.name(self._name_without_secrets(code))

        self._timeout_s = settings.request_timeout_s
        self._max_lateness_s = settings.max_lateness_s
        self._step_s = step_of(max(plan.arrivals.duration_s for plan in plans.values()))
        self._settings = settings
        self._latest_s = 0.0
        self._accounts = {name: ScenarioAccount(name_code) for name in plans}
        self._series = defaultdict[str, SeriesAccount](
            lambda: SeriesAccount(self._step_s, name_code, report_steps, self._latest_s)
        )
        self._parts: set[str] = set()
        self._samples = SampleBook(redact, self._name_without_secrets)
        self._workers: defaultdict[str, _Reported] = defaultdict(_Reported)
        self._due: dict[str, list[int]] = {}
        self._mean_per_s: dict[str, float | None] = {}
        # What is in here is replaced and never changed, because results hold it too.
        self._generator: dict[int, GeneratorStep] = {}
        self.follow(plans)

    def follow(self, plans: Mapping[str, ScenarioPlan]) -> None:
        """Count anew how many messages are due by the end of each step, and in a mean second."""
        # What was reported of a longer plan before stays.
        duration_s = max(plan.arrivals.duration_s for plan in plans.values())
        self._latest_s = max(self._latest_s, latest_end_s(self._settings, duration_s))
        for series in self._series.values():
            series.latest_s = self._latest_s
        for name, plan in plans.items():
            mean_per_s = plan.curve.messages / plan.curve.duration_s if plan.is_scheduled else None
            self._mean_per_s[name] = mean_per_s
            steps = ceil(plan.arrivals.duration_s / self._step_s)
            moments_s = [step * self._step_s for step in range(1, steps + 1)]
            self._due[name] = plan.arrivals.due_before(moments_s)

    def is_new(self, worker: str, report: WorkerReport) -> bool:
        """Return whether a report has not been absorbed yet."""
        return report.number > self._workers[worker].number

    def absorb(self, worker: str, report: WorkerReport) -> str:
        """Take in the next report of a worker; a scenario that does not run is left out.

        So are seconds that lie after the end of the run, and times end with it. Returns what is
        wrong with it, "" for one that follows the last and has none.
        """
        reported = self._workers[worker]
        missing = report.number - reported.number - 1
        if missing < 0:
            return f"report {report.number} of worker {worker} came again, and was left out"
        from_s, latest_s, unfit = reported.until_s, report.at_s, ""
        reported.number, reported.until_s = report.number, min(report.at_s, self._latest_s)
        reported.health.absorb(report.health)
        for at_s, found in report.health.seconds.items():
            latest_s = max(latest_s, at_s)
            if at_s <= self._latest_s:
                self._note(at_s, 0, found.cpu_share, found.loop_lag_ms)
        for scenario in self._accounts.keys() & report.scenarios.keys():
            each = report.scenarios[scenario]
            parts = self._parts | dict(each.parts(scenario)).keys()
            if len(parts) > _MOST_PARTS:
                unfit = f"worker {worker} reported of more steps than a run can have; no more count"
                continue
            if not all(map(str.isprintable, parts)):
                unfit = f"worker {worker} reported of a step whose name cannot be printed"
                continue
            self._parts = parts
            self._accounts[scenario].absorb(worker, each)
            for name, part in each.parts(scenario):
                latest_s = max(latest_s, max(part.seconds, default=0))
                self._series[name].absorb(part, from_s, reported.until_s)
        self._samples.absorb(report.samples)
        if missing:
            return f"{missing} reports of worker {worker} are missing"
        if latest_s > self._latest_s:
            end = f"the run is over by second {self._latest_s:.0f}"
            return f"worker {worker} reported of second {latest_s:.0f}, but {end}: that is left out"
        return unfit

    def redact(self) -> None:
        """Hide what was registered as a secret after a code or a sample with it was reported."""
        for account in self._accounts.values():
            account.rename_codes(self._name_without_secrets)
        for series in self._series.values():
            series.rename_codes(self._name_without_secrets)
        self._samples.redact()

    def note_users(self, at_s: float, users: int) -> None:
        """Note that so many users were ready at a moment after T0; the most in a step count."""
        before = self._generator.get(int(at_s) // self._step_s)
        if before is None or users > before.users:
            self._note(int(at_s), users, 0.0, 0.0)

    def _note(self, second: int, users: int, cpu_share: float, loop_lag_ms: float) -> None:
        step = second // self._step_s
        before = self._generator.get(step, GeneratorStep(0, 0.0, 0.0))
        self._generator[step] = GeneratorStep(
            max(before.users, users),
            round(max(before.cpu_share, cpu_share), 4),
            round(max(before.loop_lag_ms, loop_lag_ms), 3),
        )

    def merge_next(self) -> None:
        """Merge a part of the durations that were absorbed, if there are any."""
        any(account.merge_next() for account in self._accounts.values())

    def forgo(self, scenario: str, messages: int, at_s: float) -> None:
        """Count messages that nobody sent, as known at `at_s` after T0."""
        self._accounts[scenario].forgo(messages, self._max_lateness_s)
        forgone = Counts()
        forgone.forgo(messages)
        report = StepReport(forgone, Durations.of(BucketCounts), {int(at_s): forgone})
        self._series[scenario].absorb(report, at_s, at_s)

    def lose(self, worker: str, missing: Mapping[str, int]) -> int:
        """Count messages that a dead worker may have sent, by scenario, and return their number.

        They are in no series.
        """
        for scenario, messages in missing.items():
            if messages:
                self._accounts[scenario].lose(worker, messages, self._timeout_s)
        return sum(missing.values())

    def reported(self) -> tuple[Counts, float]:
        """Return what was reported of all scenarios so far, and until when, from T0."""
        totals = Counts.total(account.total() for account in self._accounts.values())
        return totals, max((each.until_s for each in self._workers.values()), default=0.0)

    def counts_of(self, worker: str, scenario: str) -> Counts:
        return self._accounts[scenario].counts_of(worker)

    def reported_until_s(self, workers: Iterable[str], otherwise_s: float) -> float:
        """Return until when each of these workers has reported, in seconds since T0."""
        return min((self._workers[name].until_s for name in workers), default=otherwise_s)

    def worker(self, name: str, is_lost: bool, held_s: float) -> WorkerResult:
        """Return what became of a worker that held lanes for so long."""
        sent = Counts.total(account.counts_of(name) for account in self._accounts.values()).sent
        state: Literal["reported", "lost"] = "lost" if is_lost else "reported"
        return WorkerResult(name, state, sent, self._workers[name].health.result(), held_s)

    def scenario(self, scenario: str, planned: int, with_times: bool = True) -> ScenarioResult:
        """Return what came of a scenario of which so many messages have to be accounted for."""
        configured_per_s = self._mean_per_s[scenario]
        return self._accounts[scenario].result(planned, configured_per_s, with_times=with_times)

    def series(self, until_s: float) -> dict[str, Series]:
        """Return the series by now, of scenarios, steps and timings, by name.

        In each of them every worker has reported up to `until_s`.
        """
        return {
            name: self._series[name].result(self._due.get(name, ()), until_s)
            for name in dict.fromkeys((*self._accounts, *self._series))
        }

    def generator(self) -> dict[int, GeneratorStep]:
        """Return how the workers were by now, by the number of the step."""
        return dict(self._generator)

    def samples(self) -> dict[str, CodeSamples]:
        return self._samples.by_code()
