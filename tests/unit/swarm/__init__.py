"""One run over processes, without processes: lanes and users dealt to workers, their reports."""

from __future__ import annotations

from convoy.plan.lanes import LANES, first_number
from convoy.results.account import PoolReport, ScenarioRecorder, ScenarioReport
from convoy.results.health import HealthRecorder
from convoy.results.outcome import Cause, Outcome
from convoy.results.samples import SampleKeeper
from convoy.swarm.messages import WorkerReport
from tests.unit.results import ACCEPTED, LATE_AFTER_S, REJECTED

RUN_ID = "20261122-120000-abcdef"


def ends_of(total: int) -> list[int]:
    """Return the first number of each lane that is not in a plan of so many messages."""
    return [first_number(lane, total) for lane in range(LANES)]


class ReportingWorker:
    """What a worker records of a run, and its numbered reports."""

    def __init__(self) -> None:
        self._recorder = ScenarioRecorder(LATE_AFTER_S, timeout_s=30)
        self._samples = SampleKeeper(lambda text: text)
        self._health = HealthRecorder(LATE_AFTER_S)
        self._number = 0

    def send(
        self,
        *,
        accepted: int = 0,
        rejected: int = 0,
        in_flight: int = 0,
        rejection: Outcome = REJECTED,
    ) -> None:
        """Have so many messages come due, some of which have not ended yet."""
        for _ in range(accepted + rejected + in_flight):
            self._recorder.schedule()
        for outcome in [ACCEPTED] * accepted + [rejection] * rejected:
            self._recorder.record(outcome, outcome.attempt.sent_s, Cause.TARGET)
            if outcome.failure:
                self._samples.offer(outcome, 1.0, b"request")

    def report(self) -> WorkerReport:
        """Return the next report; each is made a second after the one before."""
        self._recorder.enter_second(self._number)
        self._number += 1
        own = self._recorder.report()
        pool = PoolReport({7: "400 conversation.closed"}, redirected=1)
        return WorkerReport(
            run_id=RUN_ID,
            number=self._number,
            at_s=float(self._number),
            scenarios={
                "conversation_messages": ScenarioReport(
                    own.counts, own.durations, own.seconds, pool
                )
            },
            samples=self._samples.report(),
            health=self._health.report(),
        )


def report_of(*, rejected: int) -> WorkerReport:
    worker = ReportingWorker()
    worker.send(rejected=rejected)
    return worker.report()
