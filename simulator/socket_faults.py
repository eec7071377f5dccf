"""Faults of guests' connections: upgrades, requests and frames that are struck, and the dropped."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from simulator.fault_words import Delay

DROP, STALL, CLOSE, REFUSE = "ws-drop", "ws-stall", "ws-close", "ws-refuse"
ANSWER, LATENCY, LOSE, DOUBLE = "ws-error", "ws-latency", "ws-lose", "ws-double"
REORDER = "ws-reorder"
CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)))
"""Those that a close frame may hold (RFC 6455, 7.4)."""


class SocketFault(NamedTuple):
    """One kind of fault, the share that it strikes, and what its kind needs besides.

    `code` is the close code, the error's code or the status of a refused upgrade; a stall is from
    `begins_at_s` to `ends_at_s` of the simulator's clock.
    """

    kind: str
    share: float = 1.0
    code: int = 0
    delay: Delay | None = None
    begins_at_s: float = 0.0
    ends_at_s: float = 0.0


class Passage(NamedTuple):
    """How a frame reaches its guest: after a wait, so many times, or after the next one."""

    delay_s: float = 0.0
    copies: int = 1
    is_overtaken: bool = False


class SocketFaults:
    """The faults in force; in the same order of frames the same seed strikes the same ones."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"{seed}:sockets")
        self._requests: list[SocketFault] = []
        self._refusals: list[SocketFault] = []
        self._frames: list[SocketFault] = []
        self._drops: list[SocketFault] = []

    def set(self, faults: Iterable[SocketFault]) -> None:
        # A stall holds back whatever the delays before it would let out, so stalls come last.
        in_order = sorted(faults, key=lambda each: each.kind == STALL)
        self._requests = [each for each in in_order if each.kind in (CLOSE, ANSWER)]
        self._refusals = [each for each in in_order if each.kind == REFUSE]
        self._drops = [each for each in in_order if each.kind == DROP]
        others = (*self._requests, *self._refusals, *self._drops)
        self._frames = [each for each in in_order if each not in others]

    @property
    def strike_frames(self) -> bool:
        return bool(self._frames)

    @property
    def drop(self) -> bool:
        return bool(self._drops)

    def refusal(self) -> int:
        """The status with which an upgrade is refused, 0 for none."""
        found = self._struck(self._refusals)
        return found.code if found else 0

    def strike(self) -> SocketFault | None:
        """What a request meets instead of its answer: `CLOSE` or `ANSWER`."""
        return self._struck(self._requests)

    def is_dropped(self, elapsed_s: float) -> bool:
        """Whether one connection was dropped within this time."""
        return any(self._rng.random() >= (1.0 - each.share) ** elapsed_s for each in self._drops)

    def passage(self, now_s: float, *, is_push: bool) -> Passage:
        """What happens to a frame that leaves now; an answer can be delayed, and nothing else."""
        delay_s, copies, is_overtaken = 0.0, 1, False
        for fault in self._frames:
            if fault.delay is not None:
                delay_s += fault.delay()
            elif fault.kind == STALL:
                if fault.begins_at_s <= now_s + delay_s < fault.ends_at_s:
                    delay_s = fault.ends_at_s - now_s
            elif is_push and self._rng.random() < fault.share:
                if fault.kind == LOSE:
                    copies = 0
                elif fault.kind == DOUBLE:
                    copies *= 2
                elif fault.kind == REORDER:
                    is_overtaken = True
                else:
                    raise ValueError(f"{fault.kind} is no fault of frames")
        return Passage(delay_s, copies, is_overtaken)

    def _struck(self, faults: list[SocketFault]) -> SocketFault | None:
        for fault in faults:
            if self._rng.random() < fault.share:
                return fault
        return None
