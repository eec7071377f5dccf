"""The account of one scenario: a worker's side that records, the whole run's side that absorbs.

What travels between them is a `ScenarioReport`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from convoy.results.counts import Counts
from convoy.results.histograms import BucketCounts, Histogram, Recorder
from convoy.results.outcome import (
    ACCEPTED,
    MOST,
    REJECTED,
    UNKNOWN,
    Cause,
    Name,
    Number,
    Outcome,
    Second,
)

T = TypeVar("T")
U = TypeVar("U")

_NOBODY = ""
"""The worker of messages that nobody sent."""


def step_name(scenario: str, step: str) -> str:
    """Return the name of a step among everything that is measured in a run."""
    return f"{scenario}/{step}"


def timing_name(scenario: str, timing: str) -> str:
    """Return the name of a timing among everything that is measured in a run."""
    return f"{scenario}[{timing}]"


class Durations(msgspec.Struct, Generic[T], frozen=True):
    """The durations of messages by what they mean; each T holds those of one kind.

    A worker has a `Recorder` of each, its reports have `BucketCounts` of what came since the last
    one, the master has a `Histogram`.

    `response` and `service` are those of accepted messages, from when they were due and from when
    they were sent; `rejected` and `unknown` count from when they were due. `censored` is how long a
    message without a whole answer lasted at least, `send_error` how far from its time it was sent.
    The master's `response` holds the censored ones too, as lower bounds.
    """

    response: T
    service: T
    rejected: T
    unknown: T
    censored: T
    send_error: T

    @classmethod
    def of(cls, make: Callable[[], T]) -> Durations[T]:
        return cls(*(make() for _ in cls.__struct_fields__))

    def map(self, change: Callable[[T], U]) -> Durations[U]:
        return Durations(*(change(getattr(self, name)) for name in self.__struct_fields__))


class PoolReport(msgspec.Struct, frozen=True):
    """A worker's report on its conversations.

    `retired` holds those retired since the last report, with the reason by index in the pool;
    `redirected` counts the messages so far that went to another conversation instead.
    """

    retired: dict[Number, Name]
    redirected: Number


class StepReport(msgspec.Struct, frozen=True):
    """A worker's report, on a step or a timing: counts since the start, durations since the last.

    `seconds` holds what was counted in each second since the last report.
    """

    counts: Counts
    durations: Durations[BucketCounts]
    seconds: dict[Second, Counts]


class ScenarioReport(StepReport, frozen=True):
    """A worker's report on the messages of a scenario, with those on what is measured beside."""

    pool: PoolReport
    steps: Mapping[Name, StepReport] = {}
    timings: Mapping[Name, StepReport] = {}

    def parts(self, scenario: str) -> Iterator[tuple[str, StepReport]]:
        """Yield the reports on messages, steps and timings, each with its name in the run."""
        yield scenario, self
        for step, report in self.steps.items():
            yield step_name(scenario, step), report
        for timing, report in self.timings.items():
            yield timing_name(scenario, timing), report


class ScenarioRecorder:
    """What one process has seen of one scenario's measured messages, or of a step or a timing.

    A message that starts more than `late_after_s` after it was due is late. A message of unknown
    fate counts as lasting until its deadline, `timeout_s` after it was sent, because a connection
    that broke at once is no fast answer.
    """

    def __init__(self, late_after_s: float, timeout_s: float) -> None:
        self.counts = Counts()
        self.late_after_s = late_after_s
        self._timeout_s = timeout_s
        self._durations = Durations.of(Recorder)
        self._in_flight_before = 0
        self._seconds: dict[Second, Counts] = {}
        self._entered = Counts()

    def schedule(self) -> None:
        """Count a message as scheduled: from now on it has to end in an outcome or be given up."""
        self.counts.scheduled += 1

    def record(self, outcome: Outcome, handed_s: float, late_cause: Cause) -> None:
        """Count a sent message, and its durations where its fate gives them a meaning.

        `handed_s` and `late_cause` are those of `judge_lateness`.
        """
        self.counts.record(outcome)
        durations, attempt = self._durations, outcome.attempt
        due_s, sent_s, fate = outcome.due_s, attempt.sent_s, attempt.fate
        lateness_s = sent_s - due_s
        durations.send_error.record(abs(lateness_s))
        self.judge_lateness(due_s, handed_s, sent_s, late_cause, attempt.waited_s)
        if fate is ACCEPTED:
            durations.response.record(outcome.response_time_s)
            durations.service.record(attempt.done_s - sent_s)
        elif fate is REJECTED:
            durations.rejected.record(outcome.response_time_s)
        elif fate is UNKNOWN:
            durations.unknown.record(outcome.response_time_s)
            durations.censored.record(lateness_s + self._timeout_s)

    def judge_lateness(
        self, due_s: float, handed_s: float, sent_s: float, late_cause: Cause, waited_s: float
    ) -> None:
        """Count a message as late if it was sent too long after it was due.

        `late_cause` is the cause if the message was handed to its user late, at `handed_s`. From
        then on it waited `waited_s` for the target, for a connection or a token; the rest of the
        time was the scenario's own.
        """
        if sent_s - due_s <= self.late_after_s:
            return
        own_s = sent_s - handed_s - waited_s
        # Enough of its own to be late by itself, or the larger part of what made the message late.
        if handed_s - due_s > self.late_after_s:
            cause = late_cause
        elif own_s > min(self.late_after_s, waited_s):
            cause = Cause.SCENARIO
        else:
            cause = Cause.TARGET
        self.counts.late[cause] += 1

    def record_accepted(
        self,
        send_errors_s: Sequence[float],
        response_times_s: Sequence[float],
        service_times_s: Sequence[float],
        resent: int,
    ) -> None:
        """Count messages as `record` does, together: accepted as expected.

        `resent` of them needed another attempt; each late one has been counted as such already.
        """
        sent = len(response_times_s)
        self.counts.sent += sent
        self.counts.accepted += sent
        self.counts.attempts += sent + resent
        self.counts.resent += resent
        durations = self._durations
        durations.send_error.record_all(send_errors_s)
        durations.response.record_all(response_times_s)
        durations.service.record_all(service_times_s)

    def give_up(self, cause: Cause, lateness_s: float) -> None:
        """Count a scheduled message that will not be sent, `lateness_s` after it was due."""
        self.counts.give_up(cause)
        self._durations.censored.record(lateness_s)

    @property
    def in_flight(self) -> int:
        """Messages that were scheduled and have not ended yet."""
        return self.counts.scheduled - self.counts.ended

    def notice_beat(self, is_late: bool) -> None:
        """Count as delayed, where the loop came late to its beat, what was in flight before."""
        if is_late:
            self.counts.delayed += self._in_flight_before
        self._in_flight_before = self.in_flight

    def enter_second(self, second: int) -> None:
        """Enter what was counted since the last call under a second of the run's clock."""
        gained = self.counts.since(self._entered)
        if gained != Counts():
            self._entered = Counts.total([self.counts])
            before = self._seconds.get(second, Counts())
            self._seconds[second] = Counts.total([before, gained])

    def report(self) -> StepReport:
        """Return what the master has to absorb; durations and seconds begin anew."""
        durations = self._durations.map(Recorder.take)
        seconds, self._seconds = self._seconds, {}
        return StepReport(Counts.total([self.counts]), durations, seconds)


class StepResult(msgspec.Struct, frozen=True):
    """What came of a step or a timing, or of the messages of a scenario.

    Of a step `sent` counts how often it was done; of a timing `accepted` counts the matched ones,
    `not_sent` the missing and `errors` what came twice or unexpected. Durations of both are
    response times, of what failed without an answer or is missing as lower bounds.
    """

    counts: Counts
    durations: Durations[Histogram]


class ScenarioResult(StepResult, frozen=True):
    """What came of one scenario's measured messages, up to the moment when this was taken.

    `planned` messages had to be accounted for by the end, `configured_per_s` is their mean rate by
    the plan, None where nothing is scheduled. `retired` counts conversations by the code that they
    answered, `redirected` messages went to another conversation, because the planned one was
    retired. `forgone` were not sent by anybody, because their worker was silent. Counts and
    durations of steps and timings are in no others.
    """

    planned: Number
    configured_per_s: float | None
    retired: dict[str, Number]
    redirected: Number
    forgone: Number = 0
    steps: dict[str, StepResult] = {}
    timings: dict[str, StepResult] = {}


_Unmerged = deque[tuple[Histogram, BucketCounts]]
"""Durations that were absorbed, each with the histogram that they belong to."""


class _Tally:
    """Counts and durations of one part of a run as the reports of all workers add up to them."""

    def __init__(self, name_code: Callable[[str], str], unmerged: _Unmerged) -> None:
        self._name_code = name_code
        self._unmerged = unmerged
        self.durations = Durations.of(Histogram)
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)

    def absorb(self, worker: str, report: StepReport) -> None:
        counts = self.counts[worker] = report.counts
        counts.rename_codes(self._name_code)
        for name in self.durations.__struct_fields__:
            if pairs := getattr(report.durations, name):
                self._unmerged.append((getattr(self.durations, name), pairs))
        self.durations.response.add_censored(report.durations.censored)

    def result(self, with_times: bool) -> StepResult:
        """Return what is known by now; nothing that is absorbed later changes it."""
        times = self.durations.map(Histogram.copy) if with_times else Durations.of(Histogram)
        return StepResult(Counts.total(self.counts.values()), times)


class ScenarioAccount:
    """What all processes together have reported of one scenario's measured messages.

    `name_code` gives the name to count an error code under; each worker caps only its own.
    """

    def __init__(self, name_code: Callable[[str], str]) -> None:
        self._name_code = name_code
        self._unmerged: _Unmerged = deque()
        self._messages = _Tally(name_code, self._unmerged)
        self._steps = defaultdict[str, _Tally](lambda: _Tally(name_code, self._unmerged))
        # The codes of timings are our own, few and without secrets, and keep their names.
        self._timings = defaultdict[str, _Tally](lambda: _Tally(str, self._unmerged))
        self._retired: dict[int, str] = {}
        self._redirected: dict[str, int] = {}

    def absorb(self, worker: str, report: ScenarioReport) -> None:
        """Take in the next report of a worker."""
        self._messages.absorb(worker, report)
        for step, each in report.steps.items():
            self._steps[step].absorb(worker, each)
        for timing, each in report.timings.items():
            self._timings[timing].absorb(worker, each)
        for index, code in report.pool.retired.items():
            self._retired[index] = self._name_code(code)
        self._redirected[worker] = report.pool.redirected

    def rename_codes(self, name_code: Callable[[str], str]) -> None:
        """Count what was reported so far under the names that `name_code` gives to the codes."""
        for tally in (self._messages, *self._steps.values()):
            for counts in tally.counts.values():
                counts.rename_codes(name_code)
        self._retired = {index: name_code(code) for index, code in self._retired.items()}

    def merge_next(self) -> bool:
        """Merge one kind of the durations that were absorbed; return False if there are none.

        Those of a whole report take milliseconds, and in a local run messages wait meanwhile.
        `result` merges what is left.
        """
        if self._unmerged:
            histogram, pairs = self._unmerged.popleft()
            histogram.add(pairs)
            return True
        return False

    def lose(self, worker: str, messages: int, timeout_s: float) -> None:
        """Count messages that a dead worker may have sent and can no longer report."""
        self._messages.counts[worker].lose(messages)
        self._lasted_at_least(timeout_s, messages)

    def forgo(self, messages: int, lateness_s: float) -> None:
        """Count messages that nobody sent, each at least `lateness_s` too late."""
        self._messages.counts[_NOBODY].forgo(messages)
        self._lasted_at_least(lateness_s, messages)

    def _lasted_at_least(self, duration_s: float, messages: int) -> None:
        lasted = Recorder()
        lasted.record(duration_s, messages)
        self._messages.durations.response.add_censored(lasted.take())

    def counts_of(self, worker: str) -> Counts:
        return self._messages.counts.get(worker, Counts())

    def total(self) -> Counts:
        """Return the counts of all workers."""
        return Counts.total(self._messages.counts.values())

    def result(
        self, planned: int, configured_per_s: float | None, *, with_times: bool = True
    ) -> ScenarioResult:
        """Return what is known by now; nothing that is absorbed later changes it."""
        while with_times and self.merge_next():
            pass
        messages = self._messages.result(with_times)
        return ScenarioResult(
            messages.counts,
            messages.durations,
            min(MOST, planned),  # of a run flat out any number is planned until it is over
            configured_per_s,
            dict(Counter(self._retired.values())),
            min(MOST, sum(self._redirected.values())),
            self.counts_of(_NOBODY).scheduled,
            {step: each.result(with_times) for step, each in self._steps.items()},
            {timing: each.result(with_times) for timing, each in self._timings.items()},
        )
