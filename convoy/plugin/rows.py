"""Locust's rows: how messages and steps enter Locust's own statistics, one by one or in bulk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

from locust import stats
from locust.env import Environment
from locust.stats import StatsEntry

from convoy.results.result import Row

STEP, TIMING = "STEP", "TIMING"
"""The request types of steps and of timings; messages have that of their user class."""
_HOME_OF_LOCUSTS_LISTENER = "locust.runners"


class MessageFailure(Exception):
    """A failed message as Locust's Failures table shows it: its error code and nothing else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    # Locust has a row of Failures, without limit, for each different text of this.
    def __repr__(self) -> str:
        return self.code


class Rows:
    """The rows of one process.

    Locust's own listener of `events.request` takes as long for a message as it takes to send one.
    While that event has no other listener (`is_alone`), accepted messages can be gathered: `flush`
    enters them together, as Locust's master enters the report of a worker. While there are other
    listeners, every message has to be `add`ed, because only `add` fires the event.

    `request_types` are those of scenarios and timings by their names. Any other name is a step's.
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
        self._gathered: dict[str, StatsEntry] = {}

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
        part: Any = self._gathered.get(name)  # by Locust's annotations its times are whole numbers
        if part is None:
            method = self._request_types.get(name, STEP)
            part = self._gathered[name] = StatsEntry(self._environment.stats, name, method)
            part.min_response_time, part.response_times = inf, Counter()
        times_ms = [each * 1000 for each in response_times_s]
        part.num_requests += len(times_ms)
        part.total_response_time += sum(times_ms)
        part.min_response_time = min(part.min_response_time, *times_ms)
        part.max_response_time = max(part.max_response_time, *times_ms)
        # Looked up in its module each time, as Locust does, because a locustfile may replace it.
        part.response_times.update(map(stats.bucket_response_time, times_ms))
        part.total_content_length += answer_bytes

    def flush(self) -> None:
        """Enter the gathered messages; Locust counts them in the present second."""
        gathered, self._gathered = self._gathered, {}
        now_s, into = time.time(), self._environment.stats
        for part in gathered.values():
            part.num_reqs_per_sec = {int(now_s): part.num_requests}
            part.start_time = part.last_request_timestamp = now_s
            into.total.extend(part)
            into.entries[part.name, part.method].extend(part)


def rows_of(environment: Environment, scenarios: Iterable[str]) -> dict[str, Row]:
    """Return what Locust's statistics hold of each scenario, of all its workers."""
    rows = dict.fromkeys(scenarios, Row(0, 0, 0.0))
    for (name, method), entry in environment.stats.entries.items():
        if name in rows and method != STEP:
            total_s = entry.total_response_time / 1000
            rows[name] = Row(entry.num_requests, entry.num_failures, total_s)
    return rows
