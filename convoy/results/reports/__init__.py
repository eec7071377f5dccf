"""The reports of a run: forms in which its summary and its result are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convoy.results.reports.html import html_report
from convoy.results.reports.junit import junit_report
from convoy.results.reports.metrics import metrics_report
from convoy.results.result import RunResult
from convoy.results.summary import Summary

REPORT = "report.html"
REPORTS: Mapping[str, Callable[[Summary, RunResult], str]] = {
    "summary.json": lambda summary, _: summary.to_json(),
    REPORT: html_report,
    "junit.xml": junit_report,
    "metrics.txt": metrics_report,
}
"""The files of a run's record that are made of what is known at its end; each function returns the
text. The summary is that of the result, which also holds the series and the histograms."""
