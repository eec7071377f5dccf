"""Enters the result of each measured message and step into account, samples and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Protocol, TypeVar

from gevent import GreenletExit
from msgspec.structs import replace

from convoy.clock import clock_s
from convoy.engine.dispatch import DueMessage
from convoy.engine.rendered_ahead import Message
from convoy.errors import ConvoyError, RemoteError, WireError
from convoy.results.account import PoolReport, ScenarioRecorder, ScenarioReport, step_name
from convoy.results.message_log import MessageLog
from convoy.results.outcome import (
    ACCEPTED,
    FAILED,
    LONGEST_NAME,
    REJECTED,
    UNKNOWN,
    Attempt,
    Cause,
    Outcome,
    Phase,
)
from convoy.results.steps import TimingRecorder
from convoy.routes.codes import KNOWN_CODES, SHORTAGES
from convoy.untrusted_text import told

Recorder = TypeVar("Recorder", bound=ScenarioRecorder)
_MEASURE = Phase.MEASURE
_AT_ONCE = 64
"""More at once would be a step so long that it delays other messages (docs/engine.md)."""

KeepSample = Callable[[Outcome, bytes], None]
"""Takes the outcome of a failed message, and its body."""


@dataclass(slots=True)
class StepTimes:
    """When a step began and ended; `done_s` is None where it ends as the with-block is left."""

    began_s: float
    done_s: float | None = None


class Rows(Protocol):
    """Where messages are shown besides the account, under their scenario's name, and steps."""

    @property
    def is_alone(self) -> bool:
        """True while accepted messages may be gathered instead of being added one by one."""

    def add(
        self, name: str, response_time_ms: float | None, answer_bytes: int, failure: str = ""
    ) -> None:
        """Show a message at once; `failure` is its code, empty for one that ended as expected."""

    def gather(self, name: str, response_times_s: Sequence[float], answer_bytes: int) -> None:
        """Take accepted messages, at least one, with the sum of their answers' bytes."""

    def flush(self) -> None:
        """Show what was gathered."""


@dataclass(eq=False, repr=False)
class Accounting:
    """Enters the messages of one scenario in one process, each once.

    Accepted messages are gathered, and entered together when there are many or by `flush`: one by
    one between two waits of a process, with the processor's caches cold, they take twice as long.
    All others are entered at once, and so are accepted ones while the rows are not `is_alone`. A
    message of unknown fate is shown as lasting until its deadline, `timeout_s` after it was sent.
    Each is added to the `log`, if there is one. Messages of the warm-up are added to that only, and
    only where they open a conversation. `name_code` gives the name to show for a code.
    """

    scenario: str
    recorder: ScenarioRecorder
    rows: Rows
    keep_sample: KeepSample
    timeout_s: float
    log: MessageLog | None = None
    name_code: Callable[[str], str] = str

    def __post_init__(self) -> None:
        self._late_after_s = self.recorder.late_after_s
        self._waiting: list[tuple[float, float, float]] = []
        self._resent = self._answer_bytes = 0
        self._steps: dict[str, ScenarioRecorder] = {}
        self._timings: dict[str, TimingRecorder] = {}

    def declare(self, steps: Iterable[str], timings: Iterable[str]) -> None:
        """Begin to count these steps and timings, unless they are counted already."""
        # No `setdefault`: each of ten thousand users would make recorders, with their histograms.
        for step in steps:
            if step not in self._steps:
                self._steps[step] = ScenarioRecorder(inf, self.timeout_s)
        for timing in timings:
            if timing not in self._timings:
                show = partial(self._show_timing, timing)
                self._timings[timing] = TimingRecorder(self.timeout_s, show)

    @contextmanager
    def step(self, name: str, is_measured: bool) -> Iterator[StepTimes]:
        """Measure what is done inside as a step, which enters figures only where it `is_measured`.

        Its times may be corrected inside.

        A RemoteError that is raised inside is counted under its code, and goes no further. Raises
        ConvoyError for a step that was not declared.
        """
        recorder = _declared(self._steps, name, "steps")
        times, fate, code = StepTimes(clock_s()), ACCEPTED, ""
        if is_measured:
            recorder.schedule()
        try:
            yield times
        except RemoteError as error:
            fate, code = REJECTED, error.code
            if code in SHORTAGES and is_measured:
                self.recorder.counts.shortages[code] += 1
            if isinstance(error, WireError):
                fate = FAILED if error.sent_s is None else UNKNOWN
            if code == "stopped" and fate is FAILED and is_measured:
                recorder.counts.give_up(Cause.STOPPED)  # and no time, as it never began
                is_measured = False
        except GreenletExit:
            fate, code = UNKNOWN, "stopped"
            raise
        except BaseException:
            if is_measured:
                recorder.give_up(Cause.SCENARIO, clock_s() - times.began_s)
                is_measured = False
            raise
        finally:
            if is_measured:
                done_s = clock_s() if times.done_s is None else times.done_s
                attempt = Attempt(fate, self.name_code(code), times.began_s, done_s)
                self._enter_step(recorder, step_name(self.scenario, name), attempt)

    def leave_out(self, name: str, cause: Cause, is_measured: bool) -> None:
        """Count a step as not done, where it `is_measured`; raises as `step`."""
        recorder = _declared(self._steps, name, "steps")
        if is_measured:
            recorder.schedule()
            recorder.counts.give_up(cause)  # and no time: it never began

    def timing(self, name: str) -> TimingRecorder:
        """Return the recorder of a timing; raises ConvoyError for one that was not declared."""
        return _declared(self._timings, name, "timings")

    @property
    def recorders(self) -> list[ScenarioRecorder]:
        """The recorders of the messages, and of all steps and timings."""
        return [self.recorder, *self._steps.values(), *self._timings.values()]

    def expire_timings(self, *, is_over: bool) -> None:
        """Count as missing what was waited for too long; all of it where nobody waits any more."""
        for timing in self._timings.values():
            timing.expire(clock_s(), is_over=is_over)

    def report(self, pool: PoolReport) -> ScenarioReport:
        """Return what the master has to absorb; durations and seconds begin anew."""
        steps = {name: each.report() for name, each in self._steps.items()}
        timings = {name: each.report() for name, each in self._timings.items()}
        own = self.recorder.report()
        return ScenarioReport(own.counts, own.durations, own.seconds, pool, steps, timings)

    def enter(self, message: Message, attempt: Attempt, is_ok: bool) -> None:
        """Enter the result of a message; `is_ok` says whether it ended as expected."""
        if attempt.code and (name := self.name_code(attempt.code)) != attempt.code:
            attempt = replace(attempt, code=name)
        phase = message.due.phase
        if self.log is not None:
            id = message.planned.conversation.id
            if phase is _MEASURE or not id:
                self.log.add(self.scenario, message.due.k, id, attempt, phase)
        if phase is not _MEASURE:
            return
        if attempt.code or not is_ok or not self.rows.is_alone:
            self.flush()
            self._enter(message, attempt, is_ok)
            return
        due, waiting, sent_s = message.due, self._waiting, attempt.sent_s
        due_s = due.due_s
        if sent_s - due_s > self._late_after_s:
            self.recorder.judge_lateness(
                due_s, due.handed_s, sent_s, due.late_cause, attempt.waited_s
            )
        waiting.append((due_s, sent_s, attempt.done_s))
        self._answer_bytes += len(attempt.body)
        if attempt.attempts > 1:
            self._resent += attempt.attempts - 1
        if len(waiting) >= _AT_ONCE:
            self.flush()

    def give_up(self, due: DueMessage, cause: Cause, code: str = "") -> None:
        """Enter a message that was taken and will not be sent; `code` says why, if it is known."""
        if due.phase is _MEASURE:
            if code in SHORTAGES:
                self.recorder.counts.shortages[code] += 1
                cause = Cause.GENERATOR
            self.recorder.give_up(cause, clock_s() - due.due_s)

    def flush(self) -> None:
        """Enter the gathered messages and pairs."""
        for timing in self._timings.values():
            timing.flush()
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        response_times_s = [done_s - due_s for due_s, _, done_s in waiting]
        self.recorder.record_accepted(
            [abs(sent_s - due_s) for due_s, sent_s, _ in waiting],
            response_times_s,
            [done_s - sent_s for _, sent_s, done_s in waiting],
            self._resent,
        )
        self.rows.gather(self.scenario, response_times_s, self._answer_bytes)
        self._resent = self._answer_bytes = 0

    def _enter_step(self, recorder: ScenarioRecorder, name: str, attempt: Attempt) -> None:
        outcome = Outcome(name, 0, "", attempt.sent_s, attempt, not attempt.code)
        recorder.record(outcome, attempt.sent_s, Cause.TARGET)
        if attempt.code or not self.rows.is_alone:
            self._show(outcome)
        else:
            self.rows.gather(name, (outcome.response_time_s,), 0)

    def _show_timing(self, name: str, took_s: Sequence[float]) -> None:
        """Enter pairs into the timing's row; where a step has the name, that row is the step's.

        Gathered always: it may be the event loop that calls, where no listener can wait.
        """
        if name not in self._steps:
            self.rows.gather(step_name(self.scenario, name), took_s, 0)

    def _enter(self, message: Message, attempt: Attempt, is_ok: bool) -> None:
        due, planned = message.due, message.planned
        outcome = Outcome(self.scenario, due.k, planned.conversation.id, due.due_s, attempt, is_ok)
        self.recorder.record(outcome, due.handed_s, due.late_cause)
        if outcome.failure:
            self.keep_sample(outcome, message.body)
        self._show(outcome)

    def _show(self, outcome: Outcome) -> None:
        """Enter an outcome into the rows; a message that never left has no response time."""
        attempt = outcome.attempt
        response_time_s: float | None = outcome.response_time_s
        failure = ""
        if not outcome.ok:
            failure = outcome.failure
            if attempt.fate is FAILED:
                response_time_s = None
            elif attempt.fate is UNKNOWN:
                response_time_s = attempt.sent_s - outcome.due_s + self.timeout_s
        response_time_ms = None if response_time_s is None else response_time_s * 1000
        self.rows.add(outcome.scenario, response_time_ms, len(attempt.body), failure)


def code_namer(redact: Callable[[str], str]) -> Callable[[str], str]:
    """Return what names error codes as they are shown, short and without secrets.

    A session may take a code from what its far side says. Nothing is cached, because a token may
    be named in a code before it is issued.
    """

    def name(code: str) -> str:
        return code if not code or code in KNOWN_CODES else told(code, redact, LONGEST_NAME)

    return name


def _declared(recorders: Mapping[str, Recorder], name: str, where: str) -> Recorder:
    if name not in recorders:
        raise ConvoyError(f"{name!r} is not among the `{where}` that the user class declares")
    return recorders[name]
