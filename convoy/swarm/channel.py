"""The messages between master and workers, and what they carry.

A worker's reports are sent another way, but in order: a message sent after one arrives after it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from convoy.errors import ConvoyError
from convoy.results.account import ScenarioReport
from convoy.results.counts import Counts
from convoy.results.health import HealthReport
from convoy.results.outcome import Second, Seconds
from convoy.results.samples import SamplesReport


class ToWorker(StrEnum):
    """PREPARE {run_id, settings, scenarios, tokens, share} · LEASES {run_id, epoch, t0_s, grants:
    {scenario: {lane: first number}}} · RELEASE {run_id, lanes: {scenario: [lane]}} · CHANGE
    {run_id, epoch, at_s, stages: {scenario: [[rate_from, rate_to, for_s]]}} · STOP {run_id}.

    `t0_s` is in seconds of the worker's own wall clock; `at_s` is the moment of the change, in
    seconds from T0.
    """

    PREPARE = "convoy_prepare"
    LEASES = "convoy_leases"
    RELEASE = "convoy_release"
    CHANGE = "convoy_change"
    STOP = "convoy_stop"


class ToMaster(StrEnum):
    """HELLO {} · PROGRESS {run_id, now_s, plan_hash, ready: {scenario: users}, problem,
    is_refusal} · RELEASED {run_id, cursors: {scenario: {lane: next number}}} · DRAINED the same ·
    LATE_CHANGE {run_id, late_s}: received after its moment · ENOUGH {run_id, reason}: the run
    should end now.

    `now_s` is the worker's wall clock when it sent the message.
    """

    HELLO = "convoy_hello"
    PROGRESS = "convoy_progress"
    RELEASED = "convoy_released"
    DRAINED = "convoy_drained"
    LATE_CHANGE = "convoy_late_change"
    ENOUGH = "convoy_enough"


class WorkerReport(msgspec.Struct, frozen=True):
    """A worker's report on a run, `number` counting its reports on it from 1.

    Counts are totals since the run began; histograms, samples and retired conversations cover the
    time since the last report. `seconds` holds what was counted in each second of that time, by
    scenario; `at_s` is when the report was made, in seconds since T0, 0 before.
    """

    run_id: str
    epoch: int
    number: int
    at_s: Seconds
    seconds: dict[str, dict[Second, Counts]]
    scenarios: dict[str, ScenarioReport]
    samples: SamplesReport
    health: HealthReport

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> WorkerReport:
        """Return the report that a worker sent; raises ConvoyError."""
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except (TypeError, UnicodeError, RecursionError, msgspec.DecodeError) as error:
            raise ConvoyError(f"it does not have the form of a report: {error}") from error


Listener = Callable[[str, dict[str, Any]], None]
"""Takes the sender's id and what the message carries."""


class Channel(Protocol):
    """One end of the message channel between master and workers."""

    def listen(self, kind: ToWorker | ToMaster, listener: Listener) -> None:
        """Call `listener(sender, data)` for each message, before the next one is received."""

    def to_master(self, kind: ToMaster, data: dict[str, Any]) -> None: ...

    def to_worker(self, kind: ToWorker, worker: str, data: dict[str, Any]) -> None: ...
