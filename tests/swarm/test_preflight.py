"""The preflight, as a command and as the first step of a run: what it finds, and what it says."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.ids import organisation_of
from tests.convoy_command import convoy
from tests.locust_process import ELSEWHERE, ROOT, clean_environment, free_port, run_locust
from tests.simulator.api import call, open_conversations
from tests.simulator_process import OWN_SEED, SimulatorProcess

PLACEHOLDER = "scenario.conversation_messages.conversations={source: inline, ids: [YOUR_ID]}"
"""A pool that no check before load can find wrong, and that the target refuses."""
SHORT = ("-t", "1s", "--set", "warm_up_s=0")


def preflight(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return convoy("preflight", *options, **environment)


def pool_file(folder: Path, *ids: str) -> tuple[str, ...]:
    path = folder / "pool.txt"
    path.write_text("\n".join(ids))
    pool = json.dumps({"source": "file", "path": str(path)})
    return ("--set", f"scenario.conversation_messages.conversations={pool}")


def lines(said: subprocess.CompletedProcess[str], check: str) -> list[str]:
    """The table's rows on a check."""
    return [line for line in said.stdout.splitlines() if check in line[:50]]


def test_target_that_is_well_passes_with_one_canary_of_each_template(
    simulator: SimulatorProcess,
) -> None:
    every = "conversation_messages,guest_messages,invalid_messages"

    said = preflight("-H", simulator.url, "--scenarios", every)

    assert said.returncode == 0, said.stdout + said.stderr
    rows = said.stdout.splitlines()
    assert rows[-1].startswith("ready: ")
    assert all(row.startswith(("ok ", " ")) for row in rows[:-2]), said.stdout
    assert simulator.ledger()["accepted"] == sum("accepted" in row for row in rows) == 2
    assert sum(simulator.ledger()["rejected"].values()) == sum("refused" in row for row in rows)
    assert simulator.ledger()["duplicates"] == 0


def test_message_that_the_target_refuses_is_explained(simulator: SimulatorProcess) -> None:
    said = preflight("-H", simulator.url, "--set", PLACEHOLDER)

    assert said.returncode == 4, said.stdout + said.stderr
    assert lines(said, "canary conversation/text")[0].startswith("failure")
    assert "the field `to.id` is wrong" in said.stdout
    assert "fix: correct 'YOUR_ID' in the pool" in said.stdout
    assert said.stdout.splitlines()[-1].startswith("not ready: ")


def test_run_whose_canary_is_refused_sends_no_load(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ended = run_locust(tmp_path, "-H", simulator.url, "--set", PLACEHOLDER)

    assert ended.exit_code == 4, ended.output
    assert "to.id" in ended.output
    assert ended.summary is None
    assert sum(simulator.ledger()["rejected"].values()) == 1


def test_canary_messages_are_not_the_runs_and_can_be_left_out(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    first = run_locust(tmp_path, "-H", simulator.url, *SHORT)
    with_canary = simulator.ledger()["accepted"]
    second = run_locust(tmp_path, "-H", simulator.url, *SHORT, "--set", "canary=false")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    run_id = first.run["run_id"]
    assert simulator.ledger(f"{run_id}-canary")["accepted"] == 1
    assert simulator.ledger(run_id)["accepted"] == first.scenario["accepted"]
    assert with_canary == first.scenario["accepted"] + 1
    assert simulator.ledger()["accepted"] == with_canary + second.scenario["accepted"]


@pytest.mark.parametrize(
    ("fault", "code"), [("error=503:1", "503 service.unavailable"), ("drop=1", "connection")]
)
def test_canary_that_may_pass_the_next_time_is_a_warning(
    tmp_path: Path, simulator: SimulatorProcess, fault: str, code: str
) -> None:
    pool = pool_file(tmp_path, open_conversations(simulator)[0]["id"])
    call(simulator, "POST", "/simulator/faults", {"faults": [fault]})

    said = preflight("-H", simulator.url, *pool)

    assert said.returncode == 0, said.stdout + said.stderr
    assert lines(said, "canary conversation/text")[0].startswith("warning")
    assert code in lines(said, "canary conversation/text")[0]


def test_conversations_that_are_gone_are_passed_over_and_named(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    gone = "11111111-2222-4333-8444-555555555555"

    said = preflight("-H", simulator.url, *pool_file(tmp_path, gone))

    assert said.returncode == 4, said.stdout + said.stderr
    row = " ".join(said.stdout.split())
    assert f"none of 1 conversations takes a message: {gone} (404 conversation.error" in row


def test_limits_and_pools_that_will_not_do_are_warnings_with_their_fix(
    simulator: SimulatorProcess,
) -> None:
    exclusive = "scenario.conversation_messages.conversations.pick=exclusive"

    said = preflight("-H", simulator.url, "--rate", "500", "-u", "400", "-t", "10m")
    few = preflight("-H", simulator.url, "-u", "400", "--set", exclusive)
    slow = preflight("-H", simulator.url, "--rate", "500", "-u", "20", "-t", "10m")

    assert lines(said, "limits")[0].startswith("ok")
    assert lines(few, "pool of")[0].startswith("warning")
    assert lines(slow, "limits")[0].startswith("warning")
    assert "500 requests/s need 100 tokens, you have 20: " in slow.stdout
    assert "fix: write -u 102 or --rate 98.3" in slow.stdout
    assert {said.returncode, few.returncode, slow.returncode} == {0}


@pytest.mark.parametrize(
    ("options", "environment", "exit_code", "row"),
    [
        (["--rate", "-3"], {}, 2, "settings"),
        ([], {"CONVOY_PAYLOADS_DIR": "/nowhere"}, 2, "settings"),
        (["--set", "scenario.conversation_messages.payloads={none: 1}"], {}, 2, "templates"),
        (["-H", f"http://{ELSEWHERE}:9"], {}, 4, "target"),
        ([], {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "wrong-one"}, 4, "login"),
    ],
    ids=["setting", "payload folder", "template", "no approval", "login"],
)
def test_what_cannot_run_fails_at_its_row_with_the_exit_code_of_a_run(
    simulator: SimulatorProcess,
    options: list[str],
    environment: dict[str, str],
    exit_code: int,
    row: str,
) -> None:
    said = preflight("-H", simulator.url, *options, **environment)

    assert said.returncode == exit_code, said.stdout + said.stderr
    assert any(line.startswith("failure") for line in lines(said, row))
    assert "wrong-one" not in said.stdout + said.stderr
    assert "Traceback" not in said.stderr


def test_address_where_nothing_listens_fails_at_the_connection() -> None:
    said = preflight("-H", f"http://127.0.0.1:{free_port()}")

    assert said.returncode == 4
    assert lines(said, "DNS")[0].startswith("ok")
    assert lines(said, "TCP")[0].startswith("failure")


def test_more_users_than_files_may_be_open_are_refused_with_the_number_to_set(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    limited = ["bash", "-c", 'ulimit -n 120; exec "$0" "$@"', sys.executable, "-m", "locust"]
    place = ["-f", str(ROOT / "locustfile.py"), "--headless", "-H", simulator.url]

    ended = subprocess.run(
        [*limited, *place, "-u", "40", "-t", "1s"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert "40 users in a process may need 180 open files, and 120 are allowed" in ended.stderr
    assert "`ulimit -n 180`" in ended.stderr
    assert simulator.ledger()["accepted"] == 0


def test_a_program_is_told_what_an_organisation_allows(tmp_path: Path) -> None:
    lacking = ("--permissions", "public=conversation:message:receive")
    with SimulatorProcess("--seed", str(OWN_SEED), *lacking) as simulator:
        target = tmp_path / "own.yaml"
        target.write_text(
            f"target: {{api_url: '{simulator.url}', login_url: '{simulator.url}', approval: "
            f"{{ticket: T-1, organisation_id: {organisation_of(OWN_SEED)}, highest_rate: 50, "
            "region: eu-central-1}}\n"
        )

        said = preflight(
            *("--json", "--target", str(target), "--scenarios", "open_messaging", "-t", "2m"),
            *("--rate", "25", "-u", "2", "--set", "limits=[{scope: token, count: 600, per_s: 60}]"),
            CONVOY_CLIENT_ID="public",
            CONVOY_CLIENT_SECRET="public",
        )

    told = json.loads(said.stdout)
    checks = {each["name"]: each for each in reversed(told["checks"])}
    assert (said.returncode, told["exit_code"], told["verdict"]) == (0, 0, "ready"), said.stdout
    assert "127.0.0.1 is no host of a region" in checks["region"]["told"]
    organisation = f"the token is of {organisation_of(OWN_SEED)} (Convoy simulator), by client **"
    assert checks["organisation"]["told"].startswith(organisation)
    assert "client.credentials.token.rate.per.minute 300" in checks["limits in force"]["told"]
    assert checks["integration_id"]["state"] == "warning"
    assert "It lacks messaging:integration:view" in checks["integration_id"]["told"]
    assert [
        (each["state"], each["fix"]) for each in told["checks"] if each["name"] == "limits"
    ] == [
        ("warning", "write -u 3 or --rate 19.55"),
        ("warning", "write --set 'limits=[{scope: token, count: 300, per_s: 60}]'"),
        ("warning", "write -u 6 or --rate 9.72"),
    ]
    assert told["plan"] == {
        **{"messages": 3000, "requests": 3000, "rate_per_s": 25, "requests_per_s": 25},
        **{"tokens_needed": 3, "tokens": 2},
    }
    assert checks["canary open_message/text"]["state"] == "ok"


def test_a_program_is_told_of_wrong_settings(simulator: SimulatorProcess) -> None:
    said = preflight("--json", "-H", simulator.url, "--rate", "-3")

    told = json.loads(said.stdout)
    assert (said.returncode, told["exit_code"], told["plan"]) == (2, 2, None)
    assert [(each["name"], each["state"]) for each in told["checks"]] == [("settings", "failure")]


def test_what_a_slow_target_lets_wait_is_said_with_since_when_and_until_when() -> None:
    with SimulatorProcess("--fault", "latency=3500ms") as slow:
        said = preflight("-H", slow.url)

    assert said.returncode == 0, said.stderr
    assert waits(said) == [
        f"the pool of conversation_messages at {slow.url}",
        "the answer to canary conversation/text",
    ]


def test_a_login_that_is_not_answered_is_waited_for_in_sentences() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        said = preflight("-H", url, "--set", "request_timeout_s=4")

    assert said.returncode == 4, said.stdout
    assert waits(said) == [f"{url} to take a connection", f"the login at {url}"]


def waits(said: subprocess.CompletedProcess[str]) -> list[str]:
    """What was waited for, each once."""
    sentence = r"convoy: Waiting for (.*?) since .*, until .* at the latest\.$"
    return list(dict.fromkeys(re.findall(sentence, said.stderr, re.MULTILINE)))
