"""What tests of every kind share: the repository's own place, and a simulator to speak to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.simulator_process import SimulatorProcess

# Without a time limit for each example: this machine may be busy with other tests. The same
# examples each time, so that a run tells of a change and not of its luck; profile `search` tries
# others: make test ARGS="tests/unit --hypothesis-profile search".
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("suite")


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    """A fresh simulator with its default options, for this test alone."""
    with SimulatorProcess() as process:
        yield process
