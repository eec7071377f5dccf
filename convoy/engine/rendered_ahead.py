"""Messages that are planned and rendered ahead of their due time, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import KW_ONLY, dataclass
from time import time

import msgspec

from convoy.clock import clock_s
from convoy.engine.dispatch import DueMessage
from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadError
from convoy.plan.scenario import PoolExhausted, ScenarioPlan

_AT_ONCE = 32
_LONGEST_S = 0.0005
"""How long the other greenlets may be kept waiting: a fraction of what makes a message late."""


# A structure, and untracked by the collector: one is made per message.
class Message(msgspec.Struct, frozen=True, gc=False):
    """A due message, ready to be sent: what the plan says of it and its body as UTF-8 JSON."""

    due: DueMessage
    planned: PlannedMessage
    body: bytes


@dataclass(eq=False, repr=False)
class MessagesAhead:
    """Plans and renders the next messages of one scenario together.

    One by one takes twice as long, because after each wait the processor's caches are cold.
    `upcoming` takes how many numbers are wanted at most, and returns those of the next messages.
    `avoid` holds the indexes of retired conversations. A template that says when its message is
    sent, by `wall_clock`, is not rendered ahead but when the message is taken.
    """

    plan: ScenarioPlan
    run_id: str
    avoid: Collection[int]
    upcoming: Callable[[int], Sequence[int]]
    _: KW_ONLY
    clock: Callable[[], float] = clock_s
    wall_clock: Callable[[], float] = time

    def __post_init__(self) -> None:
        self._bodies = self.plan.bodies(self.run_id, self.wall_clock)
        self._planned: list[PlannedMessage] = []
        self._ready: dict[int, tuple[PlannedMessage, bytes | None]] = {}

    def message(self, due: DueMessage) -> Message:
        """Return a due message with its body; raises PoolExhausted, PayloadError."""
        k = due.k
        ready = self._ready.pop(k, None)
        if ready is None:
            self._make_ready(k)
            ready = self._ready.pop(k, None)
        # Its conversation was retired meanwhile, or it could not be made ahead: then the error is
        # raised here, where this very message is taken.
        if ready is None or ready[0].conversation_index in self.avoid:
            ready = self.plan.message(k, self.avoid), None
        planned, body = ready
        return Message(due, planned, self._bodies.render(planned) if body is None else body)

    def _make_ready(self, k: int) -> None:
        """Render one and the next ones; a template's error is raised when that message is taken."""
        planned = self._planned
        # Where lanes have come or gone since, what is left of the planned ones is not next.
        if not planned or planned[-1].k != k:
            planned = self._planned = self._plan_next(k)
        self._ready = ready = {}
        clock, bodies = self.clock, self._bodies
        ends_s = clock() + _LONGEST_S
        while planned:
            message = planned.pop()
            try:
                is_later = bodies.is_of_the_moment(message.template_name)
                ready[message.k] = message, None if is_later else bodies.render(message)
            except PayloadError:
                continue
            if clock() > ends_s:
                return

    def _plan_next(self, k: int) -> list[PlannedMessage]:
        """Return one and the next ones, the last one first."""
        try:
            planned = self.plan.messages([k, *self.upcoming(_AT_ONCE)], self.avoid)
        except PoolExhausted:
            return []
        planned.reverse()
        return planned
