"""The command line: `python -m bench.sabotage`; see bench/README.md."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from bench import machine
from bench.healthy.options import HEALTHY
from bench.processes import Cores, choose_cores, isolate
from bench.results import read_results, write_results
from bench.sabotage.options import Options, parse_options
from bench.sabotage.sabotages import Sabotage
from bench.sabotage.tables import list_lines, markdown_lines, table_lines
from bench.sabotage.trials import State, attempt


def main(arguments: Sequence[str]) -> int:
    """Carry sabotages out; returns 1 if any is not as declared, 2 if an option is wrong."""
    options = parse_options(arguments)
    isolate(os.environ)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.only_list:
        _print(list_lines(options.sabotages))
    elif options.only_markdown:
        _print(markdown_lines(read_results(options.output), read_results(HEALTHY)))
    else:
        try:
            return _carry_out(options)
        except KeyboardInterrupt:
            print("bench: interrupted; what was done before is in the results", file=sys.stderr)
            return 1
    return 0


def _carry_out(options: Options) -> int:
    cores = choose_cores()
    os.sched_setaffinity(0, {cores.server})
    about = machine.describe_python(cores)
    results = read_results(options.output, about) | {"machine": about}
    trials: dict[str, Any] = results.setdefault("sabotages", {})
    for sabotage in options.sabotages:
        trials[sabotage.name] = _try(sabotage, cores)
        write_results(options.output, results)
    print()
    done = {each.name: trials[each.name] for each in options.sabotages}
    _print(table_lines(done))
    print(f"\nresults  {options.output}")
    return int(any(each["state"] != State.AS_DECLARED.value for each in done.values()))


def _try(sabotage: Sabotage, cores: Cores) -> dict[str, Any]:
    """Carry one sabotage out, and return what came of it as the results hold it."""
    print(f"{sabotage.name} ...", flush=True)
    trial = attempt(sabotage, cores, _say)
    _say(f"{trial.state.value}: {trial.verdict} {trial.exit_code} {trial.reason}")
    for finding in trial.findings:
        _say(finding)
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "declared": sabotage.declared.value,
        **trial.to_json(),
    }


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
