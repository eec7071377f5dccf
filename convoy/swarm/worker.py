"""The worker: a run's side in each process that holds users; it follows the master."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import inf

import gevent
from gevent import Greenlet
from gevent.event import Event

from convoy.clock import clock_s
from convoy.errors import ConvoyError, LoginError
from convoy.prepare.guard import check_token
from convoy.prepare.organisation_questions import check_deployments
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections, WorkerShare
from convoy.settings import Settings
from convoy.swarm import messages
from convoy.swarm.accounting import Rows
from convoy.swarm.delivery import Delivery
from convoy.swarm.lease_clock import LeaseClock
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.worker_run import WorkerRun, WorkerRunState
from convoy.untrusted_text import told

logger = logging.getLogger(__name__)

_THRESHOLDS = gc.get_threshold()
_COLLECTS_EVERY_S = 0.1
_POLL_S = 0.02
_LOGIN_PAUSE_S = 1.0
_ASKS_EVERY_S = 0.25
"""Ten times in the length of a lease, so that none ends where messages take a second longer."""
_ASKS_AT_FIRST_EVERY_S = 0.1
"""Until T0 is known: of several answers the quickest says best what the master's clock shows."""
_FAREWELL_S = 3.0
"""How long a worker that leaves waits for the master's `Farewell`, which may not come any more."""
_LONGEST_NAP_S = 1.0
"""A change of the plan can bring its end forward, so the end is looked at again this often."""


@dataclass(eq=False, repr=False)
class Worker:
    """Follows the master's messages and answers them.

    `code` is the hash of the code that makes messages. `rows` shows measured messages elsewhere;
    `connect` returns the connections of a run; `send_report` sends the next report at once;
    `stop_users` stops users when their messages in flight have ended; `give_up` ends the process.
    """

    channel: messages.Channel
    rows: Rows
    _: KW_ONLY
    code: str
    connect: Callable[[Settings, WorkerShare], Connections]
    send_report: Callable[[], None]
    stop_users: Callable[[], None]
    give_up: Callable[[], None]
    redact: Callable[[str], str]

    def __post_init__(self) -> None:
        self._run: WorkerRun | None = None
        self._is_prepared, self._farewell = Event(), Event()
        self._reporting: Greenlet[..., None] | None = None

    def say_hello(self) -> None:
        """Announce this process to the master."""
        self.channel.to_master(messages.Hello(messages.VERSION, self.code))

    def wait_for_run(self) -> WorkerRun:
        """Wait until this process takes part in a run, and return the run."""
        while self._run is None or self._run.state is WorkerRunState.JOINING:
            self._is_prepared.clear()
            self._is_prepared.wait()
        return self._run

    def report_users(self, run: WorkerRun) -> None:
        """Report how many are ready, once for all that start or stop within `_POLL_S`."""
        if self._reporting is None or self._reporting.ready():
            self._reporting = gevent.spawn_later(_POLL_S, self._send_ready, run)

    def user_has_left(self, run: WorkerRun) -> None:
        run.enter_all()
        self.report_users(run)

    def report_problem(self, run: WorkerRun, problem: str) -> None:
        """Report to the master why a user cannot start; the master decides when to give up."""
        self._send_ready(run, told(problem, self.redact))

    def ask_for_stop(self, run: WorkerRun, reason: str) -> None:
        """Ask the master to end the run."""
        if not run.is_stopping:
            run.delivery.say(messages.Enough(run.run_id, told(reason, self.redact)))

    def hear(self, data: bytes) -> None:
        """Take in a message of the master, unless it cannot be read or is of another run."""
        try:
            message = messages.decode_to_worker(data)
        except ConvoyError as error:
            logger.error("a message of the master was left out: %s", error)
            return
        if isinstance(message, messages.Prepare):
            self._prepare(message)
        elif (run := self._run) is not None and run.run_id == message.run_id and run.takes(message):
            self._follow(run, message)

    def _follow(self, run: WorkerRun, message: messages.ToWorker) -> None:
        match message:
            case messages.Lease():
                run.lease.renew(message.asked_s, message.now_s, clock_s())
                run.keep_lease()
                run.connections.turns.give(map(run.lease.own_s, message.turns))
                run.connections.starts.give(map(run.lease.own_s, message.starts))
                if message.has_load and run.t0_s is None:
                    run.keep_pace()  # without lanes nothing may leave any more
                if run.total is not None:
                    run.total.give(message.beyond, is_used_up=message.is_used_up)
            case messages.Grant() if run.is_stopping:
                # The master sent these lanes before it heard that this process takes no more.
                run.delivery.say(messages.Released(run.run_id, message.lanes))
            case messages.Grant():
                self._take_lanes(run, message)
            case messages.Release():
                run.delivery.say(messages.Released(run.run_id, self._release(run, message.lanes)))
            case messages.Change() if not run.is_stopping:
                if (late_s := run.change(message)) > 0:
                    run.delivery.say(messages.LateChange(run.run_id, late_s))
            case messages.Farewell():
                self._farewell.set()
            case messages.Stop() | messages.Over():
                run.is_over = run.is_over or isinstance(message, messages.Over)
                if run.state is WorkerRunState.LEAVING:
                    run.connections.end()
                elif not run.is_stopping:
                    run.state = WorkerRunState.STOPPING
                    gevent.spawn(self._wind_up, run)

    def report(self) -> bytes | None:
        """Return this process's next numbered report, None when it has no part in a run."""
        return None if self._run is None else self._run.report().to_bytes()

    def forget_run(self) -> None:
        """Drop the run after its users have ended, and undo `_freeze_garbage`."""
        self._run = None
        gc.unfreeze()
        gc.set_threshold(*_THRESHOLDS)

    def leave(self) -> None:
        """Give all lanes back, wait for messages in flight, and report: this process ends.

        The master may have granted more lanes meanwhile; those are given back, too, until it has
        heard of the end.
        """
        run = self._run
        if run is None or run.is_stopping:
            return
        run.state = WorkerRunState.LEAVING
        run.delivery.say(messages.Leaving(run.run_id, self._release(run, run.all_lanes)))
        self.stop_users()
        # Those whose conversations were in use, which nobody uses any more.
        run.delivery.say(messages.Released(run.run_id, run.take_withdrawn()))
        self._report_now(run)
        if not run.lease.is_master_lost(clock_s()):
            self._farewell.wait(_FAREWELL_S)

    def _prepare(self, message: messages.Prepare) -> None:
        """Begin to take part in a run, or report why this process cannot."""
        if self._run is not None and self._run.run_id == message.run_id:
            return
        try:
            inputs = RunInputs.from_bytes(message.inputs)
            connections = self.connect(inputs.settings, message.share)
            lease = LeaseClock(message.lease_s, clock_s())
            delivery = Delivery(message.run_id, self.channel.to_master, received=1)
            of_run = inputs, connections, lease, delivery
            run = self._run = WorkerRun(*of_run, self.rows, self.redact)
        except ConvoyError as error:
            self._refuse(message.run_id, error)
            return
        self._farewell.clear()
        gevent.spawn(self._join, run)
        if message.lease_s is not None or run.total is not None:
            gevent.spawn(self._keep_asking, run)

    def _join(self, run: WorkerRun) -> None:
        """Take part if the credentials of this process are good; its users log in later."""
        try:
            if run.lease.is_limited:  # a local master has logged in from this very process
                report = partial(self.report_problem, run)
                _check_logins(run, partial(self._is_joining, run), report)
        except ConvoyError as error:
            if self._is_joining(run):
                self._refuse(run.run_id, error)
            return
        # Another message may have ended its part meanwhile.
        if self._is_joining(run):
            run.state = WorkerRunState.READY
            self._send_ready(run)
            self._is_prepared.set()

    def _is_joining(self, run: WorkerRun) -> bool:
        return self._run is run and run.state is WorkerRunState.JOINING

    def _refuse(self, run_id: str, error: ConvoyError) -> None:
        self.channel.to_master(messages.Refusal(run_id, told(str(error), self.redact)))

    def _keep_asking(self, run: WorkerRun) -> None:
        """Ask for the lease, and for what comes with it, until the run or the master is gone."""
        while self._run is run and not run.is_over:
            now_s = clock_s()
            if run.lease.is_master_lost(now_s):
                logger.error("nothing was heard of the master for too long; this worker ends")
                run.connections.end()
                self.give_up()
                return
            if run.connections.is_over:  # others have its lanes
                run.connections.discard()
            run.delivery.say(_ask_of(run, now_s))
            if reason := run.connections.kill_switch.reason:
                self.ask_for_stop(run, reason)
            gevent.sleep(_ASKS_AT_FIRST_EVERY_S if run.t0_s is None else _ASKS_EVERY_S)

    def _take_lanes(self, run: WorkerRun, message: messages.Grant) -> None:
        run.state = WorkerRunState.HOLDING
        t0_s = run.lease.own_s(message.t0_s)
        # Before the lanes are granted: the collection takes longer than a message may be late.
        if run.t0_s is None and t0_s > clock_s():
            _freeze_garbage()
        run.grant(message.lanes, message.epoch, t0_s, message.warm_up_from_s)
        if run.t0_s is not None:
            return
        run.begin(t0_s)
        gevent.spawn(self._watch_drain, run)
        gevent.spawn(run.keep_health, lambda: self._is_under_way(run))
        gevent.spawn(_collect_young_garbage, lambda: self._is_under_way(run))
        gevent.spawn(run.keep_rows_current, lambda: self._run is run)
        gevent.spawn(run.keep_seconds, t0_s, lambda: self._run is run)

    def _release(self, run: WorkerRun, lanes: Mapping[str, Iterable[int]]) -> messages.Lanes:
        """Give up lanes; return those that are free, and send the others as soon as they are."""
        run.withdraw(lanes)
        free = run.take_free()
        if run.withdrawn:
            gevent.spawn(self._release_the_rest, run)
        return free

    def _release_the_rest(self, run: WorkerRun) -> None:
        while run.withdrawn and self._run is run:
            gevent.sleep(_POLL_S)
            if free := run.take_free():
                run.delivery.say(messages.Released(run.run_id, free))

    def _wind_up(self, run: WorkerRun) -> None:
        # Dispatchers first: a user that is being stopped must not be handed another message.
        for work in run.work.values():
            work.dispatcher.stop()
        run.connections.end()
        self.stop_users()
        run.withdraw(run.all_lanes)
        self._send_drained(run, run.take_withdrawn())

    def _watch_drain(self, run: WorkerRun) -> None:
        """Report to the master each time that all granted lanes have drained, until the end."""
        told_epoch = 0
        while self._is_under_way(run):
            left_s = run.earliest_end_s - clock_s()
            gevent.sleep(min(_LONGEST_NAP_S, max(_POLL_S, left_s)))
            if clock_s() < run.earliest_end_s or told_epoch == run.epoch:
                continue
            if not run.is_stopping and run.is_drained:
                told_epoch = run.epoch
                self._send_drained(run, run.hand_back_what_closed())

    def _is_under_way(self, run: WorkerRun) -> bool:
        return self._run is run and not run.is_stopping

    def _report_now(self, run: WorkerRun) -> None:
        # The rows first, because on a worker the report carries Locust's statistics, too.
        run.enter_all()
        self.send_report()

    def _send_drained(self, run: WorkerRun, lanes: messages.Lanes) -> None:
        # The report first: after this message the master may end the run with what it has.
        self._report_now(run)
        run.delivery.say(messages.Drained(run.run_id, run.epoch, lanes, after_stop=run.is_stopping))

    def _send_ready(self, run: WorkerRun, problem: str = "") -> None:
        users = {name: len(work.users) for name, work in run.work.items()}
        run.delivery.say(messages.Ready(run.run_id, run.plan_hash, users, problem))


def _ask_of(run: WorkerRun, now_s: float) -> messages.Ask:
    """Return what a worker asks for with its lease."""
    turns, starts = run.connections.turns.wanted, run.connections.starts.wanted
    unsure_s = run.lease.unsure_s(now_s)
    if unsure_s == inf:  # it would not know when a turn is
        turns, starts, unsure_s = 0, 0, 0.0
    beyond = 0 if run.total is None else run.total.wanted
    wanted = turns, starts, beyond
    return messages.Ask(run.run_id, now_s, run.lease.leased_s, *wanted, unsure_s, run.t0_unsure_s)


def _check_logins(
    run: WorkerRun, is_wanted: Callable[[], bool], report: Callable[[str], None]
) -> None:
    """Log in once for each kind of token; with an approval ask whose it is, and the deployments.

    Raises RefusedError or RemoteError where this process can take no part. Without an approval a
    login that may succeed later is left to the users; with one nobody knows whose they are, and it
    is tried again while it `is_wanted`.
    """
    settings, connections = run.inputs.settings, run.connections
    while is_wanted():
        try:
            connections.first_tokens()
            if settings.target.approval is not None:
                kinds = connections.token_kinds
                for kind in kinds:
                    with ApiClient(connections.first_session(kind), settings) as client:
                        check_token(settings, client)
                        if kind == kinds[0]:
                            check_deployments(settings, client)
            return
        except LoginError as error:
            if error.refused:
                raise
            if settings.target.approval is None:
                return
            report(str(error))
            gevent.sleep(error.retry_after_s or _LOGIN_PAUSE_S)


def _freeze_garbage() -> None:
    """Exclude all present objects from garbage collection until the run is over.

    A full collection in mid-run would traverse all that was imported and prepared, and block the
    event loop for 30 ms and more (docs/engine.md). One of what guests make who come in mid-run
    takes longer, so that it is made a hundredth as often. A worker that joins when messages are due
    already has no time for the collection that comes before.
    """
    gc.collect()  # before, because garbage that is frozen stays until the run is over
    gc.freeze()
    young, middle, old = _THRESHOLDS
    gc.set_threshold(young, middle, 100 * old)


def _collect_young_garbage(is_going_on: Callable[[], bool]) -> None:
    """Collect what is young often, so that each time there is little of it.

    Python collects by what was made less what was freed. Where guests come as fast as others go
    that is next to nothing, so that it would collect once in seconds, for 50 ms and more.
    """
    while is_going_on():
        gevent.sleep(_COLLECTS_EVERY_S)
        gc.collect(1)
