"""The command line: `python -m bench`; see README.md."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from bench import machine
from bench.certificates import make_certificates
from bench.contenders import HEY, WRK
from bench.errors import BenchError, MissingProgramError
from bench.nginx import find_nginx, serving
from bench.options import Options, parse_options
from bench.parts import MEASURE, Bench
from bench.processes import choose_cores, isolate
from bench.reach import reach_lines
from bench.results import (
    comparison_lines,
    disturbance_lines,
    read_results,
    with_part,
    write_results,
)
from bench.runs import Range


def main(arguments: Sequence[str]) -> int:
    """Measure; returns 1 if a run gave no figure, 2 if an option is wrong or nginx is missing."""
    options = parse_options(arguments)
    isolate(os.environ)
    # Whoever ends the bench from outside gets the same clean end as at the keyboard.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        find_nginx()
        results = _measure(options)
    except MissingProgramError as error:
        return _complain(str(error), 2)
    except BenchError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("interrupted; what was measured before is in the results", 1)
    _show({part: results[part] for part in options.parts})
    print(f"\nresults  {options.output}")
    return 0


def _show(results: dict[str, Any]) -> None:
    print()
    tables = comparison_lines(results), reach_lines(results), disturbance_lines(results)
    for line in chain(*tables):
        print(line)


def _measure(options: Options) -> dict[str, Any]:
    """Measure part by part, each written as soon as it is there; return all results."""
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.server})
    about = machine.describe(cores)
    _announce(about)
    results = read_results(options.output, about)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with serving(folder, make_certificates(folder), cores.server) as nginx:
            bench = Bench(Range(nginx, cores, options.scale.window), options.scale, _say)
            for part in options.parts:
                print(f"{part} ...", flush=True)
                figures = MEASURE[part](bench)
                results = with_part(results, part, _dated(figures, options), about)
                write_results(options.output, results)
    return results


def _announce(about: dict[str, str | int | bool | None]) -> None:
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}")
    if not about["generator_and_server_on_different_cores"]:
        print("there is one core only: generator and server share it, and ratios shrink")
    for contender in (WRK, HEY):
        if not contender.is_installed:
            print(
                f"{contender.name} is not installed and left out; apt-get install {contender.name}"
            )


def _dated(figures: dict[str, Any] | None, options: Options) -> dict[str, Any]:
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"measured_at": measured_at, "commit": machine.commit(), "quick": options.is_quick}
    return about | (figures or {})


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _complain(sentence: str, exit_code: int) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
