"""The conclusion of a run: its whole result, the verdict on it, its record and its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from convoy.prepare.preflight import PreparedRun
from convoy.results.record import write_record
from convoy.results.reports.text import error_table, text_report
from convoy.results.result import Row, RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from convoy.swarm.comparison import compare
from convoy.swarm.master import Master


def judged(result: RunResult, prepared: PreparedRun) -> Summary:
    """Return the summary of a result with the verdict on it."""
    settings = prepared.settings
    return summarise(result, judge(result, prepared.criteria, settings.on_not_judged))


def conclude(
    master: Master, prepared: PreparedRun, rows: Mapping[str, Row], runs: Path
) -> tuple[Summary, str]:
    """Judge a run that has ended and write its record; return its summary and its report.

    `rows` are Locust's, by scenario, none where they were reset.
    """
    url, run_id = prepared.settings.target.api_url, prepared.run_id
    found = compare(url, run_id, prepared.ledger_since, master.lanes.plans.values())
    result = replace(master.snapshot(), far_side=found, rows=dict(rows), is_over=True)
    summary, folder = judged(result, prepared), runs / run_id
    try:
        write_record(folder, summary, result)
        where = f"  record          {folder}"
    except OSError as error:
        problem = f"the record could not be written: {error}"
        summary = judged(replace(result, problems=(*result.problems, problem)), prepared)
        where = "  record          none"
    tables = filter(None, (error_table(summary), text_report(summary)))
    return summary, "\n" + "\n\n".join(tables) + f"\n{where}\n"
