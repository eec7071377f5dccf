"""The scene of a sabotage: the run that is about to be spoiled, and what is known of the damage."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bench.processes import Cores
from bench.short_runs import EndedRun, Start
from bench.simulators import Simulator


@dataclass(slots=True)
class Scene:
    """A run, its simulator and the cores of both.

    Each means changes how the run is started, or enters into `acts` what to do to its process once
    messages flow. In `effects` it counts what it really did, under its own name; a count of 0 says
    that it did nothing. `ended` is there once the run has ended.
    """

    start: Start
    simulator: Simulator
    cores: Cores
    acts: list[Callable[[subprocess.Popen[bytes]], None]] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    ended: EndedRun | None = None

    @property
    def is_refused(self) -> bool:
        """True when the run ended before any load."""
        return self.ended is not None and self.ended.exit_code in _BEFORE_LOAD


Means = Callable[[Scene], AbstractContextManager[None]]
"""One means of a sabotage: what it has set up is undone after the block."""

_BEFORE_LOAD = (2, 4)
"""The exit codes for wrong settings or templates, and for what preflight or guard refuse."""
