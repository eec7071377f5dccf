"""One scheduled run of Convoy against nginx, watched while it lasts, and its figures."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.convoy import ENVIRONMENT, Load, convoy_command, scenario_in
from bench.processes import running
from bench.runs import Range, await_end, await_flow
from bench.usage import CoreWatch, cpu_seconds_of_ended

Watch = Callable[[subprocess.Popen[bytes]], None]
"""Called once as soon as messages flow."""


@dataclass(frozen=True, slots=True)
class ConvoyRun:
    """The scenario's figures as `summary.json` has them, and the others' share of its core."""

    figures: Mapping[str, Any]
    others_share: float


def run_convoy(
    load: Load, place: Range, *, flowing: int = 1, watch: Watch | None = None
) -> ConvoyRun:
    """Run Convoy to its end and return its figures.

    Messages are said to flow when nginx has served `flowing` requests more than the logins and
    the listing. Raises BenchError when the run leaves no figures.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        before = place.nginx.requests_served() + load.users
        core, cpu_before_s = CoreWatch(place.cores.generator), cpu_seconds_of_ended()
        with running(
            convoy_command(load, place.nginx.url(is_tls=False), None, folder),
            core=place.cores.generator,
            folder=folder,
            environment=ENVIRONMENT,
        ) as process:
            if watch is not None:
                await_flow(place.nginx, before, process, folder, flowing=flowing)
                watch(process)
            await_end(process, "convoy", folder, runs_for_s=load.run_time_s)
        others_share = core.others_share(cpu_seconds_of_ended() - cpu_before_s)
        return ConvoyRun(scenario_in(folder), others_share)
