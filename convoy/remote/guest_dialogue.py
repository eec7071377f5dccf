"""The lines of a dialogue as a guest does them, one after the other, over its session."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import gevent
from gevent.event import Event as Signal

from convoy.clock import clock_s
from convoy.errors import RefusalError
from convoy.plan import dialogue
from convoy.remote.guest_events import Event, Reply, SessionClosed
from convoy.remote.guest_protocol import (
    GuestProtocol,
    answer_message,
    attachment_message,
    text_message,
)
from convoy.remote.guest_session import GuestSession

PAUSES = (dialogue.Expect, dialogue.Typing, dialogue.Wait)
"""The lines that a guest spends waiting, so that it may leave meanwhile."""


class GuestDialogue:
    """A dialogue that a guest holds, from when its message is about to be sent.

    `hear` takes what the session is told, in the loop's own greenlet. Replies name no message: each
    is taken for one to what was said before it. All times are clock seconds.
    """

    def __init__(self, session: GuestSession) -> None:
        self._session = session
        self._heard = Signal()
        self._replies: list[Reply] = []
        self._unmet: list[tuple[Reply, float]] = []
        self.said_s = 0.0
        """When the last thing that was said left."""
        self.is_closed = False

    def hear(self, event: Event, received_s: float) -> None:
        """Take what the session was told."""
        if isinstance(event, Reply):
            self._replies.append(event)
            self._unmet.append((event, received_s))
            self._heard.set()

    def do(self, line: dialogue.AnyLine) -> tuple[float, float]:
        """Do a line; return when the measured part of it began and ended.

        Raises WireError, and RefusalError where the answer is no, or another than was expected.
        """
        match line:
            case dialogue.Say(text=text):
                return self._say(text_message(text))
            case dialogue.Expect():
                return self._expect(line)
            case dialogue.Choose():
                return self._say(self._answer(line))
            case dialogue.Typing(lasts_s=lasts_s):
                return self._type(lasts_s)
            case dialogue.Attach():
                return self._attach(line)
            case dialogue.Close():
                return self._close()
            case dialogue.Wait(lasts_s=lasts_s):
                gevent.sleep(lasts_s)
                return 0.0, 0.0

    def _say(self, message: Mapping[str, object]) -> tuple[float, float]:
        began_s = self._begin()
        self._send(message)
        return began_s, clock_s()

    def _attach(self, line: dialogue.Attach) -> tuple[float, float]:
        began_s, id = self._begin(), str(uuid.uuid4())
        self._session.upload(id, line.name, line.media_type, line.data)
        self._send(attachment_message(id))
        return began_s, clock_s()

    def _close(self) -> tuple[float, float]:
        self._session.connection.check_ready()
        began_s = clock_s()
        self._session.request(GuestProtocol.close_session, SessionClosed)
        self.is_closed = True
        return began_s, clock_s()

    def _begin(self) -> float:
        """Wait until the limits allow another message, and return when that is."""
        self._session.await_room()
        self._session.connection.check_ready()
        return clock_s()

    def _send(self, message: Mapping[str, object]) -> None:
        """Send a message, and wait for its own copy. What was replied before is answered then."""
        self._replies.clear()
        self._unmet.clear()
        began_s = clock_s()
        self._session.say(message)
        self.said_s = self._session.socket.sent_s or began_s

    def _expect(self, line: dialogue.Expect) -> tuple[float, float]:
        """Wait for the reply; one that came meanwhile is judged by when it was received."""
        deadline_s = self.said_s + line.within_s
        while True:
            in_time = [each for each in self._unmet if each[1] <= deadline_s]
            for each in in_time:
                if line.fits(_said(each[0])):
                    self._unmet.remove(each)
                    return self.said_s, each[1]
            left_s = deadline_s - clock_s()
            if left_s <= 0:
                break
            self._heard.clear()
            self._heard.wait(left_s)
        code = line.failure(_said(reply) for reply, _ in in_time)
        if code == dialogue.EXPECT_TIMEOUT and not self._session.socket.is_open:
            raise self._session.connection.refusal
        raise RefusalError(code)

    def _answer(self, line: dialogue.Choose) -> dict[str, object]:
        """Return the message that picks a choice of the latest reply that offers it."""
        for reply in reversed(self._replies):
            index = line.picked([choice.text for choice in reply.choices])
            if index is not None:
                return answer_message(reply.choices[index], reply.message_id)
        raise RefusalError(dialogue.NOT_OFFERED)

    def _type(self, lasts_s: float) -> tuple[float, float]:
        """Show typing for some time, again and again; return the times of the first."""
        times_s: list[float] = []
        ends_s = clock_s() + lasts_s
        while not times_s or clock_s() < ends_s:
            times_s.append(self._begin())
            self._session.tell(GuestProtocol.type)
            times_s.append(clock_s())
            gevent.sleep(max(0.0, min(dialogue.TYPED_AGAIN_S, ends_s - clock_s())))
        return times_s[0], times_s[1]


def _said(reply: Reply) -> dialogue.Said:
    return reply.text, [choice.text for choice in reply.choices]
