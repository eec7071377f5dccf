"""The tables of sabotages: those that there are, and what came of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bench.healthy.runs import lines_of
from bench.sabotage.sabotages import Sabotage
from bench.sabotage.table import SABOTAGES

_LONGEST_REASON = 100


def list_lines(sabotages: Iterable[Sabotage]) -> Iterator[str]:
    """Yield what there is to carry out."""
    for each in sabotages:
        yield f"{each.name:<30}{each.declared.value:<16}{each.what}"


def table_lines(trials: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what came of each sabotage, and how many are as declared."""
    yield f"{'sabotage':<30}{'declared':<16}{'verdict':<24}{'exit':>4}  {'':<11}first reason"
    for name, trial in trials.items():
        exit_code = "" if trial["exit_code"] is None else trial["exit_code"]
        yield (
            f"{name:<30}{trial['declared']:<16}{trial['verdict']:<24}{exit_code:>4}  "
            f"{trial['state']:<11}{_cut(_reason(trial))}"
        )
    yield ""
    yield _count(trials)


def markdown_lines(results: Mapping[str, Any], healthy: Mapping[str, Any]) -> Iterator[str]:
    """Yield both results with their machine in Markdown, for `docs/verdict.md`."""
    trials = results.get("sabotages", {})
    known = [each for each in SABOTAGES if each.name in trials]
    yield from _machine_lines(results)
    yield "| sabotage | what is done | declared | verdict | exit code | | first reason |"
    yield "|---|---|---|---|---|---|---|"
    for each in known:
        yield _markdown_row(each, trials[each.name])
    yield ""
    yield _count({each.name: trials[each.name] for each in known})
    if "healthy" in healthy:
        yield ""
        yield from _machine_lines(healthy)
        yield from (f"- {line}" for line in lines_of(healthy["healthy"]))


def _machine_lines(results: Mapping[str, Any]) -> Iterator[str]:
    about = results.get("machine")
    if about:
        yield (
            f"Measured on {about['cores']} cores of {about['processor']}, kernel "
            f"{about['kernel']}, Python {about['python']}, Locust {about['locust']}, gevent "
            f"{about['gevent']}:"
        )
        yield ""


def _markdown_row(sabotage: Sabotage, trial: Mapping[str, Any]) -> str:
    exit_code = "" if trial["exit_code"] is None else str(trial["exit_code"])
    verdict, reason = trial["verdict"], _cut(_reason(trial))
    cells = (sabotage.name, sabotage.what, trial["declared"], verdict, exit_code, trial["state"])
    return f"| {' | '.join(cell.replace('|', '/') for cell in (*cells, reason))} |"


def _reason(trial: Mapping[str, Any]) -> str:
    """What the run says of itself first; what is wrong with the trial where it says nothing."""
    return str(trial["reason"] or next(iter(trial["findings"]), ""))


def _count(trials: Mapping[str, Mapping[str, Any]]) -> str:
    states = Counter(trial["state"] for trial in trials.values())
    return ", ".join(f"{count} {state}" for state, count in states.most_common())


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
