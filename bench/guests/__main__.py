"""The command line: `python -m bench.guests`; see bench/README.md."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from typing import Any

from bench import machine
from bench.errors import BenchError
from bench.guests.options import Options, parse_options
from bench.guests.parts import MEASURE
from bench.processes import choose_cores, isolate
from bench.reach import reach_lines
from bench.results import comparison_lines, disturbance_lines, read_results, write_results


def main(arguments: Sequence[str]) -> int:
    """Measure; returns 1 if a run gave no figure, 2 if an option is wrong."""
    options = parse_options(arguments)
    isolate(os.environ)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = _measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what was done before is in the results", file=sys.stderr)
        return 1
    print()
    for line in chain(comparison_lines(results), reach_lines(results), disturbance_lines(results)):
        print(line)
    print(f"\nresults  {options.output}")
    return 0


def _measure(options: Options) -> dict[str, Any]:
    """Measure part by part, each written as soon as it is there; return those measured."""
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.server})
    about = machine.describe_python(cores) | {
        name: version(name) for name in ("websockets", "websocket-client")
    }
    results = read_results(options.output, about) | {"machine": about}
    for part in options.parts:
        print(f"{part} ...", flush=True)
        measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        figures = MEASURE[part](cores, options.scale, lambda line: print(f"  {line}", flush=True))
        results[part] = {
            "measured_at": measured_at,
            "commit": machine.commit(),
            "quick": options.is_quick,
            **figures,
        }
        write_results(options.output, results)
    return {part: results[part] for part in options.parts}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
