"""Scenario `careless`: posts messages, and says what it knows wherever a scenario can."""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401  # first: it patches sockets
import logging
import os

import gevent
from locust import task

from convoy.plugin import hooks
from convoy.plugin.message_user import MessageUser
from scenarios.conversation_messages import ConversationMessages
from scenarios.guest_messages import GuestMessages
from scenarios.invalid_messages import InvalidMessages
from tests.leaks.secrets_planted import REGISTERED, strangers, told_of

__all__ = ["Careless", "ConversationMessages", "GuestMessages", "InvalidMessages"]
"""The shipped scenarios are here because `config/default.yaml` has settings for them."""


class Careless(MessageUser):
    """Posts a message, and then fails, logs or tells in one of several ways."""

    scenario = "careless"

    @task
    def post_and_tell(self) -> None:
        message = self.next_message()
        self.post(message)
        secret = REGISTERED[message.due.k % len(REGISTERED)]
        told = f"{told_of(secret)}\n{strangers()} {self.session.head('/')!r}"
        match message.due.k % 6:
            case 0:
                raise RuntimeError(told)
            case 1:
                self._fail(told)
            case 2:
                logging.getLogger("careless").warning("%s of %r", told, {secret: [secret]})
            case 3:
                try:
                    raise ValueError(told)
                except ValueError:
                    logging.getLogger("careless").exception("it failed")
            case 4:
                gevent.spawn(self._break, told)
            case 5:
                raise type(secret, (RuntimeError,), {})

    def _fail(self, told: str) -> None:
        self.environment.events.request.fire(
            request_type="OWN",
            name="own",
            response_time=1.0,
            response_length=0,
            exception=ValueError(told),
            context={},
        )

    def _break(self, told: str) -> None:
        raise KeyError(told)


hooks.install(os.environ)
