"""A worker: what it answers to the master's messages, on a channel that only keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, cast

import gevent
import msgspec
import pytest
from gevent.event import Event

from convoy.clock import clock_s
from convoy.errors import ConvoyError, KillSwitchError, LoginError, RefusedError
from convoy.remote.approved_total import Total
from convoy.remote.connections import Connections, WorkerShare
from convoy.remote.dialling import Dialler
from convoy.remote.kill_switch import KillSwitch, RunSwitch
from convoy.remote.login_turns import Turns
from convoy.remote.oauth import Token
from convoy.remote.pace import Pace
from convoy.remote.session import ApiSession
from convoy.routes.catalogue import CLIENT, TokenKind
from convoy.secrets import Secret
from convoy.settings import Settings
from convoy.settings.model import Approval
from convoy.swarm.lease_clock import LeaseClock
from convoy.swarm.messages import (
    VERSION,
    Ask,
    Drained,
    Enough,
    Farewell,
    Grant,
    Hello,
    Lease,
    Leaving,
    Missed,
    Numbered,
    Over,
    Prepare,
    Ready,
    Refusal,
    Stop,
    ToMaster,
    ToWorker,
    encode,
)
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.worker import Worker
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID

PREPARE = Prepare(
    RUN_ID,
    RunInputs(RUN_ID, settings_of(), {"conversation_messages": INPUTS}).to_bytes(),
    WorkerShare(permits=0),
    lease_s=2.5,
)


class Kept:
    """The master's end of the channel, credentials that are tried slowly, and rows for nobody."""

    pace: Pace | None = None
    token_kinds = (CLIENT,)

    def __init__(self) -> None:
        self.said: list[ToMaster | Hello] = []
        self.may_log_in = Event()
        self.fault: LoginError | None = None
        self.of_process = KillSwitch(Path("no STOP"))
        self.kill_switch = RunSwitch(self.of_process)
        self.turns = Turns(1.0, clock_s, is_given=True)
        self.starts = Turns(1.0, clock_s, is_given=True)
        self.dialler = Dialler()
        self.shares: list[WorkerShare] = []
        self.discarded: list[float] = []

    def to_master(self, message: Hello | ToMaster) -> None:
        self.said.append(message)

    def to_worker(self, worker: str, message: ToWorker) -> None: ...

    def first_tokens(self) -> list[Token]:
        self.may_log_in.wait()
        if self.fault is not None:
            raise self.fault
        return [Token(Secret("a token"), 1e12)]

    def first_session(self, kind: TokenKind) -> ApiSession:
        token = Token(Secret("a token"), 1e12)
        return Connections(settings_of(), {CLIENT: token}, lambda each: None).first_session(kind)

    is_over = Connections.is_over
    has_arrived = Connections.has_arrived

    def end(self) -> None:
        Connections.end(cast(Connections, self))

    def discard(self) -> None:
        self.discarded.append(clock_s())

    def flush(self) -> None: ...

    def heard(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.said if isinstance(each, kind)]

    def wait_for(self, kind: type[Any]) -> Any:
        with gevent.Timeout(10):
            while not self.heard(kind):
                gevent.sleep(0.001)
        return self.heard(kind)[-1]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    yield kept
    # Whatever a worker says once, it says so that it can be said again.
    numbers = [each.number for each in kept.said if isinstance(each, Numbered)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.fixture
def worker(kept: Kept) -> Worker:
    anything: Any = kept

    def connect(settings: Settings, share: WorkerShare) -> Any:
        kept.shares.append(share)
        return anything

    return Worker(
        kept,
        anything,
        code="the code",
        connect=connect,
        send_report=lambda: None,
        stop_users=lambda: None,
        give_up=lambda: None,
        redact=str,
    )


def test_it_connects_with_the_share_that_the_master_gives_it(worker: Worker, kept: Kept) -> None:
    share = WorkerShare(2, 0.5, 3, is_led=True, is_after_another=True, number=1)

    worker.hear(encode(msgspec.structs.replace(PREPARE, share=share)))

    assert kept.shares == [share]


def test_its_first_word_says_version_and_code(worker: Worker, kept: Kept) -> None:
    worker.say_hello()

    assert kept.said == [Hello(VERSION, "the code")]


def test_it_takes_part_when_its_login_has_succeeded(worker: Worker, kept: Kept) -> None:
    worker.hear(encode(PREPARE))
    gevent.sleep(0)
    before = kept.heard(Ready)

    kept.may_log_in.set()

    assert before == []
    assert kept.wait_for(Ready).users == {"conversation_messages": 0}
    worker.forget_run()


@pytest.mark.parametrize("kind", ["turns", "starts"])
def test_it_asks_for_turns_to_log_in_and_takes_those_of_the_master(
    worker: Worker, kept: Kept, kind: str
) -> None:
    worker.hear(encode(PREPARE))
    logging_in = gevent.spawn(getattr(kept, kind).take)
    before = kept.wait_for(Ask)
    worker.hear(encode(Lease(RUN_ID, clock_s() - 0.2, 500.0)))
    while getattr(kept.wait_for(Ask), kind) == 0:
        gevent.sleep(0.01)
    assert getattr(before, kind) == 0  # without an answer it would not know when a turn is
    assert 0.1 <= kept.wait_for(Ask).unsure_s < 0.2

    asked_s, now_s = kept.wait_for(Ask).asked_s, clock_s()
    # Its master's clock is 500 s ahead; a turn that this process wakes up too late for is none.
    turns = [now_s + 500.2 + number / 5 for number in range(40)]
    worker.hear(encode(Lease(RUN_ID, asked_s, now_s + 500, **{kind: turns})))
    logging_in.join(timeout=10)

    assert logging_in.ready()
    assert clock_s() > now_s + 0.2 - (now_s - asked_s)
    worker.forget_run()


def test_without_lanes_nothing_leaves_once_the_load_has_begun(worker: Worker, kept: Kept) -> None:
    pace = kept.pace = Pace(5)
    kept.may_log_in.set()
    worker.hear(encode(PREPARE))
    worker.wait_for_run()
    asked_s = clock_s()
    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s)))
    before_s = pace.ready_at(asked_s)

    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s, has_load=True)))
    without_lanes_s = pace.ready_at(asked_s)
    lanes = {"conversation_messages": {0: 0}}
    worker.hear(encode(Grant(RUN_ID, 1, asked_s + 100, lanes, number=2)))
    pace.allow(5, 0.0)
    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s, has_load=True)))

    assert (before_s, without_lanes_s) == (asked_s, inf)
    assert pace.most == 5
    worker.forget_run()


def test_what_has_left_and_not_arrived_when_the_lease_ends_does_not_arrive(
    worker: Worker, kept: Kept
) -> None:
    pace = kept.pace = Pace(5)
    worker.hear(encode(PREPARE))
    asked_s = clock_s()
    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s)))
    kept.said.clear()
    kept.wait_for(Ask)
    before, pace.ends_s = list(kept.discarded), clock_s()

    kept.said.clear()
    kept.wait_for(Ask)

    assert not before and kept.discarded
    worker.forget_run()


def test_it_asks_for_what_it_may_send_beyond_its_plan(worker: Worker, kept: Kept) -> None:
    kept.pace = Pace(5, total=Total(0, is_led=True))
    worker.hear(encode(msgspec.structs.replace(PREPARE, lease_s=None)))
    waiting = gevent.spawn(kept.pace.wait, inf)
    while kept.wait_for(Ask).beyond == 0:
        gevent.sleep(0.01)

    worker.hear(encode(Lease(RUN_ID, 0.0, 0.0, beyond=1)))
    waiting.join(timeout=10)
    assert waiting.successful()

    worker.hear(encode(Lease(RUN_ID, 0.0, 0.0, is_used_up=True)))
    with pytest.raises(TimeoutError, match="total leaves no message"):
        kept.pace.wait(inf)
    worker.forget_run()


def test_a_kill_switch_of_its_own_ends_the_run(worker: Worker, kept: Kept) -> None:
    kept.of_process.throw("its own")

    worker.hear(encode(PREPARE))

    assert kept.wait_for(Enough).reason == "the kill switch: its own"


def test_a_login_that_is_refused_is_said(worker: Worker, kept: Kept) -> None:
    kept.fault = LoginError("401 invalid_client", "wrong credentials", refused=True)
    kept.may_log_in.set()

    worker.hear(encode(PREPARE))

    assert kept.wait_for(Refusal).reason == "wrong credentials"
    assert kept.heard(Ready) == []
    worker.forget_run()


def test_one_that_is_stopped_while_it_logs_in_stays_stopped(worker: Worker, kept: Kept) -> None:
    worker.hear(encode(PREPARE))
    worker.hear(encode(Stop(RUN_ID)))
    kept.wait_for(Drained)

    kept.may_log_in.set()
    gevent.sleep(0.01)

    assert kept.heard(Ready) == []
    worker.forget_run()


def test_before_its_users_are_stopped_nothing_more_is_handed_out_or_leaves(
    worker: Worker, kept: Kept
) -> None:
    pace = kept.pace = Pace(5)
    kept.may_log_in.set()
    worker.hear(encode(PREPARE))
    run = worker.wait_for_run()
    dispatcher = run.work["conversation_messages"].dispatcher
    seen: list[tuple[bool, float]] = []
    worker.stop_users = lambda: seen.append((dispatcher.is_exhausted, pace.ends_s))
    asked_s = clock_s()
    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s)))
    lanes = {"conversation_messages": {0: 0}}
    worker.hear(encode(Grant(RUN_ID, 1, asked_s, lanes, number=2)))
    assert not dispatcher.is_exhausted

    worker.hear(encode(Stop(RUN_ID)))
    kept.wait_for(Drained)

    assert seen == [(True, -inf)]
    worker.forget_run()


def test_nothing_of_a_run_leaves_once_it_was_stopped_and_the_next_run_may_begin(
    worker: Worker, kept: Kept
) -> None:
    worker.hear(encode(PREPARE))
    waiting = [gevent.spawn(each.take) for each in (kept.turns, kept.starts)]

    worker.hear(encode(Stop(RUN_ID)))
    kept.wait_for(Drained)
    stopped_s, were_discarded = clock_s(), list(kept.discarded)
    gevent.joinall(waiting, timeout=10)
    with gevent.Timeout(10):
        while not kept.discarded:
            gevent.sleep(0.01)

    assert all(each.successful() for each in waiting)
    # What left right before may arrive and be answered.
    assert not were_discarded and kept.discarded[0] > stopped_s + 0.1
    assert kept.kill_switch.reason == "the run was stopped"
    assert kept.of_process.reason == ""
    worker.forget_run()


@pytest.mark.parametrize("is_stopped_before", [False, True])
def test_of_a_run_that_is_over_nothing_leaves_and_nothing_is_asked(
    worker: Worker, kept: Kept, is_stopped_before: bool
) -> None:
    kept.may_log_in.set()
    stopped: list[bool] = []
    worker.stop_users = lambda: stopped.append(True)
    worker.hear(encode(PREPARE))
    run = worker.wait_for_run()
    if is_stopped_before:
        worker.hear(encode(Stop(RUN_ID)))
        kept.wait_for(Drained)
        kept.said.clear()
        kept.wait_for(Ask)  # a master that is lost is noticed while it stops

    worker.hear(encode(Over(RUN_ID)))
    kept.wait_for(Drained) if not is_stopped_before else None
    kept.said.clear()
    gevent.sleep(0.6)

    assert kept.said == []
    assert run.is_stopping and stopped == [True]
    assert kept.kill_switch.reason == "the run was stopped"
    worker.forget_run()


@pytest.mark.parametrize("message", [Stop(RUN_ID), Over(RUN_ID)])
def test_of_one_that_leaves_in_order_nothing_leaves_after_a_stop(
    worker: Worker, kept: Kept, message: Stop | Over
) -> None:
    pace = kept.pace = Pace(5)
    kept.may_log_in.set()
    worker.hear(encode(PREPARE))
    worker.wait_for_run()
    asked_s, stopping = clock_s(), Event()
    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s)))
    worker.stop_users = stopping.wait  # of users with messages in flight
    leaving = gevent.spawn(worker.leave)
    kept.wait_for(Leaving)
    before = pace.is_over

    worker.hear(encode(message))

    assert (before, pace.is_over) == (False, True)
    assert kept.kill_switch.reason == "the run was stopped"
    stopping.set()
    worker.hear(encode(Farewell(RUN_ID, number=2)))
    leaving.join(timeout=10)
    worker.forget_run()


def test_of_one_that_has_lost_its_master_nothing_leaves_while_it_ends(
    worker: Worker, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    gave_up = Event()
    worker.give_up = gave_up.set
    monkeypatch.setattr(LeaseClock, "is_master_lost", lambda clock, now_s: True)

    worker.hear(encode(PREPARE))

    assert gave_up.wait(10)
    assert kept.kill_switch.reason == "the run was stopped"
    worker.forget_run()


def test_that_nothing_leaves_any_more_is_no_refusal_of_a_worker(
    worker: Worker, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        worker.hear(encode(Stop(RUN_ID)))
        kept.wait_for(Drained)
        kept.kill_switch.check()

    monkeypatch.setattr("convoy.swarm.worker._check_logins", refuse)

    worker.hear(encode(PREPARE))
    kept.wait_for(Drained)
    gevent.sleep(0.01)

    assert kept.heard(Refusal) == []
    worker.forget_run()


def test_messages_of_another_run_are_not_followed(worker: Worker, kept: Kept) -> None:
    worker.hear(encode(PREPARE))

    worker.hear(encode(Stop("another run")))
    worker.hear(encode(Lease("another run", 0.0, 0.0)))
    worker.hear(b"no message at all")
    gevent.sleep(0.01)

    assert kept.heard(Drained) == []
    worker.forget_run()


@pytest.mark.parametrize(
    "error",
    [RefusedError("the token is of another organisation"), KillSwitchError("runs/STOP is there")],
    ids=["another organisation", "kill switch"],
)
def test_why_a_token_was_not_found_to_be_of_the_organisation_is_said(
    worker: Worker, kept: Kept, monkeypatch: pytest.MonkeyPatch, error: ConvoyError
) -> None:
    def refuse(settings: Settings, client: object) -> str:
        raise error

    monkeypatch.setattr("convoy.swarm.worker.check_token", refuse)
    settings = settings_of()
    approval = Approval(ticket="1", organisation_id="an id", highest_rate=50)
    target = settings.target.model_copy(update={"approval": approval})
    approved = settings.model_copy(update={"target": target})
    inputs = RunInputs(RUN_ID, approved, {"conversation_messages": INPUTS}).to_bytes()
    kept.may_log_in.set()

    # A login that fails first, and may succeed later, leads nowhere past the question.
    kept.fault = LoginError("503 service.unavailable", "later", refused=False, retry_after_s=0.01)

    worker.hear(encode(msgspec.structs.replace(PREPARE, inputs=inputs)))
    kept.wait_for(Ready)
    kept.said.clear()
    kept.fault = None

    assert kept.wait_for(Refusal).reason == str(error)
    assert kept.heard(Ready) == []
    worker.forget_run()


def test_it_has_no_lease_before_it_has_what_the_channel_lost(worker: Worker, kept: Kept) -> None:
    kept.may_log_in.set()
    worker.hear(encode(PREPARE))
    run, asked_s = worker.wait_for_run(), clock_s()
    lanes = {"conversation_messages": {0: 0}}

    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s, said=2)))
    before_s = run.lease.ends_s
    missed = kept.wait_for(Missed)
    worker.hear(encode(Grant(RUN_ID, 1, asked_s + 100, lanes, number=2)))
    worker.hear(encode(Lease(RUN_ID, asked_s, asked_s, said=2)))

    assert (before_s, missed) == (-inf, Missed(RUN_ID, 1))
    assert run.lease.ends_s > asked_s
    assert kept.heard(Missed) == [missed]
    worker.hear(encode(Over(RUN_ID)))
