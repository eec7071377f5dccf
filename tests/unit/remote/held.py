"""What stands for a connection whose message the system has taken and not delivered."""

from __future__ import annotations

from convoy.remote.connection import Connection


class Held(Connection):
    """A connection without a socket, of which a test says whether it `keeps` its message."""

    def __init__(self) -> None:
        self.message_end = self.given_bytes = 1
        self.keeps = self.is_open = True
        self.is_reset = False

    def holds(self, end: int) -> bool:
        return self.keeps and not self.is_reset

    def reset(self) -> None:
        self.is_reset, self.is_open = True, False
