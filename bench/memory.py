"""Does Convoy grow while it runs flat out: its memory after a minute, and at the end."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from bench.contenders import CONNECTIONS
from bench.convoy import FLAT_OUT, Load
from bench.convoy_runs import run_convoy
from bench.runs import Range
from bench.usage import resident_mib_of

_FLOWING = 1000
_MARGIN_S = 5


def measure_memory(place: Range, first_after_s: float, last_after_s: float) -> dict[str, Any]:
    """Return the resident memory in MiB at both moments of one run, and their ratio.

    Raises BenchError when the run ends before the second.
    """
    resident_mib: list[float] = []

    def watch(process: subprocess.Popen[bytes]) -> None:
        time.sleep(first_after_s)
        resident_mib.append(resident_mib_of(process.pid))
        time.sleep(last_after_s - first_after_s)
        resident_mib.append(resident_mib_of(process.pid))

    load = Load(FLAT_OUT, int(last_after_s) + _MARGIN_S, CONNECTIONS)
    figures = run_convoy(load, place, flowing=_FLOWING, watch=watch).figures
    first, last = resident_mib
    return {
        "after_s": [first_after_s, last_after_s],
        "resident_mib": [round(first, 1), round(last, 1)],
        "growth": round(last / first, 4),
        "messages": figures["sent"],
    }
