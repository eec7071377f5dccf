"""The protocol of a run over processes, as its master sees it: messages in, actions out.

It knows no clock, no greenlet and no channel: each call says what the time is, in seconds of the
master's clock, and returns what is to be done, in order. The states of a run are in `phases`,
those of a worker in `worker_states`; which message fits which is the table at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import KW_ONLY, InitVar, dataclass
from math import inf

from msgspec.structs import replace

from convoy.errors import ConvoyError
from convoy.plan.rate_curve import RateCurve
from convoy.remote.approved_total import TotalBook
from convoy.results.counts import Counts
from convoy.swarm import messages
from convoy.swarm.actions import Action, Doubt, EndEarly, Forgo, Lose, Refuse, Send, Tell
from convoy.swarm.delivery import Delivery
from convoy.swarm.lease_shares import LeaseShares
from convoy.swarm.phases import Phases, RunState
from convoy.swarm.run_inputs import RunInputs, worker_share
from convoy.swarm.run_lanes import RunLanes
from convoy.swarm.worker_states import Users, Workers, WorkerState, WorkerStatus

_JOINING, _READY, _HOLDING = WorkerState.JOINING, WorkerState.READY, WorkerState.HOLDING
_SILENT, _LEAVING = WorkerState.SILENT, WorkerState.LEAVING
_FITS: dict[type[messages.ToMaster], tuple[WorkerState, ...]] = {
    messages.Ask: (_JOINING, _READY, _HOLDING, _SILENT, _LEAVING),
    messages.Ready: (_JOINING, _READY, _HOLDING, _SILENT, _LEAVING),
    messages.Refusal: (_JOINING, _READY),
    messages.Released: (_HOLDING, _SILENT, _LEAVING),
    messages.Leaving: (_JOINING, _READY, _HOLDING, _SILENT),
    messages.Drained: (_HOLDING, _SILENT, _LEAVING),
    messages.LateChange: (_READY, _HOLDING, _SILENT),
    messages.Enough: (_READY, _HOLDING, _SILENT, _LEAVING),
}
"""In which states of its sender a message fits; from a worker that is out, none is heard."""

_USED_UP = (
    "the approved total is used up but for what is planned: what users send beyond that (what is "
    "sent again, first words of later guests, more in a step than planned) does not leave"
)


class ProtocolError(ConvoyError):
    """A message that does not fit the state of its sender, or of the run."""


@dataclass(eq=False, repr=False)
class RunProtocol:
    """One run, from its preparation to its end.

    `lanes` are those of its scenarios. `counted(worker, scenario)` returns what a worker has
    reported. The users take `spawning_s` to start; `lease_s` is how long a lease lasts, None where
    the only worker is in this process. `total` is what may be sent beyond the plans. It is long
    because each message changes the state of its sender, of the lanes and of the run together.
    """

    inputs: RunInputs
    lanes: RunLanes
    plan_hash: str
    counted: Callable[[str, str], Counts]
    _: KW_ONLY
    workers_at_first: int
    spawning_s: float
    now_s: InitVar[float]
    lease_s: float | None
    total: TotalBook

    def __post_init__(self, now_s: float) -> None:
        self.workers = Workers(self.lease_s, now_s, self._delivery_to)
        self._run_id, self._settings = self.inputs.run_id, self.inputs.settings
        self._packed = self.inputs.to_bytes()
        self._lease_shares = LeaseShares(self._settings.logins_per_s, self.total, now_s)
        self._timeout_s = self._settings.prepare_timeout_s + self.spawning_s
        self.phases = Phases(self._settings, now_s, self._timeout_s, self.lease_s or 0.0)
        self._epoch, self._problem = 0, ""
        self._change: messages.Change | None = None
        self._actions: list[Action] = []

    @property
    def state(self) -> RunState:
        return self.phases.state

    def connect(self, worker: str) -> list[Action]:
        """Take in a worker that has announced itself."""
        if worker in self.workers.status or self.state.is_last:
            return []
        number = len(self.workers.status)
        is_led = self.lease_s is not None
        share = worker_share(self._settings, number, self.workers_at_first, is_led=is_led)
        self._send(worker, messages.Prepare(self._run_id, self._packed, share, self.lease_s))
        if self._change is not None:
            # A worker reports a change that it hears of after its moment; this one was not there.
            self._send(worker, replace(self._change, at_s=inf))
        return self._taken()

    def exclude(self, worker: str, reason: str) -> list[Action]:
        """Leave a worker out; before the load begins that ends the run. It is said once."""
        status = self.workers.of(worker)
        if status.state is WorkerState.REFUSED:
            return self._taken()
        status.state = WorkerState.REFUSED
        sentence = f"worker {worker} takes no part: {reason}"
        is_early = self.state is RunState.PREPARING
        self._actions.append(Refuse(sentence) if is_early else Tell(sentence))
        return self._taken()

    def hear(self, worker: str, message: messages.ToMaster, now_s: float) -> list[Action]:
        """Take in a worker's message.

        Raises ProtocolError for one that does not fit its sender's state. Those of other runs are
        not heard, nor those of workers that are out of this one.
        """
        status = self.workers.status.get(worker)
        if status is None or message.run_id != self._run_id:
            return []
        # After a pause, what has arrived meanwhile may be heard before the next look.
        self.workers.allow_for_pause(now_s)
        if isinstance(message, messages.Ask) and (status.state.is_out or self.state.is_last):
            self._send(worker, messages.Stop(self._run_id))  # again: that of before may be lost
        if status.state.is_out or not status.delivery.takes(message):
            return self._taken()
        if status.state not in _FITS[type(message)] and not self.state.is_last:
            name = type(message).__name__
            raise ProtocolError(f"{name} of worker {worker} does not fit its state {status.state}")
        match message:
            case messages.Ask() if not self.state.is_last:
                self._answer(worker, status, message, now_s)
            case messages.Ready():
                if message.plan_hash != self.plan_hash:
                    return self.exclude(worker, "it computes another plan from the same settings")
                # It comes again whenever users start or stop, also of a worker that holds lanes.
                status.state = _READY if status.state is _JOINING else status.state
                status.ready = message.users
                self._problem = message.problem or self._problem
            case messages.Refusal():
                return self.exclude(worker, message.reason)
            case messages.Released():
                self._take_back(worker, status, message)
            case messages.Leaving():
                self._take_back(worker, status, message)
                status.state, status.held_to_s = _LEAVING, min(status.held_to_s, now_s)
                self._send(worker, messages.Farewell(self._run_id))
            case messages.Drained():
                self._take_back(worker, status, message)
                status.drain(message, is_stopped=self.state is RunState.STOPPING)
            case messages.LateChange():
                late = f"heard of a change of the run {message.late_s:.2f} s too late"
                self._actions.append(Doubt(f"worker {worker} {late}"))
            case messages.Enough():
                self._actions.append(EndEarly(message.reason))
        self._deal(now_s)
        return self._taken()

    def look(self, now_s: float, alive: Set[str], users: Users) -> list[Action]:
        """Take the run on, some twenty times a second.

        `alive` are the workers that are connected, `users` those that each worker was dealt.
        """
        self.workers.see(alive, users, now_s)
        for name, status in self.workers.in_run():
            if self.workers.is_gone(name):
                self._part_from(name, status, now_s)
            elif status.state is _HOLDING and self.workers.has_no_lease(name, now_s):
                self._revoke(name, status, now_s)
        if self.state is RunState.PREPARING:
            self._begin_or_refuse(now_s)
        if self.state.has_load:
            self.phases.advance(now_s, self.lanes.duration_s)
        # First the lanes, because a run in which nobody has any would be over.
        self._deal(now_s)
        if self.state.has_load or self.state is RunState.STOPPING:
            self._end_if_over(now_s)
        return self._taken()

    def change(self, curves: Mapping[str, RateCurve], at_s: float, now_s: float) -> list[Action]:
        """Follow other curves, by scenario, from a moment on (seconds from T0)."""
        self._epoch += 1
        self.lanes.follow(curves, self.phases.since_t0_s(now_s))
        stages = {name: list(curve.stages) for name, curve in curves.items()}
        self._change = messages.Change(self._run_id, self._epoch, at_s, stages)
        for name in self.workers.present:
            status = self.workers.status[name]
            # A worker with lanes has to drain by the changed plan; one without has none to drain.
            status.granted_epoch = self._epoch if status.granted_epoch else 0
            self._send(name, self._change)
        self._deal(now_s)
        return self._taken()

    def stop(self, now_s: float) -> list[Action]:
        """End the run now: nothing more is sent, and what is in flight is waited for."""
        if not self.state.is_last:
            self.phases.stop(now_s)
            for name in self.workers.present:
                # What it drained before is no answer to the stop: a last report has to come.
                self.workers.status[name].drained_epoch = -1
                self._send(name, messages.Stop(self._run_id))
        return self._taken()

    def dismiss(self) -> list[Action]:
        """Tell the workers that the run is over; also one that was refused."""
        for name in self.workers.present:
            self._send(name, messages.Over(self._run_id))
        return self._taken()

    def _answer(self, worker: str, status: WorkerStatus, ask: messages.Ask, now_s: float) -> None:
        """Give the lease that a worker asks for, unless those before do not reach it in time."""
        status.acknowledge(ask, now_s)
        if not self.lanes.are_owned_by(worker) or self.workers.is_leased(worker, now_s):
            status.give(now_s)
            lease = messages.Lease(self._run_id, ask.asked_s, now_s, has_load=self.state.has_load)
            was_short = self.total.is_short
            workers = sum(1 for _ in self.workers.in_run())
            self._send(worker, self._lease_shares.fill(lease, worker, ask, workers))
            if self.total.is_short and not was_short:
                self._actions.append(Tell(_USED_UP))

    def _take_back(
        self,
        worker: str,
        status: WorkerStatus,
        message: messages.Released | messages.Leaving | messages.Drained,
    ) -> None:
        forgone = self.lanes.take_back(
            worker, message.lanes, status.revoked, is_final=isinstance(message, messages.Drained)
        )
        self._actions += [Forgo(name, sum(each.values())) for name, each in forgone.items()]
        if status.state is _SILENT and not any(status.revoked.values()):
            status.state = _HOLDING

    def _revoke(self, worker: str, status: WorkerStatus, now_s: float) -> None:
        """Take the lanes of a worker whose lease has ended, and ask how far it came."""
        status.revoked = self.lanes.revoke(worker, *status.reach_s(self.phases, now_s))
        if not status.revoked:
            return
        status.state = _SILENT
        lanes = {scenario: list(cuts) for scenario, cuts in status.revoked.items()}
        self._send(worker, messages.Release(self._run_id, lanes))
        self._actions.append(Tell(f"worker {worker} is silent; others go on with its messages"))

    def _part_from(self, worker: str, status: WorkerStatus, now_s: float) -> None:
        """Account for a worker that is gone: what it had and did not report is unknown."""
        status.held_to_s = min(status.held_to_s, now_s)
        missing = self.lanes.lose(worker, *status.reach_s(self.phases, now_s), self.counted)
        is_orderly = status.state is _LEAVING and not any(missing.values())
        status.state = WorkerState.LEFT
        if not status.granted_epoch:
            self._actions.append(Tell(f"worker {worker} is gone; it had no part in the load yet"))
        elif not is_orderly:
            status.state = WorkerState.LOST
            self._actions.append(Lose(worker, missing))

    def _begin_or_refuse(self, now_s: float) -> None:
        """Begin where all users are ready, or refuse to when that took too long."""
        if self.workers.are_complete(now_s) and self.workers.users_ready >= self._settings.users:
            self.phases.begin(now_s)
        elif self.phases.is_overdue(now_s):
            ready = self.workers.readiness(self._settings.users)
            self._actions.append(Refuse(_too_few(ready, self._timeout_s, self._problem)))

    def _end_if_over(self, now_s: float) -> None:
        present, is_stopped = self.workers.present, self.state is RunState.STOPPING
        waiting = self.workers.waiting(is_stopped)
        if not present and not is_stopped:
            self._actions.append(Doubt("every worker is gone"))
        elif self.phases.is_overdue(now_s):
            for name in waiting:
                self._actions.append(Doubt(f"no final report came from worker {name}"))
        elif waiting or not (is_stopped or self.lanes.are_settled) or self.phases.is_early(now_s):
            return
        self.phases.end(now_s)

    def _deal(self, now_s: float) -> None:
        """Ask for lanes that other workers should have, and grant those without an owner."""
        t0_s = self.phases.t0_s
        if t0_s is None or not self.state.has_load or self.phases.is_early(now_s):
            return
        weights = self.workers.weights(self.lanes.plans, now_s)
        releases, grants = self.lanes.deal(weights, self.phases.since_t0_s(now_s))
        for name, leaving in releases.items():
            self._send(name, messages.Release(self._run_id, leaving))
        self._epoch += bool(grants)
        warm_up_from_s = self.workers.reach_s(self.phases, now_s)
        for name, lanes in grants.items():
            self.workers.status[name].hold(self._epoch, now_s)
            grant = self._run_id, self._epoch, t0_s, lanes, warm_up_from_s
            self._send(name, messages.Grant(*grant))

    def _send(self, worker: str, message: messages.ToWorker) -> None:
        self.workers.of(worker).delivery.say(message)

    def _delivery_to(self, worker: str) -> Delivery:
        return Delivery(self._run_id, lambda m: self._actions.append(Send(worker, m)), other_has=1)

    def _taken(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions


def _too_few(ready: str, timeout_s: float, problem: str) -> str:
    reason = f": {problem}" if problem else ""
    return (
        f"no load was started: after {timeout_s:g} s only {ready}{reason} "
        "(prepare_timeout_s sets how long to wait)"
    )
