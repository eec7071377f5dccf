"""The command line: `python -m bench.healthy`; see bench/README.md."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from bench import machine
from bench.errors import BenchError
from bench.healthy.options import Options, parse_options
from bench.healthy.runs import HealthyRun, figures_of, healthy_run, is_as_it_should_be, lines_of
from bench.processes import choose_cores, isolate
from bench.results import disturbance_lines, write_results


def main(arguments: Sequence[str]) -> int:
    """Run healthy runs; returns 1 if more than one is not passed, 2 if an option is wrong."""
    options = parse_options(arguments)
    isolate(os.environ)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        figures = _measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what was done before is in the results", file=sys.stderr)
        return 1
    print()
    for line in chain(lines_of(figures), disturbance_lines({"healthy": figures})):
        print(line)
    print(f"\nresults  {options.output}")
    return int(not is_as_it_should_be(figures))


def _measure(options: Options) -> dict[str, Any]:
    """Run as often as asked, the figures so far written after each run; return them."""
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.server})
    about = machine.describe_python(cores)
    runs: list[HealthyRun] = []
    for number in range(options.runs):
        runs.append(healthy_run(number, cores))
        print(f"{number + 1} of {options.runs}: {runs[-1].ended.verdict}", flush=True)
        measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        figures = {"measured_at": measured_at, "commit": machine.commit()} | figures_of(runs)
        write_results(options.output, {"machine": about, "healthy": figures})
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
