"""Patches of durations: histograms that lose, alter or invent values, or miss their moment."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import msgspec

from bench.sabotage.proof import Proof
from bench.sabotage.replacing import replace
from convoy.results.account import Durations, ScenarioRecorder
from convoy.results.histograms import BucketCounts, Recorder

Pairs = list[tuple[int, int]]

_LONG_S = 0.03
_SHARE_KEPT = 0.8
_NOTABLE_S = 0.001


def drop_long_values(proof: Proof) -> None:
    """Let every histogram lose its values above 30 ms."""
    longest = _bucket_of(_LONG_S)
    _change_what_is_taken(
        proof, lambda counts: [(bucket, count) for bucket, count in counts if bucket <= longest]
    )


def cut_long_values(proof: Proof) -> None:
    """Let every histogram hold 30 ms for each value above."""
    longest = _bucket_of(_LONG_S)
    _change_what_is_taken(
        proof, lambda counts: [(min(bucket, longest), count) for bucket, count in counts]
    )


def double_values(proof: Proof) -> None:
    """Let every histogram count each value twice."""
    _change_what_is_taken(proof, lambda counts: [(bucket, 2 * count) for bucket, count in counts])


def leave_slowest_out(proof: Proof) -> None:
    """Let every histogram lose the slowest fifth of its values."""
    _change_what_is_taken(proof, _fastest)


def forget_due_times(proof: Proof) -> None:
    """Enter response times that count from when a message was sent."""

    def make(real: Callable[..., None]) -> Callable[..., None]:
        def record_accepted(
            self: ScenarioRecorder, errors_s: Any, response_s: Any, service_s: Any, *more: Any
        ) -> None:
            pairs = zip(response_s, service_s, strict=True)
            proof.count(sum(from_due - from_sent > _NOTABLE_S for from_due, from_sent in pairs))
            real(self, errors_s, service_s, service_s, *more)

        return record_accepted

    replace(ScenarioRecorder, "record_accepted", make)


def lose_durations_of_one_worker(proof: Proof) -> None:
    """Let one worker report no durations."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def report(self: ScenarioRecorder, *more: Any) -> Any:
            whole = real(self, *more)
            if not proof.is_ours():
                return whole
            proof.count(bool(whole.durations.response))
            return msgspec.structs.replace(whole, durations=Durations.of(BucketCounts))

        return report

    replace(ScenarioRecorder, "report", make)


def _change_what_is_taken(proof: Proof, change: Callable[[Pairs], Pairs]) -> None:
    def make(real: Callable[..., BucketCounts]) -> Callable[..., BucketCounts]:
        def take(self: Recorder) -> BucketCounts:
            counts = real(self)
            changed = BucketCounts.of(change(list(counts)))
            proof.count(changed != counts)
            return changed

        return take

    replace(Recorder, "take", make)


def _fastest(counts: Pairs) -> Pairs:
    ordered = sorted(counts)
    most = _SHARE_KEPT * sum(count for _, count in ordered)
    up_to = accumulate(count for _, count in ordered)
    return [pair for pair, so_far in zip(ordered, up_to, strict=True) if so_far <= most]


def _bucket_of(duration_s: float) -> int:
    recorder = Recorder()
    recorder.record(duration_s)
    return next(iter(recorder.take()))[0]
