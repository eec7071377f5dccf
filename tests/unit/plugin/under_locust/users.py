"""One bad message costs one message, whatever a scenario's own code or ours does with it."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust import task
from locust.env import Environment
from locust.user.task import LOCUST_STATE_WAITING

from convoy.clock import clock_s
from convoy.errors import LoginError, RefusalError
from convoy.plan.lanes import LANES
from convoy.plan.picks import PickRule
from convoy.plan.scenario import ArrivalRule, ScenarioInputs
from convoy.plugin.guest_timings import GuestTimings
from convoy.plugin.guest_user import GuestUser
from convoy.plugin.message_user import Message, MessageUser
from convoy.plugin.rows import Rows
from convoy.plugin.users import attach
from convoy.remote.limits import Budget
from convoy.remote.oauth import OAuthSession, Token
from convoy.remote.session import ApiSession
from convoy.remote.transport import Transport
from convoy.results.counts import Counts
from convoy.results.equations import violations
from convoy.results.outcome import Attempt
from convoy.routes.catalogue import Route, TokenKind
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin, Settings
from convoy.swarm.accounting import StepTimes
from convoy.swarm.delivery import Delivery
from convoy.swarm.lease_clock import LeaseClock
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.worker_run import WorkerRun, WorkerRunState
from tests.unit.plan import pool_of
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.remote.misbehaving_server import Behaviour, Visitor, answer, serving
from tests.unit.settings.configuration import settings_of

MESSAGES = 12
BAD = 5
DEADLINE_S = 20.0
FAILURES_WITH_PAUSES = 100
"""Of a few users within seconds; without pauses each has thousands a second."""
SECRET = "s3cr3t-token-0123456789"
OK = answer("200 OK", b"{}")
CLOSED = ArrivalRule("closed", MESSAGES)


class Desk:
    """A run of twelve messages in this process, without a master; it stands for the worker, too."""

    pace = None
    tries: Sequence[int] = ()

    def __init__(
        self,
        port: int,
        user_class: type[MessageUser],
        plan: ScenarioInputs = INPUTS,
        arrivals: ArrivalRule = CLOSED,
    ) -> None:
        settings = settings_of(
            "limits=[]", "max_lateness_s=1", "request_timeout_s=1", "late_after_ms=1000"
        )
        inputs = replace(plan, arrivals=arrivals)
        self.environment = Environment(user_classes=[user_class])
        self.runner = self.environment.create_local_runner()
        self.port = port
        rows = Rows(self.environment, {INPUTS.scenario: "POST"})
        run_inputs = RunInputs("run-1", settings, {INPUTS.scenario: inputs})
        delivery = Delivery("run-1", lambda message: None)
        of_run = run_inputs, self, LeaseClock(None, 0.0), delivery
        self.run = WorkerRun(*of_run, rows, lambda text: text)  # type: ignore[arg-type]
        self.work = self.run.work[INPUTS.scenario]
        attach(self.environment, self, hide)  # type: ignore[arg-type]

    def open_session(self, kind: TokenKind) -> ApiSession:
        oauth = OAuthSession(lambda: Token(Secret("token"), 1e12), refresh_before_s=60)
        return ApiSession(
            Transport(Origin("http", "127.0.0.1", self.port)),
            oauth,
            Budget([]),
            code_book=CodeBook(),
            clock=clock_s,
        )

    def wait_for_run(self) -> WorkerRun:
        return self.run

    def report_problem(self, run: WorkerRun, problem: str) -> None:
        pass

    def report_users(self, run: WorkerRun) -> None:
        pass

    def user_has_left(self, run: WorkerRun) -> None:
        pass

    def counts_after(
        self, users: int = 2, is_through: Callable[[Desk], bool] | None = None
    ) -> Counts:
        """Run until every message has been accounted for, and return what was counted."""
        is_over = is_through or Desk.is_done
        self.run.t0_s = clock_s()
        self.work.grant(dict.fromkeys(range(LANES), 0), since_s=-1.0)
        self.work.dispatcher.start(self.run.t0_s)
        self.runner.start(users, users)
        with gevent.Timeout(DEADLINE_S):
            while not is_over(self):
                self.run.enter_second()
                gevent.sleep(0.01)
        return self.counts

    def is_done(self) -> bool:
        return self.run.is_drained and self.counts.scheduled == MESSAGES

    @property
    def counts(self) -> Counts:
        return self.work.recorder.counts


def takes_all(visitor: Visitor) -> None:
    visitor.answer_all(OK)


def hide(text: str) -> str:
    return text.replace(SECRET, "**********")


@contextmanager
def desk_of(
    user_class: type[MessageUser],
    plan: ScenarioInputs = INPUTS,
    behave: Behaviour = takes_all,
    arrivals: ArrivalRule = CLOSED,
) -> Iterator[Desk]:
    """Open a desk for the time of a with-block; its server takes everything unless it `behave`s."""
    runs = type(user_class.__name__, (user_class,), {"abstract": False})
    with serving(behave) as server:
        desk = Desk(server.port, runs, plan, arrivals)
        try:
            yield desk
        finally:
            desk.runner.quit()


class Talking(MessageUser):
    """A scenario in which nothing is wrong."""

    abstract = True
    scenario = INPUTS.scenario
    route = Route("talk", "/talk", accepts={200: ()})
    kept: Message | None = None

    @task
    def talk(self) -> None:
        message = self.next_message()
        if message.due.k == BAD:
            self.be_bad(message)
        else:
            self.post(message)

    def be_bad(self, message: Message) -> None:
        self.post(message)


class Raises(Talking):
    def be_bad(self, message: Message) -> None:
        raise ZeroDivisionError(SECRET)


class RaisesAfterPosting(Talking):
    def be_bad(self, message: Message) -> None:
        self.post(message)
        raise ZeroDivisionError(SECRET)


class RaisesInIsOk(Talking):
    def is_ok(self, message: Message, attempt: Attempt) -> bool:
        if message.due.k == BAD:
            raise ZeroDivisionError(SECRET)
        return super().is_ok(message, attempt)


class RaisesWhereItIsSent(Talking):
    def send(self, message: Message) -> Any:
        if message.due.k == BAD:
            raise ZeroDivisionError(SECRET)
        return super().send(message)


class RaisesWithItsAnswer(Talking):
    def send(self, message: Message) -> Any:
        attempt = super().send(message)
        if message.due.k == BAD:
            raise ZeroDivisionError(SECRET)
        return attempt


class HasASessionThatTakesNone(Talking):
    def send(self, message: Message) -> Any:
        if message.due.k == BAD:
            raise RefusalError("guest 409")
        return super().send(message)


class NeverPosts(Talking):
    def be_bad(self, message: Message) -> None:
        pass


class PostsTwice(Talking):
    def be_bad(self, message: Message) -> None:
        self.post(message)
        self.post(message)


class PostsAnother(Talking):
    def be_bad(self, message: Message) -> None:
        self.next_message()
        self.post(message)


class RunsOutOfTime(Talking):
    def be_bad(self, message: Message) -> None:
        with gevent.Timeout(0.01):
            gevent.sleep(DEADLINE_S)


class IsKilled(Talking):
    def be_bad(self, message: Message) -> None:
        gevent.getcurrent().kill(block=False)
        gevent.sleep(DEADLINE_S)


class IsKilledWithBadManners(IsKilled):
    def on_stop(self) -> None:
        raise ZeroDivisionError(SECRET)


class HasNoFileLeft(Talking):
    """Posts where neither a socket nor a file can be opened, on a connection of its own."""

    def be_bad(self, message: Message) -> None:
        self.session.close()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            self.post(message)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class KeepsIt(Talking):
    def be_bad(self, message: Message) -> None:
        gevent.sleep(DEADLINE_S)


WAYS: dict[str, tuple[type[Talking], dict[str, int], dict[str, int], dict[str, int]]] = {
    # not sent by cause, errors by code, exceptions by type
    "nothing is wrong": (Talking, {}, {}, {}),
    "raises before it posts": (Raises, {"scenario": 1}, {}, {"ZeroDivisionError": 1}),
    "raises after it has posted": (RaisesAfterPosting, {}, {}, {"ZeroDivisionError": 1}),
    "raises in is_ok": (RaisesInIsOk, {}, {}, {"ZeroDivisionError": 1}),
    "raises in send": (RaisesWhereItIsSent, {"scenario": 1}, {}, {"ZeroDivisionError": 1}),
    "raises over the answer": (RaisesWithItsAnswer, {}, {"exception": 1}, {"ZeroDivisionError": 1}),
    "its session takes none": (HasASessionThatTakesNone, {}, {"guest 409": 1}, {}),
    "never posts": (NeverPosts, {"scenario": 1}, {}, {}),
    "posts twice": (PostsTwice, {}, {}, {"ConvoyError": 1}),
    "posts another one": (PostsAnother, {"scenario": 2}, {}, {"ConvoyError": 1}),
    "runs out of a time of its own": (RunsOutOfTime, {"scenario": 1}, {}, {"TimeoutError": 1}),
    "is killed": (IsKilled, {"scenario": 1}, {}, {}),
    "is killed, and raises then": (IsKilledWithBadManners, {"scenario": 1}, {}, {}),
    "keeps it": (KeepsIt, {"scenario": 1}, {}, {}),
}


@pytest.mark.parametrize(
    ("user_class", "not_sent", "errors", "exceptions"), WAYS.values(), ids=WAYS
)
def test_a_bad_message_costs_one_message(
    user_class: type[Talking],
    not_sent: dict[str, int],
    errors: dict[str, int],
    exceptions: dict[str, int],
) -> None:
    with desk_of(user_class) as desk:
        counts = desk.counts_after()

    assert [*violations(counts, MESSAGES)] == []
    assert (counts.not_sent, counts.errors) == (not_sent, errors)
    assert counts.accepted == MESSAGES - sum(not_sent.values()) - sum(errors.values())
    assert counts.exceptions == exceptions


class NeverAsks(MessageUser):
    abstract = True
    scenario = INPUTS.scenario

    @task
    def talk(self) -> None:
        gevent.sleep(0.01)


class RaisesBeforeItAsks(MessageUser):
    abstract = True
    scenario = INPUTS.scenario

    @task
    def talk(self) -> None:
        raise ZeroDivisionError(SECRET)


@pytest.mark.parametrize(
    ("user_class", "exceptions"),
    [(NeverAsks, set()), (RaisesBeforeItAsks, {"ZeroDivisionError"})],
    ids=["asks for none", "raises before it asks"],
)
def test_messages_that_no_user_asks_for_are_not_sent_because_of_the_scenario(
    user_class: type[MessageUser], exceptions: set[str]
) -> None:
    with desk_of(user_class, arrivals=ArrivalRule("even")) as desk:
        counts = desk.counts_after(is_through=lambda desk: bool(desk.counts.not_sent))

    assert set(counts.not_sent) == {"scenario"}
    assert set(counts.exceptions) == exceptions
    assert sum(counts.exceptions.values()) < FAILURES_WITH_PAUSES


def test_a_message_for_which_this_machine_has_no_means_is_the_generators() -> None:
    with desk_of(HasNoFileLeft) as desk:
        counts = desk.counts_after(users=1)

    assert [*violations(counts, MESSAGES)] == []
    assert (counts.not_sent, counts.errors) == ({"generator": 1}, {})
    assert counts.shortages == {"EMFILE": 1}


class FailsToBegin(Talking):
    def on_start(self) -> None:
        super().on_start()
        raise ZeroDivisionError(SECRET)


def test_a_user_that_fails_to_begin_is_not_ready_and_closes_its_session() -> None:
    with desk_of(FailsToBegin) as desk:
        desk.runner.start(1, 1)
        with gevent.Timeout(DEADLINE_S):
            while not desk.runner.exceptions:
                gevent.sleep(0.01)

        assert not desk.work.users


class CannotOpen(Talking):
    """Its session does not open, and the run is stopped after it was tried twice."""

    @classmethod
    def open_session(cls, connections: Any, settings: Settings) -> Any:
        tries = connections.tries = []

        def open_it() -> None:
            tries.append(1)
            if len(tries) == 2:
                connections.run.state = WorkerRunState.STOPPING
            raise LoginError("timeout", "nobody answers", refused=False, retry_after_s=0.01)

        return SimpleNamespace(open=open_it, close=lambda: None, ready_at=lambda now_s: now_s)


def test_a_user_opens_its_session_no_more_once_the_run_is_being_stopped() -> None:
    with desk_of(CannotOpen) as desk:
        desk.runner.start(1, 1)
        with gevent.Timeout(DEADLINE_S):
            while not desk.tries or desk.runner.user_greenlets:
                gevent.sleep(0.01)

        assert (len(desk.tries), desk.runner.errors) == (2, {})


def test_exceptions_are_shown_without_secrets() -> None:
    with desk_of(Raises) as desk:
        desk.counts_after()

    [shown] = desk.runner.exceptions.values()
    assert shown["msg"] == "**********"
    assert "be_bad" in shown["traceback"]


ONE_CONVERSATION = replace(INPUTS, pool=pool_of(1), pick=PickRule("exclusive"))


def test_a_user_that_waits_for_its_conversation_sends_its_message_before_it_stops() -> None:
    may_answer = threading.Event()

    def answers_late(visitor: Visitor) -> None:
        while visitor.read_request():
            assert may_answer.wait(DEADLINE_S)
            visitor.send(OK)

    with desk_of(Talking, ONE_CONVERSATION, answers_late) as desk:
        running = gevent.spawn(desk.counts_after)
        with gevent.Timeout(DEADLINE_S):
            while desk.counts.scheduled < 2:  # one is sent, and one waits for its conversation
                gevent.sleep(0.01)
        [waiting] = [each for each in desk.work.users if each._state == LOCUST_STATE_WAITING]

        was_stopped = waiting.stop()
        may_answer.set()
        counts = running.get(timeout=DEADLINE_S)

    assert not was_stopped
    assert [*violations(counts, MESSAGES)] == []
    assert (counts.accepted, counts.not_sent) == (MESSAGES, {})


class Comer(GuestUser):
    """A guest's user without a run, which only comes and leaves."""

    abstract = True
    timeout_s = 0.0

    def step(self, name: str) -> AbstractContextManager[StepTimes]:
        self.times = StepTimes(100.0)
        return nullcontext(self.times)

    def join(self) -> None:
        pass


@pytest.mark.parametrize(
    ("stops", "did"), [(False, ["leave", "connect", "configure"]), (True, ["leave"])]
)
def test_no_other_guest_comes_once_the_run_is_being_stopped(stops: bool, did: list[str]) -> None:
    run, done = SimpleNamespace(is_stopping=False, ends_s=inf), list[str]()
    user = Comer.__new__(Comer)
    user._run = run  # type: ignore[assignment]
    user._measured = GuestTimings(pytest.fail, ())
    user.session = SimpleNamespace(  # type: ignore[assignment]
        socket=None,
        leave=lambda: done.append("leave"),
        await_turn=lambda: setattr(run, "is_stopping", stops),
        connect=lambda deadline_s: done.append("connect"),
        configure=lambda deadline_s: done.append("configure"),
        waited_s=0.0,
    )

    user.begin_anew()

    assert done == did


def test_waiting_for_a_turn_is_no_part_of_a_step() -> None:
    user = Comer.__new__(Comer)
    session = user.session = SimpleNamespace(waited_s=3.0)  # type: ignore[assignment]

    user._try("connect", lambda times: setattr(session, "waited_s", 5.0))

    assert user.times.began_s == 102.0
