"""The master of one run: takes it through its phases and deals its lanes to live workers.

prepare (users up, logins done) → warm-up → measure [T0, T1) → drain → end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any

import gevent

from convoy.errors import ConvoyError, RefusedError
from convoy.plan.lanes import LANES
from convoy.results.account import ScenarioResult
from convoy.results.criteria import CriterionResult
from convoy.results.result import RunResult
from convoy.swarm.changes import Changes
from convoy.swarm.channel import Channel, ToWorker, WorkerReport
from convoy.swarm.leases import LeaseBook
from convoy.swarm.run_account import RunAccount
from convoy.swarm.run_inputs import RunInputs, plan_hash, worker_share
from convoy.swarm.workers import Swarm, WorkerStatus, weights_of

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_LEAD_S = 0.3
"""How long before its moment a grant or a change is sent, so that all workers have received it."""
_GRACE_S = 10.0
"""How long the last report of a worker may take after the timeouts of its messages have passed."""
_WAIT_LOGGED_EVERY_S = 5.0


class Master:
    """Takes one run over the workers of a swarm through its phases; `run` needs a greenlet."""

    def __init__(
        self,
        inputs: RunInputs,
        channel: Channel,
        swarm: Swarm,
        *,
        workers_at_first: int,
        spawning_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inputs = inputs
        self.problems: list[str] = []
        self.aborted: CriterionResult | None = None
        self.workers: dict[str, WorkerStatus] = {}
        self.plans = plans = inputs.plans()
        self.plan_hash = plan_hash(plans)
        self.changes = Changes(inputs.settings, plans)
        self._account = RunAccount(plans, inputs.settings.request_timeout_s)
        self._books = {
            name: LeaseBook([plan.arrivals.lane_end(lane) for lane in range(LANES)], plan.groups)
            for name, plan in plans.items()
        }
        self._inputs_message = inputs.to_message()
        self._channel = channel
        self._swarm = swarm
        self._workers_at_first = workers_at_first
        self._spawning_s = spawning_s
        self._clock = clock
        self._t0_s: float | None = None
        self._t0_wall_s = time.time()
        self._epoch = 0
        self._is_stopped = False
        self._ended_at_s = inf
        self._last_problem = ""
        self._refusal = ""

    @property
    def is_stopped(self) -> bool:
        """True once the run was stopped before its time."""
        return self._is_stopped

    def snapshot(self) -> RunResult:
        """Return the result of the run up to now; after its end, the whole result."""
        settings, t0_s = self.inputs.settings, self._t0_s or 0.0
        return RunResult(
            run_id=self.inputs.run_id,
            seed=settings.seed,
            plan_hash=self.plan_hash,
            target=settings.target.name,
            profile=settings.profile,
            started_at=datetime.fromtimestamp(self._t0_wall_s, UTC)
            .isoformat()
            .replace("+00:00", "Z"),
            duration_s=self._measured_s,
            late_after_s=settings.late_after_ms / 1000,
            is_flat_out=settings.is_flat_out,
            scenarios={name: self._scenario_result(name) for name in self.plans},
            workers=tuple(
                self._account.worker(name, each, each.held_s(t0_s, t0_s + self._measured_s))
                for name, each in self.workers.items()
            ),
            samples=self._account.samples(),
            changes=tuple(self.changes.made),
            problems=tuple(self.problems),
            series=self._account.series(self._reported_until_s),
            aborted=self.aborted,
        )

    def _scenario_result(self, scenario: str) -> ScenarioResult:
        plan, book = self.plans[scenario], self._books[scenario]
        # A stopped run has to account only for what fell due before. Without a schedule, the number
        # of messages is known only from the lanes that were given out.
        is_whole = plan.is_scheduled and not self._is_stopped
        mean_per_s = plan.curve.messages / plan.curve.duration_s if plan.is_scheduled else None
        planned = book.total if is_whole else book.given_out
        return self._account.scenario(scenario, planned, mean_per_s)

    @property
    def _measured_s(self) -> float:
        """How long the measured phase lasts, or lasted until the run was stopped or ended."""
        planned_s = max(plan.arrivals.duration_s for plan in self.plans.values())
        if self._t0_s is None:
            return 0.0
        return max(0.0, min(planned_s, self._ended_at_s - self._t0_s))

    @property
    def _reported_until_s(self) -> float:
        """Until when every worker with messages has reported, in seconds since T0."""
        workers = map(self.workers.__getitem__, self._present())
        reported = (each.reported_until_s for each in workers if each.granted_epoch)
        return min(reported, default=self._measured_s)

    def prepare(self, worker: str) -> None:
        """Send the run's inputs to a worker that has connected."""
        if worker not in self.workers and not self._is_stopped:
            number = len(self.workers)
            self.workers[worker] = WorkerStatus()
            tokens, share = worker_share(self.inputs.settings, number, self._workers_at_first)
            message = self._inputs_message | {"tokens": tokens, "share": share}
            self._channel.to_worker(ToWorker.PREPARE, worker, message)
            if self.changes.made:
                self._send_changes(worker, at_s=inf)

    def run(self) -> None:
        """Take the run from its preparation to the end of its drain; raises RefusedError."""
        self._await_users()
        settings = self.inputs.settings
        warm_up_s = settings.warm_up_s if settings.is_scheduled else 0.0
        self._t0_s = self._clock() + _LEAD_S + warm_up_s
        # Noted once, because the wall clock may be stepped while the run goes on.
        self._t0_wall_s = self._wall_s(self._t0_s)
        self._settle()
        self._await_drain()
        if not settings.is_scheduled:
            self._ended_at_s = self._clock()

    def change(self, make: Callable[[Changes, float], None]) -> None:
        """Change the plan from a moment on that lies `_LEAD_S` ahead; raises RefusedError."""
        if self._t0_s is None or self._is_stopped:
            raise RefusedError("no load is going on that could be changed")
        at_s = self._clock() - self._t0_s + _LEAD_S
        make(self.changes, at_s)
        logger.info("the run is changed: %s", self.changes.made[-1])
        for name, curve in self.changes.curves.items():
            plan = self.plans[name] = self.plans[name].with_curve(curve)
            self._books[name].move_ends([plan.arrivals.lane_end(lane) for lane in range(LANES)])
        self._account.follow(self.plans)
        self._epoch += 1
        for name in self._present():
            worker = self.workers[name]
            # A worker with lanes has to drain by the changed plan; one without has none to drain.
            worker.granted_epoch = self._epoch if worker.granted_epoch else 0
            self._send_changes(name, at_s)
        self._settle()

    def _send_changes(self, name: str, at_s: float) -> None:
        stages = self.changes.to_plain()
        self._send(name, ToWorker.CHANGE, {"epoch": self._epoch, "at_s": at_s, "stages": stages})

    def on_late_change(self, name: str, data: Mapping[str, Any]) -> None:
        """Note a change that a worker received late: until then it followed the old plan."""
        self._note(f"worker {name} heard of a change of the run {data['late_s']:.2f} s too late")

    def stop(self) -> None:
        """End the run now: give up what is due and not sent, wait for what is in flight."""
        self._is_stopped = True
        self._ended_at_s = self._clock()
        deadline_s = self._clock() + self.inputs.settings.stop_timeout_s + _GRACE_S
        for name in self._present():
            self.workers[name].drained_epoch = -1
            self._send(name, ToWorker.STOP, {})
        while self._clock() < deadline_s:
            self._notice_leavers()
            if all(self.workers[name].drained_epoch >= 0 for name in self._present()):
                return
            gevent.sleep(_POLL_S)
        self._note_silent(
            [name for name in self._present() if self.workers[name].drained_epoch < 0]
        )

    def on_progress(self, name: str, data: Mapping[str, Any]) -> None:
        """Take in how many of a worker's users are ready, and deal lanes accordingly."""
        worker = self.workers[name]
        worker.ready = data["ready"]
        worker.clock_ahead_s = max(worker.clock_ahead_s, data["now_s"] - time.time())
        if data["plan_hash"] not in (None, self.plan_hash):
            self._note(f"worker {name} computes another plan; does it run the same version?")
        if data["problem"]:
            self._last_problem = data["problem"]
        if data["is_refusal"]:
            worker.is_gone = True
            logger.error("worker %s takes no part: %s", name, data["problem"])
            self._refusal = f"worker {name} takes no part: {data['problem']}"
        worker.has_been_complete |= worker.is_complete(self._swarm.assigned_users().get(name, {}))
        self._settle()

    def on_released(self, name: str, data: Mapping[str, Any]) -> None:
        """Take back the lanes that a worker released; all if its lease or process ends."""
        self._take_back(name, data["cursors"])
        worker = self.workers[name]
        if data["is_leaving"]:
            worker.is_leaving, worker.held_to_s = True, min(worker.held_to_s, self._clock())
        self._settle()

    def on_drained(self, name: str, data: Mapping[str, Any]) -> None:
        """Note that the messages of a worker's lanes have ended; it released those in `cursors`."""
        self._take_back(name, data["cursors"])
        self.workers[name].drained_epoch = data["epoch"]

    def on_report(self, name: str, data: bytes) -> None:
        """Absorb a worker's numbered report, unless the worker is lost or it is another run's."""
        worker = self.workers[name]
        if worker.is_lost:
            return
        try:
            report = WorkerReport.from_bytes(data)
        except ConvoyError as error:
            self._note(f"a report of worker {name} was left out: {error}")
            return
        if report.run_id != self.inputs.run_id:
            return
        missing = report.number - worker.reports - 1
        if missing > 0:
            self._note(f"{missing} reports of worker {name} are missing")
        if missing < 0:
            self._note(f"report {report.number} of worker {name} came again, and was left out")
            return
        worker.reports = report.number
        worker.reported_until_s = report.at_s
        self._account.absorb(name, report)
        worker.health.absorb(report.health)

    def _await_users(self) -> None:
        timeout_s = self.inputs.settings.prepare_timeout_s + self._spawning_s
        deadline_s = self._clock() + timeout_s
        log_at_s = self._clock() + _WAIT_LOGGED_EVERY_S
        while not self._is_everybody_ready():
            if self._refusal:
                raise RefusedError(self._refusal)
            if self._clock() > deadline_s:
                reason = f": {self._last_problem}" if self._last_problem else ""
                raise RefusedError(
                    f"no load was started: after {timeout_s:g} s only {self._readiness()}{reason} "
                    "(prepare_timeout_s sets how long to wait)"
                )
            if self._clock() > log_at_s:
                log_at_s += _WAIT_LOGGED_EVERY_S
                logger.info("%s", self._readiness())
            gevent.sleep(_POLL_S)

    def _is_everybody_ready(self) -> bool:
        assigned = self._swarm.assigned_users()
        is_enough = self._users_ready() >= self.inputs.settings.users
        return is_enough and all(
            self.workers[name].is_complete(assigned.get(name, {})) for name in self._present()
        )

    def _readiness(self) -> str:
        wanted = self.inputs.settings.users
        return f"{self._users_ready()} of {wanted} users are logged in and ready"

    def _users_ready(self) -> int:
        return sum(sum(self.workers[name].ready.values()) for name in self._present())

    def _await_drain(self) -> None:
        assert self._t0_s is not None
        settings = self.inputs.settings
        slack_s = settings.max_lateness_s + settings.request_timeout_s + _GRACE_S
        while self._clock() < self._t0_s + self._measured_s + slack_s:
            self._notice_leavers()
            present = self._present()
            if not present:
                self._note("every worker is gone")
                return
            if all(self._is_through(self.workers[name]) for name in present) and all(
                book.is_settled or not self.plans[name].is_scheduled
                for name, book in self._books.items()
            ):
                return
            gevent.sleep(_POLL_S)
        self._note_silent([name for name in present if not self._is_through(self.workers[name])])

    def _is_through(self, worker: WorkerStatus) -> bool:
        return worker.drained_epoch >= max(worker.granted_epoch, 1) or worker.granted_epoch == 0

    def _present(self) -> list[str]:
        alive = self._swarm.workers()
        return [
            name for name, worker in self.workers.items() if name in alive and not worker.is_gone
        ]

    def _notice_leavers(self) -> None:
        alive = self._swarm.workers()
        for name, worker in list(self.workers.items()):
            if name not in alive and not worker.is_gone:
                self._part_from(name, worker)

    def _part_from(self, name: str, worker: WorkerStatus) -> None:
        """Account for a worker that is gone: messages without a report are unknown."""
        worker.is_gone = True
        worker.held_to_s = min(worker.held_to_s, self._clock())
        missing = 0
        for scenario, book in self._books.items():
            counts = self._account.counts_of(name, scenario)
            if self.plans[scenario].is_scheduled:
                book.lose(name, self._cut(scenario))
            else:
                book.finish(name, counts.scheduled)
            lost = book.messages_of(name) - counts.ended
            if lost:
                self._account.lose(name, scenario, lost)
                missing += lost
        if worker.granted_epoch == 0:
            logger.warning("worker %s is gone; it had no part in the load yet", name)
        elif missing or not worker.is_leaving:
            worker.is_lost = True
            self._note(
                f"worker {name} was lost; {missing} messages that it may have sent are unknown"
            )
        self._settle()

    def _cut(self, scenario: str) -> Callable[[int], int]:
        """Return a function that gives the first message of a lane that is not due yet."""
        elapsed_s = 0.0 if self._t0_s is None else self._clock() - self._t0_s
        arrivals = self.plans[scenario].arrivals
        return lambda lane: arrivals.first_due_after(lane, elapsed_s)

    def _wall_s(self, at_s: float) -> float:
        return time.time() + at_s - self._clock()

    def _settle(self) -> None:
        """Ask for lanes that other workers should have, and deal those without an owner."""
        if self._t0_s is None or self._is_stopped:
            return
        grants: dict[str, dict[str, dict[int, int]]] = {}
        releases: dict[str, dict[str, list[int]]] = {}
        workers = {name: self.workers[name] for name in self._present()}
        assigned = self._swarm.assigned_users()
        for scenario, book in self._books.items():
            weights = weights_of(scenario, workers, assigned)
            if not any(weights.values()):
                continue
            for name, lanes in book.moves(weights).items():
                releases.setdefault(name, {})[scenario] = lanes
            for name, cursors in book.deal(weights).items():
                grants.setdefault(name, {})[scenario] = cursors
        for name, lanes_by_scenario in releases.items():
            self._send(name, ToWorker.RELEASE, {"lanes": lanes_by_scenario})
        self._grant(grants)

    def _grant(self, grants: Mapping[str, Mapping[str, Mapping[int, int]]]) -> None:
        assert self._t0_s is not None
        if not grants:
            return
        self._epoch += 1
        for name, lanes in grants.items():
            worker = self.workers[name]
            worker.granted_epoch = self._epoch
            worker.held_from_s = min(worker.held_from_s, self._clock())
            t0_s = self._wall_s(self._t0_s) + worker.clock_ahead_s
            message = {"epoch": self._epoch, "t0_s": t0_s, "grants": lanes}
            self._send(name, ToWorker.LEASES, message)

    def _take_back(self, name: str, cursors: Mapping[str, Mapping[int, int]]) -> None:
        for scenario, lanes in cursors.items():
            self._books[scenario].give_back(name, lanes)

    def _send(self, name: str, kind: ToWorker, data: dict[str, Any]) -> None:
        self._channel.to_worker(kind, name, {"run_id": self.inputs.run_id} | data)

    def _note_silent(self, names: list[str]) -> None:
        for name in names:
            self._note(f"no final report came from worker {name}")

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            logger.error("%s", problem)
            self.problems.append(problem)
