"""Scenario `guest_chat`: guests of web messaging write over WebSocket, and come back as others.

What guests do besides, `steps` in the settings choose; `docs/scenarios.md` says what each is.
"""

from __future__ import annotations

from typing import ClassVar

from locust import task

from convoy.plugin.guest_user import GuestUser


class GuestChat(GuestUser):
    """Writes; after so many messages it reads the reply, leaves, and begins as another guest."""

    scenario = "guest_chat"
    steps = ("connect", "configure")
    optional_steps: ClassVar = {"join": (), "typing": ()}
    _said = 0

    @task
    def chat(self) -> None:
        message = self.next_message()
        if self.does("typing"):
            self.type()
        self.post(message)
        self._said += 1
        if self._said >= int(self.variables["messages_per_guest"]):
            self._said = 0
            self.await_reply()
            self.begin_anew()
