"""Scenario `guest_messages`: test messages written by the guests of given conversations."""

from __future__ import annotations

from locust import task

from convoy.plan.conversations import Conversation
from convoy.remote.routes import guest_messages
from convoy.swarm.users import MessageUser


class GuestMessages(MessageUser):
    """Posts templated messages on the guest route, each as the customer of its conversation."""

    scenario = "guest_messages"

    @staticmethod
    def route(conversation: Conversation) -> str:
        return guest_messages(conversation.customer_id)

    @task
    def post_message(self) -> None:
        self.post(self.next_message())
