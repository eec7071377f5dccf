"""Scenario `guest_messages`: test messages written by the guests of given conversations."""

from __future__ import annotations

from locust import task

from convoy.plugin.message_user import MessageUser
from convoy.routes.catalogue import ROUTES


class GuestMessages(MessageUser):
    """Posts templated messages on the guest route, each as the customer of its conversation."""

    scenario = "guest_messages"
    route = ROUTES["guest"]

    @task
    def post_message(self) -> None:
        self.post(self.next_message())
