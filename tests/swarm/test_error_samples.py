"""A run shows for each error code when it was seen, what it means, and whom to ask about it."""

from __future__ import annotations

from pathlib import Path

from tests.locust_process import run_locust, swarm_ports
from tests.simulator.api import call
from tests.simulator_process import SimulatorProcess

POOL = "scenario.conversation_messages.conversations"


def test_the_first_failures_are_in_the_record_and_in_the_table(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    call(simulator, "POST", "/simulator/faults", {"faults": ["error=503:1"]})
    pool = tmp_path / "pool.txt"
    pool.write_text("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d\n")
    options = ["-H", simulator.url, "-u", "4", "-t", "2s", "--rate", "20", "--processes", "2"]

    ended = run_locust(
        tmp_path,
        *options,
        *swarm_ports(),
        "--set",
        f"{POOL}.source=file",
        "--set",
        f"{POOL}.path={pool}",
    )

    told = ended.run["error_samples"]["503 service.unavailable"]
    # The first answers of either worker: on a busy machine not those to the first messages.
    first = [sample["k"] for sample in told["samples"]]
    assert first == sorted(first) and len(first) == 3 and first[-1] < 20
    assert 0 <= told["first_s"] < told["last_s"] < 10
    sample = told["samples"][0]
    assert "[convoy:" in sample["request"] and "service.unavailable" in sample["answer"]
    assert f"correlation id {sample['correlation_id']}" in ended.output
    assert told["hint"] in " ".join(ended.output.split())
