"""The account of one scenario: a worker's side that records, the whole run's side that absorbs.

What travels between them is a plain mapping: `counts` cumulative since the start of the run,
`durations` only what came since the last report, by step and name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from convoy.results.counts import Counts
from convoy.results.durations import DurationRecorders, Durations
from convoy.results.histograms import Recorder
from convoy.results.outcome import ACCEPTED, REJECTED, UNKNOWN, Cause, Outcome

WHOLE = ""
"""The step of what belongs to a scenario as a whole: one without steps, or a message not sent."""


class ScenarioRecorder:
    """What one process has seen of one scenario's measured messages.

    A message that starts more than `late_after_s` after it was due is late. One whose answer never
    came whole is taken to have lasted until its deadline, `timeout_s` after it was sent: a
    connection that broke at once is no fast answer.
    """

    def __init__(self, late_after_s: float, timeout_s: float) -> None:
        self.counts = Counts()
        self.late_after_s = late_after_s
        self._timeout_s = timeout_s
        self._durations: defaultdict[str, DurationRecorders] = defaultdict(DurationRecorders)

    def schedule(self) -> None:
        """Count a message as scheduled: its time has come, and somebody has to account for it."""
        self.counts.scheduled += 1

    def record(self, outcome: Outcome, handed_s: float, late_cause: Cause) -> None:
        """Count a sent message, and its durations where its fate gives them a meaning.

        `handed_s` and `late_cause` are those of `judge_lateness`.
        """
        self.counts.record(outcome)
        durations = self._durations[outcome.step]
        due_s, sent_s, fate = outcome.due_s, outcome.sent_s, outcome.fate
        lateness_s = sent_s - due_s
        durations.send_error.record(abs(lateness_s))
        self.judge_lateness(due_s, handed_s, sent_s, late_cause)
        if fate is ACCEPTED:
            durations.response.record(outcome.done_s - due_s)
            durations.service.record(outcome.done_s - sent_s)
        elif fate is REJECTED:
            durations.rejected.record(outcome.response_time_s)
        elif fate is UNKNOWN:
            durations.unknown.record(outcome.response_time_s)
            durations.censored.record(lateness_s + self._timeout_s)

    def judge_lateness(
        self, due_s: float, handed_s: float, sent_s: float, late_cause: Cause
    ) -> None:
        """Count a message as late if it was sent too long after it was due.

        `late_cause` is why its user got it late at `handed_s`. What was handed over in time and
        sent late waited for a connection, and so for the target.
        """
        if sent_s - due_s > self.late_after_s:
            was_handed_late = handed_s - due_s > self.late_after_s
            self.counts.late[late_cause if was_handed_late else Cause.TARGET] += 1

    def record_accepted(
        self,
        send_errors_s: Sequence[float],
        response_times_s: Sequence[float],
        service_times_s: Sequence[float],
        resent: int,
    ) -> None:
        """Count messages as `record` does, together: accepted as expected, and of no step.

        `resent` of them needed another attempt; each late one has been counted as such already.
        """
        sent = len(response_times_s)
        self.counts.sent += sent
        self.counts.accepted += sent
        self.counts.attempts += sent + resent
        self.counts.resent += resent
        durations = self._durations[WHOLE]
        durations.send_error.record_all(send_errors_s)
        durations.response.record_all(response_times_s)
        durations.service.record_all(service_times_s)

    def give_up(self, cause: Cause, lateness_s: float) -> None:
        """Count a scheduled message that will not be sent, `lateness_s` after it was due."""
        self.counts.give_up(cause)
        self._durations[WHOLE].censored.record(lateness_s)

    @property
    def in_flight(self) -> int:
        """Messages that were scheduled and have not ended yet."""
        counts = self.counts
        return counts.scheduled - counts.sent - sum(counts.not_sent.values())

    def report(self) -> dict[str, Any]:
        """Return what the master has to absorb; the durations begin anew."""
        durations = {step: recorders.take() for step, recorders in self._durations.items()}
        return {"counts": self.counts.to_dict(), "durations": durations}


class ScenarioAccount:
    """What all processes together have seen of one scenario's measured messages.

    `durations` are those of all its messages, `steps` of each named step by itself.
    """

    def __init__(self) -> None:
        self.durations = Durations()
        self.steps: defaultdict[str, Durations] = defaultdict(Durations)
        self.retired: dict[int, str] = {}
        self._redirected: dict[str, int] = {}
        self._counts: dict[str, Counts] = {}

    def absorb(self, worker: str, report: Mapping[str, Any]) -> None:
        """Take in the next report of a worker.

        It has the form of `ScenarioRecorder.report`, and in `pool` what came of the conversations:
        `retired` since the last report by index with the reason, `redirected` messages so far.
        """
        self._counts[worker] = Counts.from_dict(report["counts"])
        for step, taken in report["durations"].items():
            self.durations.absorb(taken)
            if step != WHOLE:
                self.steps[step].absorb(taken)
        self.retired.update(report["pool"]["retired"])
        self._redirected[worker] = report["pool"]["redirected"]

    def lose(self, worker: str, messages: int, timeout_s: float) -> None:
        """Count messages that a dead worker may have sent and can no longer report."""
        self._counts.setdefault(worker, Counts()).lose(messages, "worker lost")
        lasted = Recorder()
        lasted.record(timeout_s, messages)
        self.durations.response.add_censored(lasted.take())

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
