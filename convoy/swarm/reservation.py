"""The conversation that a user has to itself, where each takes one message at a time."""

from __future__ import annotations

from time import perf_counter

import msgspec

from convoy.engine.ahead import Message
from convoy.plan.lanes import LANES
from convoy.plan.scenario import PoolExhausted
from convoy.results.outcome import Cause
from convoy.swarm.scenario_work import ScenarioWork


class Reservation:
    """Reserves the conversation of one message after the other for one user."""

    def __init__(self, work: ScenarioWork, max_lateness_s: float) -> None:
        self._work = work
        self._max_lateness_s = max_lateness_s
        self._index: int | None = None

    def reserve(self, message: Message) -> Message:
        """Return the message with its conversation reserved; raises PoolExhausted if too late.

        A message that had to wait for it is late by cause pool.
        """
        pool, latest_s = self._work.pool, message.due.due_s + self._max_lateness_s
        while self._index is None:
            due, index = message.due, message.planned.conversation_index
            has_to_wait = pool.is_taken(index)
            if not pool.take(index, due.k % LANES, max(0.0, latest_s - perf_counter())):
                raise PoolExhausted("the conversation was not free in time")
            self._index = index
            if has_to_wait:
                handed_s = perf_counter()
                due = msgspec.structs.replace(due, late_cause=Cause.POOL, handed_s=handed_s)
                message = msgspec.structs.replace(message, due=due)
            if index in pool.retired:  # while this user waited for it
                self.release()
                message = self._work.message(due)
        return message

    def release(self) -> None:
        """Release the conversation of the last message for other users."""
        if self._index is not None:
            self._work.pool.give_back(self._index)
            self._index = None
