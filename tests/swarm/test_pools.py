"""Pools of every source and pick: the right conversations, shared by no two workers if bound."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import requests

from tests.locust_process import (
    UNHURRIED,
    Ended,
    run_locust,
    swarm_ports,
)
from tests.simulator import api
from tests.simulator_process import SimulatorProcess

QUICK = [*UNHURRIED, "--set", "warm_up_s=0"]
TWO_WORKERS = ["--processes", "2"]
POOL = "scenario.conversation_messages.conversations"


def test_pool_file_says_where_messages_go(tmp_path: Path, simulator: SimulatorProcess) -> None:
    ids = open_conversations(simulator)[:5]
    file = tmp_path / "ids.csv"
    file.write_text("name,conversation_id\n" + "".join(f"x,{id_}\n" for id_ in ids))

    ended = send(tmp_path, simulator, "source=file", f"path={file}", for_s=1)

    assert conversations_of(ended, simulator) == set(ids)


def test_a_quarter_of_a_million_ids_reach_both_workers_and_no_heartbeat_is_missed(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ids = open_conversations(simulator)
    made_up = [f"00000000-0000-4000-8000-{number:012}" for number in range(250_000)]
    file = tmp_path / "ids.txt.gz"
    file.write_bytes(gzip.compress("\n".join([*ids[:60], *made_up]).encode(), compresslevel=1))
    rules = ["source=file", f"path={file}", "pick=round_robin"]

    ended = send(tmp_path, simulator, *rules, *TWO_WORKERS)

    assert ended.exit_code == 0, ended.output
    assert conversations_of(ended, simulator) == set(ids[:60])
    assert [worker["state"] for worker in ended.run["workers"]] == ["reported", "reported"]
    assert "heartbeat" not in ended.output


def test_listing_is_kept_in_the_cache_and_read_from_there(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    cache = tmp_path / "pool.jsonl"

    first = send(tmp_path, simulator, f"cache={cache}", for_s=1)
    heading, *kept = [json.loads(line) for line in cache.read_text().splitlines()]
    cache.write_text(f"{json.dumps(heading)}\n{json.dumps(kept[0])}\n")
    second = send(tmp_path, simulator, f"cache={cache}", for_s=1)

    assert {each["id"] for each in kept} >= set(open_conversations(simulator))
    assert conversations_of(second, simulator) == {kept[0]["id"]}
    assert first.run["plan_hash"] != second.run["plan_hash"]


@pytest.mark.parametrize("pick", ["exclusive", "sticky"])
def test_every_pick_delivers_the_same_with_one_and_with_two_workers(
    tmp_path: Path, simulator: SimulatorProcess, pick: str
) -> None:
    alone = send(tmp_path / "alone", simulator, f"pick={pick}", rate=40)
    swarm = send(tmp_path / "swarm", simulator, f"pick={pick}", *TWO_WORKERS, rate=40)

    ledgers = [simulator.ledger(ended.run["run_id"]) for ended in (alone, swarm)]
    assert ledgers[0]["by_conversation"] == ledgers[1]["by_conversation"]
    assert [(each["accepted"], each["duplicates"]) for each in ledgers] == [(120, 0), (120, 0)]


def test_exclusive_conversation_takes_one_message_at_a_time(tmp_path: Path) -> None:
    with SimulatorProcess("--fault", "latency=1500ms") as simulator:
        [only] = open_conversations(simulator)[:1]

        pool = f"{POOL}={{source: inline, ids: [{only}], pick: exclusive}}"
        hurried = ["--set", "warm_up_s=0", "--set", "late_after_ms=1000"]
        load = ["--rate", "4", "-t", "3s", "--set", pool, *hurried]
        ended = run_locust(tmp_path, "-H", simulator.url, *load)

    assert ended.exit_code == 5, ended.output
    assert ended.scenario["late"].get("pool", 0) + ended.scenario["not_sent"].get("pool", 0) >= 6
    assert ended.scenario["service_time_ms"]["p50"] < 2500


@pytest.mark.parametrize(
    ("on_exhausted", "exit_code", "sent", "not_sent"),
    [("recycle", 0, 40, {}), ("stop", 0, 7, {}), ("fail", 5, 7, {"pool": 33})],
)
def test_end_of_a_round_robin(
    tmp_path: Path,
    simulator: SimulatorProcess,
    on_exhausted: str,
    exit_code: int,
    sent: int,
    not_sent: dict[str, int],
) -> None:
    ids = json.dumps(open_conversations(simulator)[:7])
    rules = ["source=inline", f"ids={ids}", "pick=round_robin", f"on_exhausted={on_exhausted}"]

    ended = send(tmp_path, simulator, *rules, rate=40, for_s=1)

    assert ended.exit_code == exit_code, ended.output
    assert (ended.scenario["sent"], ended.scenario["not_sent"]) == (sent, not_sent)


@pytest.mark.parametrize("pick", ["random", "exclusive"])
def test_closed_and_unknown_conversations_are_retired_and_the_run_goes_on(
    tmp_path: Path, simulator: SimulatorProcess, pick: str
) -> None:
    ids = open_conversations(simulator)[:4]
    unknown = "11111111-1111-4111-8111-111111111111"
    closing = f"{simulator.url}/simulator/conversations/{ids[0]}/close"
    requests.post(closing, timeout=10).raise_for_status()

    pool = ["source=inline", f"ids={json.dumps([*ids, unknown])}", f"pick={pick}"]

    ended = send(tmp_path, simulator, *pool)

    assert ended.exit_code == 3, ended.output
    assert ended.scenario["pool"]["retired"] == {
        "400 conversation.closed": 1,
        "404 conversation.error.conversation.not.found": 1,
    }
    assert ended.scenario["pool"]["redirected"] > 0
    assert ended.scenario["accepted"] > 40
    assert conversations_of(ended, simulator) == set(ids[1:])


@pytest.mark.parametrize(
    ("rules", "exit_code", "complaint"),
    [
        (["source=file", "path=nowhere.txt"], 2, "No such file"),
        (["state=archived"], 4, "pool of scenario conversation_messages is empty"),
    ],
    ids=["no file", "nothing matches"],
)
def test_pool_that_cannot_be_used_is_refused(
    tmp_path: Path, simulator: SimulatorProcess, rules: list[str], exit_code: int, complaint: str
) -> None:
    ended = send(tmp_path, simulator, *rules)

    assert ended.exit_code == exit_code, ended.output
    assert complaint in ended.output
    assert "Traceback" not in ended.output
    assert simulator.ledger()["accepted"] == 0


def send(
    folder: Path, simulator: SimulatorProcess, *rules: str, rate: int = 20, for_s: int = 3
) -> Ended:
    """Run with these rules of the pool; what begins with a dash, or follows it, is an option."""
    options = [word for rule in rules if "=" in rule for word in ("--set", f"{POOL}.{rule}")]
    workers = [rule for rule in rules if "=" not in rule]
    load = ["--rate", str(rate), "-t", f"{for_s}s", *QUICK]
    return run_locust(folder, "-H", simulator.url, *load, *options, *workers, *swarm_ports())


def conversations_of(ended: Ended, simulator: SimulatorProcess) -> set[str]:
    return set(simulator.ledger(ended.run["run_id"])["by_conversation"])


def open_conversations(simulator: SimulatorProcess) -> list[str]:
    """The ids of the conversations that take messages."""
    found = api.open_conversations(simulator)
    return [str(each["id"]) for each in found if each["type"] == "webchat"]
