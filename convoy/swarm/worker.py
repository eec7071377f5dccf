"""The worker: a run's side in each process that holds users; it follows the master."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent import Greenlet
from gevent.event import Event

from convoy.engine.health import watch
from convoy.errors import ConvoyError
from convoy.plan.rates import RateCurve, Stage
from convoy.remote.client import Connections, WorkerShare
from convoy.settings import Settings
from convoy.swarm.accounting import Rows
from convoy.swarm.channel import Channel, ToMaster, ToWorker, WorkerReport
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.worker_run import WorkerRun

logger = logging.getLogger(__name__)

_POLL_S = 0.02
_LONGEST_NAP_S = 1.0
"""A change of the plan can bring its end forward, so the end is looked at again this often."""
_ROWS_EVERY_S = 0.1
"""Locust counts messages in the second of their entry, so a batch should not outlast its second."""


class Worker:
    """Follows the master's messages and answers them.

    `rows` shows measured messages elsewhere; `connect` returns the connections for a run's
    settings; `send_report` sends the process's next report at once; `stop_users` stops its users
    when their messages in flight have ended, within `stop_timeout_s`; `redact` hides secrets.
    """

    def __init__(
        self,
        channel: Channel,
        rows: Rows,
        *,
        connect: Callable[[Settings, WorkerShare], Connections],
        send_report: Callable[[], None],
        stop_users: Callable[[], None],
        redact: Callable[[str], str],
    ) -> None:
        self._rows = rows
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
        channel.listen(ToWorker.CHANGE, self._change)
        channel.listen(ToWorker.STOP, self._stop)

    def say_hello(self) -> None:
        """Announce this process to the master."""
        self._channel.to_master(ToMaster.HELLO, {})

    def wait_for_run(self) -> WorkerRun:
        """Wait until the master has sent the inputs of a run, and return the run."""
        while self._run is None:
            self._is_prepared.wait()
        return self._run

    def user_is_ready(self, run: WorkerRun, scenario: str) -> None:
        run.work[scenario].ready_users += 1
        self._send_progress_soon(run)

    def user_has_left(self, run: WorkerRun, scenario: str) -> None:
        run.work[scenario].ready_users -= 1
        self._enter_all(run)
        self._send_progress_soon(run)

    def report_problem(self, run: WorkerRun, problem: str) -> None:
        """Report to the master why a user cannot start; the master decides when to give up."""
        self._send_progress(run, problem)

    def ask_for_stop(self, run: WorkerRun, reason: str) -> None:
        """Ask the master to end the run."""
        if not run.is_stopping:
            self._answer(ToMaster.ENOUGH, run, {"reason": reason})

    def renew_leases(self, until_s: float) -> None:
        """Extend the leases to this moment of `perf_counter`, after a heartbeat of the master.

        Where a lease had ended, all lanes are given back first, because the master may have dealt
        them to other workers; it can deal them to this one again.
        """
        run = self._run
        if run is None or run.is_stopping:
            return
        if any(work.dispatcher.has_lost_lease for work in run.work.values()):
            logger.warning("nothing was heard of the master for too long; all lanes are given back")
            self._give_all_back(run, is_leaving=False)
        for work in run.work.values():
            work.dispatcher.hold_lease_until(until_s)

    def report(self) -> bytes | None:
        """Return this process's next numbered report, None when it has no part in a run."""
        run = self._run
        if run is None:
            return None
        run.reports += 1
        at_s = run.enter_second()
        report = WorkerReport(
            run_id=run.run_id,
            epoch=run.epoch,
            number=run.reports,
            at_s=at_s,
            seconds={name: work.seconds.take() for name, work in run.work.items()},
            scenarios={
                name: work.accounting.report(work.pool.report()) for name, work in run.work.items()
            },
            samples=run.samples.report(),
            health=run.health.report(),
        )
        return report.to_bytes()

    def forget_run(self) -> None:
        """Drop the run after its users have ended, and undo `_freeze_garbage`."""
        self._run = None
        self._is_prepared.clear()
        gc.unfreeze()

    def leave(self) -> None:
        """Give all lanes back, wait for messages in flight, and report: this process ends."""
        run = self._run
        if run is None or run.is_stopping:
            return
        run.is_stopping = True
        self._give_all_back(run, is_leaving=True)
        self._stop_users()
        self._report_now(run)

    def _give_all_back(self, run: WorkerRun, is_leaving: bool) -> None:
        released = {"cursors": run.release_all(), "is_leaving": is_leaving}
        self._answer(ToMaster.RELEASED, run, released)

    def _prepare(self, _: str, data: dict[str, Any]) -> None:
        inputs = RunInputs.from_message(data)
        if self._run is not None and self._run.run_id == inputs.run_id:
            return
        try:
            worker_share = WorkerShare(data["tokens"], data["share"])
            connections = self._connect(inputs.settings, worker_share)
            self._run = WorkerRun(inputs, connections, self._rows, self._redact)
        except ConvoyError as error:
            self._refuse(inputs, error)
            return
        self._is_prepared.set()

    def _refuse(self, inputs: RunInputs, error: ConvoyError) -> None:
        """Report why this process cannot take part; its users stay without a run."""
        self._channel.to_master(
            ToMaster.PROGRESS,
            {
                "run_id": inputs.run_id,
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
            # The master sent these leases before it received that this process takes no more.
            released = {"cursors": data["grants"], "is_leaving": True}
            self._answer(ToMaster.RELEASED, run, released)
            return
        run.epoch = data["epoch"]
        # Before the lanes are granted: the collection takes longer than a message may be late.
        if run.t0_s is None and data["t0_s"] > time.time():
            _freeze_garbage()
        for scenario, lanes in data["grants"].items():
            granted = {int(lane): from_k for lane, from_k in lanes.items()}
            run.work[scenario].grant(granted, run.epoch)
        if run.t0_s is None:
            run.t0_s = time.perf_counter() + data["t0_s"] - time.time()
            for work in run.work.values():
                work.dispatcher.start(run.t0_s)
            gevent.spawn(self._watch_drain, run)
            gevent.spawn(
                watch,
                run.health,
                run.t0_s,
                run.ends_s,
                lambda: not self._is_under_way(run),
                run.notice_beat,
            )
            gevent.spawn(self._keep_rows_current, run)
            gevent.spawn(self._keep_seconds, run, run.t0_s)

    def _change(self, _: str, data: dict[str, Any]) -> None:
        """Follow a change of the plan, and report one that arrived after its moment."""
        run = self._current(data)
        if run is None or run.is_stopping:
            return
        run.epoch = data["epoch"]
        for scenario, stages in data["stages"].items():
            run.work[scenario].change(RateCurve([Stage(*stage) for stage in stages]), run.epoch)
        heard_s = data["at_s"] if run.t0_s is None else time.perf_counter() - run.t0_s
        if heard_s > data["at_s"]:
            self._answer(ToMaster.LATE_CHANGE, run, {"late_s": heard_s - data["at_s"]})

    def _release(self, _: str, data: dict[str, Any]) -> None:
        run = self._current(data)
        if run is None:
            return
        cursors = {
            scenario: run.work[scenario].release(lanes) for scenario, lanes in data["lanes"].items()
        }
        self._answer(ToMaster.RELEASED, run, {"cursors": cursors, "is_leaving": False})

    def _stop(self, _: str, data: dict[str, Any]) -> None:
        run = self._current(data)
        if run is not None and not run.is_stopping:
            run.is_stopping = True
            gevent.spawn(self._wind_up, run)

    def _wind_up(self, run: WorkerRun) -> None:
        # Dispatchers first: a user that is being stopped must not be handed another message.
        for work in run.work.values():
            work.dispatcher.stop()
        cursors = run.release_all()
        self._stop_users()
        self._send_drained(run, cursors)

    def _watch_drain(self, run: WorkerRun) -> None:
        """Report to the master each time that all granted lanes have drained, until the end."""
        told_epoch = 0
        while self._is_under_way(run):
            left_s = run.earliest_end_s - time.perf_counter()
            gevent.sleep(min(_LONGEST_NAP_S, max(_POLL_S, left_s)))
            if time.perf_counter() < run.earliest_end_s or told_epoch == run.epoch:
                continue
            if not run.is_stopping and run.is_drained:
                told_epoch = run.epoch
                self._send_drained(run, run.hand_back_what_closed())

    def _is_under_way(self, run: WorkerRun) -> bool:
        return self._run is run and not run.is_stopping

    def _keep_rows_current(self, run: WorkerRun) -> None:
        """Enter gathered messages before each second of the wall clock is over."""
        while self._run is run:
            gevent.sleep(_ROWS_EVERY_S - time.time() % _ROWS_EVERY_S)
            self._enter_all(run)

    def _keep_seconds(self, run: WorkerRun, t0_s: float) -> None:
        """Enter what was counted in each second of the run's clock as soon as it is over."""
        while self._run is run:
            seconds = max(0, int(time.perf_counter() - t0_s)) + 1
            gevent.sleep(max(0.0, t0_s + seconds - time.perf_counter()))
            run.enter_second()

    def _enter_all(self, run: WorkerRun) -> None:
        run.flush()
        self._rows.flush()

    def _report_now(self, run: WorkerRun) -> None:
        # The rows first, because on a worker the report carries Locust's statistics, too.
        self._enter_all(run)
        self._send_report()

    def _send_drained(self, run: WorkerRun, cursors: dict[str, Any]) -> None:
        # The report first: after this message the master may end the run with what it has.
        self._report_now(run)
        self._answer(ToMaster.DRAINED, run, {"epoch": run.epoch, "cursors": cursors})

    def _send_progress_soon(self, run: WorkerRun) -> None:
        """Report once for all users that start or stop within `_POLL_S`."""
        if self._progress is None or self._progress.ready():
            self._progress = gevent.spawn_later(_POLL_S, self._send_progress, run)

    def _send_progress(self, run: WorkerRun, problem: str = "") -> None:
        ready = {name: work.ready_users for name, work in run.work.items()}
        self._answer(
            ToMaster.PROGRESS,
            run,
            {
                "now_s": time.time(),
                "plan_hash": run.plan_hash,
                "ready": ready,
                "problem": problem,
                "is_refusal": False,
            },
        )

    def _answer(self, kind: ToMaster, run: WorkerRun, data: dict[str, Any]) -> None:
        self._channel.to_master(kind, {"run_id": run.run_id} | data)

    def _current(self, data: dict[str, Any]) -> WorkerRun | None:
        """Return the run a message speaks of, None if it is not the present one."""
        if self._run is not None and self._run.run_id == data["run_id"]:
            return self._run
        return None


def _freeze_garbage() -> None:
    """Exclude all present objects from garbage collection until the run is over.

    A full collection in mid-run would traverse all that was imported and prepared, and block the
    event loop for 30 ms and more (docs/engine.md). A worker that joins when messages are due
    already has no time for the collection that comes before.
    """
    gc.collect()
    gc.freeze()
