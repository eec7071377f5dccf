"""The official SDK takes the simulator for the real API.

It runs in a process of its own: it starts threads, watches a file in the home directory, and its
import warns; none of that belongs in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.simulator.api import conversations
from tests.simulator_process import SimulatorProcess

CLIENT = Path(__file__).with_name("official_sdk_client.py")
IMPORT_DEADLINE_S = 120.0
"""The SDK is thousands of modules."""


def test_it_logs_in_and_lists_conversations(tmp_path: Path) -> None:
    # An empty home, so that a developer's own SDK configuration cannot choose another host.
    environment = {**os.environ, "HOME": str(tmp_path)}
    with SimulatorProcess("--conversations", "5") as simulator:
        known = conversations(simulator)

        ended = subprocess.run(
            [sys.executable, CLIENT, simulator.url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=IMPORT_DEADLINE_S,
        )

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "total": 5,
        "ids": [each["id"] for each in known],
        "state": "connected",
        "purposes": ["customer", "agent"],
    }
