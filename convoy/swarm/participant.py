"""The participant: a run's side in each process that holds users; it follows the coordinator."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import gevent
from gevent import Greenlet
from gevent.event import Event
from locust.env import Environment

from convoy.engine.closed import ClosedDispatcher
from convoy.engine.dispatch import Dispatcher
from convoy.engine.health import watch
from convoy.engine.pool_use import PoolUse
from convoy.errors import ConvoyError
from convoy.plan.arrivals import EvenArrivals
from convoy.plan.lanes import LANES
from convoy.plan.plan import ScenarioPlan
from convoy.plan.rates import RateCurve, Stage
from convoy.remote.connections import Allotment, Connections
from convoy.results.account import ScenarioRecorder
from convoy.results.health import HealthRecorder
from convoy.results.outcome import Outcome, Phase
from convoy.results.samples import SampleKeeper
from convoy.settings import Settings
from convoy.swarm.channel import Channel, ToCoordinator, ToWorker
from convoy.swarm.orders import RunOrder, plan_hash
from convoy.swarm.rows import Rows

logger = logging.getLogger(__name__)

_MEASURE = Phase.MEASURE
_POLL_S = 0.02
_ROWS_EVERY_S = 0.1


class ScenarioWork:
    """One scenario of a run in this process: its plan, its dispatcher and its recorder."""

    def __init__(self, order: RunOrder, plan: ScenarioPlan) -> None:
        settings = order.settings
        self.plan = plan
        self.ready_users = 0
        late_after_s = settings.late_after_ms / 1000 if plan.is_scheduled else inf
        self.recorder = ScenarioRecorder(late_after_s, settings.request_timeout_s)
        self.pool = PoolUse(plan.is_exclusive)
        self.dispatcher = _dispatcher(order, plan, self.recorder)
        self._warm_up = _warm_up_curve(plan.curve, settings.warm_up_s)

    def grant(self, lane: int, from_k: int, epoch: int) -> None:
        """Take on a lane from message `from_k`, with its warm-up if it is there from the start."""
        if from_k == 0:
            warm_up = EvenArrivals(self._warm_up).lane(lane)
            messages = _shifted(warm_up, -self._warm_up.duration_s)
            self.dispatcher.grant(lane, messages, epoch, Phase.WARM_UP)
        self.dispatcher.grant(lane, self.plan.lane(lane, from_k), epoch)


class WorkerRun:
    """A run as this process knows it; `redact` is applied to samples of its errors."""

    def __init__(
        self, order: RunOrder, connections: Connections, redact: Callable[[str], str]
    ) -> None:
        plans = order.plans()
        self.connections = connections
        self.order = order
        self.run_id = order.run_id
        self.plan_hash = plan_hash(plans)
        self.work = {name: ScenarioWork(order, plan) for name, plan in plans.items()}
        self.samples = SampleKeeper(redact)
        self.health = HealthRecorder(order.settings.late_after_ms / 1000)
        self.epoch = 0
        self.t0_s: float | None = None
        self.reports = 0
        self.is_stopping = False

    @property
    def ends_s(self) -> float:
        """T1 on this process's `perf_counter`; there is one once T0 is known."""
        assert self.t0_s is not None
        return self.t0_s + max(work.plan.arrivals.duration_s for work in self.work.values())

    def run_id_of(self, phase: Phase) -> str:
        """Return the run id that a message of this phase carries in its marker."""
        return self.run_id if phase is _MEASURE else f"{self.run_id}-warmup"

    def keep_sample(self, outcome: Outcome, request: bytes, answer: bytes) -> None:
        """Take note of a failed message; its bodies may become a sample."""
        if self.t0_s is not None:
            self.samples.offer(outcome, outcome.done_s - self.t0_s, request, answer)

    def hand_back_what_closed(self) -> dict[str, dict[int, int | None]]:
        """Release the lanes of closed arrivals: how far they came is only known now."""
        return {
            name: work.dispatcher.release(range(LANES))
            for name, work in self.work.items()
            if not work.plan.is_scheduled
        }

    @property
    def is_drained(self) -> bool:
        """True when all messages of the granted lanes have ended."""
        for work in self.work.values():
            work.dispatcher.expire()
        return all(
            (work.dispatcher.is_exhausted or self.is_stopping) and work.recorder.in_flight == 0
            for work in self.work.values()
        )


def _dispatcher(
    order: RunOrder, plan: ScenarioPlan, recorder: ScenarioRecorder
) -> Dispatcher | ClosedDispatcher:
    if plan.is_scheduled:
        return Dispatcher(recorder, max_lateness_s=order.settings.max_lateness_s)
    return ClosedDispatcher(recorder, duration_s=plan.arrivals.duration_s)


class Participant:
    """Follows the coordinator's messages and answers them.

    `rows` takes in measured messages for Locust; `connect` gives users the connections for a run's
    settings; `send_report` makes the process's next report travel at once; `stop_users` ends its
    users, letting what is in flight come home within `stop_timeout_s`; `redact` hides secrets.
    """

    def __init__(
        self,
        channel: Channel,
        rows: Rows,
        *,
        connect: Callable[[Settings, Allotment], Connections],
        send_report: Callable[[], None],
        stop_users: Callable[[], None],
        redact: Callable[[str], str],
    ) -> None:
        self.rows = rows
        self._channel = channel
        self._connect = connect
        self._send_report = send_report
        self._stop_users = stop_users
        self._redact = redact
        self._run: WorkerRun | None = None
        self._is_prepared = Event()
        self._progress: Greenlet[..., None] | None = None
        channel.listen(ToWorker.PREPARE, self._prepare)
        channel.listen(ToWorker.LEASES, self._take_leases)
        channel.listen(ToWorker.RELEASE, self._release)
        channel.listen(ToWorker.STOP, self._stop)

    def say_hello(self) -> None:
        """Tell the coordinator that this process can hear it."""
        self._channel.to_coordinator(ToCoordinator.HELLO, {})

    def wait_for_run(self) -> WorkerRun:
        """Wait until the coordinator has prepared a run; a user without one has nothing to do."""
        while self._run is None:
            self._is_prepared.wait()
        return self._run

    def user_is_ready(self, run: WorkerRun, scenario: str) -> None:
        run.work[scenario].ready_users += 1
        self._tell_progress_soon(run)

    def user_has_left(self, run: WorkerRun, scenario: str) -> None:
        run.work[scenario].ready_users -= 1
        self._tell_progress_soon(run)

    def tell_problem(self, run: WorkerRun, problem: str) -> None:
        """Tell the coordinator why a user cannot start; it decides what that means."""
        self._tell_progress(run, problem)

    def ask_for_stop(self, run: WorkerRun, reason: str) -> None:
        """Ask the coordinator to end the run."""
        if not run.is_stopping:
            self._answer(ToCoordinator.ENOUGH, run, {"reason": reason})

    def renew_leases(self, until_s: float) -> None:
        """The coordinator has been heard: leases hold until this moment of `perf_counter`.

        A process that was paused for longer than that gives its lanes back first. It may be given
        them anew; if it was given up meanwhile, others have them.
        """
        run = self._run
        if run is None or run.is_stopping:
            return
        if any(work.dispatcher.has_lost_lease for work in run.work.values()):
            logger.warning("nothing was heard of the master for too long; all lanes are given back")
            self._give_all_back(run, is_leaving=False)
        for work in run.work.values():
            work.dispatcher.hold_lease_until(until_s)

    def report(self) -> dict[str, Any] | None:
        """Return this process's next numbered report, None when it has no part in a run."""
        run = self._run
        if run is None:
            return None
        run.reports += 1
        for work in run.work.values():
            work.dispatcher.expire()
        return {
            "run_id": run.run_id,
            "epoch": run.epoch,
            "number": run.reports,
            "scenarios": {
                name: work.recorder.report() | {"pool": work.pool.report()}
                for name, work in run.work.items()
            },
            "samples": run.samples.take(),
            "health": run.health.report(),
        }

    def forget_run(self) -> None:
        """The run is over; its users are gone."""
        self._run = None
        self._is_prepared.clear()

    def leave(self) -> None:
        """Hand all lanes back, let what is in flight come home, and report: this process ends."""
        run = self._run
        if run is None or run.is_stopping:
            return
        run.is_stopping = True
        self._give_all_back(run, is_leaving=True)
        self._stop_users()
        self._report_now()

    def _give_all_back(self, run: WorkerRun, is_leaving: bool) -> None:
        cursors = {name: work.dispatcher.release(range(LANES)) for name, work in run.work.items()}
        self._answer(ToCoordinator.RELEASED, run, {"cursors": cursors, "is_leaving": is_leaving})

    def _prepare(self, _: str, data: dict[str, Any]) -> None:
        order = RunOrder.from_message(data)
        if self._run is not None and self._run.run_id == order.run_id:
            return
        try:
            allotment = Allotment(data["tokens"], data["share"])
            connections = self._connect(order.settings, allotment)
            self._run = WorkerRun(order, connections, self._redact)
        except ConvoyError as error:
            self._refuse(order, error)
            return
        self._is_prepared.set()

    def _refuse(self, order: RunOrder, error: ConvoyError) -> None:
        """Say why this process can take no part; its users stay without a run."""
        self._channel.to_coordinator(
            ToCoordinator.PROGRESS,
            {
                "run_id": order.run_id,
                "now_s": time.time(),
                "plan_hash": None,
                "ready": {},
                "problem": str(error),
                "is_refusal": True,
            },
        )

    def _take_leases(self, _: str, data: dict[str, Any]) -> None:
        run = self._current(data)
        if run is None:
            return
        if run.is_stopping:
            # They were on their way while this process said that it leaves.
            released = {"cursors": data["grants"], "is_leaving": True}
            self._answer(ToCoordinator.RELEASED, run, released)
            return
        run.epoch = data["epoch"]
        for scenario, lanes in data["grants"].items():
            for lane, from_k in lanes.items():
                run.work[scenario].grant(int(lane), from_k, run.epoch)
        if run.t0_s is None:
            run.t0_s = time.perf_counter() + data["t0_s"] - time.time()
            for work in run.work.values():
                work.dispatcher.start(run.t0_s)
            gevent.spawn(self._watch_drain, run)
            gevent.spawn(
                watch, run.health, run.t0_s, run.ends_s, lambda: not self._is_under_way(run)
            )
            gevent.spawn(self._keep_rows_current, run)

    def _release(self, _: str, data: dict[str, Any]) -> None:
        run = self._current(data)
        if run is None:
            return
        cursors = {
            scenario: run.work[scenario].dispatcher.release(lanes)
            for scenario, lanes in data["lanes"].items()
        }
        self._answer(ToCoordinator.RELEASED, run, {"cursors": cursors, "is_leaving": False})

    def _stop(self, _: str, data: dict[str, Any]) -> None:
        run = self._current(data)
        if run is not None and not run.is_stopping:
            run.is_stopping = True
            gevent.spawn(self._wind_up, run)

    def _wind_up(self, run: WorkerRun) -> None:
        cursors = {}
        for name, work in run.work.items():
            work.dispatcher.stop()
            cursors[name] = work.dispatcher.release(range(LANES))
        self._stop_users()
        self._tell_drained(run, cursors)

    def _watch_drain(self, run: WorkerRun) -> None:
        """Tell the coordinator each time that all granted lanes are through, until the run ends."""
        assert run.t0_s is not None
        told_epoch = 0
        earliest_s = run.t0_s + max(work.plan.earliest_end_s for work in run.work.values())
        while self._is_under_way(run):
            gevent.sleep(max(_POLL_S, earliest_s - time.perf_counter()))
            if told_epoch < run.epoch and not run.is_stopping and run.is_drained:
                told_epoch = run.epoch
                self._tell_drained(run, run.hand_back_what_closed())

    def _is_under_way(self, run: WorkerRun) -> bool:
        return self._run is run and not run.is_stopping

    def _keep_rows_current(self, run: WorkerRun) -> None:
        """Enter what was gathered, each time before the second on the clock is over."""
        while self._run is run:
            gevent.sleep(_ROWS_EVERY_S - time.time() % _ROWS_EVERY_S)
            self.rows.flush()

    def _report_now(self) -> None:
        self.rows.flush()
        self._send_report()

    def _tell_drained(self, run: WorkerRun, cursors: dict[str, Any]) -> None:
        self._report_now()
        self._answer(ToCoordinator.DRAINED, run, {"epoch": run.epoch, "cursors": cursors})

    def _tell_progress_soon(self, run: WorkerRun) -> None:
        """Tell it once for all users that come or go in the same moment."""
        if self._progress is None or self._progress.ready():
            self._progress = gevent.spawn_later(_POLL_S, self._tell_progress, run)

    def _tell_progress(self, run: WorkerRun, problem: str = "") -> None:
        ready = {name: work.ready_users for name, work in run.work.items()}
        self._answer(
            ToCoordinator.PROGRESS,
            run,
            {
                "now_s": time.time(),
                "plan_hash": run.plan_hash,
                "ready": ready,
                "problem": problem,
                "is_refusal": False,
            },
        )

    def _answer(self, kind: ToCoordinator, run: WorkerRun, data: dict[str, Any]) -> None:
        self._channel.to_coordinator(kind, {"run_id": run.run_id} | data)

    def _current(self, data: dict[str, Any]) -> WorkerRun | None:
        """Return the run a message speaks of, None if it is not the present one."""
        if self._run is not None and self._run.run_id == data["run_id"]:
            return self._run
        return None


def attach(environment: Environment, participant: Participant) -> None:
    """Make a process's participant known to its users."""
    environment.convoy_participant = participant  # type: ignore[attr-defined]


def participant_of(environment: Environment) -> Participant:
    """Return the participant that `attach` made known."""
    participant: Participant = environment.convoy_participant  # type: ignore[attr-defined]
    return participant


def _warm_up_curve(curve: RateCurve, warm_up_s: float) -> RateCurve:
    """The rate with which the run begins, for as long as the warm-up lasts."""
    rate = curve.rate_at(0)
    return RateCurve([Stage(rate, rate, warm_up_s)] if rate > 0 and warm_up_s > 0 else [])


def _shifted(messages: Iterator[tuple[float, int]], by_s: float) -> Iterator[tuple[float, int]]:
    return ((due_s + by_s, k) for due_s, k in messages)
