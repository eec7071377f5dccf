"""`python -m convoy judge`, `report`, `runs`: what is done with the records of runs."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

from msgspec.structs import replace

from convoy.errors import ConvoyError, Fault, SettingsError
from convoy.results.grammar import Known, parse
from convoy.results.record import (
    JOURNAL,
    NOT_OF_A_RUN,
    not_of_a_run,
    read_result,
    records,
    write_reports,
)
from convoy.results.result import RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import OnNotJudged, judge
from convoy.routes.codes import KNOWN_CODES
from convoy.settings.documents import DocumentError, parse_mapping
from convoy.settings.environment import secret_faults
from convoy.settings.sources import read_criteria
from convoy.untrusted_text import cut, on_one_line


def judge_record(
    run: str,
    criteria: str,
    on_not_judged: OnNotJudged,
    runs: Path,
    redact: Callable[[str], str] = str,
) -> Summary:
    """Return the summary of a run, judged by the lines of a file and by nothing else.

    `run` is the folder of a record, or the id of a run below `runs`. Raises SettingsError.
    """
    folder = folder_of(run, runs)
    lines = _lines(criteria)
    SettingsError.raise_for([*secret_faults({"--criteria": "\n".join(lines)}, redact)])
    with _refusing(folder):
        result = _read(folder)
        judgement = judge(result, parse(lines, known_of(result)), on_not_judged)
        return summarise(result, judgement)


def report_record(run: str, runs: Path) -> tuple[Summary, Path]:
    """Make the reports of a run anew from its record; return its summary, and their folder.

    It is judged by its own criteria. Raises SettingsError, OSError.
    """
    folder = folder_of(run, runs)
    with _refusing(folder):
        result = _read(folder)
        settings = parse_mapping(result.facts.settings)
        criteria = parse(settings.get("criteria", ()), known_of(result))
        summary = summarise(result, judge(result, criteria, settings.get("on_not_judged", "fail")))
        write_reports(folder, summary, result)
    return summary, folder


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Raise SettingsError for what a record holds and no run writes: it may be a stranger's."""
    try:
        yield
    except DocumentError as error:
        problem = f"its settings cannot be read: {error}"
        raise SettingsError([Fault(str(folder / JOURNAL), problem)]) from error
    except NOT_OF_A_RUN as error:
        raise SettingsError([Fault(str(folder / JOURNAL), not_of_a_run(error))]) from error


def _read(folder: Path) -> RunResult:
    """Return what the record holds.

    A run that is not over, because it was cut short or is still going on, ends where its record
    does, and has a problem, which makes it invalid.
    """
    result = read_result(folder)
    if result.is_over:
        return result
    recorded_s = min((each.until_s for each in result.series.values()), default=0.0)
    problem = (
        f"the run was interrupted, or is still going on: the record ends {recorded_s:.1f} s "
        "after T0"
    )
    return replace(
        result,
        duration_s=min(result.duration_s, recorded_s),
        scenarios={
            name: replace(each, planned=result.series[name].due_by(recorded_s) or each.planned)
            for name, each in result.scenarios.items()
        },
        problems=(*result.problems, problem),
    )


_COLUMNS = ("run", "verdict", "length", "rate", "p95", "failures", "load", "labels")


def run_lines(runs: Path) -> Iterator[str]:
    """Yield a line for each record, the newest last: run, verdict, what it was, its main figures.

    `p95` is the response time, of the slowest scenario.
    """
    table = [_COLUMNS, *map(_cells, records(runs))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _cells(folder: Path) -> tuple[str, ...]:
    try:
        summary = Summary.read(folder / "summary.json")
    except ConvoyError:
        told = "cut short, or going on: python -m convoy report says"
        return (folder.name, "none", *[""] * (len(_COLUMNS) - 3), told)
    each = summary.scenarios.values()
    times = (one.response_time_ms for one in each if one.response_time_ms.count)
    slowest = max(times, key=lambda of: of.p95, default=None)
    cells = (
        folder.name,
        summary.verdict,
        f"{summary.duration_s:,.1f} s",
        f"{sum(one.rate_per_s.achieved for one in each):,.1f}/s",
        "–" if slowest is None else f"{slowest.shown('p95')} ms",
        f"{sum(summary.totals.failures.values()):,}",
        f"{', '.join(summary.scenarios)}: {summary.profile} against {summary.target}",
        ", ".join(f"{name}={value}" for name, value in summary.labels.items()),
    )
    return tuple(on_one_line(cut(each)) for each in cells)


def known_of(result: RunResult) -> Known:
    """Return what criteria may name in a run that is over; one cut short may be asked for more."""
    was_cut_short = result.aborted is not None or result.problems
    steps_s = [series.step_s for series in result.series.values()]
    return Known(
        scenarios=result.scenarios,
        duration_s=inf if was_cut_short else result.duration_s,
        step_s=max(steps_s, default=1),
        codes={*KNOWN_CODES, *result.totals.errors},
        steps={name: each.steps for name, each in result.scenarios.items()},
        timings={name: each.timings for name, each in result.scenarios.items()},
    )


def add_run(parser: ArgumentParser) -> None:
    """Add the argument that names a run."""
    parser.add_argument(
        "run", metavar="RUN", help="the folder of its record, or its id below runs/"
    )


def folder_of(run: str, runs: Path) -> Path:
    """Return the folder of a record, given by a path or by the run's id; raises SettingsError.

    `latest` is followed once, because it leads to another run as soon as one begins.
    """
    for folder in (Path(run).expanduser(), runs / run):
        if folder.is_dir():
            return folder.parent / folder.readlink() if folder.is_symlink() else folder
    lists = "python -m convoy runs lists those there are"
    problem = f"is no folder of a record, and no run below {runs}/; {lists}"
    raise SettingsError([Fault(run, problem)])


def _lines(path: str) -> list[str]:
    try:
        lines = read_criteria(Path(path))
    except DocumentError as error:
        raise SettingsError([Fault("--criteria", f"the file {path!r} {error}")]) from error
    for line in lines:
        if not isinstance(line, str):
            problem = f"has {line!r}, but each entry should be a line of text"
            raise SettingsError([Fault(path, problem)])
    return [str(line) for line in lines]
