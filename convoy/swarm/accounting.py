"""Enters the result of each measured message into account, samples and rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from convoy.engine.ahead import Message
from convoy.remote.session import Exchange
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Fate, Outcome

_AT_ONCE = 64
"""More at once would be a step so long that it delays other messages (docs/engine.md)."""
_FATES = {fate.value: fate for fate in Fate}

KeepSample = Callable[[Outcome, bytes, bytes], None]
"""Takes the outcome of a failed message, its body and the answer's body."""


class Rows(Protocol):
    """Where messages are shown besides the account, under the name of their scenario."""

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


class Accounting:
    """Enters the messages of one scenario in one process, each once.

    Accepted messages are gathered, and entered together when there are many or by `flush`: one by
    one between two waits of a process, with the processor's caches cold, they take twice as long.
    All others are entered at once. While the rows are not `is_alone`, accepted ones are, too. A
    message of unknown fate is shown as lasting until its deadline, `timeout_s` after it was sent.
    """

    def __init__(
        self,
        scenario: str,
        recorder: ScenarioRecorder,
        rows: Rows,
        keep_sample: KeepSample,
        timeout_s: float,
    ) -> None:
        self._scenario = scenario
        self._recorder = recorder
        self._late_after_s = recorder.late_after_s
        self._rows = rows
        self._keep_sample = keep_sample
        self._timeout_s = timeout_s
        self._waiting: list[tuple[float, float, float]] = []
        self._resent = self._answer_bytes = 0

    def enter(self, message: Message, exchange: Exchange, is_ok: bool) -> None:
        """Enter the result of a message; `is_ok` says whether it ended as expected."""
        answer, sent_s = exchange.answer, exchange.sent_s
        is_usual = is_ok and not exchange.code and self._rows.is_alone
        if answer is None or not is_usual:
            self.flush()
            self._enter(self._outcome(message, exchange, is_ok), message, exchange)
            return
        due, waiting = message.due, self._waiting
        due_s = due.due_s
        if sent_s - due_s > self._late_after_s:
            self._recorder.judge_lateness(
                due_s, due.handed_s, sent_s, due.late_cause, exchange.waited_s
            )
        waiting.append((due_s, sent_s, exchange.done_s))
        self._answer_bytes += len(answer.body)
        if exchange.attempts > 1:
            self._resent += exchange.attempts - 1
        if len(waiting) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Enter the gathered messages."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        response_times_s = [done_s - due_s for due_s, _, done_s in waiting]
        self._recorder.record_accepted(
            [abs(sent_s - due_s) for due_s, sent_s, _ in waiting],
            response_times_s,
            [done_s - sent_s for _, sent_s, done_s in waiting],
            self._resent,
        )
        self._rows.gather(self._scenario, response_times_s, self._answer_bytes)
        self._resent = self._answer_bytes = 0

    def _outcome(self, message: Message, exchange: Exchange, is_ok: bool) -> Outcome:
        due = message.due
        # By position, because sixteen keyword arguments would take longer than the rest of this.
        return Outcome(
            self._scenario,
            "",
            due.k,
            exchange.attempts,
            due.due_s,
            exchange.sent_s,
            exchange.done_s,
            _FATES[exchange.fate],
            exchange.code,
            exchange.status,
            len(exchange.body),
            exchange.correlation_id,
            message.planned.conversation.id,
            due.phase,
            due.epoch,
            is_ok,
        )

    def _enter(self, outcome: Outcome, message: Message, exchange: Exchange) -> None:
        due = message.due
        self._recorder.record(outcome, due.handed_s, due.late_cause, exchange.waited_s)
        if outcome.failure:
            self._keep_sample(outcome, message.body, exchange.body)
        self._show(outcome)

    def _show(self, outcome: Outcome) -> None:
        """Enter an outcome into the rows; a message that never left has no response time."""
        name = f"{outcome.scenario}/{outcome.step}" if outcome.step else outcome.scenario
        response_time_s: float | None = outcome.done_s - outcome.due_s
        failure = ""
        if not outcome.ok:
            failure = outcome.failure
            if outcome.fate is Fate.FAILED:
                response_time_s = None
            elif outcome.fate is Fate.UNKNOWN:
                response_time_s = outcome.sent_s - outcome.due_s + self._timeout_s
        response_time_ms = None if response_time_s is None else response_time_s * 1000
        self._rows.add(name, response_time_ms, outcome.answer_bytes, failure)
