"""Guests' round trips flat out on one core: Convoy and other clients in turns, by the ledger."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.guests.clients import (
    CONVOY,
    GUESTS,
    LOCUST_USER,
    Client,
    Task,
    node_client,
)
from bench.guests.runs import NO_LIMITS, guest_simulator
from bench.processes import Cores, exit_code_of, last_lines, output_of, running, wait_until
from bench.runs import Reading, Window
from bench.simulators import Simulator
from bench.throughput import Pair, figures_of
from bench.usage import CoreWatch, cpu_seconds_of

Say = Callable[[str], None]
Figures = dict[str, Any]

_WITH_BOT = "5c0d0000-0000-4000-8000-0000000000e1"
_WITHOUT_BOT = "5c0d0000-0000-4000-8000-0000000000e5"
"""Deployments of the simulator's."""
_FLOWING = 500
_START_DEADLINE_S = 60.0
_END_DEADLINE_S = 60.0


def compare(cores: Cores, window: Window, rounds: int, say: Say, *, has_bot: bool) -> Figures:
    """Run all clients in turns; return rates and ratios by name, None for what is not installed.

    A round trip is a message and its own copy, counted where the simulator accepts it; where it
    `has_bot`, also typing and a reply at once. Raises BenchError when a run gives no figure.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        node = node_client(Path(name))
        others = [LOCUST_USER] if isinstance(node, str) else [LOCUST_USER, node]
        if isinstance(node, str):
            say(f"left out: {node}")
        pairs: dict[str, list[Pair]] = {LOCUST_USER.name: [], "node_ws": []}
        deployment = _WITH_BOT if has_bot else _WITHOUT_BOT
        for number in range(rounds):
            readings = {
                each.name: _measure(each, deployment, cores, window) for each in turn_of(others)
            }
            ours = readings.pop(CONVOY.name)
            for other, theirs in readings.items():
                pairs[other].append(Pair(ours, theirs))
            say(f"round {number + 1} of {rounds}: {_told({CONVOY.name: ours} | readings)}")
    return {"rounds": rounds, "window_s": window.measured_s, "guests": GUESTS} | figures_of(pairs)


def turn_of(others: Sequence[Client]) -> list[Client]:
    """Return all clients, Convoy in the middle, so that each of the others runs next to it."""
    return [others[0], CONVOY, *others[1:]]


def _told(readings: dict[str, Reading]) -> str:
    return ", ".join(
        f"{name} {each.messages_per_cpu_s:,.0f} a CPU second" for name, each in readings.items()
    )


def _measure(client: Client, deployment: str, cores: Cores, window: Window) -> Reading:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        guest_simulator(cores.server, *NO_LIMITS, "--bot-delay", "0ms") as simulator,
    ):
        folder = Path(name)
        task = Task(simulator.url, deployment, window.run_time_s)
        command = client.command(task, folder)
        with running(
            command, core=cores.generator, folder=folder, environment=client.environment
        ) as process:
            _await_flow(simulator, folder)
            time.sleep(window.warm_up_s)
            before, began_s = simulator.ledger()["accepted"], time.perf_counter()
            cpu_before_s, core = cpu_seconds_of(process.pid), CoreWatch(cores.generator)
            time.sleep(window.measured_s)
            accepted = simulator.ledger()["accepted"] - before
            took_s = time.perf_counter() - began_s
            cpu_s = cpu_seconds_of(process.pid) - cpu_before_s
            others_share = core.others_share(cpu_s)
            deadline_s = window.run_time_s + _END_DEADLINE_S
            exit_code_of(process, client.name, folder, deadline_s=deadline_s)
        tally = client.tally(folder)
        if tally.failures > GUESTS or not accepted or not cpu_s:
            raise BenchError(
                f"{tally.failures} of {tally.requests} round trips of {client.name} failed: "
                f"{last_lines(output_of(folder))}"
            )
        return Reading(accepted / took_s, accepted / cpu_s, others_share)


def _await_flow(simulator: Simulator, folder: Path) -> None:
    wait_until(
        lambda: bool(simulator.ledger()["accepted"] >= _FLOWING),
        deadline_s=_START_DEADLINE_S,
        explain=lambda: f"no messages arrive: {last_lines(output_of(folder))}",
    )
