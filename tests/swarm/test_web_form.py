"""A run started from the web form is checked, behaves and ends like one started headless."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.locust_process import (
    ELSEWHERE,
    UNHURRIED,
    LocustProcess,
    free_port,
    swarm_ports,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

QUICK = [*UNHURRIED, "--set", "warm_up_s=0.2"]


class WebForm:
    """Locust's web UI as a browser speaks to it."""

    def __init__(self, url: str, api_url: str) -> None:
        self.url = url
        self._api_url = api_url

    def page(self) -> str:
        return requests.get(self.url, timeout=10).text

    def start(self, **fields: str) -> dict[str, Any]:
        """Send the form as it stands after a page load, with some fields changed."""
        form = {
            "user_count": "10",
            "spawn_rate": "10.0",
            "host": self._api_url,
            "run_time": "",
            "target": "simulator",
            "load_profile": "smoke",
            "scenarios": "",
            "rate": "",
            "seed": "",
        }
        answer = requests.post(f"{self.url}/swarm", data=form | fields, timeout=30)
        result: dict[str, Any] = answer.json()
        return result

    def begin_to_stop(self) -> socket.socket:
        """Press Stop and return at once, when the process has heard it and what is out comes home.

        The answer to a later request tells that: Locust takes requests as they come.
        """
        address = urlsplit(self.url)
        assert address.hostname and address.port
        request = f"POST /stop HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 0\r\n\r\n"
        connection = socket.create_connection((address.hostname, address.port), timeout=10)
        connection.sendall(request.encode())
        self.figures()
        return connection

    def figures(self) -> dict[str, Any]:
        result: dict[str, Any] = requests.get(f"{self.url}/stats/requests", timeout=10).json()
        return result

    def state(self) -> dict[str, Any]:
        result: dict[str, Any] = requests.get(f"{self.url}/convoy/state", timeout=10).json()
        return result

    def verdict(self) -> list[dict[str, str]]:
        """The rows of the tab with the verdict."""
        tables = self.figures()["extended_stats"]
        return next(table["data"] for table in tables if table["key"] == "verdict")

    def wait_for_end(self) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            figures = self.figures()
            return figures if figures["state"] == "stopped" else None

        return wait_until(ended, lambda: json.dumps(self.figures()))


@pytest.fixture
def locust(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[LocustProcess]:
    port = str(free_port())
    options = ["--web-host", "127.0.0.1", "--web-port", port, "-H", simulator.url, *QUICK]
    with LocustProcess(tmp_path, *options) as process:
        yield process


@pytest.fixture
def form(locust: LocustProcess, simulator: SimulatorProcess) -> WebForm:
    return WebForm(locust.web_ui(), simulator.url)


WRONG = (
    ({"rate": "-3"}, "greater than 0"),
    ({"target": "nowhere"}, "'nowhere'"),
    ({"run_time": "soon"}, "'soon' is no length of time"),
    ({"host": f"http://{ELSEWHERE}"}, "approval"),
)


def test_form_shows_its_fields_and_says_of_wrong_ones_why_it_starts_nothing(
    form: WebForm, simulator: SimulatorProcess
) -> None:
    page = form.page()

    fields = json.loads(re.search(r'"extra_options": (\{.*?\}\}), "', page)[1])  # type: ignore[index]
    assert set(fields) == {"target", "load_profile", "scenarios", "rate", "seed"}
    assert "simulator" in fields["target"]["choices"]
    assert fields["load_profile"]["default_value"] == "smoke"
    for wrong, complaint in WRONG:
        answer = form.start(**wrong)
        assert answer["success"] is False
        assert complaint in answer["message"]
    elsewhere = {"Origin": "http://elsewhere.example"}
    assert requests.post(f"{form.url}/swarm", headers=elsewhere, timeout=10).status_code == 403
    assert form.figures()["state"] in ("ready", "stopped")
    assert simulator.ledger()["accepted"] == 0


def test_run_from_the_form_ends_by_itself_and_shows_failures_by_code(
    form: WebForm, locust: LocustProcess, simulator: SimulatorProcess
) -> None:
    fault = {"faults": ["error=503:0.2"]}
    requests.post(f"{simulator.url}/simulator/faults", json=fault, timeout=10)

    started = form.start(rate="50", run_time="2s", seed="7")
    figures = form.wait_for_end()

    assert started["success"] is True
    summary = wait_until(locust.summary, locust.output)
    assert summary["seed"] == 7
    assert summary["totals"]["scheduled"] == 100
    assert (summary["verdict"], summary["exit_code"]) == ("fail", 3)
    [failure] = figures["errors"]
    assert failure["error"] == "503 service.unavailable"
    assert failure["occurrences"] == summary["totals"]["errors"]["503 service.unavailable"]
    assert simulator.ledger(summary["run_id"])["accepted"] == summary["totals"]["accepted"]


def test_what_is_prepared_is_dropped_by_a_stop_or_the_kill_switch_and_the_next_run_begins(
    form: WebForm, locust: LocustProcess, simulator: SimulatorProcess
) -> None:
    def begin_to_start() -> Future[dict[str, Any]]:
        starting = pool.submit(form.start, rate="50", run_time="1s")
        wait_until(lambda: form.state()["is_preparing"], locust.output)
        return starting

    slow = {"faults": ["latency=1s"]}
    requests.post(f"{simulator.url}/simulator/faults", json=slow, timeout=10)
    with ThreadPoolExecutor() as pool:
        starting = begin_to_start()
        form.begin_to_stop().close()
        stopped = starting.result(60)
        starting = begin_to_start()
        os.kill(locust.process.pid, signal.SIGUSR1)
        killed = starting.result(60)
    requests.post(f"{simulator.url}/simulator/faults", json={"faults": []}, timeout=10)
    begun = form.start(rate="50", run_time="1s")

    assert [each["success"] for each in (stopped, killed, begun)] == [False, False, True]
    assert "the run was stopped in the web UI" in stopped["message"]
    assert "the kill switch: SIGUSR1" in killed["message"]
    form.wait_for_end()
    assert wait_until(locust.summary, locust.output)["totals"]["scheduled"] == 50


def test_every_run_goes_to_the_host_that_the_form_holds(
    form: WebForm, locust: LocustProcess, simulator: SimulatorProcess
) -> None:
    runs: list[dict[str, Any]] = [{"run_id": ""}]
    with SimulatorProcess() as typed:
        for chosen, other in ((typed, simulator), (typed, simulator), (simulator, typed)):
            asked = {"host": chosen.url, "rate": "20", "run_time": "1s"}
            start = partial(form.start, **asked)
            wait_until(lambda start=start: start()["success"], form.page)  # type: ignore[misc]
            runs.append(wait_until(lambda: _other_than(runs[-1], locust.summary()), locust.output))

            run_id = runs[-1]["run_id"]
            assert chosen.ledger(run_id)["accepted"] == runs[-1]["totals"]["accepted"] == 20
            assert other.ledger(run_id)["accepted"] == 0
            assert f'"host": "{chosen.url}"' in form.page()


def test_page_says_what_is_waited_for_and_start_counts_once(
    form: WebForm, locust: LocustProcess, simulator: SimulatorProcess
) -> None:
    slow = {"faults": ["latency=4s"]}
    requests.post(f"{simulator.url}/simulator/faults", json=slow, timeout=10)

    def state() -> dict[str, Any]:
        result: dict[str, Any] = requests.get(f"{form.url}/convoy/state", timeout=10).json()
        return result

    with ThreadPoolExecutor() as pool:
        first = pool.submit(form.start, rate="20", run_time="60s")
        wait_until(lambda: "Waiting for " in state()["line"], locust.output)
        is_preparing, second = state()["is_preparing"], form.start(rate="20", run_time="60s")
        requests.delete(f"{simulator.url}/simulator/faults", timeout=10)

    assert is_preparing and first.result()["success"] is True
    assert second["success"] is False
    assert "a run is being prepared already" in second["message"]
    wait_until(lambda: "measuring, " in state()["line"], locust.output)
    assert locust.wait_for("warming up, .* left; what is sent now does not count")
    form.start(rate="many")
    assert "the run was not changed: rate: 'many' is no number" in state()["line"]


def test_run_stopped_in_the_form_says_interrupted(
    form: WebForm, locust: LocustProcess, simulator: SimulatorProcess
) -> None:
    form.start(rate="50", run_time="60s")
    wait_until(lambda: simulator.ledger()["accepted"] > 30, locust.output)

    requests.post(f"{form.url}/stop", timeout=30)

    summary = wait_until(locust.summary, locust.output)
    assert summary["verdict"] == "invalid"
    assert any("interrupted" in reason for reason in summary["reasons"])
    assert summary["totals"]["accepted"] == simulator.ledger(summary["run_id"])["accepted"]


def test_process_told_to_end_while_the_form_stops_its_run_waits_for_the_record(
    form: WebForm, locust: LocustProcess, simulator: SimulatorProcess
) -> None:
    form.start(rate="20", run_time="60s")
    wait_until(lambda: simulator.ledger()["accepted"] >= 20, locust.output)
    slow = {"faults": ["latency=3s"]}
    requests.post(f"{simulator.url}/simulator/faults", json=slow, timeout=10)
    wait_until(lambda: simulator.ledger()["accepted"] >= 40, locust.output)

    with form.begin_to_stop():
        os.kill(locust.process.pid, signal.SIGTERM)
        ended = locust.end()

    assert ended.exit_code == 5, ended.output
    assert ended.run["reasons"][0] == "interrupted: the test was stopped before its end"
    figures = ended.run["totals"]
    assert figures["unknown"] == 0
    assert figures["accepted"] == simulator.ledger(ended.run["run_id"])["accepted"] > 20


def test_swarm_can_be_started_again_at_once(tmp_path: Path, simulator: SimulatorProcess) -> None:
    web = ["--web-host", "127.0.0.1", "--web-port", str(free_port()), "-H", simulator.url]
    options = [*web, *QUICK, "--processes", "2", *swarm_ports()]
    with LocustProcess(tmp_path, *options) as locust:
        form = WebForm(locust.web_ui(), simulator.url)
        locust.wait_for("2 workers")

        form.start(rate="50", run_time="1s")
        first = wait_until(locust.summary, locust.output)
        wait_until(lambda: form.start(rate="20", run_time="1s")["success"], locust.output)
        second = wait_until(lambda: _other_than(first, locust.summary()), locust.output)

    totals = [summary["totals"]["accepted"] for summary in (first, second)]
    assert totals == [50, 20]


def test_a_tab_shows_the_verdict_so_far_and_the_last_one(form: WebForm) -> None:
    assert '"title": "Verdict"' in form.page()
    form.start(run_time="3s", rate="20")

    so_far = wait_until(
        lambda: [row for row in form.verdict() if "so far" in row["verdict"]], form.page
    )
    form.wait_for_end()
    last = form.verdict()

    assert so_far[0]["criterion"] == last[0]["criterion"] == "the run"
    assert last[0]["verdict"] == "pass"
    criteria = {row["criterion"]: (row["observed"], row["verdict"]) for row in last[1:]}
    assert criteria["share(failures[*]) < 1%"] == ("0%", "pass")


def test_form_wins_over_the_command_line(tmp_path: Path, simulator: SimulatorProcess) -> None:
    web = ["--web-host", "127.0.0.1", "--web-port", str(free_port()), "-H", simulator.url]
    with LocustProcess(tmp_path, *web, *QUICK, "--load-profile", "stress") as locust:
        form = WebForm(locust.web_ui(), simulator.url)

        form.start(load_profile="smoke", user_count="200", run_time="1s")

        summary = wait_until(locust.summary, locust.output)
    assert (summary["profile"], summary["totals"]["scheduled"]) == ("smoke", 20)


def _other_than(first: dict[str, Any], summary: dict[str, Any] | None) -> dict[str, Any] | None:
    return summary if summary and summary["run_id"] != first["run_id"] else None
