"""Locust's rows: how measured messages enter Locust's own statistics, one by one or in bulk."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from locust import stats
from locust.env import Environment
from locust.stats import StatsEntry, StatsEntryDict

_METHOD = "POST"
_HOME_OF_LOCUSTS_LISTENER = "locust.runners"


@dataclass(slots=True)
class _Batch:
    """What was accepted under one name since the last flush: response times and answer bytes."""

    response_times_ms: list[float] = field(default_factory=list)
    answer_bytes: int = 0


class Rows:
    """The rows of one process.

    Locust's listener takes as long for each message as sending it does. So while it is the only
    one, accepted messages are gathered, and `flush` enters them as Locust's master does with the
    report of a worker. When anybody else listens to `events.request`, every message is an event.
    """

    def __init__(self, environment: Environment) -> None:
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
        """True while nobody but Locust listens to `events.request`."""
        return self._request._handlers == self._locusts_own

    def add(
        self,
        name: str,
        response_time_ms: float | None,
        answer_bytes: int,
        failure: Exception | None = None,
    ) -> None:
        """Enter a message; without a response time it counts and is in no percentile."""
        if failure is None and response_time_ms is not None and self.is_alone:
            batch = self._batches[name]
            batch.response_times_ms.append(response_time_ms)
            batch.answer_bytes += answer_bytes
            return
        self._request.fire(
            request_type=_METHOD,
            name=name,
            response_time=response_time_ms,
            response_length=answer_bytes,
            exception=failure,
            context={},
        )

    def add_accepted(
        self, name: str, response_times_ms: Sequence[float], answer_bytes: Sequence[int]
    ) -> None:
        """Enter messages of one name that were accepted; the two go together, one by one."""
        if not self.is_alone:
            for response_time_ms, size in zip(response_times_ms, answer_bytes, strict=True):
                self.add(name, response_time_ms, size)
            return
        batch = self._batches[name]
        batch.response_times_ms += response_times_ms
        batch.answer_bytes += sum(answer_bytes)

    def flush(self) -> None:
        """Enter what was gathered, as sent in the present second."""
        batches, self._batches = self._batches, defaultdict(_Batch)
        for name, batch in batches.items():
            part = _entry(self._environment, name, batch)
            self._environment.stats.total.extend(part)
            self._environment.stats.entries[name, _METHOD].extend(part)


def _entry(environment: Environment, name: str, batch: _Batch) -> StatsEntry:
    times_ms, now_s = batch.response_times_ms, time.time()
    part = {
        "name": name,
        "method": _METHOD,
        "num_requests": len(times_ms),
        "total_response_time": sum(times_ms),
        "min_response_time": min(times_ms),
        "max_response_time": max(times_ms),
        "response_times": Counter(map(stats.bucket_response_time, times_ms)),
        "num_reqs_per_sec": {int(now_s): len(times_ms)},
        "last_request_timestamp": now_s,
        "total_content_length": batch.answer_bytes,
    }
    return StatsEntry.unserialize(cast(StatsEntryDict, part), environment.stats)
