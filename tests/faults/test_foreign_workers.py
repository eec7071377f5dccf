"""Workers that cannot take part: they get no users, and the master says who they are and why."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.swarm_of_processes import LOCUSTFILE, SPAWNING, SwarmOfProcesses
from tests.locust_process import ROOT
from tests.simulator_process import SimulatorProcess

LOCUSTFILES = Path(__file__).parent / "locustfiles"
CANARIES = 1
STARTED_AFTER_S = 20.0
"""So long processes may take to start on a busy machine."""
PREPARE_S = 12
REFUSED_AFTER_S = 10.0
"""So long after the time for the preparation a run that cannot begin has ended."""


Start = tuple[Path, dict[str, str]]
"""The locustfile of a worker, and its environment."""


def with_wrong_credentials(_: Path) -> Start:
    return LOCUSTFILE, {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "another-secret"}


def with_locustfile(name: str) -> Callable[[Path], Start]:
    return lambda _: (LOCUSTFILES / name, {})


def with_another_line_in(file: str) -> Callable[[Path], Start]:
    """Return what makes a copy of the tree with one more line in a file."""

    def start(folder: Path) -> Start:
        tree = folder / "tree"
        for name in ("convoy", "scenarios", "config", "payloads"):
            shutil.copytree(ROOT / name, tree / name)
        shutil.copy(LOCUSTFILE, tree)
        with (tree / file).open("a") as source:
            source.write("\nANOTHER_LINE = 1\n")
        return tree / LOCUSTFILE.name, {"PYTHONPATH": str(tree)}

    return start


FOREIGN = {
    "with wrong credentials": (with_wrong_credentials, "invalid_client"),
    "of plain Locust": (with_locustfile("plain.py"), "Convoy"),
    "of a version that says none": (with_locustfile("older.py"), "version"),
    "with another plan": (with_another_line_in("convoy/plan/draws.py"), "code|plan"),
    "with another scenario": (
        with_another_line_in("scenarios/conversation_messages.py"),
        "code|scenario",
    ),
}


def test_workers_that_cannot_take_part_join_in_mid_run(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with SwarmOfProcesses(tmp_path, simulator, workers=0, awaited=1, lasts_s=12) as swarm:
        joining = [
            swarm.hold(*start(tmp_path / f"start-{number}"))
            for number, (start, _) in enumerate(FOREIGN.values())
        ]
        # Their start may take longer than a run, because that of another tree is compiled first.
        for worker in joining:
            swarm.wait_until((worker.folder / "held").exists)
        swarm.join()
        swarm.wait_for_flow()
        foreign = [swarm.let_in(worker) for worker in joining]
        ended = swarm.end()

    ended.assert_passed()
    for worker, (_, why) in zip(foreign, FOREIGN.values(), strict=True):
        assert_named(ended.master.output, worker, why)
    for worker in joining:
        assert not re.search(SPAWNING, worker.output())
        assert "Traceback" not in worker.output()


@pytest.mark.parametrize(
    ("start", "why"), FOREIGN.values(), ids=[f"one {each} is there at first" for each in FOREIGN]
)
def test_worker_that_cannot_take_part_at_first_has_the_run_refused(
    tmp_path: Path,
    simulator: SimulatorProcess,
    start: Callable[[Path], Start],
    why: str,
) -> None:
    locustfile, environment = start(tmp_path)
    prepare = ["--set", f"prepare_timeout_s={PREPARE_S}"]
    with SwarmOfProcesses(tmp_path, simulator, *prepare, workers=0, awaited=2) as swarm:
        swarm.join("-f", str(locustfile), environment=environment)
        foreign = swarm.first_connected()
        swarm.join()
        ended = swarm.gone(STARTED_AFTER_S + PREPARE_S + REFUSED_AFTER_S)

    assert ended.exit_code == 4, ended.output
    assert ended.summary is None
    assert simulator.ledger()["accepted"] <= CANARIES
    assert_named(ended.output, foreign, why)


def test_two_of_three_expected_come(tmp_path: Path, simulator: SimulatorProcess) -> None:
    prepare = ["--set", f"prepare_timeout_s={PREPARE_S}"]
    with SwarmOfProcesses(tmp_path, simulator, *prepare, workers=2, awaited=1) as swarm:
        ended = swarm.gone(STARTED_AFTER_S + PREPARE_S + REFUSED_AFTER_S)

    assert ended.exit_code == 4, ended.output
    assert ended.summary is None
    assert re.search(r"/convoy\.\S+: .*\b2 of 3\b", ended.output), ended.output
    assert "Traceback" not in ended.output


def assert_named(output: str, worker: str, why: str) -> None:
    """Convoy says of this worker why it takes no part, and shows no traceback."""
    assert re.search(rf"/convoy\.\S+: .*{worker}.*({why})", output), output
    assert "Traceback" not in output
