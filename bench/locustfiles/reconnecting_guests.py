"""The same, with guests that come back as themselves: a new connection, the same session."""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # it patches sockets

import locustfile
from bench.locustfiles import guests  # noqa: F401  # it tells what is left
from convoy.plugin.guest_user import Message
from scenarios.guest_chat import GuestChat

globals().update({name: getattr(locustfile, name) for name in locustfile.__all__})


def come_back(guest: GuestChat, message: Message) -> None:
    """Close the connection, open another one, and go on with the session there."""
    guest.session.close()
    guest.session.await_turn()
    with guest.step("connect"):
        guest.session.connect()
    with guest.step("configure"):
        guest.session.configure()


GuestChat._leave = come_back  # type: ignore[method-assign,assignment]
