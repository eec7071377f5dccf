"""Scenario `conversation_messages`: test messages injected into given conversations."""

from __future__ import annotations

from locust import task

from convoy.remote import routes
from convoy.swarm.users import MessageUser


class ConversationMessages(MessageUser):
    """Posts templated messages into conversations of the pool, as a guest without a browser."""

    scenario = "conversation_messages"

    @task
    def post_message(self) -> None:
        message = self.next_message()
        self.post(routes.CONVERSATION_MESSAGES, message)
