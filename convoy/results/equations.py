"""The equations between the figures of a run; a violated one means that some are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from convoy.results.account import ScenarioResult
from convoy.results.counts import WORKER_LOST, Counts
from convoy.results.result import Row, RunResult, WorkerResult
from convoy.results.series import Series

_BUCKET_ERROR = 0.001
"""Twice of what a histogram's buckets may be off."""
_UNSEEN_S, _UNSEEN_SHARE = 1.5, 0.05
"""So long a worker's health may be unknown: it is measured a little later than lanes are held."""
_EARLY_S = 0.0005
"""A message may leave a little before it is due; its send error counts that as positive."""


def figure_violations(result: RunResult) -> Iterator[str]:
    """Yield a sentence for each equation between figures that does not hold, with both numbers."""
    for name, scenario in result.scenarios.items():
        found = chain(
            _of_durations(scenario),
            _of_row(scenario, result.rows.get(name)),
            _of_series(scenario.counts, result.series.get(name)),
        )
        yield from (f"{name}: {each}" for each in found)
    for worker in result.workers:
        yield from _of_health(worker)
    by_workers = sum(worker.sent for worker in result.workers)
    yield from _unequal("sent = sent by all workers", result.totals.sent, by_workers)


def violations(counts: Counts, planned: int) -> Iterator[str]:
    """Yield a sentence for every equation of the accounting that does not hold.

    `planned` is the number of messages the plan holds, counted without asking any worker.
    """
    fates = counts.accepted + counts.rejected + counts.failed + counts.unknown
    errors, refused = sum(counts.errors.values()), counts.sent - counts.accepted
    yield from _unequal("planned = scheduled", planned, counts.scheduled)
    yield from _unequal("scheduled = sent + not sent", counts.scheduled, counts.ended)
    yield from _unequal("sent = accepted + rejected + failed + unknown", counts.sent, fates)
    yield from _unequal("attempts = sent + resent", counts.attempts, counts.sent + counts.resent)
    yield from _unequal("errors = rejected + failed + unknown", errors, refused)


def _of_durations(scenario: ScenarioResult) -> Iterator[str]:
    """Yield what is wrong with the histograms: each holds a value per message that it is for."""
    counts, durations = scenario.counts, scenario.durations
    not_sent, lost = sum(counts.not_sent.values()), counts.errors[WORKER_LOST]
    for name, histogram, held in (
        ("response time", durations.response, counts.accepted + counts.unknown + not_sent),
        ("service time", durations.service, counts.accepted),
        ("times of rejected", durations.rejected, counts.rejected),
        ("times of unknown", durations.unknown, counts.unknown - lost),
        ("send error", durations.send_error, counts.sent - lost),
    ):
        yield from _unequal(f"values in {name} = messages they are of", histogram.count, held)
    censored = counts.unknown + not_sent
    yield from _unequal("censored response times", durations.response.censored, censored)
    if counts.sent == counts.accepted == counts.scheduled:
        late_s = durations.response.total_s - durations.service.total_s
        yield from _apart(
            "response time - service time = send error",
            late_s,
            durations.send_error.total_s,
            _BUCKET_ERROR * durations.response.total_s + _EARLY_S * counts.sent,
        )


def _of_row(scenario: ScenarioResult, row: Row | None) -> Iterator[str]:
    """Yield what Locust's row, which is entered apart, says differently."""
    counts, durations = scenario.counts, scenario.durations
    # A worker that comes back after it was lost still reports to Locust.
    if row is None or counts.errors[WORKER_LOST]:
        return
    yield from _unequal("requests in Locust's row = sent", row.requests, counts.sent)
    yield from _unequal("failures in Locust's row = failures", row.failures, counts.not_ok)
    if counts.sent == counts.accepted == counts.scheduled:
        total_s = durations.response.total_s
        limit_s = _BUCKET_ERROR * total_s + _EARLY_S * counts.sent
        yield from _apart("response times = those of Locust's row", total_s, row.total_s, limit_s)


def _of_series(counts: Counts, series: Series | None) -> Iterator[str]:
    """Yield what the seconds of a run do not add up to; a lost worker's messages are in none."""
    failures = sum(counts.failures.values())
    yield from _unequal("failures by code = messages not as expected", failures, counts.not_ok)
    if series is None or counts.errors[WORKER_LOST]:
        return
    for name in ("scheduled", "sent", "accepted", "ended", "not_ok"):
        whole, by_seconds = getattr(counts, name), getattr(series.total, name)
        yield from _unequal(f"{name} = {name} of all seconds", whole, by_seconds)


def _of_health(worker: WorkerResult) -> Iterator[str]:
    seen_s, slack_s = worker.health.measured_s, max(_UNSEEN_S, _UNSEEN_SHARE * worker.held_s)
    if worker.state == "reported" and seen_s < worker.held_s - slack_s:
        yield (
            f"the health of worker {worker.id} is known for {seen_s:.1f} s only of the "
            f"{worker.held_s:.1f} s in which it had messages to send"
        )


def _apart(equation: str, left_s: float, right_s: float, limit_s: float) -> Iterator[str]:
    if abs(left_s - right_s) > limit_s:
        yield f"{equation} does not hold: {left_s:.3f} s in the sum against {right_s:.3f} s"


def _unequal(equation: str, left: int, right: int) -> Iterator[str]:
    if left != right:
        yield f"{equation} does not hold: {left} against {right}"
