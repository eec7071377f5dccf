"""The watch over a run that goes on: it collects reports, and aborts the run for a criterion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import gevent

from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.findings import AbortWatch
from convoy.results.result import RunResult

_LOOK_EVERY_S = 1.0
_LOOKS_PER_REPORT = 3
"""A worker in this process reports as often as Locust has those in other processes report."""


def watch_run(
    criteria: Iterable[Criterion],
    *,
    is_under_way: Callable[[], bool],
    collect_report: Callable[[], None],
    snapshot: Callable[[], RunResult],
    abort: Callable[[CriterionResult], None],
    sleep: Callable[[float], None] = gevent.sleep,
) -> None:
    """Look at a run once a second until it ends, or call `abort` with what it should end for."""
    aborts = AbortWatch(criteria)
    for look in count(1):
        sleep(_LOOK_EVERY_S)
        if not is_under_way():
            return
        if look % _LOOKS_PER_REPORT == 0:
            collect_report()
        broken = aborts.look(snapshot()) if aborts.criteria else None
        if broken is not None:
            abort(broken)
            return
