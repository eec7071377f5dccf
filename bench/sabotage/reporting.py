"""Patches of what workers report and what the master makes of it: twice, not at all, or altered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bench.sabotage.proof import Proof
from bench.sabotage.replacing import replace
from convoy.clock import clock_s
from convoy.results.account import ScenarioAccount, ScenarioRecorder
from convoy.swarm import worker_run
from convoy.swarm.master import Master

_MORE_MESSAGES = 7
_DIES_AFTER_S = 1.0


def absorb_reports_twice(proof: Proof) -> None:
    def make(real: Callable[..., None]) -> Callable[..., None]:
        def absorb(self: ScenarioAccount, *told: Any) -> None:
            real(self, *told)
            real(self, *told)
            proof.count()

        return absorb

    replace(ScenarioAccount, "absorb", make)


def withhold_one_report(proof: Proof) -> None:
    """Let the second report of one worker not arrive."""
    _treat_reports(proof, {2: 0})


def withhold_last_reports(proof: Proof) -> None:
    """Let no report of one worker arrive but its first."""
    _treat_reports(proof, {1: 1}, otherwise=0)


def double_one_report(proof: Proof) -> None:
    """Let the second report of one worker arrive twice."""
    _treat_reports(proof, {2: 2})


def raise_counts_of_one_worker(proof: Proof) -> None:
    """Let one worker count seven accepted messages more, by itself without a contradiction."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def report(self: ScenarioRecorder, *more: Any) -> Any:
            whole = real(self, *more)
            if proof.is_ours():
                for name in ("scheduled", "sent", "accepted", "attempts"):
                    setattr(whole.counts, name, getattr(whole.counts, name) + _MORE_MESSAGES)
                proof.count()
            return whole

        return report

    replace(ScenarioRecorder, "report", make)


def stop_health_watch(proof: Proof) -> None:
    """Let no process measure its own health."""
    _end_watch_after(proof, 0.0)


def end_health_watch(proof: Proof) -> None:
    """Let the measurement of health end one second after it began."""
    _end_watch_after(proof, _DIES_AFTER_S)


def _treat_reports(proof: Proof, times: Mapping[int, int], otherwise: int = 1) -> None:
    """Let reports of the first worker that sends any arrive so many times, by their number."""
    numbers: Counter[str] = Counter()

    def make(real: Callable[..., None]) -> Callable[..., None]:
        def on_report(self: Master, name: str, *told: Any) -> None:
            numbers[name] += 1
            is_chosen = name == next(iter(numbers))
            arrives = times.get(numbers[name], otherwise) if is_chosen else 1
            proof.count(arrives != 1)
            for _ in range(arrives):
                real(self, name, *told)

        return on_report

    replace(Master, "on_report", make)


def _end_watch_after(proof: Proof, after_s: float) -> None:
    def make(real: Callable[..., None]) -> Callable[..., None]:
        def watch(
            recorder: Any, begins_s: float, ends_s: float, is_over: Callable[[], bool], *told: Any
        ) -> None:
            proof.count()
            if after_s:
                stops_s = begins_s + after_s
                real(
                    recorder,
                    begins_s,
                    ends_s,
                    lambda: is_over() or clock_s() > stops_s,
                    *told,
                )

        return watch

    replace(worker_run, "watch", make)
