"""Timings: pairs of sent and received, which a process measures beside messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import inf

from convoy.results.account import ScenarioRecorder, StepReport
from convoy.results.counts import Counts
from convoy.results.outcome import Cause

DUPLICATE, NOT_WAITED_FOR = "duplicate", "unexpected"
"""What a timing counts besides pairs, among its errors."""
_REMEMBERED = 4_096
_AT_ONCE = 64


def pairs_in(counts: Counts) -> dict[str, int]:
    """Return what the counts of a timing say, by the names that reports have for it."""
    return {
        "matched": counts.accepted,
        "missing": sum(counts.not_sent.values()),
        "duplicate": counts.errors[DUPLICATE],
        "unexpected": counts.errors[NOT_WAITED_FOR],
    }


class TimingRecorder(ScenarioRecorder):
    """What one process has seen of a timing: pairs of sent and received, matched by an id.

    What was not received within `timeout_s` is missing. An id that comes again is a duplicate while
    it is among the last 4,096 that were matched; any other that nothing waits for is unexpected.
    Matched pairs are gathered, and entered together when there are many or by `flush`; `show` takes
    how long they took, in seconds.
    """

    def __init__(self, timeout_s: float, show: Callable[[Sequence[float]], None]) -> None:
        super().__init__(inf, timeout_s)  # a pair is never late, because it is never due
        self._show = show
        self._took_s: list[float] = []
        self._waiting: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._matched: OrderedDict[str, bool] = OrderedDict()

    def sent(self, id: str, at_s: float, is_measured: bool) -> None:
        """Wait for the other half of a pair, which enters figures only where it `is_measured`."""
        if id in self._waiting:
            self._miss(id, at_s)
        self._waiting[id] = at_s, is_measured
        if is_measured:
            self.schedule()

    def received(self, id: str, at_s: float, is_measured: bool) -> None:
        """Enter what has come; `is_measured` says whether it counts where it belongs to no pair."""
        counts = self.counts
        waited = self._waiting.get(id)
        if waited is not None and at_s - waited[0] >= self._timeout_s:
            self._miss(id, at_s)
            waited = None
        if waited is not None:
            del self._waiting[id]
            sent_s, is_measured = waited
            self._matched[id] = is_measured
            if len(self._matched) > _REMEMBERED:
                self._matched.popitem(last=False)
            if is_measured:
                self._took_s.append(at_s - sent_s)
                if len(self._took_s) >= _AT_ONCE:
                    self.flush()
        elif id in self._matched:
            counts.errors[DUPLICATE] += self._matched[id]
        elif is_measured:
            counts.errors[NOT_WAITED_FOR] += 1

    def report(self) -> StepReport:
        self.flush()
        return super().report()

    def flush(self) -> None:
        """Enter the gathered pairs."""
        took_s, self._took_s = self._took_s, []
        if took_s:
            self.record_accepted((), took_s, took_s, 0)
            self._show(took_s)

    def expire(self, now_s: float, *, is_over: bool = False) -> None:
        """Count as missing what has been waited for too long, all of it where the run `is_over`."""
        while self._waiting:
            id, (sent_s, _) = next(iter(self._waiting.items()))
            if not is_over and now_s - sent_s < self._timeout_s:
                return
            self._miss(id, now_s)

    def _miss(self, id: str, now_s: float) -> None:
        sent_s, is_measured = self._waiting.pop(id)
        if is_measured:
            self.give_up(Cause.TARGET, min(now_s - sent_s, self._timeout_s))
