"""The abstract Locust user that every scenario builds on, each with its own session."""

from __future__ import annotations

import logging
from time import perf_counter

import gevent
import msgspec
from gevent import GreenletExit
from locust import User
from locust.env import Environment
from locust.user.task import (
    LOCUST_STATE_RUNNING,
    LOCUST_STATE_STOPPING,
    LOCUST_STATE_WAITING,
    DefaultTaskSet,
    TaskSet,
)

from convoy.engine.ahead import Message
from convoy.engine.dispatch import DueMessage
from convoy.errors import LoginError
from convoy.plan.lanes import LANES
from convoy.plan.payloads import PayloadError
from convoy.plan.scenario import PoolExhausted
from convoy.remote.session import ApiSession, Exchange
from convoy.results.outcome import Cause, Fate, Phase
from convoy.routes.catalogue import ROUTES, Route
from convoy.routes.codes import RETIRING_CODES
from convoy.swarm.worker import Worker
from convoy.swarm.worker_run import WorkerRun

_TASKS_IN_A_ROW = 64
"""A pause after each of them would cost a switch to the event loop that nothing needs."""


class TaskLoop(DefaultTaskSet):
    """Locust's loop over the tasks of a user, which yields to the event loop once in 64 tasks.

    Locust's own loop sleeps after each task, if only for 0 s, and draws the next task anew. A user
    waits for its message and for the answer, so that it yields often enough by itself: where it has
    one task and no `wait_time` of its own, the loop goes on at once. It sleeps after 64 tasks all
    the same, because a task that fails at once does not wait for anything.
    """

    def execute_next_task(self) -> None:
        super().execute_next_task()  # type: ignore[no-untyped-call]  # Locust's own
        user = self.user
        if len(user.tasks) != 1 or type(user).wait_time is not User.wait_time:
            return
        task = user.tasks[0]
        if isinstance(task, (type, TaskSet)):
            return
        for _ in range(_TASKS_IN_A_ROW - 1):
            if user._state == LOCUST_STATE_STOPPING or self._task_queue:
                return
            task(user)


logger = logging.getLogger(__name__)

_LOGIN_PAUSE_S = 1.0
_TOO_MANY_REQUESTS = 429
_ACCEPTED, _MEASURE = Fate.ACCEPTED, Phase.MEASURE
"""Looking a member up in its class takes longer than most lines here."""


class MessageUser(User):
    """A user that sends due messages of one scenario.

    A scenario subclasses it, sets its name in `scenario`, and has one task that takes the next
    message and posts it. `route` is a row of the catalogue, or a `Route` of the scenario's own.
    """

    abstract = True
    scenario: str
    route: Route = ROUTES["conversation"]
    session: ApiSession

    def on_start(self) -> None:
        self._run: WorkerRun | None = None
        self._reserved_index: int | None = None
        self._unposted: DueMessage | None = None
        self._worker = worker_of(self.environment)
        self._taskset_instance = TaskLoop(self)
        self._state = LOCUST_STATE_WAITING
        run = self._worker.wait_for_run()
        self._work = run.work[self.scenario]
        self._timeout_s = run.inputs.settings.request_timeout_s
        self._max_lateness_s = run.inputs.settings.max_lateness_s
        self._stops_at_limit = run.inputs.settings.on_limit == "stop"
        self._paused_until_s = 0.0
        self._path_of = self.route.path_to(run.inputs.settings.scenario[self.scenario].variables)
        self._answers = self._work.answers(self.route)
        self.session = run.connections.open_session()
        self._is_exclusive = self._work.pool.is_exclusive
        self._has_pauses = self._work.plan.has_pauses
        self._ready_at = self._rested_at if self._has_pauses else self.session.ready_at
        self._log_in(run)
        self._run = run
        self._worker.user_is_ready(run, self.scenario)
        self._state = LOCUST_STATE_RUNNING

    def on_stop(self) -> None:
        if self._run is not None:
            self._give_up_unposted(Cause.STOPPED)
            self._worker.user_has_left(self._run, self.scenario)
            self._run = None
            self._release_conversation()
        session = getattr(self, "session", None)
        if session is not None:
            session.close()

    def next_message(self) -> Message:
        """Wait for the next due message of this scenario; return it rendered, with a conversation.

        While the user waits, Locust can stop it at any moment.
        """
        work = self._work
        while True:
            if self._unposted is not None:
                self._give_up_unposted(Cause.SCENARIO)
            if self._reserved_index is not None:
                self._release_conversation()
            self._state = LOCUST_STATE_WAITING
            due = work.dispatcher.take(self._ready_at)
            try:
                message = work.message(due)
                if self._is_exclusive:
                    message = self._with_conversation(message)
            except PoolExhausted:
                self._give_up(due, Cause.POOL)
                gevent.sleep(
                    0
                )  # an exhausted pool fails every message: let the loop run in between
                continue
            except PayloadError:
                self._give_up(due, Cause.GENERATOR)
                raise
            self._state = LOCUST_STATE_RUNNING
            if message.planned.is_redirected:
                work.pool.redirected += 1
            self._unposted = message.due
            return message

    def post(self, message: Message) -> None:
        """Post a message on the scenario's route, and account for its result once."""
        path = self._path_of(message.planned.conversation)
        self._unposted = None
        try:
            exchange = self.session.post(
                path,
                message.body,
                self._timeout_s,
                self._answers,
                message.planned.conversation.id,
            )
        except LoginError as error:
            logger.warning("a user of %s rests: %s", self.scenario, error)
            self._give_up(message.due, Cause.LIMITS)
        except GreenletExit:
            self._finish(message, self._stopped_exchange(message.due.handed_s))
            raise
        else:
            self._finish(message, exchange)
        finally:
            if self._reserved_index is not None:
                self._release_conversation()

    def is_ok(self, message: Message, exchange: Exchange) -> bool:
        """Return whether a message ended as expected: accepted, or refused with that code."""
        expected_code = message.planned.expected_code
        if not expected_code:
            return exchange.fate == _ACCEPTED
        return exchange.fate == Fate.REJECTED and exchange.code == expected_code

    def _rested_at(self, now_s: float) -> float:
        return max(self.session.ready_at(now_s), self._paused_until_s)

    def _with_conversation(self, message: Message) -> Message:
        """Reserve the message's conversation for this user; raises PoolExhausted if too late.

        A message that had to wait for it is late by cause pool.
        """
        pool, latest_s = self._work.pool, message.due.due_s + self._max_lateness_s
        try:
            while self._reserved_index is None:
                due, index = message.due, message.planned.conversation_index
                has_to_wait = pool.is_taken(index)
                if not pool.take(index, due.k % LANES, max(0.0, latest_s - perf_counter())):
                    raise PoolExhausted("the conversation was not free in time")
                self._reserved_index = index
                if has_to_wait:
                    handed_s = perf_counter()
                    due = msgspec.structs.replace(due, late_cause=Cause.POOL, handed_s=handed_s)
                    message = msgspec.structs.replace(message, due=due)
                if index in pool.retired:  # while this user waited for it
                    self._release_conversation()
                    message = self._work.message(due)
        except GreenletExit:
            self._give_up(message.due, Cause.STOPPED)
            raise
        return message

    def _release_conversation(self) -> None:
        """Release the conversation of the last message for other users."""
        if self._reserved_index is not None:
            self._work.pool.give_back(self._reserved_index)
            self._reserved_index = None

    def _log_in(self, run: WorkerRun) -> None:
        """Log in, again and again until it succeeds; the master decides when to give up."""
        while True:
            try:
                self.session.open()
                return
            except LoginError as error:
                self._worker.report_problem(run, str(error))
                gevent.sleep(error.retry_after_s or _LOGIN_PAUSE_S)

    def _give_up(self, due: DueMessage, cause: Cause) -> None:
        """Account for a message that was taken and will not be sent."""
        if due.phase is Phase.MEASURE:
            self._work.recorder.give_up(cause, perf_counter() - due.due_s)

    def _give_up_unposted(self, cause: Cause) -> None:
        """Account for the last message, which the task took and did not post."""
        if self._unposted is not None:
            self._give_up(self._unposted, cause)
            self._unposted = None

    def _stopped_exchange(self, started_s: float) -> Exchange:
        sent_s = self.session.sent_s
        return Exchange(
            Fate.FAILED if sent_s is None else Fate.UNKNOWN,
            "stopped",
            started_s if sent_s is None else sent_s,
            perf_counter(),
            max(1, self.session.attempts),
        )

    def _finish(self, message: Message, exchange: Exchange) -> None:
        """Account for a message, and apply its answer to the next ones."""
        is_ok = self.is_ok(message, exchange)
        if self._has_pauses:
            self._paused_until_s = exchange.done_s + self._work.plan.think_time_s(message.due.k)
        if exchange.code:
            self._react_to_code(message, exchange, is_ok)
        if message.due.phase is _MEASURE:
            self._work.accounting.enter(message, exchange, is_ok)

    def _react_to_code(self, message: Message, exchange: Exchange, is_ok: bool) -> None:
        """Stop the run or retire the conversation, where an error code calls for it."""
        assert self._run is not None
        if exchange.status == _TOO_MANY_REQUESTS and self._stops_at_limit:
            self._worker.ask_for_stop(self._run, "a limit was reached, and on_limit is stop")
        if exchange.code in RETIRING_CODES and not is_ok:
            self._work.pool.retire(message.planned.conversation_index, exchange.code)


def attach(environment: Environment, worker: Worker) -> None:
    """Make a process's worker known to its users."""
    environment.convoy_worker = worker  # type: ignore[attr-defined]


def worker_of(environment: Environment) -> Worker:
    """Return the worker that `attach` made known."""
    worker: Worker = environment.convoy_worker  # type: ignore[attr-defined]
    return worker


def user_classes() -> list[type[MessageUser]]:
    """Return every scenario's user class that has been imported."""
    found: list[type[MessageUser]] = []
    waiting: list[type[MessageUser]] = [MessageUser]
    while waiting:
        user_class = waiting.pop()
        waiting += user_class.__subclasses__()
        if not user_class.abstract:
            found.append(user_class)
    return found


def known_scenarios() -> dict[str, Route]:
    """Return the scenarios that can run, by name, each with its route."""
    return {user_class.scenario: user_class.route for user_class in user_classes()}
