"""Scenario `invalid_messages`: messages that are wrong on purpose, each to be refused by its code.

Which code is in `payloads/conversation/invalid/expected.yaml`; any other answer is a failure.
"""

from __future__ import annotations

from locust import task

from convoy.plugin.message_user import MessageUser


class InvalidMessages(MessageUser):
    """Posts wrong bodies on the route that names a conversation."""

    scenario = "invalid_messages"

    @task
    def post_message(self) -> None:
        self.post(self.next_message())
