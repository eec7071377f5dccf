"""What cannot run is refused with one clear sentence and the right exit code, and sends nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.locust_process import (
    ELSEWHERE,
    ROOT,
    Ended,
    LocustProcess,
    free_port,
    run_locust,
    swarm_ports,
)
from tests.simulator_process import SimulatorProcess

WORKERS = pytest.mark.parametrize(
    "workers", [[], ["--processes", "2"]], ids=["alone", "two workers"]
)


@WORKERS
def test_wrong_credentials_are_refused_before_any_load(
    tmp_path: Path, simulator: SimulatorProcess, workers: list[str]
) -> None:
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "a-wrong-secret"}

    ended = run_locust(tmp_path, "-H", simulator.url, *workers, *swarm_ports(), environment=login)

    assert_refused(ended, 4, "400 invalid_client", "CONVOY_CLIENT_SECRET")
    assert "a-wrong-secret" not in ended.output
    assert simulator.ledger()["accepted"] == 0


@WORKERS
def test_target_that_does_not_listen_is_refused(tmp_path: Path, workers: list[str]) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    ended = run_locust(tmp_path, "-H", nowhere, *workers, *swarm_ports())

    assert_refused(ended, 4, nowhere, "connection refused")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--set", "target.ca_file=nowhere.pem"], "target.ca_file"),
        (["--set", "rate=0.01", "-t", "5s"], "no message of conversation_messages is due"),
    ],
    ids=["no CA file", "nothing due"],
)
def test_what_only_shows_on_a_closer_look_is_refused_too(
    tmp_path: Path, simulator: SimulatorProcess, options: list[str], complaint: str
) -> None:
    ended = run_locust(tmp_path, "-H", simulator.url, *options)

    assert_refused(ended, 2, complaint)


@pytest.mark.parametrize(
    ("host", "proxy"),
    [
        (f"https://{ELSEWHERE}:9", "socks5://me:hunter22@127.0.0.1:1"),
    ],
    ids=["SOCKS"],
)
def test_a_proxy_that_cannot_be_used_is_refused_without_showing_its_login(
    tmp_path: Path, host: str, proxy: str
) -> None:
    ended = run_locust(tmp_path, "-H", host, environment={"ALL_PROXY": proxy})

    assert_refused(ended, 2, "ALL_PROXY")
    assert "hunter22" not in ended.output


@pytest.mark.parametrize("option", ["--web-port", "--master-bind-port"])
def test_port_that_is_taken_is_refused(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        mode = ["--autostart", "--web-host", "127.0.0.1"] if "web" in option else ["--processes=2"]
        bind = ["--master-bind-host", "127.0.0.1"]

        with LocustProcess(tmp_path, *mode, *bind, option, port) as locust:
            ended = locust.end()

    assert_refused(ended, 4, port, option)


def test_folder_that_cannot_keep_records_is_refused(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    (tmp_path / "runs").write_text("in the way")

    ended = run_locust(tmp_path, "-H", simulator.url)

    assert_refused(ended, 4, "the record of a run cannot be written")
    assert simulator.ledger()["accepted"] == 0


def test_target_elsewhere_without_approval_is_refused(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, "-H", f"http://{ELSEWHERE}:9")

    assert_refused(ended, 4, ELSEWHERE, "approval")


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ('{"to": {% if %}}', "text.json, line 1"),
    ],
    ids=["syntax"],
)
def test_broken_template_is_refused(
    tmp_path: Path, simulator: SimulatorProcess, template: str, complaint: str
) -> None:
    folder = tmp_path / "payloads" / "conversation"
    folder.mkdir(parents=True)
    (folder / "text.json").write_text(template)
    payloads = {"CONVOY_PAYLOADS_DIR": str(tmp_path / "payloads")}

    ended = run_locust(tmp_path, "-H", simulator.url, environment=payloads)

    assert_refused(ended, 2, complaint, "scenario.conversation_messages.payloads.conversation/text")
    assert simulator.ledger()["accepted"] == 0


def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, "--rate", "-3", "--set", "raet=5")

    assert_refused(ended, 2, "rate (--rate)", "-3", "raet (--set 1)", "did you mean rate?")


def test_more_scenarios_than_users_are_refused(tmp_path: Path) -> None:
    second = tmp_path / "second_scenario.py"
    second.write_text(
        "from scenarios.conversation_messages import ConversationMessages\n\n\n"
        "class SecondMessages(ConversationMessages):\n"
        '    scenario = "second_messages"\n'
    )
    locustfiles = f"{ROOT / 'locustfile.py'},{second}"
    both = "scenarios=[conversation_messages, second_messages]"

    ended = run_locust(tmp_path, "-f", locustfiles, "--set", both, "-u", "1")

    assert_refused(ended, 2, "users (--users)", "more scenarios than users")


def assert_refused(ended: Ended, exit_code: int, *words: str) -> None:
    """It ended with this code, said all these words, ran nothing and showed no traceback."""
    assert ended.exit_code == exit_code, ended.output
    assert [word for word in words if word not in ended.output] == [], ended.output
    assert "Traceback" not in ended.output
    assert ended.summary is None
