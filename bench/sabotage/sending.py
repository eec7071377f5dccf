"""Patches of what users do with a message: not sent, sent late, counted as what it was not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import msgspec

from bench.sabotage.markers import measured_number
from bench.sabotage.proof import Proof
from bench.sabotage.replacing import replace
from convoy.clock import clock_s
from convoy.plugin.message_user import MessageUser
from convoy.remote.session import ApiSession
from convoy.results.outcome import Attempt, Fate, Phase

_NOT_SENT_OF_TEN = 3
_CLAIMED_SERVICE_S = 0.001
_LISTENER_BLOCKS_S = 0.3
_LISTENER_BLOCKS_EVERY = 20
_PAUSES_ONCE_AT = 60


def count_refusals_as_accepted(proof: Proof) -> None:
    def make(real: Callable[..., Attempt]) -> Callable[..., Attempt]:
        def post(self: ApiSession, *told: Any) -> Attempt:
            attempt = real(self, *told)
            if attempt.fate != Fate.REJECTED:
                return attempt
            proof.count()
            return msgspec.structs.replace(attempt, fate=Fate.ACCEPTED, code="")

        return post

    replace(ApiSession, "post", make)


def send_only_some(proof: Proof) -> None:
    """Leave three of ten measured messages out, and claim the last accepting answer for each."""
    accepted: list[Attempt] = []

    def make(real: Callable[..., Attempt]) -> Callable[..., Attempt]:
        def post(self: ApiSession, path: str, body: bytes | None, *told: Any) -> Attempt:
            k = measured_number(body)
            if accepted and k is not None and k % 10 < _NOT_SENT_OF_TEN:
                proof.count()
                now_s = clock_s()
                done_s = now_s + _CLAIMED_SERVICE_S
                return msgspec.structs.replace(accepted[-1], sent_s=now_s, done_s=done_s)
            attempt = real(self, path, body, *told)
            if attempt.fate == Fate.ACCEPTED:
                accepted[:] = [attempt]
            return attempt

        return post

    replace(ApiSession, "post", make)


def sleep_before_posting(for_s: float) -> Callable[[Proof], None]:
    """Return the patch by which a scenario sleeps before it posts each measured message."""
    return lambda proof: _before_posting(proof, lambda _: True, lambda: gevent.sleep(for_s))


def compute_before_posting(for_s: float) -> Callable[[Proof], None]:
    """Return the patch by which a scenario computes before it posts each measured message."""
    return lambda proof: _before_posting(proof, lambda _: True, lambda: _compute(for_s))


def compute_once(for_s: float) -> Callable[[Proof], None]:
    """Return the patch by which a scenario computes before it posts one message of all."""
    return lambda proof: _before_posting(
        proof, lambda k: k == _PAUSES_ONCE_AT, lambda: _compute(for_s)
    )


def block_in_listener(proof: Proof) -> None:
    """Let a listener to `events.request` block the loop for 0.3 s at every twentieth message."""
    messages = 0

    def block(**_: object) -> None:
        nonlocal messages
        messages += 1
        if messages % _LISTENER_BLOCKS_EVERY == 0:
            proof.count()
            _compute(_LISTENER_BLOCKS_S)

    def make(real: Callable[..., None]) -> Callable[..., None]:
        def on_start(self: MessageUser) -> None:
            request = self.environment.events.request
            if block not in request._handlers:
                request.add_listener(block)
            real(self)

        return on_start

    replace(MessageUser, "on_start", make)


def count_warm_up(proof: Proof) -> None:
    """Enter the messages of the warm-up into the account, too."""

    def make(real: Callable[..., None]) -> Callable[..., None]:
        def finish(self: MessageUser, message: Any, *told: Any) -> None:
            if message.due.phase is Phase.WARM_UP:
                proof.count()
                self._work.recorder.schedule()
                due = msgspec.structs.replace(message.due, phase=Phase.MEASURE)
                message = msgspec.structs.replace(message, due=due)
            real(self, message, *told)

        return finish

    replace(MessageUser, "_finish", make)


def _before_posting(
    proof: Proof, is_chosen: Callable[[int], bool], pause: Callable[[], None]
) -> None:
    def make(real: Callable[..., None]) -> Callable[..., None]:
        def post(self: MessageUser, message: Any, *told: Any) -> None:
            k = measured_number(message.body)
            if k is not None and is_chosen(k):
                proof.count()
                pause()
            real(self, message, *told)

        return post

    replace(MessageUser, "post", make)


def _compute(for_s: float) -> None:
    ends_s = clock_s() + for_s
    while clock_s() < ends_s:
        pass
