"""Scenario `agentless`: an organisation notifies customers without an agent.

Its templates say to whom, and whether a conversation that goes on may be used: `docs/scenarios.md`.
"""

from __future__ import annotations

from locust import task

from convoy.plugin.message_user import MessageUser
from convoy.routes.catalogue import ROUTES


class Agentless(MessageUser):
    """Posts outbound notifications."""

    scenario = "agentless"
    route = ROUTES["agentless"]

    @task
    def notify(self) -> None:
        self.post(self.next_message())
