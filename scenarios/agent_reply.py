"""Scenario `agent_reply`: agents answer customers, as a client does that writes for a user.

The pool holds conversations that an agent is connected to, each with the communication by which he
replies. Where they are to be opened for the run, customers write through an open messaging
integration, and somebody or something at the target has to answer. `docs/scenarios.md` says more.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

import gevent
import msgspec
from locust import task

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError
from convoy.plan.pool import Conversation
from convoy.plugin.message_user import MessageUser
from convoy.prepare.scenarios import Opening
from convoy.remote.session import ApiSession
from convoy.results.outcome import ACCEPTED, Attempt
from convoy.routes.catalogue import ROUTES
from convoy.routes.codes import meaning

_TYPING = {"typing": {"type": "On"}}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
"""Between two questions for a reply, each of which the token's limit counts."""


class _Answer(msgspec.Struct):
    id: str = ""
    conversationId: str = ""


class AgentReply(MessageUser):
    """Posts agents' replies into given conversations; types before each, and looks for it after."""

    scenario = "agent_reply"
    route = ROUTES["agent_reply"]
    optional_steps: ClassVar = {"typing": (), "agent_to_customer": ()}
    timings = ("agent_to_customer",)

    @staticmethod
    def open_conversation(session: ApiSession, opening: Opening) -> str:
        """Write as a new customer, and return the conversation that the target makes of it."""
        route = ROUTES["open_message"]
        path = route.path_to(opening.variables)(Conversation(""))
        body, timeout_s = msgspec.json.encode(_first_words(opening)), opening.timeout_s
        attempt = session.post(path, body, timeout_s, route.answers({}), "")
        if attempt.fate is not ACCEPTED:
            remedy = (
                f"See that integration_id {opening.variables['integration_id']!r} of "
                "scenario.agent_reply.variables is there at the target and active"
            )
            if attempt.code.startswith("403"):
                remedy = f"It takes the permission {route.permission}"
            raise RemoteError(
                f"a customer's message was answered with {attempt.code}. {meaning(attempt.code)} "
                + remedy
            )
        conversation_id = msgspec.json.decode(attempt.body, type=_Answer).conversationId
        if not conversation_id:
            raise RemoteError(
                "the answer to a customer's message names no conversation; open some by hand, and "
                "give them with `source: file`"
            )
        return conversation_id

    @task
    def reply(self) -> None:
        message = self.next_message()
        if self.does("typing"):
            with self.step("typing"):
                self.call(ROUTES["agent_typing"], _TYPING, message.planned.conversation)
        attempt = self.post(message)
        if self.does("agent_to_customer") and attempt is not None and attempt.fate is ACCEPTED:
            self._await_copy(attempt)

    def _await_copy(self, attempt: Attempt) -> None:
        """Ask for a reply until it is shown: from then on its customer can have it."""
        reply_id = msgspec.json.decode(attempt.body or b"{}", type=_Answer).id
        if not reply_id:
            return  # it was accepted by a 202, which names no message
        self.note_sent("agent_to_customer", reply_id, attempt.sent_s)
        with self.step("agent_to_customer"):
            ends_s, pause_s = clock_s() + self.timeout_s, _FIRST_PAUSE_S
            while not self._is_shown(reply_id, is_last=clock_s() + pause_s > ends_s):
                may_s = self.session.ready_at(clock_s())
                gevent.sleep(max(pause_s, may_s - clock_s()))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self.note_received("agent_to_customer", reply_id)

    def _is_shown(self, reply_id: str, *, is_last: bool) -> bool:
        try:
            self.call(ROUTES["message_details"], message_id=reply_id)
        except RefusalError as refusal:
            if is_last or refusal.code != "404 not.found":
                raise
            return False
        return True


def _first_words(opening: Opening) -> dict[str, object]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {
        "channel": {
            "messageId": opening.marker,
            "from": {
                "id": f"{opening.variables['customers']}-opened-{opening.number}",
                "idType": "Opaque",
                "nickname": f"Load Test Customer {opening.number}",
            },
            "time": now.replace("+00:00", "Z"),
        },
        "text": f"{opening.marker} Hello, can somebody help me?",
    }
