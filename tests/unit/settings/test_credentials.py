"""Credentials and directories come from the environment, and only from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convoy.errors import Fault, SettingsError
from convoy.secrets import STARS, Secret
from convoy.settings import Settings
from convoy.settings.environment import (
    GUEST_JWTS,
    UserLogin,
    UserToken,
    credential_redactor,
    credentials,
    environment_of_children,
    guest_jwts,
    header_values,
    payload_directory,
    secrets_in,
    swarm_secret,
    user_login,
)
from tests.unit.settings.configuration import settings_of

CLOUD = {"target": "genesys-cloud"}


def problem_of(environ: dict[str, str], command_line: dict[str, object] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        credentials(environ, settings_of(command_line=command_line or {}))
    return str(caught.value)


@pytest.mark.parametrize("command_line", [{}, {"host": "http://127.0.0.1:9"}])
def test_the_simulator_needs_no_credentials(command_line: dict[str, object]) -> None:
    pair = credentials({}, settings_of(command_line=command_line))

    assert pair == (Secret("demo"), Secret("demo"))


def test_credentials_come_from_variables_or_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  hunter2\n")
    environ = {
        "CONVOY_CLIENT_ID": "me",
        "CONVOY_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
    }

    pair = credentials(environ, settings_of(command_line=CLOUD))

    assert pair == (Secret("me"), Secret("hunter2"))


def test_missing_credentials_name_the_variables() -> None:
    problem = problem_of({}, CLOUD)

    assert "set CONVOY_CLIENT_ID or CONVOY_CLIENT_ID_FILE" in problem
    assert "set CONVOY_CLIENT_SECRET or CONVOY_CLIENT_SECRET_FILE" in problem


def test_half_a_pair_is_a_fault_even_for_the_simulator() -> None:
    problem = problem_of({"CONVOY_CLIENT_ID": "me"})

    assert problem.startswith("CONVOY_CLIENT_SECRET: ")


def test_a_variable_and_its_file_together_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("me")
    environ = {"CONVOY_CLIENT_ID": "hunter2", "CONVOY_CLIENT_ID_FILE": str(tmp_path / "id")}

    problem = problem_of(environ)

    assert "give only one of them" in problem and "hunter2" not in problem


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b" \n", "is empty", id="empty"),
        pytest.param(b"hunter2\nhunter3", "holds more than one line", id="two lines"),
        pytest.param(b"hunter2\xff", "is not UTF-8", id="encoding"),
        pytest.param(None, "cannot be read: No such file", id="missing"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_a_fault_without_its_content(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    problem = problem_of({"CONVOY_CLIENT_ID": "me", "CONVOY_CLIENT_SECRET_FILE": str(file)})

    assert expected in problem and "hunter" not in problem


@pytest.mark.parametrize("name", ["CONVOY_CLIENT_ID", "CONVOY_CLIENT_SECRET"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"hunter2\xff", "is not UTF-8", id="encoding"),
        pytest.param(b"hunter2\nhunter3", "holds more than one line", id="two lines"),
    ],
)
def test_a_secret_in_the_environment_that_cannot_be_used_is_a_fault_without_it(
    name: str, value: bytes, expected: str
) -> None:
    pair = {"CONVOY_CLIENT_ID": "me", "CONVOY_CLIENT_SECRET": "you"}

    problem = problem_of(pair | {name: os.fsdecode(value)})

    assert problem.startswith(f"{name}: {expected}") and "hunter" not in problem


ME = {"CONVOY_USER_CLIENT_ID": "me", "CONVOY_USER_CLIENT_SECRET": "hunter2"}
ORDINARY = {"CONVOY_CLIENT_ID": "it", "CONVOY_CLIENT_SECRET": "hunter3"}
REFRESH = {"CONVOY_REFRESH_TOKEN": "hunter4"}
PUBLISHED = ("public-user", "public-user", "public-user")


@pytest.mark.parametrize(
    ("environ", "target", "found"),
    [
        pytest.param({}, "simulator", PUBLISHED, id="simulator"),
        pytest.param(ORDINARY, "simulator", PUBLISHED, id="the simulator's own user"),
        pytest.param(REFRESH, "simulator", (*PUBLISHED[:2], "hunter4"), id="its own client"),
        pytest.param(REFRESH | ME, "genesys-cloud", ("me", "hunter2", "hunter4"), id="own client"),
        pytest.param(
            REFRESH | ME | ORDINARY, "simulator", ("me", "hunter2", "hunter4"), id="own first"
        ),
        pytest.param(
            REFRESH | ORDINARY, "genesys-cloud", ("it", "hunter3", "hunter4"), id="ordinary client"
        ),
        pytest.param({"CONVOY_USER_TOKEN": "hunter5"}, "genesys-cloud", ("hunter5",), id="token"),
    ],
)
def test_what_brings_a_users_token(
    environ: dict[str, str], target: str, found: tuple[str, ...]
) -> None:
    login = user_login(environ, settings_of(command_line={"target": target}))

    assert isinstance(login, UserToken if len(found) == 1 else UserLogin)
    assert login == tuple(map(Secret, found))


@pytest.mark.parametrize(
    ("environ", "target", "told"),
    [
        pytest.param(
            {},
            "genesys-cloud",
            "CONVOY_USER_TOKEN: is missing, and a scenario writes as a user of target "
            "'genesys-cloud'; set it to a user's access token, or CONVOY_REFRESH_TOKEN for tokens",
            id="nothing",
        ),
        pytest.param(ME, "simulator", "CONVOY_USER_TOKEN: is missing", id="no refresh token"),
        pytest.param(
            REFRESH, "genesys-cloud", "set CONVOY_USER_CLIENT_SECRET or", id="no client at all"
        ),
        pytest.param(
            REFRESH | {"CONVOY_USER_CLIENT_ID": "me"} | ORDINARY,
            "simulator",
            "set CONVOY_USER_CLIENT_SECRET or CONVOY_USER_CLIENT_SECRET_FILE",
            id="half a client",
        ),
        pytest.param(
            REFRESH | {"CONVOY_USER_TOKEN": "hunter5"}, "simulator", "give only one", id="two"
        ),
        pytest.param(
            {"CONVOY_REFRESH_TOKEN_FILE": "/nowhere"}, "simulator", "No such file", id="no file"
        ),
    ],
)
def test_a_users_login_that_cannot_be_used_names_the_variables(
    environ: dict[str, str], target: str, told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        user_login(environ, settings_of(command_line={"target": target}))

    assert told in str(caught.value) and "hunter" not in str(caught.value)


def test_what_brings_a_users_token_is_redacted_unless_it_is_published() -> None:
    secrets = {**REFRESH, "CONVOY_USER_CLIENT_SECRET": "hunter2", "CONVOY_USER_TOKEN": "hunter5"}
    redact = credential_redactor(secrets | {"CONVOY_CLIENT_ID": "public-user"}).redact

    assert not any(value in redact(f"it is {value}.") for value in secrets.values())
    assert redact("public-user") == "public-user"


def test_a_secret_is_hidden_as_the_utf8_that_it_is_used_as_whatever_the_locale() -> None:
    ask = (
        "import os; from convoy.settings.environment import credential_redactor;"
        "print(ascii(credential_redactor(os.environ).redact('it is Schl\\xfc\\xdfel-42')))"
    )
    of_ascii = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environ = of_ascii | {"CONVOY_CLIENT_SECRET": "Schlüßel-42"}

    told = subprocess.run([sys.executable, "-c", ask], env=environ, capture_output=True, check=True)

    assert told.stdout.decode().strip() == f"'it is {STARS}'"


def test_a_secret_file_that_would_block_is_a_fault(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    problem = problem_of({"CONVOY_CLIENT_SECRET_FILE": str(tmp_path / "pipe")})

    assert "is no file" in problem


def test_the_secret_of_a_swarm_comes_from_its_variable_or_file_or_is_not_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")

    assert swarm_secret({}) is None
    assert swarm_secret({"CONVOY_SWARM_SECRET": "0123456789abcdef"}) == Secret("0123456789abcdef")
    assert swarm_secret({"CONVOY_SWARM_SECRET_FILE": str(tmp_path / "secret")}) == Secret(
        "0123456789abcdef"
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(
            {"CONVOY_SWARM_SECRET": "hunter2-hunter2"},
            "should have at least 16 characters",
            id="short",
        ),
        pytest.param({"CONVOY_SWARM_SECRET_FILE": "/nowhere"}, "No such file", id="no file"),
        pytest.param(
            {"CONVOY_SWARM_SECRET": "hunter2-" * 4, "CONVOY_SWARM_SECRET_FILE": "/nowhere"},
            "give only one of them",
            id="both",
        ),
    ],
)
def test_a_secret_of_a_swarm_that_cannot_be_used_is_a_fault_without_it(
    environ: dict[str, str], expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        swarm_secret(environ)

    assert str(caught.value).startswith("CONVOY_SWARM_SECRET")
    assert expected in str(caught.value) and "hunter2" not in str(caught.value)


def test_all_secrets_that_cannot_be_used_are_told_at_once_each_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("hunter2")
    (tmp_path / "jwts").write_text("a.b.c hunter3")
    environ = {
        "CONVOY_CLIENT_ID": "hunter4",
        "CONVOY_CLIENT_ID_FILE": "/nowhere",
        "CONVOY_SIMULATOR_KEY_FILE": str(tmp_path / "short"),
        "CONVOY_GUEST_JWTS_FILE": str(tmp_path / "jwts"),
    }

    with pytest.raises(SettingsError) as caught:
        secrets_in(
            environ, "CONVOY_CLIENT_ID", "CONVOY_SIMULATOR_KEY", GUEST_JWTS, "CONVOY_WEB_USER"
        )

    both, short, no_jwt = str(caught.value).splitlines()
    assert both.startswith("CONVOY_CLIENT_ID: is given, and so is CONVOY_CLIENT_ID_FILE")
    begin = f"CONVOY_SIMULATOR_KEY_FILE: the file '{tmp_path}/short' should have at least 16"
    assert short.startswith(begin)
    begin = f"CONVOY_GUEST_JWTS_FILE: the file '{tmp_path}/jwts' should hold JWTs"
    assert no_jwt.startswith(begin) and "hunter" not in str(caught.value)


def test_guests_log_in_with_what_a_variable_or_a_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "jwts"
    file.write_text("a.b.c\n\nd-1.e_2.f\n")

    assert guest_jwts({}) == ()
    assert guest_jwts({GUEST_JWTS: " a.b.c d-1.e_2.f"}) == (Secret("a.b.c"), Secret("d-1.e_2.f"))
    assert guest_jwts({f"{GUEST_JWTS}_FILE": str(file)}) == guest_jwts(
        {GUEST_JWTS: file.read_text()}
    )
    redacted = credential_redactor({GUEST_JWTS: "header.payload.first header.payload.second"})
    assert "second" not in redacted.redact("it was header.payload.second")


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        (
            {GUEST_JWTS: "a.b.c secret"},
            "CONVOY_GUEST_JWTS: should hold JWTs, of three parts with dots between, but number 2",
        ),
        (
            {GUEST_JWTS: "a.b.c", f"{GUEST_JWTS}_FILE": "x"},
            "is given, and so is CONVOY_GUEST_JWTS_F",
        ),
        (
            {f"{GUEST_JWTS}_FILE": "/nowhere/jwts"},
            "CONVOY_GUEST_JWTS_FILE: the file that it names cannot be read: No such file",
        ),
        ({f"{GUEST_JWTS}_FILE": os.devnull}, "CONVOY_GUEST_JWTS_FILE: the file '/dev/null'"),
    ],
)
def test_what_no_guest_can_log_in_with_is_a_fault_without_it(
    environ: dict[str, str], fault: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        guest_jwts(environ)

    assert fault in str(caught.value) and "secret" not in str(caught.value)


def faults_of(environ: dict[str, str]) -> str:
    """What is wrong with the credentials, the JWTs and the headers of an environment."""
    headers = '{X-A: {env: "' + environ["NAME"] + '"}, X-B: {file: "' + environ["NAME"] + '"}}'
    settings = settings_of(f"headers={headers}")
    told = []
    for read in (
        lambda: credentials(environ, settings),
        lambda: guest_jwts(environ),
        lambda: swarm_secret(environ),
    ):
        with pytest.raises(SettingsError) as caught:
            read()
        told.append(str(caught.value))
    faults: list[Fault] = []
    assert header_values(environ, settings.headers, faults) == {}
    return "\n".join([*told, *map(str, faults)])


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2hunter2hunter2hunter2",
        "HUNTERHUNTERHUNTERHUNTER",
        "hunter.hunter.hunter",
        "/hunter+hunter=",
        "hunter/hunter+hunter=",
        "~hunter/hunter",
        "hunter" * 1_000,
    ],
)
def test_a_secret_in_the_place_of_a_files_or_a_variables_name_is_not_shown(secret: str) -> None:
    files = ("CONVOY_CLIENT_SECRET_FILE", f"{GUEST_JWTS}_FILE", "CONVOY_SWARM_SECRET_FILE")

    told = faults_of(dict.fromkeys([*files, "NAME"], secret))

    assert all(f"{each}: the file that it names" in told for each in files)
    assert "headers.X-A: the variable that it names is not set" in told
    assert "headers.X-B: the file that it names" in told
    assert "hunter" not in told.lower()


def test_a_name_is_shown_as_far_as_it_is_there_or_can_be_no_secret(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    files = ("CONVOY_CLIENT_SECRET_FILE", f"{GUEST_JWTS}_FILE", "CONVOY_SWARM_SECRET_FILE")

    there = faults_of(dict.fromkeys(files, str(tmp_path / "empty")) | {"NAME": "OUR_GATEWAY_KEY2"})
    beside = faults_of(dict.fromkeys([*files, "NAME"], str(tmp_path / "emty")))

    assert there.count(f"the file '{tmp_path}/empty' is empty") == 3
    assert "the variable 'OUR_GATEWAY_KEY2' is not set" in there
    assert beside.count(f"the file that it names in '{tmp_path}' cannot be read") == 4
    assert "emty" not in beside


@pytest.mark.parametrize(
    "name", ["CONVOY_CLIENT_ID", "CONVOY_CLIENT_SECRET", "CONVOY_WEB_PASSWORD", GUEST_JWTS]
)
def test_what_stands_in_files_is_hidden_from_the_beginning(tmp_path: Path, name: str) -> None:
    (tmp_path / "kept").write_text("first.hunter2.a\nsecond.hunter3.b\n")

    redactor = credential_redactor(
        {f"{name}_FILE": str(tmp_path / "kept"), "CONVOY_USER_TOKEN_FILE": str(tmp_path / "gone")}
    )

    assert redactor.redact("first.hunter2.a\nsecond.hunter3.b") in (STARS, f"{STARS}\n{STARS}")
    each_alone = redactor.redact("it was second.hunter3.b")
    assert (each_alone == f"it was {STARS}") == (name == GUEST_JWTS)


def test_settings_hold_no_credentials() -> None:
    environ = {"CONVOY_CLIENT_ID": "my-client", "CONVOY_CLIENT_SECRET": "hunter2"}

    settings = settings_of(environ=environ)

    for text in (settings.model_dump_json(), repr(settings), str(settings.model_dump(mode="json"))):
        assert "my-client" not in text and "hunter2" not in text


def test_payloads_may_be_mounted_elsewhere(tmp_path: Path, repository: Path) -> None:
    default = repository / "payloads"

    assert payload_directory({}, default) == default
    assert payload_directory({"CONVOY_PAYLOADS_DIR": str(tmp_path)}, default) == tmp_path


def test_a_missing_payload_directory_is_a_fault() -> None:
    with pytest.raises(
        SettingsError, match="CONVOY_PAYLOADS_DIR: is '/nowhere', which is no folder"
    ):
        payload_directory({"CONVOY_PAYLOADS_DIR": "/nowhere"}, Path("/unused"))


def test_a_header_kept_elsewhere_is_a_secret_and_no_setting(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of the file\n")
    settings = settings_of(
        "headers={X-A: shown, X-B: {env: KEY}, X-C: {file: '" + str(tmp_path / "key") + "'}}"
    )
    sent = Settings.model_validate_json(settings.model_dump_json())

    values = header_values({"KEY": "of the variable"}, sent.headers, faults := [])

    assert (values, faults) == (
        {
            "X-A": "shown",
            "X-B": Secret("of the variable"),
            "X-C": Secret("of the file"),
        },
        [],
    )
    assert sent == settings
    assert sent.model_dump(mode="json")["headers"]["X-B"] == {"env": "KEY"}


def test_the_file_of_a_header_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text("headers: {X-A: {file: keys/a}}")

    settings = settings_of(command_line={"load_profile": str(tmp_path / "profile.yaml")})

    assert settings.model_dump(mode="json")["headers"] == {
        "X-A": {"file": str(tmp_path / "keys" / "a")}
    }


def test_other_programs_get_what_they_need_by_its_whole_name() -> None:
    needed = {"PATH": "/bin", "LC_ALL": "C", "PYTHONUTF8": "1", "PYTHONPATH": "."}
    secret = {"LC_KEY": "k", "PYTHON_KEY": "k", "PYTHONPATH_KEY": "k", "XPATH": "k", "KEY": "k"}

    assert environment_of_children(needed | secret) == needed
