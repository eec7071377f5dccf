"""The way of frames to guests, on which faults let them wait, get lost, doubled or overtaken."""

from __future__ import annotations

from collections.abc import Callable

from simulator.model.guests import Connection, Traffic
from simulator.socket_faults import SocketFaults

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many seconds."""
OVERTAKEN_WITHIN_S = 0.5


class Wire:
    """Carries frames to guests, in the order in which they were sent but for `ws-reorder`."""

    def __init__(self, faults: SocketFaults, now_s: Callable[[], float], later: Later) -> None:
        self._faults = faults
        self._now_s = now_s
        self._later = later

    def carry(self, connection: Connection, frame: bytes, *, is_push: bool) -> None:
        """Send a frame; `is_push` is one that answers no request."""
        traffic = connection.traffic
        if traffic is None:
            if not self._faults.strike_frames:
                connection.link.send(frame)
                return
            traffic = connection.traffic = Traffic()
        now_s = self._now_s()
        passage = self._faults.passage(now_s, is_push=is_push)
        if passage.is_overtaken and traffic.overtaken is None:
            traffic.overtaken = frame
            # A guest's last frame is overtaken by none, and must arrive nevertheless.
            self._later(
                passage.delay_s + OVERTAKEN_WITHIN_S,
                lambda: self._release(connection, traffic, 0.0),
            )
            return
        for _ in range(passage.copies):
            self._send(connection, traffic, frame, passage.delay_s)
        if is_push and passage.copies:
            self._release(connection, traffic, passage.delay_s)

    def _release(self, connection: Connection, traffic: Traffic, delay_s: float) -> None:
        if traffic.overtaken is not None:
            late, traffic.overtaken = traffic.overtaken, None
            self._send(connection, traffic, late, delay_s)

    def _send(self, connection: Connection, traffic: Traffic, frame: bytes, delay_s: float) -> None:
        now_s = self._now_s()
        traffic.arrives_at_s = max(now_s + delay_s, traffic.arrives_at_s)
        if traffic.arrives_at_s <= now_s and not traffic.frames:
            connection.link.send(frame)
            return
        traffic.frames.append(frame)
        self._later(
            traffic.arrives_at_s - now_s,
            lambda: connection.link.send(traffic.frames.popleft()),
        )
