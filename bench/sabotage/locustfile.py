"""The project's locustfile with one function patched, which the environment names."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

# By its path, because Locust has this file under the same name; it imports Locust first.
_REAL = runpy.run_path(str(Path(__file__).resolve().parents[2] / "locustfile.py"))

from bench.sabotage.patches import PATCHES
from bench.sabotage.proof import Proof

globals().update({name: _REAL[name] for name in _REAL["__all__"]})
PATCHES[os.environ["SABOTAGE_PATCH"]](Proof(Path(os.environ["SABOTAGE_PROOF"])))
