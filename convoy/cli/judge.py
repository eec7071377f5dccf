"""`python -m convoy judge`: a finished run judged anew, by other criteria than it was made with."""

from __future__ import annotations

from math import inf
from pathlib import Path

from convoy.errors import Fault, SettingsError
from convoy.results.grammar import Known, parse
from convoy.results.record import read_result
from convoy.results.result import RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import OnNotJudged, judge
from convoy.routes.codes import KNOWN_CODES
from convoy.settings.documents import DocumentError
from convoy.settings.sources import read_criteria


def judge_record(run: str, criteria: str, on_not_judged: OnNotJudged, runs: Path) -> Summary:
    """Return the summary of a run, judged by the lines of a file and by nothing else.

    `run` is the folder of a record, or the id of a run below `runs`. Raises SettingsError.
    """
    result = read_result(_folder(run, runs))
    judgement = judge(result, parse(_lines(Path(criteria)), known_of(result)), on_not_judged)
    return summarise(result, judgement)


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


def _folder(run: str, runs: Path) -> Path:
    for folder in (Path(run).expanduser(), runs / run):
        if folder.is_dir():
            return folder
    raise SettingsError([Fault(run, f"is no folder of a record, and no run below {runs}/")])


def _lines(path: Path) -> list[str]:
    try:
        lines = read_criteria(path)
    except DocumentError as error:
        raise SettingsError([Fault("--criteria", f"the file {str(path)!r} {error}")]) from error
    faults = [
        Fault(str(path), f"has {line!r}, but each entry should be a line of text")
        for line in lines
        if not isinstance(line, str)
    ]
    if faults:
        raise SettingsError(faults[:1])
    return [str(line) for line in lines]
