"""The far side of the tests in this folder: it keeps what it accepts, message by message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.swarm_of_processes import LEDGER_FILE, SIMULATOR_OPTIONS
from tests.simulator_process import SimulatorProcess


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    """A simulator for this test alone, without limits worth mentioning."""
    with SimulatorProcess(*SIMULATOR_OPTIONS, str(tmp_path / LEDGER_FILE)) as process:
        yield process
