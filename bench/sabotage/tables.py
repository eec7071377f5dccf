"""The tables of sabotages: those that there are, and what came of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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


def markdown_lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the results as a table in Markdown, for `docs/verdict.md`."""
    trials = results.get("sabotages", {})
    known = {each.name: each for each in SABOTAGES if each.name in trials}
    yield "| sabotage | declared | verdict | exit code | as declared | first reason |"
    yield "|---|---|---|---|---|---|"
    for name, sabotage in known.items():
        trial = trials[name]
        cells = (
            sabotage.what,
            trial["declared"],
            trial["verdict"],
            "" if trial["exit_code"] is None else str(trial["exit_code"]),
            trial["state"],
            _cut(_reason(trial)),
        )
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    yield ""
    yield f"{_count({name: trials[name] for name in known})}"


def _reason(trial: Mapping[str, Any]) -> str:
    """What the run says of itself first; what is wrong with the trial where it says nothing."""
    return str(trial["reason"] or next(iter(trial["findings"]), ""))


def _count(trials: Mapping[str, Mapping[str, Any]]) -> str:
    states = Counter(trial["state"] for trial in trials.values())
    return ", ".join(f"{count} {state}" for state, count in states.most_common())


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
