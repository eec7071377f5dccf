"""What is measured of a guest's messages by what comes after them: own copies and replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gevent.event import Event as Signal

from convoy.clock import clock_s
from convoy.remote.guest_answers import TOLD
from convoy.remote.guest_events import Event, OwnCopy, Reply
from convoy.results.outcome import ACCEPTED, UNKNOWN, Attempt
from convoy.results.steps import TimingRecorder

OWN_COPY, FIRST_REPLY, REPLY_BURST = "own_copy", "first_reply", "reply_burst"


@dataclass(eq=False, slots=True)
class _Turn:
    """A message of the guest's, and what came after it until its next one."""

    id: str
    is_measured: bool
    sent_s: float = 0.0
    has_copy: bool = False
    awaits_reply: bool = False
    last_reply_s: float | None = None
    offer: Reply | None = None
    replied: Signal | None = None  # once somebody waits for it


class GuestTimings:
    """The timings of one guest's user, by their names, for each of which there is a `recorder`.

    They run from when a message left: to its own copy, to the first reply after it, and to the last
    reply before the guest's next message (`reply_burst`, which is known only then, and of the last
    message of a run not at all). Replies name no message: each is taken for one to the message
    before it.
    """

    __slots__ = ("_recorders", "_turn")

    def __init__(self, recorder: Callable[[str], TimingRecorder], names: Iterable[str]) -> None:
        self._recorders = {name: recorder(name) for name in names}
        self._turn: _Turn | None = None

    def begin(self, id: str, is_measured: bool) -> None:
        """Begin with a message that is about to be sent."""
        self._turn = _Turn(id, is_measured)

    def note_sent(self, attempt: Attempt) -> None:
        """Enter what came of the message."""
        turn = self._turn
        assert turn is not None
        turn.sent_s = attempt.sent_s
        if attempt.fate is UNKNOWN and not turn.has_copy:
            self._note(OWN_COPY, turn)
        if attempt.fate is not ACCEPTED:
            self._turn = None
        elif turn.last_reply_s is None:
            turn.awaits_reply = True
            self._note(FIRST_REPLY, turn)

    def end(self) -> None:
        """End with the message: what comes from now on belongs to another."""
        turn, self._turn = self._turn, None
        if turn is not None and turn.last_reply_s is not None:
            self._note(REPLY_BURST, turn)
            self._recorders[REPLY_BURST].received(turn.id, turn.last_reply_s, turn.is_measured)

    def hear(
        self, event: Event, received_s: float, sent_s: float | None, is_measured: bool
    ) -> None:
        """Take what the guest was told, in the loop's own greenlet.

        `sent_s` is when the latest post left, None where none has; what belongs to no message
        counts where it `is_measured`.
        """
        turn = self._turn
        if turn is not None:
            turn.sent_s = turn.sent_s or sent_s or 0.0
        if isinstance(event, OwnCopy):
            id = event.tracing_id
            if turn is not None and turn.id == id:
                if not turn.has_copy:
                    turn.has_copy = True
                    self._note(OWN_COPY, turn)
            elif id.isdigit() or id.startswith(TOLD):  # of a step
                return
            self._recorders[OWN_COPY].received(id, received_s, is_measured)
        elif isinstance(event, Reply) and turn is not None and sent_s is not None:
            if turn.last_reply_s is None:
                if not turn.awaits_reply:  # it came before the message's own copy
                    self._note(FIRST_REPLY, turn)
                self._recorders[FIRST_REPLY].received(turn.id, received_s, turn.is_measured)
            turn.last_reply_s = received_s
            turn.offer = event if event.choices else turn.offer
            if turn.replied is not None:
                turn.replied.set()

    def await_reply(self, timeout_s: float) -> None:
        """Wait for a reply to the message, if there is one and none has come."""
        turn = self._turn
        if turn is not None and turn.last_reply_s is None:
            turn.replied = Signal()
            turn.replied.wait(timeout_s)

    @property
    def offer(self) -> Reply | None:
        """The latest reply to the message that has offered choices."""
        return self._turn.offer if self._turn is not None else None

    def _note(self, timing: str, turn: _Turn) -> None:
        """Begin a timing when the message of a turn left."""
        at_s = turn.sent_s or clock_s()
        self._recorders[timing].sent(turn.id, at_s, turn.is_measured)
