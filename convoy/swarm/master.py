"""The master of one run: puts its protocol on a clock and a channel, and keeps its account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime

import gevent

from convoy.clock import clock_s
from convoy.errors import ConvoyError, RefusedError
from convoy.plan.lanes import LEASE_S
from convoy.prepare.message_counts import warm_up_messages
from convoy.remote.approved_total import TotalBook
from convoy.results.criteria import CriterionResult
from convoy.results.message_log import redacted
from convoy.results.progress import Progress, progress_measured
from convoy.results.result import RunFacts, RunResult
from convoy.results.series import REPORT_STEPS
from convoy.swarm import actions
from convoy.swarm.changes import Changes
from convoy.swarm.messages import Channel, WorkerReport, decode_to_master
from convoy.swarm.phases import LEAD_S, RunState
from convoy.swarm.protocol import RunProtocol
from convoy.swarm.run_account import Problems, RunAccount
from convoy.swarm.run_inputs import RunInputs, plan_hash
from convoy.swarm.run_lanes import RunLanes
from convoy.swarm.worker_states import Swarm
from convoy.untrusted_text import told

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_HELLO_S = 3.0
"""How long a connected worker may take to say that it runs Convoy: it does so when it connects."""


@dataclass(eq=False, repr=False)
class Master:
    """Takes one run over the workers of a swarm through its phases; `run` needs a greenlet.

    `code` is the hash of the code that makes messages, the same in every worker. Where the only
    worker `is_local`, it needs no lease. `end_early` is called with the reason when a worker asks
    for the end of the run, `enter_messages` with each part of the log of messages. `redact` hides
    secrets in what the run's result says. The preflight has used `sent_before` of an approved
    total. It is long because protocol, account and channel of a run meet nowhere else.
    """

    inputs: RunInputs
    channel: Channel
    swarm: Swarm
    _: KW_ONLY
    code: str
    spawning_s: float
    is_local: bool
    sent_before: int
    end_early: Callable[[str], None]
    facts: RunFacts
    redact: Callable[[str], str]
    enter_messages: Callable[[bytes], None]

    def __post_init__(self) -> None:
        settings = self.inputs.settings
        self.problems = Problems()
        self.aborted: CriterionResult | None = None
        self.is_stopped = False
        """True once the run was stopped before its time."""
        plans = self.inputs.plans()
        self.plan_hash = plan_hash(plans)
        approval = settings.target.approval
        total = TotalBook(None if approval is None else approval.highest_total)
        beside = warm_up_messages(settings) + self.sent_before
        self.changes = Changes(settings, plans, total, beside)
        self.lanes = RunLanes(plans, settings.request_timeout_s)
        self.report_every_s = 1 if self.is_local and settings.is_slow else REPORT_STEPS
        """So often each worker reports."""
        self._account = RunAccount(plans, settings, self.report_every_s, self.redact)
        self._protocol = RunProtocol(
            self.inputs,
            self.lanes,
            self.plan_hash,
            self._account.counts_of,
            workers_at_first=max(1, len(self.swarm.workers())),
            spawning_s=self.spawning_s,
            now_s=clock_s(),
            lease_s=None if self.is_local else LEASE_S,
            total=total,
        )
        self._t0_wall_s = time.time()
        self._refusal = ""
        self._without_part: set[str] = set()
        self._hello_by_s: dict[str, float] = {}
        self._do = actions.InOrder(self._carry_out).do

    def snapshot(self, *, with_times: bool = True) -> RunResult:
        """Return the result of the run up to now; after its end, the whole result.

        Without times, the histograms are empty: they take most of the time that this does.
        """
        settings, phases = self.inputs.settings, self._protocol.phases
        t0_s, measured_s = phases.t0_s or 0.0, phases.measured_s(self.lanes.duration_s)
        t0 = datetime.fromtimestamp(self._t0_wall_s, UTC)
        holding = (name for name, each in self._protocol.workers.in_run() if each.granted_epoch)
        is_whole = not self.is_stopped
        return RunResult(
            run_id=self.inputs.run_id,
            seed=settings.seed,
            plan_hash=self.plan_hash,
            target=told(settings.target.name, self.redact),
            profile=told(settings.profile, self.redact),
            started_at=t0.isoformat().replace("+00:00", "Z"),
            duration_s=measured_s,
            late_after_s=settings.late_after_ms / 1000,
            is_flat_out=settings.is_flat_out,
            scenarios={
                name: self._account.scenario(name, self.lanes.planned(name, is_whole), with_times)
                for name in self.lanes.plans
            },
            workers=tuple(
                self._account.worker(name, each.is_lost, each.held_s(t0_s, t0_s + measured_s))
                for name, each in self._protocol.workers.status.items()
            ),
            samples=self._account.samples(),
            changes=tuple(self.changes.made),
            problems=tuple(told(p, self.redact) for p in self.problems),
            facts=self.facts,
            series=self._account.series(self._account.reported_until_s(holding, measured_s)),
            generator=self._account.generator(),
            aborted=self.aborted,
        )

    @property
    def state(self) -> RunState:
        return self._protocol.state

    @property
    def since_t0_s(self) -> float:
        """Seconds since T0, negative before; 0 while T0 is not known."""
        return self._protocol.phases.since_t0_s(clock_s())

    def progress(self) -> Progress:
        """Return how far the run is."""
        now_s, phases, planned_s = clock_s(), self._protocol.phases, self.lanes.duration_s
        where = f"run {self.inputs.run_id} to {self.inputs.settings.target.api_url}"
        told = "paused; " * self.changes.is_paused + phases.told(now_s, planned_s)
        if phases.state is RunState.PREPARING:
            ready = self._protocol.workers.readiness(self.inputs.settings.users)
            return Progress(where, told, None, ready)
        if phases.state is RunState.WARMING_UP:
            return Progress(where, told, None, "what is sent now does not count")
        totals, until_s = self._account.reported()
        return progress_measured(where, told, totals, until_s, planned_s)

    @property
    def has_surplus(self) -> bool:
        """True while a worker has more users than it was dealt."""
        return self._protocol.workers.has_surplus

    def may_have_users(self, worker: str) -> bool:
        """Return whether a worker takes part, so that users may be dealt to it."""
        return self._protocol.workers.may_have_users(worker)

    def run(self) -> None:
        """Take the run from its preparation to its end; raises RefusedError."""
        while self._protocol.state is not RunState.ENDED:
            self._look()
            # A part at a time: all durations of a report in one piece kept messages waiting for
            # 17 ms at 12,000 messages a second.
            self._account.merge_next()
            gevent.sleep(_POLL_S)
        self._account.redact()

    def change(self, make: Callable[[Changes, float], None]) -> None:
        """Change the plan from a moment on that lies `LEAD_S` ahead; raises RefusedError."""
        phases, now_s = self._protocol.phases, clock_s()
        if phases.t0_s is None or self.is_stopped:
            raise RefusedError("no load is going on that could be changed")
        at_s = phases.since_t0_s(now_s) + LEAD_S
        make(self.changes, at_s)
        logger.info("the run is changed: %s", self.changes.made[-1])
        self._do(self._protocol.change(self.changes.curves, at_s, now_s))
        self._account.follow(self.lanes.plans)

    def note_users(self, users: int) -> None:
        """Have the record say that so many users are asked for from now on."""
        self.changes.note_users(self.since_t0_s, users)

    def stop(self) -> None:
        """Have the run end now; `run` returns when what is in flight has ended."""
        self.is_stopped = True
        self._do(self._protocol.stop(clock_s()))

    def abandon(self) -> None:
        """Have `run` return at once."""
        self._protocol.phases.end(clock_s())

    def dismiss_workers(self) -> None:
        """Have nothing of the run leave any more, which is over.

        Its users may still be about something that is in no figure, such as to connect.
        """
        self._do(self._protocol.dismiss())

    def hear(self, worker: str, data: bytes) -> None:
        """Take in a worker's message."""
        try:
            message = decode_to_master(data)
            self._do(self._protocol.hear(worker, message, clock_s()))
        except ConvoyError as error:
            self._leave_out(worker, f"a message of worker {worker} was left out: {error}")

    def on_report(self, name: str, data: bytes) -> None:
        """Absorb a worker's numbered report, unless the worker is out or it is another run's."""
        if not self._protocol.workers.is_in(name):
            return
        try:
            report = WorkerReport.from_bytes(data)
            # One in this process has redacted its log by the same secrets.
            log = report.messages if self.is_local else redacted(report.messages, self.redact)
        except ConvoyError as error:
            self.problems.note(f"a report of worker {name} was left out: {error}")
            return
        if report.run_id != self.inputs.run_id:
            return
        # Before it is absorbed, after which it is not new any more. Who had no lanes sent nothing,
        # and `cleanup` closes the conversations that the log names.
        has_sent = self._protocol.workers.has_had_lanes(name)
        if log and has_sent and self._account.is_new(name, report):
            self.enter_messages(log)
        self.problems.note(self._account.absorb(name, report))

    def _look(self) -> None:
        """Take the run on; raises RefusedError where its load cannot begin."""
        protocol, phases, now_s = self._protocol, self._protocol.phases, clock_s()
        was_begun, alive = phases.t0_s is not None, self.swarm.workers()
        for worker in sorted(alive - protocol.workers.status.keys()):
            self._take_in(worker, now_s)
        self._do(protocol.look(now_s, alive, self.swarm.assigned_users()))
        since_s = phases.since_t0_s(now_s)
        if phases.t0_s is not None and not was_begun:
            # Noted once, because the wall clock may be stepped while the run goes on.
            self._t0_wall_s = time.time() - since_s
        if phases.t0_s is not None and since_s >= 0:
            self._account.note_users(since_s, protocol.workers.users_ready)
        refusal, self._refusal = self._refusal, ""
        if refusal:
            raise RefusedError(refusal)

    def _take_in(self, worker: str, now_s: float) -> None:
        """Let a worker in that says in time that it runs Convoy, of this version and code."""
        hello = self.swarm.hellos.get(worker)
        if hello is not None and not (misfit := hello.misfit(self.code)):
            self._do(self._protocol.connect(worker))
        elif hello is not None:
            self._do(self._protocol.exclude(worker, misfit))
        elif now_s > self._hello_by_s.setdefault(worker, now_s + _HELLO_S):
            self._do(self._protocol.exclude(worker, "it does not run Convoy's locustfile"))

    def _carry_out(self, action: actions.Action) -> None:
        match action:
            case actions.Send(worker, message):
                self.channel.to_worker(worker, message)
            case actions.Forgo(scenario, messages):
                self._account.forgo(scenario, messages, max(0.0, self.since_t0_s))
            case actions.Lose(worker, missing):
                lost = self._account.lose(worker, missing)
                why = f"worker {worker} was lost; {lost} messages that it may have sent are unknown"
                if self.inputs.settings.on_worker_lost == "degrade":
                    logger.warning("%s", why)
                else:
                    self.problems.note(why)
            case actions.Doubt(problem):
                self.problems.note(problem)
            case actions.Tell(sentence):
                logger.warning("%s", sentence)
            case actions.Refuse(reason):
                self._refusal = reason
            case actions.EndEarly(reason):
                self.end_early(reason)

    def _leave_out(self, worker: str, problem: str) -> None:
        """Note a problem with a worker's message; of one without a part no figure depends on it."""
        if self._protocol.workers.is_in(worker):
            self.problems.note(problem)
        elif worker not in self._without_part:
            self._without_part.add(worker)
            logger.warning("%s", problem)
