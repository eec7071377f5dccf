"""Scenario `conversation_messages`: test messages injected into given conversations."""

from __future__ import annotations

from locust import task

from convoy.plugin.message_user import MessageUser


class ConversationMessages(MessageUser):
    """Posts templated messages into conversations of the pool, as a guest without a browser."""

    scenario = "conversation_messages"

    @task
    def post_message(self) -> None:
        self.post(self.next_message())
