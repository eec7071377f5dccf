"""The progress of a run that goes on, in words for a log, a terminal and a page."""

from __future__ import annotations

from dataclasses import dataclass

from convoy.results.counts import Counts


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `where` it runs, and what goes on, since when and until when.

    `share` is the part of the measured phase that is over, None before it. `so_far` says what came
    of the run until now.
    """

    where: str
    told: str
    share: float | None
    so_far: str

    def __str__(self) -> str:
        return f"{self.where}: {self.told}; {self.so_far}"


def progress_figures(totals: Counts, measured_s: float) -> str:
    """Return what came of a run in its first `measured_s`, in one line."""
    rate_per_s = totals.sent / measured_s if measured_s else 0.0
    return (
        f"{totals.sent:,} sent ({rate_per_s:,.1f}/s), {totals.accepted:,} accepted, "
        f"{sum(totals.late.values()):,} late, {sum(totals.not_sent.values()):,} not sent, "
        f"{totals.not_ok:,} failed"
    )


def progress_measured(
    where: str, told: str, totals: Counts, reported_s: float, planned_s: float
) -> Progress:
    """Return how far a run is, of which `planned_s` are measured and `reported_s` known."""
    measured_s = max(0.0, min(reported_s, planned_s))
    share = measured_s / planned_s if planned_s else 1.0
    return Progress(where, told, share, progress_figures(totals, measured_s))
