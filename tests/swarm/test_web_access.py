"""Who can reach the web UI and the master of a process, and what is refused before it starts."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import requests

from tests.locust_process import LocustProcess, free_port, swarm_ports, wait_until
from tests.simulator_process import SimulatorProcess
from tests.terminal_process import TerminalProcess

LOGIN = {"CONVOY_WEB_USER": "operator", "CONVOY_WEB_PASSWORD": "correct horse battery"}
LISTENING = "0A"


def listens_at(pid: int) -> set[str]:
    """The addresses, in the kernel's hexadecimal, at which a process listens."""
    folder = Path(f"/proc/{pid}/fd")
    inodes = {os.readlink(each) for each in folder.iterdir() if each.is_symlink()}
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        line[1].partition(":")[0]
        for line in lines
        if line[3] == LISTENING and f"socket:[{line[9]}]" in inodes
    }


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param([], id="alone"),
        pytest.param(["--master"], id="master"),
        pytest.param(["--processes", "2"], id="processes"),
        pytest.param(["--headless", "--headful"], id="headful"),
        pytest.param(["--autostart", "--run-time", "30s"], id="autostart"),
    ],
)
def test_only_this_machine_is_let_in_unless_more_is_asked_for(
    tmp_path: Path, simulator: SimulatorProcess, mode: list[str]
) -> None:
    port = str(free_port())
    swarm = [] if "--autostart" in mode or not mode else swarm_ports()[2:]
    options = ["--web-port", port, "-H", simulator.url, *swarm, *mode]
    with LocustProcess(tmp_path, *options) as locust:
        locust.web_ui()

        assert listens_at(locust.process.pid) == {"0100007F"}
        assert "web UI listens" not in locust.output()


def test_web_login_without_a_user_ends_with_a_sentence_before_anything_starts(
    tmp_path: Path,
) -> None:
    port = free_port()
    for given, said in (
        ({}, "convoy: CONVOY_WEB_USER: --web-login needs it; set CONVOY_WEB_USER or"),
        (LOGIN | {"CONVOY_WEB_PASSWORD": "hunter2"}, "should have at least 12 characters"),
    ):
        with LocustProcess(
            tmp_path, "--web-login", "--web-port", str(port), environment=given
        ) as locust:
            ended = locust.end()

        assert ended.exit_code == 2, ended.output
        assert said in ended.output
        assert "hunter2" not in ended.output and "Starting web interface" not in ended.output


def test_nothing_happens_at_the_target_before_the_login_and_everything_after_it(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    form = {"user_count": "2", "spawn_rate": "2", "rate": "20", "run_time": "60s"}
    options = ["--web-login", "--web-port", str(free_port()), "-H", simulator.url]
    with LocustProcess(tmp_path, *options, environment=LOGIN) as locust:
        ui = locust.web_ui()

        refused = requests.post(f"{ui}/swarm", data=form, timeout=10)
        assert (refused.status_code, refused.text) == (401, "log in first")
        assert simulator.ledger()["accepted"] == 0
        assert not (tmp_path / "runs" / "latest").exists()

        session = requests.Session()
        words = {"username": "operator", "password": LOGIN["CONVOY_WEB_PASSWORD"]}
        page = session.post(f"{ui}/login", data=words, timeout=10)
        assert page.status_code == 200
        assert session.post(f"{page.url}swarm", data=form, timeout=30).json()["success"] is True
        wait_until(lambda: simulator.ledger()["accepted"] > 10, locust.output)
        for path in ("/stop", "/convoy/pause", "/swarm"):
            assert requests.post(ui + path, data={"rate": "90"}, timeout=10).status_code == 401
        assert session.get(f"{page.url}stats/requests", timeout=10).json()["state"] == "running"
        assert LOGIN["CONVOY_WEB_PASSWORD"] not in locust.output()


def test_a_name_that_was_let_point_here_starts_nothing(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    form = {"user_count": "2", "spawn_rate": "2", "rate": "20", "run_time": "60s"}
    options = ["--web-port", str(free_port()), "-H", simulator.url]
    with LocustProcess(
        tmp_path, *options, environment={"CONVOY_WEB_HOSTS": "load.example"}
    ) as locust:
        ui = locust.web_ui()

        rebound = {"Host": "rebound.example", "Origin": "http://rebound.example"}
        refused = requests.post(f"{ui}/swarm", data=form, headers=rebound, timeout=10)
        given = requests.get(ui, headers={"Host": "load.example"}, timeout=10)

        assert refused.status_code == 403
        assert "'rebound.example' is no name of this web UI" in refused.text
        assert given.status_code == 200
        assert simulator.ledger()["accepted"] == 0


BROWSER = """#!/bin/sh
{ env; echo "opened $1"; } > FILE.new
mv FILE.new FILE
"""


def test_the_browser_that_enter_opens_gets_no_credential(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    browser, said = tmp_path / "browser", tmp_path / "said"
    browser.write_text(BROWSER.replace("FILE", str(said)))
    browser.chmod(0o755)
    port, secret = str(free_port()), "do-not-hand-on-4711"
    around = {
        **{"BROWSER": str(browser), "DISPLAY": ":7", "XDG_RUNTIME_DIR": "/run/user/7"},
        **{"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": secret, "GATEWAY_KEY": secret},
        **{"HTTPS_PROXY": f"http://user:{secret}@127.0.0.1:9", "XDG_KEY": secret},
    }

    options = ["--web-port", port, "-H", simulator.url]
    with TerminalProcess(tmp_path / "run", *options, environment=around) as terminal:
        terminal.wait_for("press enter")
        terminal.press(b"\r")
        wait_until(said.exists, terminal.text)

    environment, _, opened = said.read_text().partition("opened ")
    assert opened == f"http://127.0.0.1:{port}\n"
    assert secret not in environment
    assert "DISPLAY=:7\n" in environment and "XDG_RUNTIME_DIR=/run/user/7\n" in environment


def test_what_is_no_request_costs_a_line_and_no_traceback(tmp_path: Path) -> None:
    port = free_port()
    with LocustProcess(tmp_path, "--web-port", str(port)) as locust:
        ui = locust.web_ui()
        for sent in (
            b"\x16\x03\x01\x02\x00\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        ):
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.sendall(sent)
                    assert peer.recv(100).startswith(b"HTTP/1.1 400")
        cookies = {"Cookie": "a;" * 40_000}
        refused = requests.get(f"{ui}/login", headers=cookies, timeout=60)

        said = locust.output()

    assert refused.status_code == 400
    assert said.count("something that connected to the web UI") == 2
    assert "Traceback" not in said
