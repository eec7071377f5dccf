"""A swarm as it is deployed: a master and workers, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import requests

from tests.locust_process import (
    DEADLINE_S,
    ROOT,
    Ended,
    LocustProcess,
    assert_true_account,
    free_port,
    wait_until,
)
from tests.simulator_process import SimulatorProcess

LEDGER_FILE = "ledger.jsonl"
SIMULATOR_OPTIONS = ("--token-rate-per-minute", "1000000", "--ledger-file")
SPAWNING = r'Spawning additional \{"ConversationMessages'
"""What a worker with `--loglevel DEBUG` prints when it gets users."""
WHOLE_AFTER_S = 5.0
"""Within this time after a fault all messages are sent again."""
GONE_AFTER_S = 10.0
"""Within this time after its master a worker's process ends by itself."""
LOCUSTFILE = ROOT / "locustfile.py"
_HOLDING = Path(__file__).parent / "locustfiles" / "held.py"
_PROFILE = Path(__file__).with_name("profile.yaml")
T = TypeVar("T")
_CONNECTED = re.compile(r"(\S+) \(index \d+\) reported as ready")


@dataclass(frozen=True, slots=True)
class EndedSwarm:
    """What a swarm left behind.

    `exit_codes` are those of the workers in the order in which they were started; a negative one is
    the signal that ended the process. `missing` holds the numbers of the planned messages that are
    not at the far side, `fault_s` when the last fault began, in seconds since T0.
    """

    master: Ended
    exit_codes: tuple[int, ...]
    planned: int
    rate_per_s: int
    missing: frozenset[int]
    fault_s: float

    @property
    def reasons(self) -> str:
        return "\n".join(self.master.run["reasons"])

    @property
    def states(self) -> list[str]:
        """What became of each worker that had a part in the run, `lost` before `reported`."""
        return sorted(worker["state"] for worker in self.master.run["workers"])

    @property
    def gap_s(self) -> float:
        """How long after the fault the last message was due that nobody sent; 0 without any."""
        due_s = (max(self.missing) + 0.5) / self.rate_per_s if self.missing else 0.0
        return max(0.0, due_s - self.fault_s)

    def assert_passed(self) -> None:
        """Every planned message was accepted, and the run passed."""
        assert self.master.exit_code == 0, self.master.output
        assert self.master.scenario["accepted"] == self.planned, self.master.output

    def assert_invalid(self, *words: str) -> None:
        """The run is invalid, and each of these words is in some reason."""
        assert self.master.exit_code == 5, self.master.output
        assert self.master.run["verdict"] == "invalid"
        assert [word for word in words if word not in self.reasons] == [], self.reasons

    def assert_whole_again(self) -> None:
        """Nothing that was due later than `WHOLE_AFTER_S` after the fault is missing."""
        assert self.gap_s <= WHOLE_AFTER_S, self.master.output


class SwarmOfProcesses:
    """A master, which waits for all workers, and `workers` of them already started.

    The test starts `awaited` more with `join`. `options` and `environment` are the master's; its
    target is at `url`, or the simulator itself. All processes are gone after the block.
    """

    def __init__(
        self,
        folder: Path,
        simulator: SimulatorProcess,
        *options: str,
        workers: int = 3,
        awaited: int = 0,
        lasts_s: int = 9,
        rate_per_s: int = 30,
        url: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.simulator = simulator
        self.port = free_port()
        self.workers: list[LocustProcess] = []
        self.lasts_s = lasts_s
        self.planned = lasts_s * rate_per_s
        self._folder = folder
        self._rate_per_s = rate_per_s
        self._fault_at_s = 0.0
        self._stack = ExitStack()
        self.master = self._stack.enter_context(
            LocustProcess(
                folder / "master",
                *("--headless", "--master", "--expect-workers", str(workers + awaited)),
                *("--master-bind-host", "127.0.0.1", "--master-bind-port", str(self.port)),
                *("--load-profile", str(_PROFILE), "-H", url or simulator.url),
                *("-t", f"{lasts_s}s", "--rate", str(rate_per_s), *options),
                environment=environment,
            )
        )
        for _ in range(workers):
            self.join()

    def __enter__(self) -> SwarmOfProcesses:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def join(
        self, *options: str, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> LocustProcess:
        """Start one more worker; it finds the master at `port`, or at the master's own."""
        worker = LocustProcess(
            self._folder / f"worker-{len(self.workers)}",
            *("--worker", "--master-host", "127.0.0.1", "-H", self.simulator.url),
            *("--master-port", str(port or self.port), *options),
            environment=environment,
        )
        self.workers.append(self._stack.enter_context(worker))
        return worker

    def hold(
        self, locustfile: Path = LOCUSTFILE, environment: Mapping[str, str] | None = None
    ) -> LocustProcess:
        """Start one more worker, which joins without delay when it is passed to `let_in`.

        It prints when it gets users.
        """
        options = ["-f", str(_HOLDING), "--loglevel", "DEBUG"]
        held = {"HELD_LOCUSTFILE": str(locustfile)}
        return self.join(*options, environment=held | dict(environment or {}))

    def let_in(self, *workers: LocustProcess) -> str:
        """Let workers join that were held; return the id of the last that the master heard of."""
        connected = len(self._connected())
        for worker in workers:
            self.wait_until((worker.folder / "held").exists)
            (worker.folder / "go").touch()
        return self.wait_until(lambda: self._connected()[connected + len(workers) - 1 :])[0]

    def first_connected(self) -> str:
        """Wait until the master has heard of a worker; return its id."""
        return self.wait_until(self._connected)[0]

    def wait_until(self, condition: Callable[[], T | None]) -> T:
        """Return the first true value of a condition; fails when the master ends before."""

        def attempt() -> T | None:
            is_over = self.master.process.poll() is not None
            found = condition()
            assert found or not is_over, self.master.output()
            return found

        return wait_until(attempt, self.master.output)

    def fault(self) -> None:
        """Note that a fault begins now."""
        self._fault_at_s = time.time()

    def signal(self, number: int, *workers: LocustProcess) -> None:
        """Send a signal to these workers at once; this is a fault."""
        self.fault()
        for worker in workers:
            os.kill(worker.process.pid, number)

    def trouble(self, *specs: str) -> None:
        """Let the simulator have these faults from now on."""
        faults = f"{self.simulator.url}/simulator/faults"
        requests.post(faults, json={"faults": specs}, timeout=10).raise_for_status()

    @cached_property
    def run_id(self) -> str:
        return self.master.wait_for(r"run (\S+) is prepared")[1]

    def accepted(self, phase: str = "") -> int:
        """How many measured messages are at the far side, or of `-warmup`.

        The simulator is not asked, so that it need not answer a test that waits.
        """
        return self._ledger().count(f'"run_id":"{self.run_id}{phase}"')

    def wait_for_accepted(self, messages: int, phase: str = "") -> None:
        self.wait_until(lambda: self.accepted(phase) >= messages)

    def wait_for_flow(self) -> None:
        """Wait until measured messages flow, of which from now on some are always in flight."""
        self.wait_for_accepted(1)
        self.trouble("latency=200ms")
        self.wait_for_accepted(self._rate_per_s)

    def gone(self, within_s: float = DEADLINE_S) -> Ended:
        """Wait until the master has ended, so long at most, and then all workers, by themselves."""
        ended = self.master.end(within_s)
        for worker in self.workers:
            worker.end(GONE_AFTER_S)
        return ended

    def end(self, *, is_whole: bool = True, within_s: float = DEADLINE_S) -> EndedSwarm:
        """Wait for the end as `gone` does; the account is true, whatever happened.

        A run that `is_whole` has scheduled all that was planned.
        """
        ended = self.gone(within_s)
        run_id, planned = ended.run["run_id"], self.lasts_s * self._rate_per_s
        assert_true_account(ended, self.simulator.ledger(run_id))
        assert not is_whole or ended.scenario["scheduled"] == planned, ended.output
        return EndedSwarm(
            master=ended,
            exit_codes=tuple(worker.process.returncode for worker in self.workers),
            planned=planned,
            rate_per_s=self._rate_per_s,
            missing=frozenset(range(planned)) - self._arrived(run_id),
            fault_s=self._fault_at_s - datetime.fromisoformat(ended.run["started_at"]).timestamp(),
        )

    def _connected(self) -> list[str]:
        return _CONNECTED.findall(self.master.output())

    def _arrived(self, run_id: str) -> set[int]:
        entries = map(json.loads, self._ledger().splitlines())
        return {each["k"] for each in entries if each["run_id"] == run_id}

    def _ledger(self) -> str:
        return (self._folder / LEDGER_FILE).read_text()
