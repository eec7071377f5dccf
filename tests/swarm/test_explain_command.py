"""`python -m convoy explain` leads from an answer to the field that is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from convoy.secrets import STARS
from convoy.settings.environment import CONFIG
from tests.convoy_command import convoy
from tests.fork_server import ROOT, run
from tests.locust_process import clean_environment

ANSWER = {
    "code": "invalid_payload",
    "message": "Message payload is invalid. 'to' field requires a valid participant ID or address "
    "object with type 'webchat'.",
    "status": 400,
}
PAYLOAD = {"to": {"id": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"}, "text": "hello"}


def explain(
    folder: Path, *arguments: str, stdin: bytes = b"", **around: str
) -> subprocess.CompletedProcess[bytes]:
    environment = clean_environment() | around
    return run("convoy", "explain", *arguments, cwd=folder, env=environment, input=stdin)


def written(folder: Path, name: str, content: Any) -> str:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return name


def test_answer_and_payload_lead_to_the_wrong_field(tmp_path: Path) -> None:
    answer = written(tmp_path, "answer.json", ANSWER)
    payload = written(tmp_path, "payload.json", PAYLOAD)

    said = explain(tmp_path, answer, "--payload", payload)

    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(b"400 invalid_payload: the field `to.type` is wrong")
    assert b'Add "type": "conversation" to `to`' in said.stdout


def test_an_answer_is_read_from_standard_input(tmp_path: Path) -> None:
    payload = written(tmp_path, "payload.json", PAYLOAD)

    said = explain(tmp_path, "-", "--payload", payload, stdin=json.dumps(ANSWER).encode())

    assert said.returncode == 0, said.stderr
    assert b"`to.type`" in said.stdout


def test_a_payload_that_is_no_json_is_itself_the_explanation(tmp_path: Path) -> None:
    answer = written(tmp_path, "answer.json", ANSWER)
    (tmp_path / "payload.json").write_text('{"to": {"id": "x"},\n "text": hello}')

    said = explain(tmp_path, answer, "--payload", "payload.json")

    assert said.returncode == 2
    assert b"convoy: payload.json: is not JSON" in said.stderr
    assert b"line 2, field text" in said.stderr


KEY = "gateway-key-of-today"
HEADERS = "headers: {X-Key: {env: GATEWAY_KEY}}\n"
MINE = "target: {api_url: 'http://127.0.0.1:9', login_url: 'http://127.0.0.1:9'}\n"


@pytest.mark.parametrize(
    ("file", "content", "variables"),
    [
        pytest.param("targets/mine.yaml", MINE + HEADERS, {}, id="a target"),
        pytest.param("profiles/mine.yaml", HEADERS, {}, id="a profile"),
        pytest.param("mine.yaml", MINE + HEADERS, {"CONVOY_TARGET": "mine.yaml"}, id="a path"),
        pytest.param(
            "targets/mine.yaml",
            MINE,
            {"CONVOY_SET": "headers={X-Key: {env: GATEWAY_KEY}}"},
            id="a setting in the environment",
        ),
        pytest.param(
            "targets/mine.yaml",
            MINE + HEADERS,
            {"CONVOY_SET": "headers={X-Key: {env: OTHER}}", "OTHER": "another"},
            id="another one of that name goes before it",
        ),
    ],
)
def test_the_secret_headers_of_all_settings_here_are_hidden(
    file: str, content: str, variables: dict[str, str], tmp_path: Path
) -> None:
    configuration = shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / file if file == "mine.yaml" else configuration / file).write_text(content)
    answer = written(tmp_path, "answer.json", ANSWER | {"message": f"the key {KEY} is not allowed"})

    around = {"CONVOY_CONFIG_DIR": str(configuration), "GATEWAY_KEY": KEY, **variables}
    said = explain(tmp_path, answer, **around)

    assert (said.returncode, said.stderr) == (0, b"")
    assert f"the key {STARS} is not allowed".encode() in said.stdout


def test_settings_that_cannot_be_read_are_named_and_the_others_are_known(tmp_path: Path) -> None:
    answer = written(tmp_path, "answer.json", ANSWER | {"message": f"no {KEY}"})
    around = {"CONVOY_TARGET": "nosuch", "CONVOY_SET": "headers={X-Key: {env: GATEWAY_KEY}}"}

    said = explain(tmp_path, answer, "--json", GATEWAY_KEY=KEY, **around)

    assert said.returncode == 0
    assert KEY not in json.dumps(json.loads(said.stdout))
    assert said.stderr.count(b"\n") == 1
    assert b"convoy: secret headers may be shown" in said.stderr
    assert b"CONVOY_TARGET: there is no 'nosuch'" in said.stderr


def test_headers_that_cannot_be_read_are_named_and_the_others_are_known(tmp_path: Path) -> None:
    configuration = shutil.copytree(CONFIG, tmp_path / "config")
    headers = HEADERS.replace("}}", "}, X-Gone: {env: NOT_THERE}, X-Odd: {both: 1}}")
    (configuration / "targets/mine.yaml").write_text(MINE + headers)
    answer = written(tmp_path, "answer.json", ANSWER | {"message": f"no {KEY}"})

    said = explain(tmp_path, answer, GATEWAY_KEY=KEY, CONVOY_CONFIG_DIR=str(configuration))

    assert said.returncode == 0
    assert KEY.encode() not in said.stdout
    assert said.stderr.decode().splitlines() == [
        "convoy: secret headers may be shown, because some cannot be read: headers.X-Gone: the "
        "variable 'NOT_THERE' is not set, or empty; headers.X-Odd: should be text, {env: NAME} or "
        "{file: PATH}"
    ]


@pytest.mark.parametrize("before", [180, 195], ids=["whole", "cut"])
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "JSON"])
def test_a_secret_is_hidden_however_many_layers_of_json_are_taken_off_it(
    more: tuple[str, ...], before: int, tmp_path: Path
) -> None:
    secret = 'ab"cd-Kq7vR2xT9mW4pL8sD3f'
    body = json.dumps({"code": "x.y", "status": 400, "message": "z " * before + secret})
    for _ in range(9):
        body = json.dumps({"wrapped": body})
    (tmp_path / "answer.json").write_text(body)

    said = explain(tmp_path, "answer.json", *more, CONVOY_CLIENT_SECRET=secret)

    assert said.returncode == 0 and b"x.y" in said.stdout
    assert b"cd-K" not in said.stdout


FAULTS: dict[str, tuple[bytes, list[str], bytes]] = {
    "no error in it": (b'{"id": "x", "status": "sent"}', ["-"], b"is no error of the API"),
    "not UTF-8": (b'{"code": "\xff"}', ["-"], b"standard input: cannot be read: it is no UTF-8"),
    "a folder": (b"", ["."], b"is no file, but a folder"),
    "twice standard input": (b"{}", ["-", "--payload", "-"], b"cannot both be"),
    "a payload with lists in lists": (
        b'{"a": %s%s}' % (b"[" * 900, b"]" * 900),
        [str(ROOT / "tests/golden/answer.json"), "--payload", "-"],
        b"is nested too deeply",
    ),
    "an answer with lists in lists": (
        b'{"code": "x.y", "status": 400, "a": %s%s}' % (b"[" * 600, b"]" * 600),
        ["-"],
        b"standard input: is nested too deeply",
    ),
    "no payload": (b'{"code": "x"}', ["-", "--payload", "[1"], b"[1: cannot be read: No such"),
}


@pytest.mark.parametrize(("stdin", "arguments", "sentence"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_explained_is_one_sentence(
    stdin: bytes, arguments: list[str], sentence: bytes, tmp_path: Path
) -> None:
    said = explain(tmp_path, *arguments, stdin=stdin)

    assert said.returncode == 2
    assert said.stdout == b""
    assert sentence in said.stderr
    assert said.stderr.startswith(b"convoy: ") and said.stderr.count(b"\n") == 1


def test_an_explanation_is_printed_as_json_for_programs(tmp_path: Path) -> None:
    page = b"<html><h1>Bad gateway</h1></html>"

    said = explain(tmp_path, "-", "--status", "502", "--json", stdin=page)

    assert said.returncode == 0
    assert json.loads(said.stdout)["code"] == "502 bad.gateway"


def test_the_help_names_every_command() -> None:
    said = convoy("--help")

    assert all(command in said.stdout for command in ("plan", "preflight", "send", "explain"))
