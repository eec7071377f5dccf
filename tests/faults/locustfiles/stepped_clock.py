"""The project's locustfile in a process whose wall clock is off once `step-the-clock` is there."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

# By its path, because Locust has this file under another name; it imports Locust first.
_REAL = runpy.run_path(str(Path(__file__).resolve().parents[3] / "locustfile.py"))

from bench.sabotage.clocks import step_wall_clock  # noqa: E402
from bench.sabotage.proof import Proof  # noqa: E402

globals().update({name: _REAL[name] for name in _REAL["__all__"]})
step_wall_clock(float(os.environ["CLOCK_STEP_S"]))(Proof(Path("clock-proof")))
