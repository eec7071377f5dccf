"""The setup: what of the environment reaches the connections of a run, and stays out of sight."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import NoReturn

import pytest
import yaml
from greenlet import GreenletExit

from convoy.errors import ExitCode, KillSwitchError, LoginError, RefusedError, SettingsError
from convoy.prepare.checklist import Checklist
from convoy.prepare.preflight import Preflight
from convoy.prepare.scenarios import KnownScenario, check_scenarios
from convoy.prepare.setup import Setup
from convoy.remote.connections import WorkerShare
from convoy.routes.catalogue import CLIENT, GUEST_CHAT, ROUTES, USER, TokenKind
from convoy.secrets import STARS, Redactor, Secret
from convoy.settings import Settings
from convoy.settings.environment import PUBLISHED_CREDENTIALS
from convoy.settings.resolution import resolve
from tests.unit.remote.certificates import Authority
from tests.unit.remote.misbehaving_server import answer, serving
from tests.unit.remote.proxy_server import answers_connect, name_proxies, name_proxy_at, tunnels
from tests.unit.settings.configuration import KNOWN, settings_of

LOGIN = {"CONVOY_CLIENT_ID": "a-client", "CONVOY_CLIENT_SECRET": "a-client-secret"}
TOKEN = answer("200 OK", b'{"access_token": "a-token", "expires_in": 3600}')
SETTINGS = settings_of(command_line={"host": "https://api.test"})


def setup() -> Setup:
    return Setup(LOGIN, dict)


def test_the_proxy_of_the_environment_leads_to_the_login_and_its_own_login_is_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    tls = authority.server_context("api.test")
    with (
        serving(lambda visitor: visitor.answer_all(TOKEN), tls=tls) as server,
        serving(tunnels) as proxy,
    ):
        name_proxy_at(monkeypatch, proxy.port, "me:hunter22@")
        prepared = Setup({**LOGIN, "HTTPS_PROXY": os.environ["HTTPS_PROXY"]}, dict)
        url = f"https://api.test:{server.port}"
        settings = settings_of(f"target.ca_file={authority.ca_file}", command_line={"host": url})

        token = prepared.connect(settings).log_in()

        head = proxy.requests[0].decode()
        assert token.value.reveal() == "a-token"
        assert "Proxy-Authorization: Basic bWU6aHVudGVyMjI=\r\n" in head
        assert "bWU6aHVudGVyMjI=" not in prepared.redactor.redact(head)
        assert "hunter22" not in prepared.redactor.redact("the password is hunter22")


def test_what_a_client_sends_to_log_in_is_hidden_as_it_is_sent_too() -> None:
    prepared = setup()
    prepared.connect(SETTINGS)
    sent = b64encode(":".join(LOGIN.values()).encode())

    for told in (sent.decode(), sent.hex(), sent.hex().upper()):
        assert prepared.redactor.redact(f"it was {told}.") == f"it was {STARS}."


def test_the_login_of_a_proxy_that_leads_elsewhere_is_hidden_from_the_start() -> None:
    around = {"http_proxy": "http://an-api-key@proxy.test:3128", "NO_PROXY": "api.test"}

    redact = Setup(LOGIN | around, dict).redactor.redact

    assert redact("the login is an-api-key") == f"the login is {STARS}"


@pytest.mark.parametrize(
    ("asked", "around"),
    [
        pytest.param({"set": ["labels.team=it's-hush-hush"]}, {}, id="option"),
        pytest.param({}, {"CONVOY_SET": "labels.team=it's-hush-hush"}, id="variable"),
        pytest.param({}, {"CONVOY_PAYLOADS_DIR": "it's-hush-hush"}, id="folder"),
    ],
)
def test_the_command_in_a_record_is_redacted_before_it_is_quoted(
    asked: dict[str, object], around: dict[str, str]
) -> None:
    prepared = Setup({"CONVOY_CLIENT_SECRET": "it's-hush-hush", **around}, dict)

    command = prepared._facts(asked, SETTINGS).command

    assert "hush" not in command and STARS in command


def test_a_proxy_that_refuses_is_the_reason_of_a_login_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(answers_connect(answer("407 Proxy Authentication Required"))) as proxy:
        name_proxy_at(monkeypatch, proxy.port)

        with pytest.raises(LoginError, match="user name and password.*check HTTPS_PROXY") as caught:
            setup().connect(SETTINGS).log_in()

    assert (caught.value.code, caught.value.refused) == ("proxy", False)


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        ("https://api.test", r"^ALL_PROXY: .*only proxies like http://"),
        ("http://api.test", r"^ALL_PROXY: .*to https targets only"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_a_wrong_setting(
    host: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_proxies(monkeypatch, ALL_PROXY="socks5://me:hunter22@proxy.test")

    with pytest.raises(SettingsError, match=complaint) as caught:
        setup().connect(settings_of(command_line={"host": host}))

    assert caught.value.exit_code is ExitCode.USAGE
    assert "hunter22" not in str(caught.value)


SCENARIOS = {
    name: KnownScenario(ROUTES[route], (), {}, (), lambda *_: None, None)  # type: ignore[arg-type, return-value]
    for name, route in (("agent_reply", "agent_reply"), ("open_messaging", "open_message"))
}


def test_who_replies_needs_conversations_that_are_there() -> None:
    own = "scenario.agent_reply.conversations"
    settings = settings_of("scenarios=[agent_reply]", f"{own}.source=none", f"{own}.count=5")

    with pytest.raises(SettingsError, match=f"{own}.source: is none, but .*; choose another"):
        check_scenarios(settings, SCENARIOS)


@pytest.mark.parametrize(
    ("scenarios", "share", "kinds"),
    [
        pytest.param("open_messaging", None, (CLIENT,), id="customers"),
        pytest.param("agent_reply", None, (CLIENT, USER), id="agents, and who opens"),
        pytest.param("agent_reply", WorkerShare(), (USER,), id="agents"),
        pytest.param("agent_reply,open_messaging", WorkerShare(), (CLIENT, USER), id="both"),
    ],
)
def test_a_run_needs_only_the_logins_of_its_scenarios(
    scenarios: str, share: WorkerShare | None, kinds: tuple[TokenKind, ...]
) -> None:
    given = {CLIENT: LOGIN, USER: {"CONVOY_USER_TOKEN": "a-users-token"}}
    environ = {name: value for kind in kinds for name, value in given[kind].items()}
    options = {"target": "genesys-cloud", "scenarios": scenarios}
    settings = resolve(command_line=options, environ={}, known_scenarios=SCENARIOS)
    prepared = Setup(environ, lambda: SCENARIOS)

    connections = prepared.connect(settings, share)

    assert connections.token_kinds == kinds
    is_hidden = "a-users-token" not in prepared.redactor.redact("it is a-users-token")
    assert is_hidden == (USER in kinds)
    if USER in kinds:
        with pytest.raises(SettingsError, match="CONVOY_USER_TOKEN: is missing"):
            Setup(LOGIN, lambda: SCENARIOS).connect(settings, share)


def test_a_proxy_that_cannot_be_used_does_not_matter_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name_proxies(monkeypatch, HTTP_PROXY="socks5://proxy.test")

    connections = setup().connect(settings_of(command_line={"host": "http://127.0.0.1:1"}))

    with pytest.raises(LoginError, match="connection refused"):
        connections.log_in()


def test_neither_what_servers_tell_guests_nor_many_guests_push_out_a_token_in_use() -> None:
    prepared = setup()
    prepared.redactor = Redactor(keep=2)
    with serving(lambda visitor: visitor.answer_all(TOKEN)) as server:
        settings = settings_of(command_line={"host": f"http://127.0.0.1:{server.port}"})
        connections = prepared.connect(settings)
        in_use = connections.log_in()
    guests = connections.guests_of({})

    ended = [guests.new_guest()[0].reveal() for _ in range(5)]
    for number in range(5):
        guests.register(Secret(f"told-{number}"))

    redact = prepared.redactor.redact
    assert redact(f"{in_use.value.reveal()} {' '.join(ended)}") == " ".join(
        [STARS, *ended[:-2], STARS, STARS]
    )


OF_THE_SIMULATOR = settings_of()


@pytest.mark.parametrize(
    ("environ", "own_options", "is_refused"),
    [
        pytest.param(LOGIN, {}, True, id="by default"),
        pytest.param(LOGIN, {"target": "genesys-cloud"}, True, id="another target"),
        pytest.param(LOGIN, {"target": "simulator"}, False, id="named"),
        pytest.param(LOGIN | {"CONVOY_TARGET": "simulator"}, {}, False, id="named by a variable"),
        pytest.param(
            LOGIN, {"host": OF_THE_SIMULATOR.target.api_url}, False, id="named by its address"
        ),
        pytest.param({}, {}, False, id="published credentials"),
    ],
)
@pytest.mark.parametrize("told", [True, False], ids=["as it is", "by another name"])
def test_a_worker_s_own_credentials_go_to_the_simulator_s_address_only_where_it_was_named(
    environ: dict[str, str], own_options: dict[str, str], is_refused: bool, told: bool
) -> None:
    known = dict.fromkeys((*KNOWN, "open_messaging"), SCENARIOS["open_messaging"])
    worker = Setup(environ, lambda: known)
    worker.keyring.own_options = own_options
    target = OF_THE_SIMULATOR.target.model_copy(update={"embedded_simulator": told})
    asked = OF_THE_SIMULATOR.model_copy(update={"target": target})

    with pytest.raises(RefusedError, match="no target file") if is_refused else nullcontext():
        worker.connect_worker(asked, WorkerShare())


BY_DEFAULT = b"Authorization: Basic ZGVtbzpkZW1v\r\n"
"""The simulator's published client."""
OWN = LOGIN | {"GATEWAY_KEY": "of-the-gateway", "CONVOY_USER_TOKEN": "a-users-token"}


def squatted(port: int, *sets: str, host: str = "") -> Settings:
    """Return settings of the default target, or of an address, at a port that somebody has."""
    url = f"http://127.0.0.1:{port}"
    at = [] if host else [f"target.api_url={url}", f"target.login_url={url}"]
    headers = "headers={X-Key: {env: GATEWAY_KEY}, X-Plain: plain}"
    return settings_of(
        *(*at, headers, "scenarios=[open_messaging]", *sets),
        command_line={"host": url} if host else {},
    )


@pytest.mark.parametrize(
    ("environ", "named", "host", "goes_there"),
    [
        pytest.param(OWN, "", "", False, id="by default"),
        pytest.param(OWN, "simulator", "", True, id="named on the command line"),
        pytest.param(OWN | {"CONVOY_TARGET": "simulator"}, "", "", True, id="by a variable"),
        pytest.param(OWN, "genesys-cloud", "", False, id="another one, before the form's"),
        pytest.param(
            OWN | {"CONVOY_TARGET": "genesys-cloud"}, "", "", False, id="another one by a variable"
        ),
        pytest.param(
            OWN | {"CONVOY_TARGET": "genesys-cloud"}, "simulator", "", True, id="instead of it"
        ),
        pytest.param(OWN, "", "named", True, id="by its address"),
    ],
)
def test_own_secrets_go_to_the_simulator_s_address_only_where_it_was_named(
    environ: dict[str, str], named: str, host: str, goes_there: bool
) -> None:
    prepared = Setup(environ, lambda: dict.fromkeys(KNOWN, SCENARIOS["open_messaging"]))
    prepared.keyring.note_target(named)
    with serving(lambda visitor: visitor.answer_all(TOKEN)) as server:
        settings = squatted(server.port, host=host)

        connections = prepared.connect(settings)
        connections.log_in()

        assert (BY_DEFAULT not in server.requests[0]) == goes_there
    assert ("X-Key" in connections.headers) == goes_there
    assert connections.headers["X-Plain"] == "plain"
    assert bool(prepared.keyring.withheld(settings)) == (not goes_there)


def test_neither_a_user_s_token_nor_a_guest_s_goes_there_unless_it_was_named() -> None:
    known = {
        "agent_reply": SCENARIOS["agent_reply"],
        "guest_chat": KnownScenario(GUEST_CHAT, (), {}, (), lambda *_: None, None),  # type: ignore[arg-type, return-value]
    }
    known |= {name: known["agent_reply"] for name in KNOWN if name not in known}
    environ = OWN | {"CONVOY_GUEST_JWTS": "a.b.c"}
    for name in ("agent_reply", "guest_chat"):
        settings = settings_of(f"scenarios=[{name}]")
        by_default, named = Setup(environ, lambda: known), Setup(environ, lambda: known)
        named.keyring.note_target("simulator")

        logins = [each.keyring.logins(settings, prepares=True) for each in (by_default, named)]
        guests = [each.keyring.of_guests(settings) for each in (by_default, named)]

        assert PUBLISHED_CREDENTIALS.issuperset(chain(*logins[0].values()))
        assert not PUBLISHED_CREDENTIALS.issuperset(chain(*logins[1].values()))
        assert [len(each) for each in guests] == ([0, 1] if name == "guest_chat" else [0, 0])


def test_nothing_is_withheld_where_nothing_is_given() -> None:
    published = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "demo"}

    assert Setup({}, dict).keyring.withheld(OF_THE_SIMULATOR) == ""
    assert Setup(published, dict).keyring.withheld(OF_THE_SIMULATOR) == ""
    assert "--target simulator" in Setup(LOGIN, dict).keyring.withheld(OF_THE_SIMULATOR)


def test_after_a_run_by_published_credentials_no_other_ones_are_used() -> None:
    known, told = {name: SCENARIOS["open_messaging"] for name in KNOWN}, list[str]()
    with serving(lambda visitor: visitor.answer_all(TOKEN)) as server:
        settings = squatted(server.port)
        prepared = Setup(OWN, lambda: known, told.append)

        _, connections = prepared.connect_again(settings, {"target": None})
        connections.log_in()

        assert BY_DEFAULT in server.requests[0]
    assert told == [prepared.keyring.withheld(settings)] != [""]
    assert "X-Key" not in connections.headers


def test_a_secret_header_of_a_run_that_cannot_be_read_any_more_is_told() -> None:
    known, told = {name: SCENARIOS["open_messaging"] for name in KNOWN}, list[str]()

    with pytest.raises(SettingsError, match=r"headers\.X-Key"):
        Setup({}, lambda: known, told.append).connect_again(squatted(9), {"target": None})

    assert told[0].startswith("a secret header of the run may be shown: headers.X-Key: the var")


@pytest.mark.parametrize("fault", [RefusedError("no"), KillSwitchError("STOP"), GreenletExit()])
def test_nothing_of_a_preparation_leaves_once_it_has_failed(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    prepared, seen = Setup({}, lambda: dict.fromkeys(KNOWN, SCENARIOS["open_messaging"])), []

    def fail(preflight: Preflight, *, sends: bool) -> NoReturn:
        seen.append(preflight.connections)
        raise fault

    monkeypatch.setattr(Preflight, "prepare", fail)
    monkeypatch.setattr(prepared.simulator, "settings_at", lambda settings, *_: settings)

    with pytest.raises(type(fault)):
        prepared.prepare({}, None, sends=True)

    (connections,) = seen
    assert connections.kill_switch.reason == "the run was stopped"


def test_a_record_of_a_run_that_opened_conversations_leads_no_credentials_elsewhere() -> None:
    known = {name: SCENARIOS["agent_reply"] for name in KNOWN}
    with serving(lambda visitor: visitor.answer_all(TOKEN)) as server:
        settings = settings_of(
            "scenarios=[agent_reply]", command_line={"host": f"http://127.0.0.1:{server.port}"}
        )

        with pytest.raises(RefusedError, match="no target file is for http://127.0.0.1"):
            Setup(LOGIN, lambda: known).connect_again(settings, {})

        assert server.connections == 0


@pytest.mark.parametrize(
    ("secret", "warnings"), [("stage", 0), ("criteria", 0), ("even", 0), ("user", 0), ("http", 1)]
)
def test_a_secret_that_is_an_ordinary_word_leaves_the_settings_of_the_record_readable(
    secret: str, warnings: int
) -> None:
    setup, settings = Setup(LOGIN, lambda: SCENARIOS), settings_of()
    setup.redactor.register(secret, permanent=True)
    setup._checklist = Checklist()

    recorded = setup._facts({}, settings).settings

    if not warnings:
        assert Settings.model_validate_json(json.dumps(yaml.safe_load(recorded))) == settings
    assert [each.check for each in setup._checklist.findings] == ["record"] * warnings


@pytest.mark.parametrize("spawn_rate", [5e-324, 1e-300, 1e-7])
def test_users_who_would_begin_for_weeks_are_refused(spawn_rate: float) -> None:
    with pytest.raises(SettingsError, match="^--spawn-rate: is .* more than 720 hours to begin"):
        Setup(LOGIN, lambda: SCENARIOS).prepare({"users": "2"}, spawn_rate)


def test_a_criterion_with_a_secret_is_not_read_because_a_part_of_it_would_be_told(
    tmp_path: Path,
) -> None:
    secret = "Zk7Qhead9xW2v~P5mtail8Rt3"
    profile = tmp_path / "own.yaml"
    profile.write_text(f"criteria: ['p95(response_time) < {secret}']\n")
    prepared = Setup(LOGIN | {"CONVOY_CLIENT_SECRET": secret}, lambda: SCENARIOS)

    with pytest.raises(SettingsError) as caught:
        prepared.prepare({"load_profile": str(profile)}, None)

    assert "criteria: holds a secret" in str(caught.value)
    assert "tail" not in str(caught.value)
