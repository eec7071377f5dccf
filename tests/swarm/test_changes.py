"""A run that is changed while it goes on: what was asked for is what is sent, each message once."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
import requests

from simulator.ids import organisation_of
from tests.locust_process import (
    UNHURRIED,
    LocustProcess,
    free_port,
    swarm_ports,
    wait_until,
)
from tests.simulator_process import OWN_SEED, SimulatorProcess

ORGANISATION_ID = organisation_of(OWN_SEED)

QUICK = [*UNHURRIED, "--set", "warm_up_s=0.2", "--set", "limits=[]"]
USERS = 10
Change = dict[str, Any]


class LiveRun:
    """A run started from the web form, which the test changes while it goes on."""

    def __init__(self, locust: LocustProcess, url: str, simulator: SimulatorProcess) -> None:
        self.locust = locust
        self._url = url
        self._simulator = simulator
        self._form = {"user_count": str(USERS), "spawn_rate": str(float(USERS)), "rate": "40"}

    def start(self, **fields: str) -> None:
        self._form |= fields
        wait_until(lambda: self.edit()["success"], self.locust.output)

    def edit(self, **fields: str) -> dict[str, Any]:
        answer = requests.post(f"{self._url}/swarm", data=self._form | fields, timeout=30)
        result: dict[str, Any] = answer.json()
        return result

    def tell(self, what: str) -> tuple[int, str]:
        answer = requests.post(f"{self._url}/convoy/{what}", timeout=30)
        return answer.status_code, answer.json()["message"]

    def wait_for_messages(self, number: int) -> int:
        """Wait until the far side has so many more than now; return how many it has then."""
        wanted = self.accepted() + number
        wait_until(lambda: self.accepted() >= wanted, self.locust.output)
        return self.accepted()

    def accepted(self) -> int:
        return int(self._simulator.ledger()["accepted"])

    def users(self) -> int:
        return int(requests.get(f"{self._url}/stats/requests", timeout=10).json()["user_count"])

    def end(self) -> dict[str, Any]:
        """Wait for the end; every message is accounted for once, on both sides."""
        summary = wait_until(self.locust.summary, self.locust.output)
        figures: dict[str, Any] = summary["scenarios"]["conversation_messages"]
        ledger = self._simulator.ledger(summary["run_id"])
        assert (summary["verdict"], summary["reasons"]) == ("pass", []), summary
        assert (ledger["accepted"], ledger["duplicates"]) == (figures["accepted"], 0)
        assert figures["scheduled"] == figures["accepted"]
        return summary


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    options = ["--seed", str(OWN_SEED), "--token-rate-per-minute", "1000000"]
    with SimulatorProcess(*options) as simulator:
        yield simulator


@pytest.fixture(params=[[], ["--processes", "2"]], ids=["alone", "two workers"])
def run(
    request: pytest.FixtureRequest, tmp_path: Path, simulator: SimulatorProcess
) -> Iterator[LiveRun]:
    web = ["--web-host", "127.0.0.1", "--web-port", str(free_port()), "-H", simulator.url]
    options = [*web, *QUICK, *request.param, *swarm_ports()]
    with LocustProcess(tmp_path, *options) as locust:
        url = locust.wait_for(r"Starting web interface at (http://\S+:\d+)")[1]
        if request.param:
            wait_until(lambda: "2 workers" in locust.output(), locust.output)
        wait_until(lambda: _answers(url), locust.output)
        yield LiveRun(locust, url, simulator)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


def messages_until(changes: list[Change], rate: float, length_s: float) -> float:
    """The messages of a constant rate as it was changed, by simple sums over its parts."""
    messages, since_s, running = 0.0, 0.0, True
    for change in [*changes, {"at_s": length_s, "change": "end"}]:
        messages += (change["at_s"] - since_s) * rate * running
        since_s = change["at_s"]
        rate = change.get("rate_per_s", rate)
        running = {"pause": False, "resume": True}.get(change["change"], running)
    return messages


def test_another_rate_and_other_users_hold_from_their_moment_on(run: LiveRun) -> None:
    run.start(run_time="8s")
    run.wait_for_messages(30)
    assert run.edit(rate="100")["success"] is True
    run.wait_for_messages(100)
    assert run.edit(rate="10", user_count=str(USERS + 5))["success"] is True
    wait_until(lambda: run.users() == USERS + 5, run.locust.output)

    summary = run.end()

    changes = summary["changes"]
    rates = [change["rate_per_s"] for change in changes if "rate_per_s" in change]
    assert rates == [100, 10]
    assert abs(summary["totals"]["scheduled"] - messages_until(changes, 40, 8)) <= 1
    assert summary["duration_s"] == 8
    said = f"the run is changed: rate of 100/s from {changes[0]['at_s']:.1f} s on"
    assert said in run.locust.output()


def test_a_pause_sends_nothing_its_rate_holds_afterwards_and_one_may_last_to_the_end(
    run: LiveRun,
) -> None:
    run.start(run_time="10s")
    run.wait_for_messages(30)
    assert run.tell("pause") == (200, "")
    wait_until(lambda: _stands_still(run), run.locust.output)
    assert run.tell("pause") == (409, "the run is paused already")
    assert run.edit(rate="100")["success"] is True
    assert run.tell("resume") == (200, "")
    run.wait_for_messages(50)
    assert run.tell("pause") == (200, "")

    summary = run.end()

    changes = summary["changes"]
    assert [change["change"] for change in changes] == ["pause", "rate", "resume", "pause"]
    assert abs(summary["totals"]["scheduled"] - messages_until(changes, 40, 10)) <= 1
    assert run.tell("resume") == (409, "no run is going on")


def _stands_still(run: LiveRun) -> bool:
    """True when nothing came in a time in which twenty messages would have been due."""
    before = run.accepted()
    time.sleep(20 / 40)
    return run.accepted() == before


@pytest.mark.parametrize("run", [[]], ids=["alone"], indirect=True)
def test_what_cannot_be_changed_is_said_and_the_run_goes_on_as_it_was(run: LiveRun) -> None:
    run.start(run_time="4s", seed="7")
    run.wait_for_messages(10)

    said = {
        "profile": run.edit(load_profile="stress")["message"],
        "time": run.edit(run_time="9s")["message"],
        "no number": run.edit(rate="fast")["message"],
        "max": run.edit(rate="max")["message"],
        "endless": run.edit(user_count="inf")["message"],
        "too high": run.edit(rate="1e9")["message"],
        "not paused": run.tell("resume")[1],
    }

    assert said["profile"].startswith("load_profile cannot be changed while a run is going on")
    assert said["time"].startswith("run_time cannot be changed while a run is going on")
    assert "'fast' is no number" in said["no number"]
    assert "'max' is no number" in said["max"]
    assert "users: are 'inf', but should be a whole number" in said["endless"]
    assert said["too high"].startswith("rate is 1e+09, but should be above 0 and at most 100,000")
    assert said["not paused"] == "the run is not paused"
    summary = run.end()
    assert (summary["changes"], summary["totals"]["scheduled"]) == ([], 160)


@pytest.mark.parametrize("run", [[]], ids=["alone"], indirect=True)
def test_flat_out_there_is_no_rate_to_change(run: LiveRun) -> None:
    run.start(run_time="2s", rate="max")
    run.wait_for_messages(10)

    said = [run.edit(rate="50")["message"], run.tell("pause")[1]]

    assert said == ["nothing is scheduled in this run, so there is no rate to change"] * 2
    run.end()


@contextmanager
def approved_run(
    folder: Path, simulator: SimulatorProcess, *load: str, stdin: int = DEVNULL
) -> Iterator[LiveRun]:
    """A run that goes on, to a target which is approved for 40 messages per second."""
    target = folder / "approved.yaml"
    target.write_text(
        f"target: {{name: approved, api_url: '{simulator.url}', login_url: '{simulator.url}',"
        f" approval: {{ticket: T-1, organisation_id: {ORGANISATION_ID}, highest_rate: 40}}}}\n"
    )
    login = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "demo"}
    web = ["--web-host", "127.0.0.1", "--web-port", str(free_port())]
    options = [*web, "--target", str(target), *QUICK, *load]
    with LocustProcess(folder, *options, environment=login, stdin=stdin) as locust:
        url = locust.wait_for(r"Starting web interface at (http://\S+:\d+)")[1]
        wait_until(lambda: _answers(url), locust.output)
        run = LiveRun(locust, url, simulator)
        run.start(run_time="6s")
        run.wait_for_messages(10)
        yield run


def test_rate_beyond_the_approval_is_refused_and_the_run_goes_on_as_it_was(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with approved_run(tmp_path, simulator) as run:
        refusal = run.edit(rate="40.5", user_count=str(USERS + 5))

        assert refusal["success"] is False
        assert refusal["message"].startswith("rate is 40.5, but approval T-1 of target approved")
        assert run.users() == USERS
        summary = run.end()
    assert (summary["changes"], summary["totals"]["scheduled"]) == ([], 240)


def test_users_beyond_the_approval_are_refused_where_only_their_pauses_keep_to_it(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    said = "11 users pause for 0.25 s, but approval T-1 of target approved"
    load = ["--set", "arrivals=closed", "--set", "think_time_s=0.25"]
    keys, terminal = pty.openpty()
    with approved_run(tmp_path, simulator, *load, stdin=terminal) as run:
        refusal = run.edit(user_count=str(USERS + 1))
        os.write(keys, b"w")  # Locust's key for one more user

        assert refusal["success"] is False
        assert refusal["message"].startswith(said)
        wait_until(lambda: f"runs: {said}" in run.locust.output(), run.locust.output)
        run.wait_for_messages(10)
        assert run.users() == USERS
        run.end()
    os.close(keys)
    os.close(terminal)
