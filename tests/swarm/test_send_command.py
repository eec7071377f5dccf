"""`python -m convoy send` sends one message, says what came of it and how curl would send it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.convoy_command import convoy
from tests.locust_process import clean_environment, free_port
from tests.simulator.api import bearer, call, conversations
from tests.simulator.in_process import inbound, open_message
from tests.simulator_process import SimulatorProcess

CURL_BEGINS = "the same with curl, where $TOKEN holds a token\n"
NASTY = 'it\'s "$HOME" `id` $(id) \\ !! üñ 😀 %s'
FAKE_CURL = """#!/bin/sh
for argument in "$@"; do printf '%s\\0' "$argument"; done
cat
"""


def send(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return convoy("send", *options, **environment)


def shell(command: str, **environment: str) -> str:
    """What a shell prints that is given these lines; no proxy of the surroundings is used."""
    done = subprocess.run(
        ["sh", "-c", command],
        env=clean_environment() | {"NO_PROXY": "127.0.0.1"} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def token(simulator: SimulatorProcess, client: str = "demo") -> str:
    return bearer(simulator, client)["Authorization"].removeprefix("Bearer ")


def template(folder: Path, body: dict[str, Any]) -> str:
    """A template whose text is the marker and `NASTY`; the rest is as given."""
    source = json.dumps(body | {"text": "TEXT"}, ensure_ascii=False)
    text = json.dumps(NASTY, ensure_ascii=False)[1:-1]
    path = folder / "message.json"
    path.write_text(source.replace("TEXT", "{{ marker }} " + text), encoding="utf-8")
    return str(path)


def body_to(conversation_id: str) -> dict[str, Any]:
    return {"to": {"id": conversation_id, "type": "conversation"}, "from": {"name": "Ada"}}


def open_conversation(simulator: SimulatorProcess) -> str:
    found = next(each for each in conversations(simulator) if each["state"] == "connected")
    return str(found["id"])


def test_an_accepted_message_is_in_the_ledger_as_a_canary(simulator: SimulatorProcess) -> None:
    said = send("--host", simulator.url)

    assert said.returncode == 0, said.stderr
    [run_id] = simulator.ledger()["runs"]
    assert run_id.endswith("-canary")
    assert simulator.ledger(run_id)["accepted"] == 1
    assert f"POST {simulator.url}/api/v2/conversations/messages" in said.stdout
    assert "200 after" in said.stdout and "correlation id" in said.stdout
    assert "explanation" not in said.stdout


def test_the_message_goes_where_it_is_told_to(simulator: SimulatorProcess) -> None:
    conversation_id = open_conversation(simulator)

    said = send(
        "--host", simulator.url, "--conversation", conversation_id, "--payload", "conversation/text"
    )

    assert said.returncode == 0, said.stderr
    assert simulator.ledger()["by_conversation"] == {conversation_id: 1}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_an_agents_reply_goes_out_with_a_users_token_by_its_communication(
    simulator: SimulatorProcess,
) -> None:
    path = inbound() + "?prefetchConversationId=true"
    taken = call(simulator, "POST", path, open_message(), bearer(simulator, "public")).json
    conversation_id = taken["conversationId"]

    options = ("--scenarios", "agent_reply", "--conversation", conversation_id)
    said = send("--host", simulator.url, *options)
    command = said.stdout.split(CURL_BEGINS)[1]
    answered = shell(command, TOKEN=token(simulator, "public-user"))

    assert said.returncode == 0, said.stderr
    assert f"/messages/{conversation_id}/communications/" in said.stdout
    assert "HTTP/1.1 200" in answered
    # The customer's message, and the reply twice.
    assert simulator.ledger()["by_conversation"] == {conversation_id: 3}


def test_a_refused_message_is_explained(simulator: SimulatorProcess, tmp_path: Path) -> None:
    body = {"to": {"id": "PARTICIPANT_ID", "type": "webchat"}}

    said = send("--host", simulator.url, "--payload", template(tmp_path, body))

    assert said.returncode == 1, said.stderr
    assert "400 invalid_payload: the field `to.id` is wrong" in said.stdout
    assert 'is "PARTICIPANT_ID", no id' in said.stdout


def test_the_token_is_not_shown(simulator: SimulatorProcess) -> None:
    said = send("--host", simulator.url)

    lines = [line.strip() for line in said.stdout.splitlines()]
    assert "Authorization: Bearer **********" in lines
    assert [line for line in lines if "Bearer" in line and "$TOKEN" not in line] == [
        "Authorization: Bearer **********"
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_lines_send_the_same_message(simulator: SimulatorProcess, tmp_path: Path) -> None:
    conversation_id = open_conversation(simulator)
    payload = template(tmp_path, body_to(conversation_id))
    said = send("--host", simulator.url, "--conversation", conversation_id, "--payload", payload)

    answered = shell(said.stdout.split(CURL_BEGINS)[1], TOKEN=token(simulator))

    assert "HTTP/1.1 200" in answered
    [run_id] = simulator.ledger()["runs"]
    assert simulator.ledger(run_id)["duplicates"] == 1


def test_the_curl_line_carries_every_byte_through_the_shell(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    conversation_id = open_conversation(simulator)
    payload = template(tmp_path, body_to(conversation_id))
    said = send("--host", simulator.url, "--conversation", conversation_id, "--payload", payload)
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(FAKE_CURL)
    curl.chmod(0o700)
    command = said.stdout.split(CURL_BEGINS)[1]

    given = shell(command, PATH=f"{curl.parent}:/usr/bin:/bin", TOKEN="a token").split("\0")

    assert given[-1].strip() == "Authorization: Bearer a token"
    assert not any("a token" in each for each in given[:-1])  # others can read a command line
    body = json.loads(given[given.index("--data-binary") + 1])
    assert body["text"].endswith(NASTY)
    assert body["to"]["id"] == conversation_id


def test_the_simulator_that_comes_along_is_started_and_stopped(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    target = tmp_path / "target.yaml"
    addresses = f"  api_url: {url}\n  login_url: {url}\n"
    target.write_text(f"target:\n{addresses}  embedded_simulator: true\n")

    said = send("--target", str(target))

    assert said.returncode == 0, said.stderr
    assert send("--host", url).returncode == 4


def test_no_answer_at_all_is_explained(simulator: SimulatorProcess) -> None:
    conversation_id = open_conversation(simulator)
    fault = call(simulator, "POST", "/simulator/faults", {"faults": ["drop=1"]})

    said = send("--host", simulator.url, "--conversation", conversation_id)

    assert fault.status < 300
    assert said.returncode == 1, said.stderr
    assert "none: connection closed (unknown)" in said.stdout
    assert "before its answer was whole" in said.stdout


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "an id too long": (["--conversation", "a" * 5_000], 2, "is no conversation id"),
    "nothing listens": (["--host", "http://127.0.0.1:9"], 4, "connection refused"),
    "no such template": (["--payload", "absent"], 2, "there are: "),
    "misspelt template": (
        ["--payload", "conversation/tex"],
        2,
        "No such file or directory; did you mean conversation/text?",
    ),
    "a wrong setting": (["--set", "users=-1"], 2, "users"),
    "no such target": (["--target", "absent"], 2, "absent"),
}


@pytest.mark.parametrize(("options", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_says_why(options: list[str], code: int, said: str) -> None:
    refused = send(*options)

    assert refused.returncode == code
    assert refused.stdout == ""
    assert refused.stderr.startswith("convoy: ") and said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_credentials_that_are_withheld_are_neither_sent_nor_shown(
    simulator: SimulatorProcess,
) -> None:
    own = {"CONVOY_CLIENT_ID": "of-my-own", "CONVOY_CLIENT_SECRET": "of-my-own"}
    at = [f"--set=target.{name}={simulator.url}" for name in ("api_url", "login_url")]

    said = send(*at, **own)

    assert said.returncode == 0, said.stderr  # by the published ones: the simulator knows no other
    assert "anybody on this machine may listen at" in said.stderr
    assert "of-my-own" not in said.stdout + said.stderr


def test_wrong_credentials_are_one_sentence(simulator: SimulatorProcess) -> None:
    secret = "not-the-secret"
    given = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": secret}

    refused = send("--host", simulator.url, **given)

    assert refused.returncode == 4
    assert "invalid_client" in refused.stderr
    assert secret not in refused.stderr + refused.stdout


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('{"to": {{ conversation_id }}}', id="no JSON"),
        pytest.param("{% for i in range(1000) %}" * 3 + "{% endfor %}" * 3, id="without end"),
    ],
)
def test_a_template_that_cannot_be_sent_is_named(
    simulator: SimulatorProcess, tmp_path: Path, source: str
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(source)

    refused = send("--host", simulator.url, "--payload", str(broken))

    assert refused.returncode == 2
    assert "broken.json" in refused.stderr
    assert simulator.ledger()["accepted"] == 0


def test_a_guests_exchange_is_shown_where_its_frames_are_asked_for(
    simulator: SimulatorProcess,
) -> None:
    of_guests = ("--host", simulator.url, "--scenarios", "guest_chat")

    said = send(*of_guests, "--frames")
    without = send(*of_guests)

    assert said.returncode == 0, said.stdout + said.stderr
    [run_id] = simulator.ledger()["runs"]
    assert f'"tracingId":"{run_id}:0"' in said.stdout and run_id.endswith("-canary")
    assert '"token":"**********"' in said.stdout
    assert without.returncode == 4 and "--frames shows" in without.stderr
