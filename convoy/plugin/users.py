"""The abstract Locust user that every scenario builds on, whatever protocol its session speaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar

import gevent
from gevent import GreenletExit
from locust import User
from locust.env import Environment
from locust.user.task import (
    LOCUST_STATE_RUNNING,
    LOCUST_STATE_STOPPING,
    LOCUST_STATE_WAITING,
    TaskSet,
)
from msgspec.structs import replace

from convoy.clock import clock_s
from convoy.engine.alarm import A_POLL_S
from convoy.engine.dispatch import DueMessage
from convoy.engine.rendered_ahead import Message
from convoy.errors import ConvoyError, LoginError, RefusalError, WireError
from convoy.plan.scenario import PoolExhausted
from convoy.plugin.task_loop import TaskLoop
from convoy.prepare.scenarios import Opening, chosen_timings
from convoy.remote.connections import Connections
from convoy.remote.session import Session, lost_attempt, open_patiently
from convoy.results.outcome import (
    ACCEPTED,
    FAILED,
    LONGEST_NAME,
    REJECTED,
    UNKNOWN,
    Attempt,
    Cause,
    Phase,
)
from convoy.routes.catalogue import NO_ROUTE, Route
from convoy.routes.codes import SHORTAGES
from convoy.settings import Settings
from convoy.swarm.accounting import StepTimes
from convoy.swarm.scenario_work import Reservation
from convoy.swarm.worker import Worker
from convoy.swarm.worker_run import WorkerRun, WorkerRunState
from convoy.untrusted_text import told

logger = logging.getLogger(__name__)

_HOME_OF_LOCUSTS_LISTENERS = "locust.runners"
_LIMIT_REACHED = "a limit was reached, and on_limit is stop"
_PAUSE_AFTER_FAILURE_S = 1.0
_MEASURE = Phase.MEASURE
"""Looking a member up in its class takes longer than most lines here."""


class ScenarioUser(User):
    """A user that sends the due messages of one scenario over a session.

    A class for a protocol says how a session is opened (`open_session`) and how a message is sent
    over it (`send`). A scenario subclasses that, sets its name in `scenario`, and has one task that
    takes the next message and posts it.

    What a scenario measures besides messages, it names in `steps` and `timings`. `optional_steps`
    are steps that are done only where the settings ask for them, each with the names of other
    optional steps that it needs. A timing that has the name of an optional step is measured only
    together with that step. `variables` are those of the scenario's settings, by name; `route` has
    the rules by which bodies are checked; `request_type` is shown in Locust's rows. It is long
    because whatever ends a task, a message or a user has to account for it.
    """

    abstract = True
    scenario: str
    request_type: str
    route: Route = NO_ROUTE
    steps: tuple[str, ...] = ()
    optional_steps: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    timings: tuple[str, ...] = ()
    session: Session
    variables: Mapping[str, str]
    _run: WorkerRun | None = None
    _taken: DueMessage | None = None
    _has_asked = False  # for a message, since the last task that failed
    _called_s = 0.0  # how long the message in hand has waited for steps: it is the target's time
    _phase: Phase | None = None  # that of the last message

    @classmethod
    def open_session(cls, connections: Connections, settings: Settings) -> Session:
        """Return a session for one user; nothing is sent before its own `open`."""
        raise NotImplementedError

    @classmethod
    def opening_session(cls, connections: Connections, settings: Settings) -> Session:
        """Return a session for who opens conversations before load: as a user's, by default."""
        return cls.open_session(connections, settings)

    @staticmethod
    def open_conversation(session: Any, opening: Opening) -> str:
        """Open one for `source: opened` over such a session; return its id. Raises RemoteError."""
        raise NotImplementedError

    def send(self, message: Message) -> Attempt:
        """Send a message over the session, once; return what came of it by `timeout_s`.

        Raises WireError where no whole answer came, RefusalError where the session took no message
        (`post` accounts for both), LoginError where no session could be opened anew.
        """
        raise NotImplementedError

    def on_start(self) -> None:
        self._worker = worker_of(self.environment)
        # `User.run` has put Locust's own loop there, and runs what stands there after `on_start`.
        self._taskset_instance = TaskLoop(self, self.leave, self._pause_unless_asked)
        # Locust kills a user that waits. One that runs is asked to stop, and would notice that only
        # after `on_start`, which waits for a run, for its turn and for logins.
        self._state = LOCUST_STATE_WAITING
        run = self._worker.wait_for_run()
        settings = run.inputs.settings
        work = self._work = run.work[self.scenario]
        self.variables, steps = work.rule.variables, work.rule.steps
        timings = chosen_timings(self.timings, self.optional_steps, steps)
        work.accounting.declare((*self.steps, *steps, *work.plan.dialogue_steps), timings)
        self.timeout_s = settings.request_timeout_s
        self._paused_until_s = 0.0
        self.session = self.open_session(run.connections, settings)
        self._is_exclusive = work.pool.is_exclusive
        self._reservation = Reservation(work, settings.max_lateness_s)
        self._has_pauses = work.plan.has_pauses
        report = partial(self._worker.report_problem, run)
        open_patiently(self.session, report, lambda: not run.is_stopping)
        # Not before: `leave` takes back what follows, and a user that is stopped while its session
        # is opened has none of it.
        self._run = run
        work.admit(self)
        self._worker.report_users(run)
        self._state = LOCUST_STATE_RUNNING

    def _pause_unless_asked(self) -> None:
        """Rest after a task that failed before it asked for a message.

        Else it would fail some thousand times a second, and each time log a traceback.
        """
        if not self._has_asked:
            gevent.sleep(_PAUSE_AFTER_FAILURE_S)
        self._has_asked = False

    def stop(self, force: bool = False) -> bool:
        """Stop as Locust does; one that waits is handed nothing more until the kill reaches it.

        One that has a message and waits for its conversation sends it first, unless the run is to
        stop: nobody else can be handed the message any more.
        """
        run, is_waiting = self._run, self._state == LOCUST_STATE_WAITING
        if run is not None and is_waiting and self._greenlet is not None:
            if self._taken is not None and not force and run.state is not WorkerRunState.STOPPING:
                self._state = LOCUST_STATE_STOPPING
                return False
            self._work.dispatcher.dismiss(self._greenlet)
        return bool(super().stop(force))

    def on_stop(self) -> None:
        self.leave()

    def leave(self) -> None:
        """Account for what the user has in hand, and close its session, however it comes to end."""
        run, self._run = self._run, None
        if run is not None:
            self._give_up_taken(Cause.STOPPED)
            self._reservation.release()
            self._work.part_from(self, self._greenlet)
            self._worker.user_has_left(run)
        if hasattr(self, "session"):  # not yet, where it was killed while it waited for a run
            self.session.close()

    def next_message(self) -> Message:
        """Wait for the next due message of this scenario; return it rendered, with a conversation.

        Meanwhile Locust can stop the user at any moment.
        """
        work, self._has_asked = self._work, True
        while True:
            if self._taken is not None:
                self._give_up_taken()
            if self._is_exclusive:
                self._reservation.release()
            self._state = LOCUST_STATE_WAITING
            self._taken = due = work.dispatcher.take(self.session.ready_at, self._paused_until_s)
            self._called_s, self._phase = 0.0, due.phase
            try:
                message = work.message(due)
                if self._is_exclusive:
                    message = self._reservation.reserve(message)
                    self._taken = message.due
            except PoolExhausted:
                self._give_up_taken(Cause.POOL)
                gevent.sleep(A_POLL_S)  # an exhausted pool fails every message: let the loop run
                continue
            # Where it is STOPPING by now, Locust ends the user after this task; that has to remain.
            if self._state == LOCUST_STATE_WAITING:
                self._state = LOCUST_STATE_RUNNING
            work.pool.redirected += message.planned.is_redirected
            return message

    def post(self, message: Message) -> Attempt | None:
        """Send a message, and account for what came of it once; None where it could not be sent.

        Raises ConvoyError for another one than the last that was taken, which is not sent.
        """
        due = message.due
        if due is not self._taken:
            raise ConvoyError(f"message {due.k} was posted before, or it is too late for it")
        # From here on this call accounts for the message, and nobody else may.
        self._taken = None
        try:
            attempt = self.send(message)
            if self._called_s:
                attempt = replace(attempt, waited_s=attempt.waited_s + self._called_s)
        except LoginError as error:
            logger.warning("a user of %s rests: %s", self.scenario, error)
            self._work.accounting.give_up(due, Cause.LIMITS, error.code)
            return None
        except (WireError, RefusalError) as fault:
            attempt = lost_attempt(self.session, due.handed_s, fault.code)
            self._finish(message, attempt)
        except BaseException as error:  # Locust kills by GreenletExit, which is no Exception
            is_stopped = isinstance(error, GreenletExit)
            code = "stopped" if is_stopped else "exception"
            attempt = lost_attempt(self.session, due.handed_s, code)
            if is_stopped or attempt.fate is UNKNOWN:
                self._finish(message, attempt)
            else:
                self._work.accounting.give_up(due, Cause.SCENARIO)
            raise
        else:
            self._finish(message, attempt)
        finally:
            if self._is_exclusive:
                self._reservation.release()
        return attempt

    def is_ok(self, message: Message, attempt: Attempt) -> bool:
        """Return whether a message ended as expected: accepted, or refused with that code."""
        expected_code = message.planned.expected_code
        if not expected_code:
            return attempt.fate is ACCEPTED
        return attempt.fate is REJECTED and attempt.code == expected_code

    def does(self, step: str) -> bool:
        """Return whether the scenario's settings ask for one of its `optional_steps`."""
        return step in self._work.rule.steps

    def step(self, name: str) -> AbstractContextManager[StepTimes]:
        """Measure what is done inside as a step; it counts if the last message taken does.

        A RemoteError that is raised inside ends the step, which is counted under its code, and not
        the journey. Any other exception is the scenario's own, and passes. Raises ConvoyError for a
        step that the class does not name.
        """
        return self._work.accounting.step(name, self._phase is _MEASURE)

    def marker_of_steps(self, message: Message) -> str:
        """Return the marker for what a step sends: no figure counts that among the messages."""
        return f"[convoy:{self._work.run_id}-steps:{self.scenario}:{message.due.k}]"

    def note_sent(self, timing: str, id: str, at_s: float | None = None) -> None:
        """Begin to time what belongs to an id, which no two pairs of the timing may share.

        It was sent at `at_s`, by default now. It counts if the last message taken does. Raises
        ConvoyError for a timing that the class does not name.
        """
        recorder = self._work.accounting.timing(timing)
        recorder.sent(id, clock_s() if at_s is None else at_s, self._phase is _MEASURE)

    def note_received(self, timing: str, id: str) -> None:
        """Enter that what belongs to an id has come; raises as `note_sent`."""
        self._work.accounting.timing(timing).received(id, clock_s(), self._phase is _MEASURE)

    def give_up_since(self, due_before_s: float) -> None:
        """Account for a message that the task has kept without posting it, if it was due before."""
        taken = self._taken
        # A user that waits has it in hand for a busy conversation, and sees to it itself.
        if taken is not None and taken.due_s < due_before_s and self._state != LOCUST_STATE_WAITING:
            self._give_up_taken()

    def _give_up_taken(self, cause: Cause = Cause.SCENARIO) -> None:
        """Account for the message in hand, if there is one, which will not be sent."""
        taken, self._taken = self._taken, None
        if cause is Cause.STOPPED and self._state == LOCUST_STATE_RUNNING:
            cause = Cause.SCENARIO  # nobody but the scenario ends a user while it runs a task
        if taken is not None:
            self._work.accounting.give_up(taken, cause)

    def _finish(self, message: Message, attempt: Attempt) -> None:
        """Account for a message, and apply its answer to the next ones."""
        # This machine had no file, port or buffer for it: that is no failure of the target's.
        if attempt.code in SHORTAGES and attempt.fate is FAILED:
            self._work.accounting.give_up(message.due, Cause.GENERATOR, attempt.code)
            return
        try:
            is_ok = self.is_ok(message, attempt)
        except BaseException:
            is_ok = ScenarioUser.is_ok(self, message, attempt)
            raise
        finally:
            self._work.accounting.enter(message, attempt, is_ok)
            if self._has_pauses:
                self._paused_until_s = attempt.done_s + self._work.plan.think_time_s(message.due.k)
            if attempt.code:
                run, is_limit = self._run, attempt.status == HTTPStatus.TOO_MANY_REQUESTS
                if is_limit and run is not None and run.inputs.settings.on_limit == "stop":
                    self._worker.ask_for_stop(run, _LIMIT_REACHED)
                self._work.retire_after(message.planned, attempt.code)


def attach(environment: Environment, worker: Worker, redact: Callable[[str], str]) -> None:
    """Make a process's worker known to its users, and account for exceptions in their tasks.

    What Locust shows of them is redacted.
    """
    environment.convoy_worker = worker  # type: ignore[attr-defined]
    hook = environment.events.user_error
    shown = [each for each in hook._handlers if each.__module__ == _HOME_OF_LOCUSTS_LISTENERS]

    def note(user_instance: User | TaskSet, exception: Exception, tb: TracebackType) -> None:
        user = user_instance.user if isinstance(user_instance, TaskSet) else user_instance
        if isinstance(user, ScenarioUser):
            _note(user, told(type(exception).__name__, redact, LONGEST_NAME))
            if user is user_instance:  # raised in `on_start`: Locust lets it die without `on_stop`
                user.leave()
        for show in shown:
            show(user_instance=user, exception=Exception(told(str(exception), redact)), tb=tb)

    for each in shown:
        hook.remove_listener(each)
    hook.add_listener(note)


def _note(user: ScenarioUser, kind: str) -> None:
    """Account for what a task had in hand when it raised, and count that by its type's name."""
    user._give_up_taken()
    is_in_measure = user._run is not None and user._run.is_after_t0
    if user._phase is _MEASURE or (user._phase is None and is_in_measure):
        user._work.recorder.counts.exceptions[kind] += 1


def worker_of(environment: Environment) -> Worker:
    """Return the worker that `attach` made known."""
    worker: Worker = environment.convoy_worker  # type: ignore[attr-defined]
    return worker
