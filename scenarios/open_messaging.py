"""Scenario `open_messaging`: customers write through an open messaging integration.

The target makes a conversation for each customer. What customers do besides, `steps` in the
settings choose; `docs/scenarios.md` says what each is and needs.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from locust import task

from convoy.plugin.message_user import Message, MessageUser
from convoy.results.outcome import ACCEPTED
from convoy.routes.catalogue import ROUTES


class _Sender(msgspec.Struct, omit_defaults=True):
    id: str
    idType: str
    nickname: str = ""


class _Channel(msgspec.Struct, rename={"sender": "from"}):
    sender: _Sender
    time: str


class _Body(msgspec.Struct):
    channel: _Channel


class _Answer(msgspec.Struct):
    id: str = ""


class OpenMessaging(MessageUser):
    """Posts customers' messages; types before each, and reacts to a notification after it."""

    scenario = "open_messaging"
    route = ROUTES["open_message"]
    # Only an outbound message can be reacted to, so that the customer is sent one.
    optional_steps: ClassVar = {
        "typing": (),
        "notification": (),
        "receipt": ("notification",),
        "quick_reply": ("notification",),
    }

    @task
    def write(self) -> None:
        message = self.next_message()
        if message.planned.expected_code:
            self.post(message)  # a body that is wrong on purpose need not have a channel
            return
        channel = msgspec.json.decode(message.body, type=_Body).channel
        if self.does("typing"):
            with self.step("typing"):
                typing = {"channel": channel, "events": [{"eventType": "Typing"}]}
                self.call(ROUTES["open_event"], typing)
        attempt = self.post(message)
        if self.does("notification") and attempt is not None and attempt.fate is ACCEPTED:
            self._react(message, channel)

    def _react(self, message: Message, channel: _Channel) -> None:
        answer = b""
        with self.step("notification"):
            answer = self.call(ROUTES["agentless"], self._notification(message, channel))
        notification_id = msgspec.json.decode(answer or b"{}", type=_Answer).id
        if not notification_id:
            return  # it was refused, or accepted by a 202, which names no message
        if self.does("receipt"):
            with self.step("receipt"):
                self.call(ROUTES["open_receipt"], _receipt(notification_id, channel))
        if self.does("quick_reply"):
            with self.step("quick_reply"):
                reply = self._quick_reply(message, channel, notification_id)
                self.call(ROUTES["open_structured_response"], reply)

    def _notification(self, message: Message, channel: _Channel) -> dict[str, object]:
        return {
            "fromAddress": self.variables["integration_id"],
            "toAddress": channel.sender.id,
            "toAddressMessengerType": "open",
            "textBody": f"{self.marker_of_steps(message)} Is this about your order?",
            "useExistingActiveConversation": True,
        }

    def _quick_reply(
        self, message: Message, channel: _Channel, notification_id: str
    ) -> dict[str, object]:
        marker = self.marker_of_steps(message)
        return {
            "channel": {**msgspec.to_builtins(channel), "messageId": marker},
            "buttonResponse": {"type": "QuickReply", "text": f"{marker} Yes", "payload": "yes"},
            "originatingMessageId": notification_id,
        }


def _receipt(notification_id: str, channel: _Channel) -> dict[str, object]:
    return {
        "id": notification_id,
        "channel": {"to": {"id": channel.sender.id}, "time": channel.time},
        "status": "Delivered",
        "isFinalReceipt": True,
    }
