"""The abstract user that posts the messages of a route over HTTP, as an API client."""

from __future__ import annotations

from convoy.engine.ahead import Message
from convoy.plugin.users import ScenarioUser
from convoy.remote.client import Connections
from convoy.remote.session import ApiSession, HttpAttempt
from convoy.routes.catalogue import ROUTES, Route
from convoy.settings import Settings

__all__ = ["Message", "MessageUser"]


class MessageUser(ScenarioUser):
    """A user that posts due messages on `route`: a row of the catalogue, or one of its own."""

    abstract = True
    request_type = "POST"
    route: Route = ROUTES["conversation"]
    session: ApiSession

    @classmethod
    def open_session(cls, connections: Connections, settings: Settings) -> ApiSession:
        return connections.open_session()

    def on_start(self) -> None:
        super().on_start()
        self._path_of = self.route.path_to(self._work.variables)
        self._answers = self._work.answers(self.route)

    def send(self, message: Message) -> HttpAttempt:
        conversation = message.planned.conversation
        return self.session.post(
            self._path_of(conversation),
            message.body,
            self.timeout_s,
            self._answers,
            conversation.id,
        )
