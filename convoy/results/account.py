"""The account of one scenario: a worker's side that records, the whole run's side that absorbs.

What travels between them is a plain mapping: `counts` cumulative since the start of the run,
`durations` only what came since the last report, as `(microseconds, count)` pairs by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convoy.results.counts import Counts
from convoy.results.histograms import Histogram, Recorder
from convoy.results.outcome import Cause, Fate, Outcome

_DURATIONS = ("response", "response_censored", "service", "rejected", "send_error")


class ScenarioRecorder:
    """What one process has seen of one scenario's measured messages.

    A message that starts more than `late_after_s` after it was due is late. One whose answer never
    came whole is taken to have lasted until its deadline, `timeout_s` after it was sent: a
    connection that broke at once is no fast answer.
    """

    def __init__(self, late_after_s: float, timeout_s: float) -> None:
        self.counts = Counts()
        self._late_after_s = late_after_s
        self._timeout_s = timeout_s
        self._recorders = {name: Recorder() for name in _DURATIONS}
        self._response = self._recorders["response"]
        self._service = self._recorders["service"]
        self._send_error = self._recorders["send_error"]

    def schedule(self) -> None:
        """Count a message as scheduled: its time has come, and somebody has to account for it."""
        self.counts.scheduled += 1

    def record(self, outcome: Outcome, handed_s: float, late_cause: Cause) -> None:
        """Count a sent message, and its durations where its fate gives them a meaning.

        `late_cause` is why its actor got it late at `handed_s`. What was handed over in time and
        sent late waited for a connection, and so for the target.
        """
        self.counts.record(outcome)
        lateness_s = outcome.sent_s - outcome.due_s
        self._send_error.record(abs(lateness_s))
        if lateness_s > self._late_after_s:
            was_handed_late = handed_s - outcome.due_s > self._late_after_s
            self.counts.late[late_cause if was_handed_late else Cause.TARGET] += 1
        fate = outcome.fate
        if fate is Fate.ACCEPTED:
            self._response.record(outcome.done_s - outcome.due_s)
            self._service.record(outcome.done_s - outcome.sent_s)
        elif fate is Fate.UNKNOWN:
            self._recorders["response_censored"].record(lateness_s + self._timeout_s)
        elif fate is Fate.REJECTED:
            self._recorders["rejected"].record(outcome.response_time_s)

    def give_up(self, cause: Cause, lateness_s: float) -> None:
        """Count a scheduled message that will not be sent, `lateness_s` after it was due."""
        self.counts.give_up(cause)
        self._recorders["response_censored"].record(lateness_s)

    @property
    def in_flight(self) -> int:
        """Messages that were scheduled and have not ended yet."""
        counts = self.counts
        return counts.scheduled - counts.sent - sum(counts.not_sent.values())

    def report(self) -> dict[str, Any]:
        """Return what the coordinator has to absorb; the durations begin anew."""
        durations = {name: recorder.take() for name, recorder in self._recorders.items()}
        return {"counts": self.counts.to_dict(), "durations": durations}


class ScenarioAccount:
    """What all processes together have seen of one scenario's measured messages."""

    def __init__(self) -> None:
        self.response = Histogram()
        self.service = Histogram()
        self.rejected = Histogram()
        self.send_error = Histogram()
        self.retired: dict[int, str] = {}
        self._redirected: dict[str, int] = {}
        self._counts: dict[str, Counts] = {}

    def absorb(self, worker: str, report: Mapping[str, Any]) -> None:
        """Take in the next report of a worker.

        It has the form of `ScenarioRecorder.report`, and in `pool` what came of the conversations:
        `retired` since the last report by index with the reason, `redirected` messages so far.
        """
        self._counts[worker] = Counts.from_dict(report["counts"])
        durations = report["durations"]
        self.response.add(durations["response"])
        self.response.add_censored(durations["response_censored"])
        self.service.add(durations["service"])
        self.rejected.add(durations["rejected"])
        self.send_error.add(durations["send_error"])
        self.retired.update(report["pool"]["retired"])
        self._redirected[worker] = report["pool"]["redirected"]

    def lose(self, worker: str, messages: int, timeout_s: float) -> None:
        """Count messages that a dead worker may have sent and can no longer report."""
        self._counts.setdefault(worker, Counts()).lose(messages, "worker lost")
        self.response.add_censored([(int(timeout_s * 1e6), messages)])

    @property
    def redirected(self) -> int:
        """Messages that went to another conversation than planned, since theirs was retired."""
        return sum(self._redirected.values())

    def counts_of(self, worker: str) -> Counts:
        return self._counts.get(worker, Counts())

    @property
    def counts(self) -> Counts:
        total = Counts()
        for counts in self._counts.values():
            total.add(counts)
        return total
