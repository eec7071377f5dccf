"""The messages between coordinator and workers, and what they carry.

They travel as Locust's custom messages; in a run without workers the local runner hands them to
itself, so there is one way only. A worker's reports are not among them: they travel in Locust's own
worker reports under the key `convoy`, and a message sent after a report arrives after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from locust.env import Environment
from locust.runners import Runner

logger = logging.getLogger(__name__)

REPORT_KEY = "convoy"


class ToWorker(StrEnum):
    """PREPARE {run_id, settings, inputs, tokens, share} · LEASES {run_id, epoch, t0_s, grants:
    {scenario: {lane: first number}}} · RELEASE {run_id, lanes: {scenario: [lane]}} · CHANGE
    {run_id, epoch, at_s, stages: {scenario: [[rate_from, rate_to, for_s]]}} · STOP {run_id}.

    `t0_s` is on the worker's own wall clock; `at_s` counts from T0, and until then the plan is as
    it was.
    """

    PREPARE = "convoy_prepare"
    LEASES = "convoy_leases"
    RELEASE = "convoy_release"
    CHANGE = "convoy_change"
    STOP = "convoy_stop"


class ToCoordinator(StrEnum):
    """HELLO {} · PROGRESS {run_id, now_s, plan_hash, ready: {scenario: users}, problem,
    is_refusal} · RELEASED {run_id, cursors: {scenario: {lane: next number}}} · DRAINED the same ·
    LATE_CHANGE {run_id, late_s}: heard of after its moment · ENOUGH {run_id, reason}: the run
    should end now.

    `now_s` is the worker's wall clock when it sent the message.
    """

    HELLO = "convoy_hello"
    PROGRESS = "convoy_progress"
    RELEASED = "convoy_released"
    DRAINED = "convoy_drained"
    LATE_CHANGE = "convoy_late_change"
    ENOUGH = "convoy_enough"


Listener = Callable[[str, dict[str, Any]], None]
"""Takes the sender's id and what the message carries."""


class Channel:
    """One end of the conversation between coordinator and workers."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def listen(self, kind: ToWorker | ToCoordinator, listener: Listener) -> None:
        """Call `listener(sender, data)` for each message; it holds up Locust's loop."""

        def receive(environment: Environment, msg: Any, **_: object) -> None:
            listener(str(msg.node_id), msg.data or {})

        self._runner.register_message(kind.value, receive)

    def to_coordinator(self, kind: ToCoordinator, data: dict[str, Any]) -> None:
        self._runner.send_message(kind.value, data)

    def to_worker(self, kind: ToWorker, worker: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind.value, data, worker)
