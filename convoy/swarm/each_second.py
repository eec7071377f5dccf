"""What is done each second while a run goes on: reports are collected, and the run is looked at.

A look enters in the record what came of the run so far, and may end the run for a criterion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import gevent

from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.findings import AbortWatch
from convoy.results.result import RunResult

_LOOK_EVERY_S = 1.0


def look_each_second(
    criteria: Iterable[Criterion],
    *,
    is_under_way: Callable[[], bool],
    report_every: int,
    collect_report: Callable[[], None],
    snapshot: Callable[[], RunResult],
    enter: Callable[[RunResult], None],
    abort: Callable[[CriterionResult], None],
    sleep: Callable[[float], None] = gevent.sleep,
    pause: Callable[[], None] = lambda: gevent.sleep(0),
) -> None:
    """Look at a run once a second until it ends, or call `abort` with what it should end for.

    A worker in this process reports at one look of `report_every`, and the next result is entered.
    In a `pause` the messages that have become due are sent.
    """
    aborts = AbortWatch(criteria)
    for look in count(1):
        sleep(_LOOK_EVERY_S)
        if not is_under_way():
            return
        if look % report_every == 0:
            collect_report()
            pause()
        # A large report is merged step by step in the second that follows, because at once it would
        # take so long that messages wait; and nothing is new before the next one.
        if report_every > 1 and look % report_every != 1:
            continue
        result = snapshot()
        pause()
        enter(result)
        broken = aborts.look(result) if aborts.criteria else None
        if broken is not None:
            abort(broken)
            return
