"""A run in one process with users: the work of its scenarios, its lease, and its reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import gevent

from convoy.clock import clock_s
from convoy.engine.loop_lag import watch
from convoy.plan.lanes import LANES, numbers_between
from convoy.plan.rate_curve import RateCurve
from convoy.remote.connections import Connections
from convoy.results.health import HealthRecorder
from convoy.results.message_log import MessageLog
from convoy.results.outcome import Outcome
from convoy.results.samples import SampleKeeper
from convoy.swarm.accounting import Rows, code_namer
from convoy.swarm.delivery import Delivery
from convoy.swarm.lease_clock import LeaseClock
from convoy.swarm.messages import Change, Lanes, ToWorker, WorkerReport
from convoy.swarm.run_inputs import RunInputs, plan_hash
from convoy.swarm.scenario_work import ScenarioWork

_ROWS_EVERY_S = 0.1
"""Locust counts messages in the second of their entry, so a batch should not outlast its second."""


class WorkerRunState(StrEnum):
    """A worker in a run: it logs in (joining), may be granted lanes, had some, or winds up."""

    JOINING = "joining"
    READY = "ready"
    HOLDING = "holding"
    LEAVING = "leaving"
    STOPPING = "stopping"


@dataclass(eq=False, repr=False)
class WorkerRun:
    """One run in this process; `redact` hides secrets in samples of errors, codes and ids.

    It is long because all that is done in step over its scenarios is here: lanes, seconds, reports.
    """

    inputs: RunInputs
    connections: Connections
    lease: LeaseClock
    delivery: Delivery
    rows: Rows
    redact: Callable[[str], str]

    def __post_init__(self) -> None:
        plans, settings = self.inputs.plans(), self.inputs.settings
        self.state = WorkerRunState.JOINING
        self.run_id = self.inputs.run_id
        self.plan_hash = plan_hash(plans)
        self.samples = SampleKeeper(self.redact, settings.samples, clock_s)
        self._log = MessageLog(self.redact) if settings.records_messages else None
        pace, name_code = self.connections.pace, code_namer(self.redact)
        self.work = {
            name: ScenarioWork(
                self.inputs, plan, self.rows, self.keep_sample, self._log, pace, name_code
            )
            for name, plan in plans.items()
        }
        self.total = None if pace is None else pace.total
        self._permits = settings.permits_by_scenario()
        self.health = HealthRecorder(settings.late_after_ms / 1000)
        self.is_over = False
        """True once the master has no more to say of the run."""
        self.epoch = 0
        self.t0_s: float | None = None
        self.t0_unsure_s: float | None = None
        """By how much it may be off: the master's clock may become better known later."""
        self.reports = 0
        self.withdrawn: Lanes = {}
        self._withdrawn_s = 0.0
        self._second = 0
        self.keep_lease()  # none yet, so that nothing is handed out before the first one comes

    @property
    def is_stopping(self) -> bool:
        """True when nothing more is to be sent."""
        return self.state in (WorkerRunState.LEAVING, WorkerRunState.STOPPING)

    @property
    def is_after_t0(self) -> bool:
        """True from T0 on, once it is known."""
        return self.t0_s is not None and clock_s() >= self.t0_s

    def takes(self, message: ToWorker) -> bool:
        """Take in that the master said something; return whether it is to be followed."""
        # Also in a worker that is out, whose questions the master answers with a stop.
        self.lease.hear(clock_s())
        return self.delivery.takes(message)

    def keep_lease(self) -> None:
        """Let messages be handed out for as long as the lease holds."""
        if not self.is_stopping:
            # First the pace: a dispatcher sets no alarm for what that lets not leave.
            if self.connections.pace is not None:
                self.connections.pace.ends_s = self.lease.ends_s
            for work in self.work.values():
                work.dispatcher.hold_lease_until(self.lease.ends_s)

    @property
    def ends_s(self) -> float:
        """T1 in seconds of this process's `clock_s`; T0 has to be known."""
        assert self.t0_s is not None
        return self.t0_s + max(work.plan.arrivals.duration_s for work in self.work.values())

    @property
    def may_measure(self) -> bool:
        """True before the end of the measured part, unless nothing more is to be sent."""
        return not self.is_stopping and (self.t0_s is None or clock_s() < self.ends_s)

    @property
    def earliest_end_s(self) -> float:
        """The earliest end of this run by its present plan, on the same clock as `ends_s`."""
        assert self.t0_s is not None
        return self.t0_s + max(work.plan.earliest_end_s for work in self.work.values())

    def keep_sample(self, outcome: Outcome, request: bytes) -> None:
        """Take note of a failed message; its body and the answer's may become a sample."""
        if self.t0_s is not None:
            self.samples.offer(outcome, outcome.attempt.done_s - self.t0_s, request)

    def flush(self) -> None:
        """Enter the accepted messages that were gathered."""
        for work in self.work.values():
            work.accounting.flush()

    def enter_all(self) -> None:
        """Enter the accepted messages that were gathered, and show them."""
        self.flush()
        self.rows.flush()
        if self._log is not None:
            self._log.pack(self.t0_s or 0.0)

    def begin(self, t0_s: float) -> None:
        """Hand out messages from T0 on, or from its warm-up."""
        self.t0_s, self.t0_unsure_s = t0_s, self.lease.unsure_s(clock_s())
        for work in self.work.values():
            work.dispatcher.start(t0_s)

    def keep_health(self, is_going_on: Callable[[], bool]) -> None:
        """Watch this process and its event loop from T0 to T1."""
        assert self.t0_s is not None
        watch(self.health, self.t0_s, self.ends_s, lambda: not is_going_on(), self._notice_beat)

    def keep_rows_current(self, is_going_on: Callable[[], bool]) -> None:
        """Enter gathered messages before each second of the wall clock is over."""
        while is_going_on():
            gevent.sleep(_ROWS_EVERY_S - time.time() % _ROWS_EVERY_S)
            self.enter_all()

    def keep_seconds(self, t0_s: float, is_going_on: Callable[[], bool]) -> None:
        """Enter what was counted in each second of the run's clock as soon as it is over."""
        while is_going_on():
            seconds = max(0, int(clock_s() - t0_s)) + 1
            gevent.sleep(max(0.0, t0_s + seconds - clock_s()))
            self.enter_second()

    def report(self) -> WorkerReport:
        """Return the next numbered report."""
        self.reports += 1
        at_s = self.enter_second()
        return WorkerReport(
            run_id=self.run_id,
            number=self.reports,
            at_s=at_s,
            scenarios={
                name: work.accounting.report(work.pool.report()) for name, work in self.work.items()
            },
            samples=self.samples.report(),
            health=self.health.report(),
            messages=b"" if self._log is None else self._log.take(self.t0_s or 0.0),
        )

    def enter_second(self) -> float:
        """Enter what was counted since the last call under the second of that call.

        Called at the end of each second, and before a report. Returns the present moment in seconds
        since T0, 0 before.
        """
        at_s = 0.0 if self.t0_s is None else max(0.0, clock_s() - self.t0_s)
        # What was gathered and what has expired belongs to the second that is over, too.
        self.flush()
        for work in self.work.values():
            work.dispatcher.expire()
            work.accounting.expire_timings(is_over=self.is_stopping and not work.users)
            for each in work.accounting.recorders:
                each.enter_second(self._second)
        self._second = int(at_s)
        return at_s

    def grant(self, lanes: Lanes, epoch: int, t0_s: float, warm_up_from_s: float = -inf) -> None:
        """Take on lanes, by scenario, each from a message number on."""
        self.epoch = epoch
        # Before the lanes: a dispatcher whose pace lets nothing leave sets no alarm for them.
        self.keep_pace(lanes)
        for scenario, each in lanes.items():
            self.work[scenario].grant(each, max(clock_s() - t0_s, warm_up_from_s))

    def keep_pace(self, added: Lanes | None = None) -> None:
        """Let so many messages leave in a second as the approval has for the lanes held here."""
        pace = self.connections.pace
        if pace is None:
            return
        most, planned = 0, 0.0
        for name, permits in self._permits.items():
            held = self.work[name].dispatcher.queue.granted | (added or {}).get(name, {}).keys()
            most += sum(numbers_between(lane, permits.start, permits.stop) for lane in held)
            if self.inputs.settings.is_scheduled:
                rate = self.work[name].plan.curve.highest_rate * len(held) / LANES
                planned += rate * self.inputs.settings.requests_each(name)
        pace.allow(most, planned)

    def change(self, message: Change) -> float:
        """Follow a change of the plan; return how long after its moment it was heard of."""
        self.epoch = message.epoch
        for scenario, stages in message.stages.items():
            self.work[scenario].change(RateCurve(stages))
        self.keep_pace()
        return 0.0 if self.t0_s is None else clock_s() - self.t0_s - message.at_s

    @property
    def all_lanes(self) -> dict[str, range]:
        return dict.fromkeys(self.work, range(LANES))

    def withdraw(self, lanes: Mapping[str, Iterable[int]]) -> None:
        """Hand out nothing more from these lanes; they wait in `withdrawn` to be taken back."""
        self._withdrawn_s = clock_s()
        for name, numbers in lanes.items():
            self.withdrawn.setdefault(name, {}).update(self.work[name].release(numbers))
        self.keep_pace()

    def take_free(self) -> Lanes:
        """Return the withdrawn lanes of which no conversation is in use.

        There are none while what has left by them is kept from arriving: their next owners would
        send beside it.
        """
        if not self.connections.has_arrived(self._withdrawn_s):
            return {}
        taken = self.take_withdrawn()
        for name, cursors in taken.items():
            busy = {lane: k for lane, k in cursors.items() if self.work[name].is_busy(lane)}
            if busy:
                self.withdrawn[name] = busy
                taken[name] = {lane: k for lane, k in cursors.items() if lane not in busy}
        return taken

    def take_withdrawn(self) -> Lanes:
        """Return the lanes that were withdrawn, each with the first number not handed out."""
        taken, self.withdrawn = self.withdrawn, {}
        return taken

    def hand_back_what_closed(self) -> dict[str, dict[int, int]]:
        """Release the lanes of scenarios without a schedule; their cursors count the messages."""
        return {
            name: work.release(range(LANES))
            for name, work in self.work.items()
            if not work.plan.is_scheduled
        }

    def _notice_beat(self) -> None:
        """Count the messages that were in flight when the loop came late to their answers."""
        self.flush()
        for work in self.work.values():
            for recorder in work.accounting.recorders:
                recorder.notice_beat(self.health.is_late)

    @property
    def is_drained(self) -> bool:
        """True when all messages of the granted lanes have ended, and all that is timed."""
        self.flush()  # what is gathered counts as in flight
        for work in self.work.values():
            work.dispatcher.expire()
            work.accounting.expire_timings(is_over=False)
            work.give_up_kept()
        return all(
            (work.dispatcher.is_exhausted or self.is_stopping)
            and not any(each.in_flight for each in work.accounting.recorders)
            for work in self.work.values()
        )
