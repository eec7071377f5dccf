"""Wrong settings: every fault at once, each with its place, its value and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.settings.configuration import copy_of_configuration, faults_of, settings_of


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        "uesrs=5",
        "late_after_ms=9000",
        "oauth.refresh_before_s=-1",
        command_line={"rate": "-5", "scenarios": "conversation_mesages", "target": "simulater"},
        environ={"CONVOY_SEDE": "1", "CONVOY_SET": "arrivals=evenly"},
    )

    beginnings = sorted(fault.split(":")[0] for fault in faults)
    assert beginnings == [
        "--target",
        "CONVOY_SEDE",
        "arrivals (CONVOY_SET 1)",
        "late_after_ms (--set 2)",
        "oauth.refresh_before_s (--set 3)",
        "rate (--rate)",
        "scenarios (--scenarios)",
        "uesrs (--set 1)",
    ]


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("rate=0", "rate (--set 1): is 0, but should be greater than 0"),
        ("rate=.nan", "rate (--set 1): is nan, but should be a finite number"),
        ("rate=.inf", "rate (--set 1): is inf, but should be a finite number"),
        ("rate=true", "rate (--set 1): is True, but should be a number"),
        ("rate=fast", "rate (--set 1): is 'fast', but should be a number, or max"),
        ("rate=null", "rate (--set 1): is missing; give a rate, or stages"),
        ("rate=Max", "rate (--set 1): is 'Max', but should be a number, or max"),
        (
            "stages=[{rate: max, for_s: 3}]",
            "stages[0].rate (--set 1): is 'max', but should be a number; max is only for",
        ),
        (
            "oauth.logins_per_s=max",
            "oauth.logins_per_s (--set 1): is 'max', but should be a number; max is only for",
        ),
        ("users=2.5", "users (--set 1): is 2.5, but should be a whole number"),
        ("seed=-1", "seed (--set 1): is -1, but should be greater than or equal to 0"),
        ("users=off", "users (--set 1): is 'off', but should be a whole number"),
        pytest.param(
            f"users={'9' * 5000}", "users (--set 1): is inf, but should be a whole", id="digits"
        ),
        ("run_time_s=1:30", "run_time_s (--set 1): is '1:30', but should be a number"),
        ("scenario=5", "scenario (--set 1): is 5, but should be a mapping (`name: value`)"),
        ("limits={}", "limits (--set 1): is a mapping, but should be a list"),
        ("profile=load", "profile (--set 1): is chosen with --load-profile"),
        ("target=genesys-cloud", "target (--set 1): is chosen with --target"),
        (
            "oauth.logins_per_s=0",
            "oauth.logins_per_s (--set 1): is 0, but should be greater than 0",
        ),
        ("on_limit=wait", "on_limit (--set 1): is 'wait', but should be 'obey', 'count' or 'stop'"),
        ("messages=0", "messages (--set 1): is 0, but should be greater than 0"),
        ("think_time_s=-1", "think_time_s (--set 1): is -1, but should be greater than or equal"),
        (
            "oauth.tokens=0",
            "oauth.tokens (--set 1): is 0, but should be per_user, per_worker or a whole number "
            "from 1 to 100,000",
        ),
        (
            "oauth.tokens=few",
            "oauth.tokens (--set 1): is 'few', but should be per_user, per_worker or a whole",
        ),
        ("headers={a b: x}", "headers.a b (--set 1): is 'a b', but should be the name of a header"),
        ("headers={'': x}", "headers.'' (--set 1): is '', but should be the name of a header"),
        ("headers={Host: x}", "headers.Host (--set 1): is 'Host', which is set by Convoy itself"),
        ("headers={content-x: x}", "headers.content-x (--set 1): is 'content-x', which is set by"),
        ("headers={X-A: ' x'}", "headers.X-A (--set 1): is ' x', but should be printable ASCII"),
        (
            "headers={X-A: {env: A, file: b}}",
            "headers.X-A (--set 1): is a mapping, but should be text, {env: NAME} or {file: PATH}",
        ),
        (
            "headers={X-A: {env: 5}}",
            "headers.X-A (--set 1): is a mapping, but should be text, {env",
        ),
        ("headers={X-A: {}}", "headers.X-A (--set 1): is a mapping, but should be text, {env"),
        ("samples=some", "samples (--set 1): is 'some', but should be 'masked', 'none' or 'full'"),
        ("headers=5", "headers (--set 1): is 5, but should be a mapping (`name: value`)"),
        ("headers={X-A: 5}", "headers.X-A (--set 1): is 5, but should be text"),
        ('headers={X-A: "a\\nb"}', "headers.X-A (--set 1): is 'a\\nb', but should be printable"),
        (
            "scenario.guest_journey.expect={404: [id]}",
            "scenario.guest_journey.expect.404 (--set 1): is '404', but should be less than or",
        ),
        (
            "scenario.guest_journey.expect={ok: [id]}",
            "scenario.guest_journey.expect.ok (--set 1): is 'ok', but should be a whole number",
        ),
        (
            "scenario.guest_journey.expect={200: id}",
            "scenario.guest_journey.expect.200 (--set 1): is 'id', but should be a list",
        ),
        ("criteria=5", "criteria (--set 1): is 5, but should be a list"),
        ("criteria=[5]", "criteria[0] (--set 1): is 5, but should be text; put it in quotes"),
        (
            "criteria=nowhere.yaml",
            "criteria (--set 1): the file 'nowhere.yaml' cannot be read: No such file or directory",
        ),
        ("on_not_judged=maybe", "on_not_judged (--set 1): is 'maybe', but should be 'fail' or"),
        ("stages=[]", "stages (--set 1): is a list, but should not be empty"),
        ("stages=[{for_s: 3}]", "stages[0] (--set 1): is a mapping, but should have a `rate`"),
        ("stages=[{rate: 0, for_s: 3}]", "stages (--set 1): have rate 0 throughout"),
        ("stages=[{rate: 1}]", "stages[0].for_s (--set 1): is missing"),
        ("scenarios=[]", "scenarios (--set 1): is a list, but should not be empty"),
        (
            "scenarios=[guest_journey, guest_journey]",
            "scenarios (--set 1): names 'guest_journey' 2 times",
        ),
        (
            "scenario.guest_jorney.weight=1",
            "scenario.guest_jorney (--set 1): there is no scenario 'guest_jorney'; there are: "
            "agent_reply, agentless, conversation_messages, guest_chat, guest_journey, "
            "guest_messages, invalid_messages, open_messaging, reconnect_storm; "
            "did you mean guest_journey?",
        ),
        (
            "scenario.conversation_messages.conversations={source: file}",
            "scenario.conversation_messages.conversations.path (--set 1): is missing",
        ),
        (
            "scenario.conversation_messages.conversations={source: inline}",
            "scenario.conversation_messages.conversations.ids (--set 1): is empty",
        ),
        (
            "scenario.conversation_messages.conversations={source: opened}",
            "scenario.conversation_messages.conversations.count (--set 1): is missing",
        ),
        (
            "scenario.conversation_messages.conversations={count: 5}",
            "scenario.conversation_messages.conversations.count (--set 1): is given, but",
        ),
        (
            "scenario.conversation_messages.conversations={source: none, pick: exclusive}",
            "scenario.conversation_messages.conversations.pick (--set 1): is exclusive, but",
        ),
        (
            "scenario.conversation_messages.conversations={path: pool.txt}",
            "scenario.conversation_messages.conversations.path (--set 1): is given, but",
        ),
        (
            "scenario.conversation_messages.conversations={on_exhausted: stop}",
            "scenario.conversation_messages.conversations.on_exhausted (--set 1): is stop, but",
        ),
        (
            "scenario.conversation_messages.conversations={pick: first}",
            "scenario.conversation_messages.conversations.pick (--set 1): is 'first', but should",
        ),
        (
            "scenario.conversation_messages.payloads={conversation/text: 0}",
            "scenario.conversation_messages.payloads (--set 1): is a mapping, but should give",
        ),
        (
            "late_after_ms=5001",
            "late_after_ms (--set 1): is 5001, longer than max_lateness_s: 5, so nothing",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    setting: str, fault: str, repository: Path
) -> None:
    faults = faults_of(setting)

    assert len(faults) == 1, faults
    assert faults[0].replace(f"{repository}/", "").startswith(fault)


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [
        ("warmup_s", "did you mean warm_up_s?"),
        ("oauth.refresh_befor_s", "did you mean oauth.refresh_before_s?"),
        (
            "scenario.guest_journey.wieght",
            "did you mean scenario.guest_journey.weight?",
        ),
        ("api_url", "did you mean target.api_url?"),
        ("oauth.xyz", "known here: tokens, refresh_before_s, logins_per_s"),
    ],
)
def test_an_unknown_setting_is_told_its_likely_name(unknown: str, hint: str) -> None:
    faults = faults_of(f"{unknown}=1")

    assert faults == [f"{unknown} (--set 1): is no setting; {hint}"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host", "should be http://host[:port] or https://host[:port]"),
        ("host:8080", "should be http://host[:port]"),
        ("http://", "should be http://host[:port]"),
        ("http://host:99999", "should be http://host[:port]"),
        ("http://a b", "should be http://host[:port]"),
        ("http://host/gw/api/v2", "should end before /api/v2, which Convoy adds itself"),
        ("http://host?x=1", "should be http://host[:port] or https://host[:port], with a"),
    ],
)
def test_an_address_is_scheme_host_and_port(url: str, problem: str) -> None:
    faults = faults_of(command_line={"host": url})

    assert len(faults) == 2
    assert all(problem in fault for fault in faults)


def test_of_a_scenario_that_is_not_there_nothing_else_is_said() -> None:
    faults = faults_of("scenario.open_mesaging.conversations={count: 5, on_exhausted: stop}")

    assert len(faults) == 1
    assert faults[0].endswith("did you mean open_messaging?")


def test_more_scenarios_than_users_are_a_fault() -> None:
    both = "conversation_messages,guest_journey"

    faults = faults_of(command_line={"scenarios": both, "users": 1})

    assert len(faults) == 1
    assert faults[0].startswith("users (--users): is 1, but there are more scenarios than users: 2")


@pytest.mark.parametrize(
    ("own_rates", "problem"),
    [
        ((15, 6), "own rates add up to 21, above the global rate of 20 per second"),
        ((15, 4), "own rates add up to 19, below the global rate of 20 per second"),
        ((20, None), "nothing is left for guest_journey"),
    ],
)
def test_own_rates_have_to_fit_the_global_rate(
    own_rates: tuple[float, float | None], problem: str
) -> None:
    messages, journey = own_rates

    faults = faults_of(
        "scenarios=[conversation_messages, guest_journey]",
        f"scenario.conversation_messages.rate={messages}",
        f"scenario.guest_journey.rate={'null' if journey is None else journey}",
    )

    assert len(faults) == 1 and problem in faults[0]


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("arrivals=poisson", "arrivals (--set 2): is poisson, but with rate: max"),
        ("arrivals=closed", "arrivals (--set 2): is closed, but with rate: max"),
        (
            "scenario.conversation_messages.rate=5",
            "scenario.conversation_messages.rate (--set 2): is given, but with rate: max",
        ),
        ("stages=[{rate: 5, for_s: 3}]", "rate, stages (--set 2): both are given"),
    ],
)
def test_flat_out_there_is_no_other_word_on_the_rate(setting: str, fault: str) -> None:
    faults = faults_of("rate=max", setting)

    assert len(faults) == 1 and faults[0].startswith(fault)


@pytest.mark.parametrize(
    ("given", "scenarios", "fault"),
    [
        ("wait_s: 15, jitter: 0.9", "reconnect_storm", ""),
        ("wait_s: 30", "guest_chat", ""),
        (
            "wait_s: 30",
            "reconnect_storm",
            "wait_s (--set 2): is 30, but from its drop on a guest has",
        ),
        (
            "wait_s: 15, jitter: 1",
            "reconnect_storm",
            "wait_s (--set 2): is 15, but from its drop on",
        ),
        ("wait_s: 9, longest_s: 8", "reconnect_storm", "longest_s (--set 2): is 8, shorter than"),
        ("wait_s: 0", "reconnect_storm", "wait_s (--set 2): is 0, but should be"),
        ("jitter: 1.1", "reconnect_storm", "jitter (--set 2): is 1.1, but should be"),
        ("factor: 0.5", "reconnect_storm", "factor (--set 2): is 0.5, but should be"),
        ("drop: hard", "reconnect_storm", "drop (--set 2): is 'hard', but should be"),
    ],
)
def test_guests_need_the_time_to_come_back(given: str, scenarios: str, fault: str) -> None:
    setting = f"scenario.reconnect_storm.reconnect={{{given}}}"

    found = faults_of(f"scenarios=[{scenarios}]", setting)

    assert len(found) == bool(fault), found
    assert all(f"scenario.reconnect_storm.reconnect.{fault}" in each for each in found), found


def test_the_simulator_is_embedded_on_this_machine_only() -> None:
    faults = faults_of("target.api_url=http://example.com")

    assert len(faults) == 1
    assert faults[0].startswith("target.embedded_simulator")


def test_unknown_variables_are_faults_and_others_are_not_ours() -> None:
    faults = faults_of(environ={"CONVOY_RATES": "5", "LOCUST_RATE": "5", "CONVOYS": "5"})

    assert faults == ["CONVOY_RATES: is no variable of Convoy; did you mean CONVOY_RATE?"]


def test_an_unknown_profile_is_told_which_there_are() -> None:
    faults = faults_of(environ={"CONVOY_LOAD_PROFILE": "smoek"})

    assert len(faults) == 1
    assert (
        "there are: load, mixed_day, smoke, soak, spike, storm, stress; did you mean smoke?"
        in faults[0]
    )


def test_a_profile_that_is_named_like_a_file_elsewhere_is_told_its_name() -> None:
    faults = faults_of(command_line={"load_profile": "spike.yaml"})

    assert len(faults) == 1
    assert faults[0].startswith("--load-profile: there is no file spike.yaml in this folder; ")
    assert faults[0].endswith("config/profiles is named without .yaml: spike")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"users: 1\nusers: 2\n", "line 2: the key 'users' is given twice", id="twice"),
        pytest.param(b"a: &a [1]\nb: *a\n", "line 2: aliases (*name) are not", id="alias"),
        pytest.param(b"a: !!python/name:os.system x", "line 1: tags (!name)", id="tag"),
        pytest.param(
            b"".join(b"k%d: 1\n" % number for number in range(90_000)),
            "line 1001: more than 1000 names in one mapping",
            id="names",
        ),
        pytest.param(b"[" * 5000, "line 1: nested deeper", id="depth"),
        pytest.param(b"#" * 2**21, "is larger than 1,048,576 bytes", id="size"),
        pytest.param(b"users: [1", "line 2: did not find expected", id="syntax"),
        pytest.param(b"users: 1\n---\n", "line 2: a second document begins", id="documents"),
        pytest.param(b"users: \xff", "cannot be read: it is not UTF-8 text", id="encoding"),
        pytest.param(b"users: \x00", "is no YAML", id="character"),
        pytest.param(b"- 1\n- 2\n", "should hold settings", id="list"),
        pytest.param(b"1.5: 2", "line 1: the key 1.5 is no text", id="key"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, problem: str) -> None:
    profile = tmp_path / "odd.yaml"
    profile.write_bytes(content)

    faults = faults_of(command_line={"load_profile": str(profile)})

    assert len(faults) == 1
    assert faults[0].startswith(f"{profile}: {problem}")


@pytest.mark.parametrize("path", ["/nowhere/x.yaml", "/dev/zero", "/", "a\0/b", "/" + "x" * 5000])
def test_a_file_that_is_none_is_a_fault(path: str) -> None:
    faults = faults_of(command_line={"target": path})

    assert len(faults) == 1


def test_a_missing_default_is_the_only_fault(repository: Path, tmp_path: Path) -> None:
    config = copy_of_configuration(repository / "config", tmp_path / "config")
    (config / "default.yaml").unlink()

    faults = faults_of(config_dir=config)

    assert faults == [f"{config / 'default.yaml'}: cannot be read: No such file or directory"]


def test_a_missing_configuration_names_the_variable() -> None:
    faults = faults_of(environ={"CONVOY_CONFIG_DIR": "/nowhere"})

    assert faults == [
        "CONVOY_CONFIG_DIR: is '/nowhere', which is no folder; name one, or leave the variable out"
    ]


@pytest.mark.parametrize(
    "setting",
    [
        "rate=hunter2-secret",
        "oauth.client_secret=hunter2-secret",
        "target.api_url=http://me:hunter2-secret@host",
        "target={api_url: [hunter2-secret]}",
        "hunter2-secret",
        "scenario.conversation_messages.weight=hunter2-secret",
    ],
)
def test_no_fault_shows_a_credential(setting: str) -> None:
    faults = faults_of(setting, environ={"CONVOY_CLIENT_SECRET": "hunter2-secret"})

    assert faults
    assert "hunter2" not in "\n".join(faults)


def test_a_password_in_an_address_is_not_shown() -> None:
    faults = faults_of(command_line={"host": "http://me:hunter2@host"})

    assert faults == ["--host: holds a secret; a credential belongs in its own variable"]


def test_right_settings_have_no_faults() -> None:
    assert faults_of("rate=1e1", "users=+20") == []
    assert settings_of("rate=1e1").rate == 10


@pytest.mark.parametrize(
    ("scenario", "given"),
    [
        ("agentless", "source: api"),
        ("agent_reply", "source: file, path: pool.csv"),
        ("guest_messages", "source: api, path: pool.csv"),
        ("guest_messages", "source: file, path: pool.csv, cache: kept.csv"),
        ("guest_messages", "source: api, ids: [a]"),
    ],
)
def test_what_a_source_does_not_use_is_mended_as_its_fault_says(scenario: str, given: str) -> None:
    where = f"scenario.{scenario}.conversations"

    [fault] = faults_of(f"{where}={{{given}}}")

    mended = re.search("does not use it; set `(.+?)`, or another source$", fault)
    assert mended is not None
    assert faults_of(f"{where}={{{given}}}", f"{where}={{{mended[1]}}}") == []


TOKEN = "hunter" * 15 + "QZ"
"""Longer than what was once shown of a wrong value."""


@pytest.mark.parametrize(
    ("environ", "command_line", "settings"),
    [
        pytest.param({"CONVOY_LABELS": TOKEN}, {}, [], id="labels"),
        pytest.param({"CONVOY_TARGET": TOKEN}, {}, [], id="target"),
        pytest.param({}, {"load_profile": TOKEN}, [], id="profile"),
        pytest.param({}, {"scenarios": f"{TOKEN},{TOKEN}"}, [], id="scenarios"),
        pytest.param({}, {}, [f"scenario={{{TOKEN}: {{}}}}"], id="section"),
        pytest.param({}, {}, [f"{TOKEN}=1"], id="key"),
        pytest.param({}, {}, [f"users={TOKEN}"], id="value"),
        pytest.param(
            {"CONVOY_USER_TOKEN": "987654321" * 11}, {}, ["users=" + "987654321" * 11], id="number"
        ),
    ],
)
def test_a_secret_in_a_wrong_place_is_hidden_whatever_its_length(
    environ: dict[str, str], command_line: dict[str, object], settings: list[str]
) -> None:
    environ = {"CONVOY_USER_TOKEN": TOKEN, **environ}

    told = "\n".join(faults_of(*settings, environ=environ, command_line=command_line))

    assert told
    assert "hunter" not in told and "QZ" not in told and "98765" not in told
