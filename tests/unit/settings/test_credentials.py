"""Credentials and directories come from the environment, and only from there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from convoy.errors import SettingsError
from convoy.secrets import Secret
from convoy.settings import credentials, payload_directory
from convoy.settings.environment import swarm_secret
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
            {"CONVOY_SWARM_SECRET": "hunter2-hunter2"}, "has fewer than 16 characters", id="short"
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


def test_settings_hold_no_credentials() -> None:
    environ = {"CONVOY_CLIENT_ID": "my-client", "CONVOY_CLIENT_SECRET": "hunter2"}

    settings = settings_of(environ=environ)

    for text in (settings.to_json(), repr(settings), str(settings.redacted())):
        assert "my-client" not in text and "hunter2" not in text


def test_payloads_may_be_mounted_elsewhere(tmp_path: Path, repository: Path) -> None:
    default = repository / "payloads"

    assert payload_directory({}, default) == default
    assert payload_directory({"CONVOY_PAYLOADS_DIR": str(tmp_path)}, default) == tmp_path


def test_a_missing_payload_directory_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="CONVOY_PAYLOADS_DIR: '/nowhere' is no directory"):
        payload_directory({"CONVOY_PAYLOADS_DIR": "/nowhere"}, Path("/unused"))
