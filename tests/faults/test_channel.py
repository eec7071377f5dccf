"""What comes to the master's port and is no worker's word, and who is let in there at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.faults.attacker import Attacker
from tests.faults.swarm_of_processes import LOCUSTFILE, EndedSwarm, SwarmOfProcesses
from tests.faults.tcp_relay import TcpRelay
from tests.locust_process import LocustProcess, swarm_ports
from tests.simulator_process import SimulatorProcess

PROFILE = Path(__file__).with_name("profile.yaml")
PLAIN = Path(__file__).parent / "locustfiles" / "plain.py"
SECRET = {"CONVOY_SWARM_SECRET": "the secret of this swarm"}
ANOTHER = {"CONVOY_SWARM_SECRET": "the secret of another swarm"}
LASTS_S = 6
JUNK = (
    b"\xc1",
    b"",
    b"\x00" * 1000,
    b"GET / HTTP/1.1\r\n\r\n",
    msgpack.packb(7),
    msgpack.packb(None),
    msgpack.packb([]),
    msgpack.packb(["quit", None]),
    msgpack.packb(["quit", None, "me", "more"]),
    msgpack.packb({"type": "quit"}),
    msgpack.packb(["stats", {"__datetime__": True}, "me"]),
    msgpack.packb(["stats", {"__ObjectId__": True, "as_str": 7}, "me"]),
    b"\x93\xa4quit\xc0\xa2\xff\xfe",  # a name that is not UTF-8
    b"\x93\xa4quit\xdb\x06\x00\x00\x00x",  # 100 MB of text, of which one byte is there
    b"\xdd\x7f\xff\xff\xff",  # a list of two thousand million values, of which none is there
    b"\x91" * 100_000 + b"\xc0",  # a list in a list in a list …
)
ROW: dict[str, Any] = {
    "name": "conversation_messages",
    "method": "POST",
    "last_request_timestamp": 1.0,
    "start_time": 1.0,
    "num_requests": 1000,
    "num_none_requests": 0,
    "num_failures": 1000,
    "total_response_time": 1,
    "max_response_time": 1,
    "min_response_time": 1,
    "total_content_length": 1,
    "response_times": {1: 1000},
    "num_reqs_per_sec": {1: 1000},
    "num_fail_per_sec": {1: 1000},
}
REPORT = {"stats": [ROW], "stats_total": ROW, "errors": {}, "user_classes_count": {"A": 1}}
HEARTBEAT = {"state": "running", "current_cpu_usage": 99.0, "current_memory_usage": 1}
OF_WORKERS = (
    ("quit", None),
    ("client_stopped", None),
    ("spawning", None),
    ("spawning_complete", {"user_classes_count": {}, "user_count": 0}),
    ("heartbeat", HEARTBEAT),
    ("stats", REPORT),
    ("logs", {"worker_id": "me", "logs": []}),
    ("exception", {"msg": "", "traceback": ""}),
    ("convoy_hello", {"version": 3, "code": ""}),
    ("convoy_to_master", b""),
)
WRONG = (
    (None, None),
    (7, None),
    (["quit"], None),
    ("no such kind", None),
    ("client_ready", 7),
    ("client_ready", {}),
    ("heartbeat", None),
    ("heartbeat", {**HEARTBEAT, "state": "in love"}),
    ("heartbeat", {**HEARTBEAT, "current_cpu_usage": "all of it"}),
    ("spawning_complete", None),
    ("spawning_complete", {"user_classes_count": {"A": "many"}}),
    ("stats", None),
    ("stats", {}),
    ("stats", {**REPORT, "stats": [7]}),
    ("stats", {**REPORT, "errors": {"key": {"name": "A"}}}),
    ("stats", {**REPORT, "stats_total": {**ROW, "response_times": {"soon": 1}}}),
    ("stats", {**REPORT, "convoy": 7}),
    ("logs", []),
    ("logs", {"worker_id": "another one", "logs": []}),
    ("exception", "it broke"),
    ("locustfile", None),
    ("convoy_hello", {"version": "first"}),
    ("convoy_hello", 7),
    ("convoy_to_master", 7),
    ("convoy_to_master", b"\xc1"),
)


def send_junk(attacker: Attacker, worker: str) -> None:
    for frame in JUNK:
        attacker.send(frame)
    attacker.send(b"more", b"than", b"one part")


def join_and_send_wrong_forms(attacker: Attacker, worker: str) -> None:
    attacker.say("client_ready", "2.47.0")
    assert attacker.hears(10) is not None
    for kind, data in WRONG:
        attacker.say(kind, data)
    attacker.say("quit", None, 7)


def send_without_joining(attacker: Attacker, worker: str) -> None:
    for kind, data in OF_WORKERS:
        attacker.say(kind, data)


def speak_in_the_name_of_a_worker(attacker: Attacker, worker: str) -> None:
    for kind, data in OF_WORKERS:
        attacker.say(kind, data, worker)


def send_much_without_joining(attacker: Attacker, worker: str) -> None:
    many = 2**22
    attacker.send(b"\xdd" + many.to_bytes(4, "big") + b"\x80" * many)  # a list of empty mappings


def flood(attacker: Attacker, worker: str) -> None:
    attacker.flood(b"\xc1", times=50_000)


@pytest.mark.parametrize(
    "attacks",
    [
        pytest.param(
            {
                send_junk: "could not be read",
                join_and_send_wrong_forms: "had not the form of",
                send_without_joining: "before that worker had joined",
                send_much_without_joining: "too large for one that has not joined",
                speak_in_the_name_of_a_worker: "in the name of another one",
            },
            id="frames that no worker sends",
        ),
        pytest.param({flood: "could not be read"}, id="a flood of junk"),
    ],
)
def test_each_kind_of_frame_costs_a_line_at_most(
    tmp_path: Path,
    simulator: SimulatorProcess,
    attacks: dict[Callable[[Attacker, str], None], str],
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=2, lasts_s=LASTS_S) as swarm:
        worker = swarm.first_connected()
        swarm.wait_for_flow()
        with ExitStack() as attackers:
            for attack in attacks:
                attack(attackers.enter_context(Attacker(swarm.port)), worker)
            ended = swarm.end()

    assert_harmed_nothing(ended)
    assert [words for words in attacks.values() if words not in ended.master.output] == []
    assert len(re.findall("was dropped", ended.master.output)) <= len(WRONG)


def test_what_goes_over_the_wire_is_encrypted_with_a_secret(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    clear, encrypted = (
        recorded(tmp_path / name, simulator, environment)
        for name, environment in (("clear", {}), ("secret", SECRET))
    )

    for word in (b"convoy_to_master", b"conversation_messages", b"client_ready", b"heartbeat"):
        assert word in clear
        assert word not in encrypted
    assert b"CURVE" in encrypted


@pytest.mark.parametrize(
    ("of_master", "of_worker", "locustfile", "complaint"),
    [
        pytest.param(
            SECRET, ANOTHER, LOCUSTFILE, "is it the same", id="a worker with another secret"
        ),
        pytest.param(SECRET, {}, LOCUSTFILE, "has no secret", id="a worker without the secret"),
        pytest.param(SECRET, {}, PLAIN, None, id="one of plain Locust where there is a secret"),
        pytest.param(
            {},
            SECRET,
            LOCUSTFILE,
            "does the master have one",
            id="a worker with a secret where there is none",
        ),
    ],
)
def test_who_has_not_the_secret_is_not_let_in_and_harms_nothing(
    tmp_path: Path,
    simulator: SimulatorProcess,
    of_master: dict[str, str],
    of_worker: dict[str, str],
    locustfile: Path,
    complaint: str | None,
) -> None:
    with SwarmOfProcesses(
        tmp_path, simulator, workers=0, awaited=2, lasts_s=3, environment=of_master
    ) as swarm:
        stranger = LocustProcess(
            tmp_path / "stranger",
            *("-f", str(locustfile), "--worker", "--master-port", str(swarm.port)),
            environment=of_worker,
        )
        with stranger:
            # The master waits for its workers, so that it is there when the stranger comes.
            swarm.master.wait_for("tried to join")
            refused = stranger.end() if complaint else None
            for _ in range(2):
                swarm.join(environment=of_master)
            ended = swarm.end()

    assert_harmed_nothing(ended)
    assert ended.master.output.count("reported as ready") == 2
    assert "tried to join" in ended.master.output
    if refused is not None and complaint is not None:
        assert refused.exit_code == 4
        assert complaint in refused.output
        assert f"127.0.0.1:{swarm.port} does not let this worker in" in refused.output
        assert "Traceback" not in refused.output


def test_the_workers_of_processes_alone_are_let_in(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ports = swarm_ports()
    options = ["--headless", "--processes", "2", *ports, "--load-profile", str(PROFILE)]
    options += ["-H", simulator.url, "-t", "5s"]
    with LocustProcess(tmp_path, *options) as process:
        process.wait_for("measuring")
        with Attacker(int(ports[-1])) as attacker:
            attacker.say("client_ready", "2.47.0")
            heard = attacker.hears(2)
        ended = process.end()

    assert heard is None
    assert ended.exit_code == 0, ended.output
    assert "tried to join" in ended.output


def recorded(folder: Path, simulator: SimulatorProcess, environment: dict[str, str]) -> bytes:
    """Return all bytes between a master and a worker, in both directions, in a run of 3 s."""
    with (
        SwarmOfProcesses(
            folder,
            simulator,
            workers=0,
            awaited=1,
            lasts_s=3,
            environment=environment,
        ) as swarm,
        TcpRelay(swarm.port, is_recording=True) as relay,
    ):
        swarm.join(port=relay.port, environment=environment)
        ended = swarm.gone()
        assert ended.exit_code == 0, ended.output
        return b"".join(relay.recorded)


def assert_harmed_nothing(ended: EndedSwarm) -> None:
    ended.assert_passed()
    assert set(ended.states) == {"reported"}
    assert ended.exit_codes == (0, 0)
    assert "Traceback" not in ended.master.output
