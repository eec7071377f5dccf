"""An approval binds: what it does not allow is not begun, and no second has more than it says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from simulator.ids import organisation_of
from tests.convoy_command import convoy
from tests.locust_process import (
    UNHURRIED,
    LocustProcess,
    run_locust,
    swarm_ports,
    wait_until,
)
from tests.recording_relay import RecordingRelay
from tests.simulator.api import bearer, call
from tests.simulator_process import OWN_SEED, SimulatorProcess

ORGANISATION_ID = organisation_of(OWN_SEED)

QUICK = [*UNHURRIED, "--set", "warm_up_s=0.2"]
LOGIN = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "demo"}
MOST = 5


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--seed", str(OWN_SEED)) as simulator:
        yield simulator


SAYS_IT_AGAIN = """
import json
import locust
import os

from locust import task

from convoy.plugin import hooks
from convoy.plugin.message_user import MessageUser


class Twice(MessageUser):
    scenario = "conversation_messages"
    steps = ("again",)

    @task
    def act(self):
        message = self.next_message()
        self.post(message)
        with self.step("again"):
            self.call(self.route, json.loads(message.body), message.planned.conversation)


hooks.install(os.environ)
"""


def approved(
    folder: Path, url: str, organisation_id: str = ORGANISATION_ID, *more: str
) -> list[str]:
    """Return the option for a target where five messages a second are approved."""
    target = folder / "approved.yaml"
    folder.mkdir(exist_ok=True)
    target.write_text(
        f"target: {{name: approved, api_url: '{url}', login_url: '{url}', approval: "
        f"{{ticket: T-1, organisation_id: {organisation_id}, highest_rate: {MOST}, "
        f"{', '.join(more)}}}}}\n"
    )
    return ["--target", str(target), *QUICK]


def most_at_once(came_s: list[float]) -> int:
    """Return the most that came within half a second, of those that left within a whole one.

    The relay may be late, too, on a busy machine.
    """
    return max(sum(first <= each < first + 0.5 for each in came_s) for first in came_s)


@pytest.mark.parametrize(("rate", "exit_code"), [("4.5", 0), ("5.5", 4)], ids=["kept", "above"])
def test_a_run_beyond_the_approval_of_its_target_sends_nothing(
    tmp_path: Path, simulator: SimulatorProcess, rate: str, exit_code: int
) -> None:
    asked = [*approved(tmp_path, simulator.url), "--rate", rate, "-t", "2s"]

    ended = run_locust(tmp_path, *asked, environment=LOGIN)

    assert ended.exit_code == exit_code, ended.output
    assert ("approval T-1 of target approved allows 5" in ended.output) == (exit_code == 4)
    assert (simulator.ledger()["accepted"] == 0) == (exit_code == 4)


def test_credentials_of_another_organisation_send_nothing(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    asked = [*approved(tmp_path, simulator.url, f"not-{ORGANISATION_ID}"), "--rate", "5"]

    ended = run_locust(tmp_path, *asked, environment=LOGIN)

    assert ended.exit_code == 4, ended.output
    assert f"the token is of organisation '{ORGANISATION_ID}'" in ended.output
    assert f"is for 'not-{ORGANISATION_ID}'" in ended.output
    assert simulator.ledger()["accepted"] == 0


def test_users_at_their_own_pace_send_no_more_in_a_second(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    closed = ["--set", "arrivals=closed", "-u", "60", "--set", "think_time_s=15", "-t", "4s"]
    closed += ["--set", "oauth.tokens=per_worker", "--set", "criteria=[]"]
    swarm = ["--processes", "2", *swarm_ports()]

    with RecordingRelay(simulator) as relay:
        asked = [*approved(tmp_path, relay.url), *closed, *swarm]
        ended = run_locust(tmp_path, *asked, environment=LOGIN)

    assert ended.exit_code == 0, ended.output
    assert most_at_once(relay.came_s) <= MOST
    assert MOST < ended.scenario["sent"] <= 5 * MOST


@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_freeze_no_more_is_sent_in_a_second(
    tmp_path: Path, simulator: SimulatorProcess, workers: int
) -> None:
    swarm = ["--processes", str(workers), *swarm_ports()] if workers > 1 else []
    with RecordingRelay(simulator) as relay:
        asked = [*approved(tmp_path, relay.url), "--rate", "4", "-t", "7s", *swarm]
        with LocustProcess(tmp_path, "--headless", *asked, environment=LOGIN) as locust:
            wait_until(lambda: len(relay.came_s) > 2 * MOST, locust.output)
            os.killpg(locust.process.pid, signal.SIGSTOP)
            signal.sigtimedwait([], 2)
            os.killpg(locust.process.pid, signal.SIGCONT)
            ended = locust.end()

    assert most_at_once(relay.came_s) <= MOST
    late, not_sent = ended.scenario["late"], ended.scenario["not_sent"]
    assert sum(ended.scenario[name] for name in ("sent",)) + sum(not_sent.values()) == 28
    assert set(late) | set(not_sent) <= {"limits", "generator"}


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_arrives_in_a_second_when_a_server_goes_on_that_took_nothing(
    tmp_path: Path, repository: Path, simulator: SimulatorProcess, workers: int
) -> None:
    swarm = ["--processes", str(workers), *swarm_ports()] if workers > 1 else []
    payloads = shutil.copytree(repository / "payloads", tmp_path / "payloads")
    for each in payloads.glob("conversation/*.json"):  # more than the system of the server takes
        each.write_text(each.read_text() + '{{ "" | filled(30000, " ") }}')
    asked = ["--rate", "4", "-u", "40", "-t", "9s", "--set", "request_timeout_s=2"]
    environment = LOGIN | {"CONVOY_PAYLOADS_DIR": str(payloads)}
    with RecordingRelay(simulator, receive_bytes=2_304) as relay:
        asked = [*approved(tmp_path, relay.url), *asked, "--set", "oauth.tokens=per_worker"]
        with LocustProcess(
            tmp_path, "--headless", *asked, *swarm, environment=environment
        ) as locust:
            wait_until(lambda: len(relay.came_s) > 2 * MOST, locust.output)
            relay.goes_on.clear()
            signal.sigtimedwait([], 4)
            went_on_s = time.monotonic()
            relay.goes_on.set()
            locust.end()

    assert most_at_once(relay.came_s) <= MOST
    assert any(each > went_on_s + 1 for each in relay.came_s)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_scenario_sends_beyond_the_plan_keeps_to_the_total(
    tmp_path: Path, simulator: SimulatorProcess, workers: int
) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(SAYS_IT_AGAIN)
    swarm = ["--processes", str(workers), *swarm_ports()] if workers > 1 else []
    planned, canaries, more = 10, 1, 4
    highest_total = f"highest_total: {planned + canaries + more}"
    asked = approved(tmp_path, simulator.url, ORGANISATION_ID, highest_total)
    asked += ["-f", str(locustfile), "--rate", "2", "-t", "5s", "--set", "warm_up_s=0"]

    ended = run_locust(tmp_path, *asked, *swarm, environment=LOGIN)

    again = ended.scenario["steps"]["again"]
    assert ended.scenario["accepted"] == planned, ended.output
    assert (again["count"], again["errors"]) == (planned, {"approved total": planned - more})
    assert simulator.ledger()["accepted"] == planned + canaries + more
    assert "the approved total is used up" in ended.output


@pytest.mark.parametrize("more", [2, 5], ids=["too few for the canary", "some are left"])
def test_what_the_preflight_had_to_send_is_taken_off_the_total(
    tmp_path: Path, simulator: SimulatorProcess, more: int
) -> None:
    """A canary is sent to another conversation where one takes none, here to the third."""
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(SAYS_IT_AGAIN)
    listed = call(simulator, "GET", "/api/v2/conversations", headers=bearer(simulator)).json
    ids = [*(str(UUID(int=number)) for number in range(3)), listed["entities"][0]["id"]]
    pool = (
        f"scenario.conversation_messages.conversations={{source: inline, ids: {json.dumps(ids)}}}"
    )
    planned = 10
    with RecordingRelay(simulator) as relay:
        asked = approved(tmp_path, relay.url, ORGANISATION_ID, f"highest_total: {planned + more}")
        asked += ["-f", str(locustfile), "--rate", "2", "-t", "5s", "--seed", "1"]
        asked += ["--set", "warm_up_s=0", "--set", pool, "--set", "criteria=[]"]
        ended = run_locust(tmp_path, *asked, environment=LOGIN)

    assert ended.scenario["sent"] == planned, ended.output
    assert ("canary conversation/text: approved total" in ended.output) == (more == 2)
    assert len(relay.came_s) == planned + more


def test_more_workers_than_messages_in_a_second_are_refused(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    asked = [*approved(tmp_path, simulator.url), "--processes", "2", "--rate", "5"]

    ended = run_locust(tmp_path, *asked, *swarm_ports(), environment=LOGIN)

    assert ended.exit_code == 4, ended.output
    assert "2 workers share 5 messages per second as 3 to 2" in ended.output
    assert "write --rate 4 or less, or use fewer workers" in ended.output
    assert simulator.ledger()["accepted"] == 0


def test_a_second_run_to_the_same_organisation_is_refused_until_the_first_is_over(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    asked = [*approved(tmp_path, simulator.url), "--rate", "2", "-t", "60s"]
    with LocustProcess(tmp_path, "--headless", *asked, environment=LOGIN) as first:
        first.wait_for("measuring, ")
        run_id = first.wait_for(r"run (\S+) is prepared")[1]
        # With a secret that is none the login would be what is refused.
        no_login = LOGIN | {"CONVOY_CLIENT_SECRET": "no"}
        second = run_locust(tmp_path / "second", *asked, environment=no_login)
        commands = ("send", *asked[:2]), ("plan", *asked)
        others = [convoy(*command, **no_login) for command in commands]
        first.process.send_signal(signal.SIGINT)
        first.end()

    assert second.exit_code == 4, second.output
    assert f"run {run_id} (process {first.process.pid}) on this machine loads" in second.output
    for other in others:  # a plan logs in, too, and lists conversations
        assert other.returncode == 4 and "on this machine loads" in other.stderr, other.stderr
    third = run_locust(tmp_path / "third", *asked[:-1], "1s", environment=LOGIN)
    assert third.exit_code == 0, third.output


@pytest.mark.parametrize(
    ("options", "login", "said"),
    [
        pytest.param([], LOGIN, "no target file of this worker has target 'approved'", id="file"),
        pytest.param(
            ["--target", "approved.yaml"], LOGIN | {"CONVOY_CLIENT_SECRET": "no"}, "", id="login"
        ),
        pytest.param(["--target", "approved.yaml"], LOGIN, None, id="its own file"),
    ],
)
def test_a_worker_asks_its_own_guard(
    tmp_path: Path,
    simulator: SimulatorProcess,
    options: list[str],
    login: dict[str, str],
    said: str | None,
) -> None:
    asked = [*approved(tmp_path, simulator.url), "--rate", "4", "-t", "1s"]
    asked += ["--master", "--expect-workers", "1", "--set", "prepare_timeout_s=20"]
    ports = swarm_ports()
    with (
        LocustProcess(tmp_path, "--headless", *asked, *ports[:4], environment=LOGIN) as master,
        LocustProcess(tmp_path, "--worker", *options, *ports[4:], environment=login) as _,
    ):
        ended = master.end()

    assert ended.exit_code == (0 if said is None else 4), ended.output
    assert (said or "") in ended.output
    canaries = 1
    assert (simulator.ledger()["accepted"] == canaries) == (said is not None)
