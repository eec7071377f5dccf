"""Scenario `guest_messages`: test messages written by the guests of given conversations."""

from __future__ import annotations

from locust import task

from convoy.remote import routes
from convoy.swarm.users import MessageUser


class GuestMessages(MessageUser):
    """Posts templated messages on the guest route, each as the customer of its conversation."""

    scenario = "guest_messages"

    @task
    def post_message(self) -> None:
        message = self.next_message()
        self.post(routes.guest_messages(message.planned.conversation.customer_id), message)
