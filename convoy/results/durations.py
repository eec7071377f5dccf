"""The durations of messages by what they mean: a worker's recorders, the whole run's histograms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from convoy.results.histograms import BucketCounts, Histogram, Recorder


@dataclass(slots=True)
class DurationRecorders:
    """What a worker records of one step.

    `response` and `service` are those of accepted messages, from when they were due and from when
    they were sent; `rejected` and `unknown` count from when they were due. `censored` is how long a
    message without a whole answer lasted at least, `send_error` how far from its time it was sent.
    """

    response: Recorder = field(default_factory=Recorder)
    service: Recorder = field(default_factory=Recorder)
    rejected: Recorder = field(default_factory=Recorder)
    unknown: Recorder = field(default_factory=Recorder)
    censored: Recorder = field(default_factory=Recorder)
    send_error: Recorder = field(default_factory=Recorder)

    def take(self) -> dict[str, BucketCounts]:
        """Return what was recorded since the last call, by name, and begin anew."""
        return {each.name: getattr(self, each.name).take() for each in fields(self)}


@dataclass(slots=True)
class Durations:
    """The same from all workers; `response` holds the censored ones too, as lower bounds."""

    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    rejected: Histogram = field(default_factory=Histogram)
    unknown: Histogram = field(default_factory=Histogram)
    send_error: Histogram = field(default_factory=Histogram)

    def absorb(self, taken: Mapping[str, BucketCounts]) -> None:
        """Add what `DurationRecorders.take` returned."""
        for each in fields(self):
            getattr(self, each.name).add(taken[each.name])
        self.response.add_censored(taken["censored"])
