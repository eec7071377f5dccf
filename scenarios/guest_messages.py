"""Scenario `guest_messages`: test messages written by the guests of given conversations."""

from __future__ import annotations

from locust import task

from convoy.plan.pool import Conversation
from convoy.plugin.users import MessageUser
from convoy.routes.catalogue import guest_messages


class GuestMessages(MessageUser):
    """Posts templated messages on the guest route, each as the customer of its conversation."""

    scenario = "guest_messages"

    @staticmethod
    def route(conversation: Conversation) -> str:
        return guest_messages(conversation.customer_id)

    @task
    def post_message(self) -> None:
        self.post(self.next_message())
