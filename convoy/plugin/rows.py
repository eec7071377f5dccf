"""Locust's rows: how messages and steps enter Locust's own statistics, one by one or in bulk."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import cast

from locust import stats
from locust.env import Environment
from locust.stats import StatsEntry, StatsEntryDict

from convoy.results.result import Row

STEP, TIMING = "STEP", "TIMING"
"""The request types of steps and of timings; messages have that of their user class."""
_HOME_OF_LOCUSTS_LISTENER = "locust.runners"


class MessageFailure(Exception):
    """A failed message as Locust's Failures table shows it: its error code and nothing else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def __repr__(self) -> str:
        return self.code


class _Batch:
    """What was accepted under one name since the last flush."""

    __slots__ = ("answer_bytes", "count", "longest_ms", "shortest_ms", "times", "total_ms")

    def __init__(self) -> None:
        self.times: Counter[float] = Counter()
        self.count = 0
        self.total_ms = 0.0
        self.shortest_ms, self.longest_ms = inf, -inf
        self.answer_bytes = 0

    def add(self, times_s: Sequence[float], answer_bytes: int) -> None:
        times_ms = [each * 1000 for each in times_s]
        self.times.update(map(stats.bucket_response_time, times_ms))
        self.count += len(times_ms)
        self.total_ms += sum(times_ms)
        self.shortest_ms = min(self.shortest_ms, *times_ms)
        self.longest_ms = max(self.longest_ms, *times_ms)
        self.answer_bytes += answer_bytes


class Rows:
    """The rows of one process.

    Locust's own listener takes as long for each message as sending it. While it `is_alone`,
    accepted messages can be gathered, and `flush` enters them together, as Locust's master enters
    the report of a worker. While `events.request` has other listeners, every message has to be
    `add`ed, because only that fires the event. `request_types` are by name; any other name is that
    of a step.
    """

    def __init__(self, environment: Environment, request_types: Mapping[str, str]) -> None:
        self._request_types = request_types
        self._environment = environment
        self._request = environment.events.request
        self._locusts_own = [
            listener
            for listener in self._request._handlers
            if listener.__module__ == _HOME_OF_LOCUSTS_LISTENER
        ]
        self._batches: defaultdict[str, _Batch] = defaultdict(_Batch)

    @property
    def is_alone(self) -> bool:
        """True while `events.request` has no listener but Locust's."""
        return self._request._handlers == self._locusts_own

    def add(
        self,
        name: str,
        response_time_ms: float | None,
        answer_bytes: int,
        failure: str = "",
    ) -> None:
        """Enter a message or a step at once; without a response time it is in no percentile.

        `failure` is its error code, empty for one that ended as expected.
        """
        self._request.fire(
            request_type=self._request_types.get(name, STEP),
            name=name,
            response_time=response_time_ms,
            response_length=answer_bytes,
            exception=MessageFailure(failure) if failure else None,
            context={},
        )

    def gather(self, name: str, response_times_s: Sequence[float], answer_bytes: int) -> None:
        """Take accepted messages or steps, at least one, with the sum of their answers' bytes."""
        self._batches[name].add(response_times_s, answer_bytes)

    def flush(self) -> None:
        """Enter the gathered messages; Locust counts them in the present second."""
        batches, self._batches = self._batches, defaultdict(_Batch)
        for name, batch in batches.items():
            method = self._request_types.get(name, STEP)
            part = _entry(self._environment, name, method, batch)
            self._environment.stats.total.extend(part)
            self._environment.stats.entries[name, method].extend(part)


def rows_of(environment: Environment, scenarios: Iterable[str]) -> dict[str, Row]:
    """Return what Locust's statistics hold of each scenario, of all its workers."""
    rows = dict.fromkeys(scenarios, Row(0, 0, 0.0))
    for (name, method), entry in environment.stats.entries.items():
        if name in rows and method != STEP:
            total_s = entry.total_response_time / 1000
            rows[name] = Row(entry.num_requests, entry.num_failures, total_s)
    return rows


def _entry(environment: Environment, name: str, method: str, batch: _Batch) -> StatsEntry:
    now_s = time.time()
    part = {
        "name": name,
        "method": method,
        "num_requests": batch.count,
        "total_response_time": batch.total_ms,
        "min_response_time": batch.shortest_ms,
        "max_response_time": batch.longest_ms,
        "response_times": batch.times,
        "num_reqs_per_sec": {int(now_s): batch.count},
        "last_request_timestamp": now_s,
        "total_content_length": batch.answer_bytes,
    }
    return StatsEntry.unserialize(cast(StatsEntryDict, part), environment.stats)
