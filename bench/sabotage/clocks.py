"""Patches of the wall clock: it is stepped in the middle of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.sabotage.proof import Proof
from bench.sabotage.replacing import replace

STEP = "step-the-clock"
"""The file in the run's folder whose appearance steps the clock."""


def step_wall_clock(by_s: float) -> Callable[[Proof], None]:
    """Return the patch that steps the wall clock by so many seconds once the file is there."""

    def patch(proof: Proof) -> None:
        step = Path(STEP).absolute()

        def make(real: Callable[[], float]) -> Callable[[], float]:
            def stepped() -> float:
                if not step.exists():
                    return real()
                proof.count()
                return real() + by_s

            return stepped

        replace(time, "time", make)

    return patch
