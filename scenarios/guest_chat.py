"""Scenario `guest_chat`: guests of web messaging write over WebSocket, and come back as others.

What guests do besides, `steps` in the settings choose; `docs/scenarios.md` says what each is.
"""

from __future__ import annotations

from typing import ClassVar

from locust import task

from convoy.plugin.dialogue_user import DialogueUser, Message


class GuestChat(DialogueUser):
    """Writes; after so many messages it reads the reply, leaves, and begins as another guest.

    Where the settings name dialogues, each message is the first line of one.
    """

    scenario = "guest_chat"
    steps = ("connect", "configure", "reconnect", "disturbance")
    optional_steps: ClassVar = dict.fromkeys(
        ("join", "typing", "answer", "attachment", "history"), ()
    )
    _said = 0

    @task
    def chat(self) -> None:
        message = self.next_message()
        if self.has_dialogues:
            self._hold(message)
            return
        if self.does("typing"):
            self.type()
        self.post(message)
        if self.does("answer"):
            self.await_reply()
            self.answer()
        if self._is_last():
            self.await_reply()
            self._leave(message)

    def _hold(self, message: Message) -> None:
        can_go_on = self.hold(message)
        if self._is_last() or not can_go_on:
            self._said = 0
            if self.does("history") and self.session.is_ready:
                self.read_history()
            self.begin_anew()

    def _is_last(self) -> bool:
        self._said += 1
        if self._said < int(self.variables["messages_per_guest"]):
            return False
        self._said = 0
        return True

    def _leave(self, message: Message) -> None:
        if self.does("attachment"):
            self.attach(message)
        if self.does("history"):
            self.read_history()
        self.begin_anew()
