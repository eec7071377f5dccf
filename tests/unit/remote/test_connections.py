"""Connections: tokens of two kinds, a client's and a user's, each with what it may do."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path

import gevent
import pytest

from convoy.errors import LoginError, RefusalError
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections, WorkerShare
from convoy.remote.guest_session import GuestSession
from convoy.remote.kill_switch import KillSwitch
from convoy.remote.oauth import Credentials, RefreshToken, Token
from convoy.remote.organisation import Organisation
from convoy.routes.catalogue import CLIENT, USER
from convoy.secrets import Secret
from convoy.settings import Settings
from convoy.settings.model import Approval
from tests.simulator_process import SimulatorProcess
from tests.unit.remote.exchanges import LONG_S, wait_in_loop
from tests.unit.remote.held import Held
from tests.unit.remote.misbehaving_server import answers_all, serving
from tests.unit.remote.websocket_peer import Peer, plays
from tests.unit.settings.configuration import settings_of

DEMO = Credentials(Secret("demo"), Secret("demo"))
NEVER_S = 1e9


def settings_at(url: str, *more: str) -> Settings:
    return settings_of(*more, command_line={"host": url})


def approved(settings: Settings) -> Settings:
    approval = Approval(ticket="T-1", organisation_id="o", highest_rate=5)
    target = settings.target.model_copy(update={"approval": approval})
    return settings.model_copy(update={"target": target})


def user(refresh_token: RefreshToken) -> Credentials:
    return Credentials(Secret("public-user"), Secret("public-user"), refresh_token)


def test_users_log_in_by_one_refresh_token_though_each_is_good_for_one_use() -> None:
    with SimulatorProcess("--rotate-refresh-tokens") as simulator:
        renewing = RefreshToken(Secret("public-user"))
        settings = settings_at(simulator.url)
        connections = Connections(settings, {CLIENT: DEMO, USER: user(renewing)}, lambda each: None)
        sessions = [connections.open_session(USER) for _ in range(8)]

        logins = [gevent.spawn(each.open) for each in sessions]
        gevent.joinall(logins, raise_error=True)

        assert len({each.value.value.reveal() for each in logins}) == 8
        assert renewing.value != Secret("public-user")
        used_up = Connections(
            settings, {USER: user(RefreshToken(Secret("public-user")))}, lambda each: None
        )
        with pytest.raises(LoginError, match="400 invalid_grant.*CONVOY_REFRESH_TOKEN"):
            used_up.first_tokens()


def test_a_login_by_a_refresh_token_waits_for_the_one_before_and_then_for_its_turn() -> None:
    renewing, was_locked = RefreshToken(Secret("public-user")), list[bool]()
    with SimulatorProcess() as simulator:
        connections = Connections(
            settings_at(simulator.url), {USER: user(renewing)}, lambda each: None
        )
        connections.turns.take = lambda **_: was_locked.append(renewing.turn.locked())  # type: ignore
        gevent.joinall([gevent.spawn(connections.log_in, USER) for _ in range(3)], raise_error=True)

    assert was_locked == [True] * 3


def test_no_login_leaves_once_the_kill_switch_is_on(tmp_path: Path) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")
    kill_switch.throw("a test")
    with serving(answers_all) as server:
        connections = Connections(
            settings_at(f"http://127.0.0.1:{server.port}"),
            {CLIENT: DEMO},
            lambda each: None,
            kill_switch=kill_switch,
        )
        with pytest.raises(LoginError) as caught:
            connections.log_in()

        assert (caught.value.code, server.connections) == ("stopped", 0)


@pytest.mark.parametrize(
    "end",
    [lambda each: each.kill_switch.stop(), lambda each: setattr(each.pace, "ends_s", -inf)],
    ids=["the run was stopped", "the lease is over"],
)
@pytest.mark.parametrize("is_led", [False, True], ids=["its own turns", "turns of a master"])
def test_no_login_leaves_that_waited_for_its_turn_when_its_run_ended(
    end: Callable[[Connections], object], is_led: bool
) -> None:
    with serving(answers_all) as server:
        share = WorkerShare(permits=5, is_led=is_led, is_after_another=True)
        connections = Connections(
            approved(settings_at(f"http://127.0.0.1:{server.port}")),
            {CLIENT: DEMO},
            lambda each: None,
            share,
        )
        logging_in = gevent.spawn(connections.log_in)
        wait_in_loop(lambda: server.connections == 1)
        assert not logging_in.ready()

        end(connections)
        connections.turns.give([connections.clock()])
        logging_in.join(timeout=LONG_S)

        assert isinstance(logging_in.exception, LoginError)
        assert (logging_in.exception.code, server.requests) == ("stopped", [])


def test_the_guests_of_a_process_begin_at_the_rate_of_logins() -> None:
    connections = Connections(approved(settings_of()), {CLIENT: DEMO}, lambda each: None)
    starts = connections.guests_of({}).starts
    assert starts is connections.starts

    starts.take()

    with pytest.raises(TimeoutError):  # of 5 a second, a tenth longer
        starts.take(connections.clock() + 0.21)
    assert connections.guests_of({"site": "https://another"}).starts is starts


def test_the_guests_of_a_worker_begin_when_its_master_says_so() -> None:
    share = WorkerShare(share=0.5, is_led=True)
    connections = Connections(approved(settings_of()), {CLIENT: DEMO}, lambda each: None, share)
    starts = connections.starts

    with pytest.raises(TimeoutError):
        starts.take(connections.clock() + 0.01)
    starts.give([connections.clock()])
    starts.take(connections.clock() + 60)

    assert starts.wanted == 2


def test_what_a_process_discards_are_its_messages_logins_and_the_first_requests_of_guests() -> None:
    connections = Connections(approved(settings_of()), {CLIENT: DEMO}, lambda each: None)
    message, login, start = [Held() for _ in range(3)]
    assert connections.pace is not None
    connections.pace.wait(inf)
    connections.pace.has_left(message)
    connections.turns.take(connection=login)
    connections.starts.take(connection=start)

    connections.discard()

    assert [each.is_reset for each in (message, login, start)] == [True] * 3
    Connections(settings_of(), {CLIENT: DEMO}, lambda each: None).discard()


def test_each_kind_has_tokens_of_its_own_and_the_first_of_each_is_that_of_a_session(
    simulator: SimulatorProcess,
) -> None:
    renewing = RefreshToken(Secret("public-user"))
    connections = Connections(
        settings_at(simulator.url), {CLIENT: DEMO, USER: user(renewing)}, lambda each: None
    )

    first = connections.first_tokens()

    assert connections.token_kinds == (CLIENT, USER)
    assert [connections.open_session(each).open() for each in (CLIENT, USER)] == first
    assert connections.open_session(USER).open() not in first


def test_a_worker_asks_with_the_token_of_its_first_user_before_it_may_send(
    simulator: SimulatorProcess,
) -> None:
    settings = settings_at(simulator.url, "request_timeout_s=5")
    approval = Approval(ticket="T-1", organisation_id="o-1", highest_rate=50)
    target = settings.target.model_copy(update={"approval": approval})
    settings = settings.model_copy(update={"target": target})
    connections = Connections(settings, {CLIENT: DEMO}, lambda each: None, WorkerShare(permits=0))

    with ApiClient(connections.first_session(CLIENT), settings) as client:
        assert Organisation(client).own_token().organisation_id

    user = connections.open_session()
    assert connections.first_tokens() == [user.open()]
    assert connections.pace is not None and connections.pace.ready_at(0.0) == inf


def test_a_users_token_as_it_is_is_everybodys_and_its_limit_is_shared_by_the_workers() -> None:
    token = Token(Secret("hunter2"), inf)
    connections = Connections(
        settings_at("http://127.0.0.1:1"), {USER: token}, lambda each: None, WorkerShare(None, 0.5)
    )

    [one, other] = [connections.open_session(USER) for _ in range(2)]

    # Nobody is asked: nothing listens at the address.
    assert one.open() is other.open() is token
    assert one.oauth.fresh_token(NEVER_S) is token
    for _ in range(149):
        one.budget.spend(0.0)
    assert other.ready_at(0.0) == 0.0
    one.budget.spend(0.0)
    assert other.ready_at(0.0) == 60.0


@pytest.mark.parametrize(
    ("samples", "shown"),
    [
        ("masked", "no <phone number> of **"),
        ("none", "no <phone number> of **"),
        ("full", "no +49 30 1234567 of **"),
    ],
)
def test_a_refusal_of_a_guest_shows_people_only_where_samples_do(samples: str, shown: str) -> None:
    def refuses(peer: Peer) -> None:
        peer.hear()
        peer.say("string", "no +49 30 1234567 of hunter2", 4013)
        peer.hear()

    with serving(plays(refuses)) as server:
        connections = Connections(
            settings_at(f"http://127.0.0.1:{server.port}", f"samples={samples}"),
            {CLIENT: DEMO},
            lambda each: None,
            redact=lambda text: text.replace("hunter2", "**"),
        )
        session = GuestSession(connections.guests_of({}), lambda event, received_s: None)
        with pytest.raises(RefusalError) as caught:
            session.open()
        session.close()

    assert str(caught.value) == f"refused with guest 4013: {shown}"


def test_guests_log_in_one_after_the_other_and_each_worker_begins_elsewhere() -> None:
    jwts = [Secret(f"j{number}") for number in range(5)]

    def logins(given: list[Secret], share: WorkerShare) -> list[Secret | None]:
        settings = settings_at("http://127.0.0.1:1")
        connections = Connections(settings, {}, lambda _: None, share, guest_jwts=given)
        guests = connections.guests_of({"deployment_id": "d1"})
        return [guests.new_guest()[1] for _ in range(6)]

    assert logins(jwts, WorkerShare()) == [*jwts, jwts[0]]
    assert logins(jwts, WorkerShare(None, 0.5, number=1))[0] == jwts[2]
    assert logins([], WorkerShare()) == [None] * 6


@pytest.mark.parametrize(
    ("permits", "sent"),
    [
        pytest.param(None, 2, id="by hand: the whole total"),
        pytest.param(5, 0, id="in a run: what its plan and its master say"),
    ],
)
def test_no_process_sends_more_than_the_approved_total(permits: int | None, sent: int) -> None:
    approval = Approval(ticket="T-1", organisation_id="o", highest_rate=5, highest_total=2)
    settings = settings_of()
    target = settings.target.model_copy(update={"approval": approval})
    connections = Connections(
        settings.model_copy(update={"target": target}),
        {CLIENT: DEMO},
        lambda each: None,
        WorkerShare(permits=permits),
    )
    assert connections.pace is not None

    for _ in range(sent):
        connections.pace.wait(0.0)
    with pytest.raises(TimeoutError, match="approved total"):
        connections.pace.wait(0.0)


def test_what_a_server_did_not_take_leaves_later_only_while_anything_may(tmp_path: Path) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")
    connections = Connections(
        approved(settings_of()), {CLIENT: DEMO}, lambda each: None, kill_switch=kill_switch
    )
    may_go_on = connections.dialler.may_go_on
    assert may_go_on is not None and connections.pace is not None

    found = [may_go_on()]
    connections.pace.ends_s = -inf  # the run was stopped, or the lease is over
    found.append(may_go_on())
    connections.pace.ends_s = inf
    kill_switch.throw("a test")
    found.append(may_go_on())

    assert found == [True, False, False]
