"""The abstract user that posts the messages of a route over HTTP, as an API client."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from convoy.clock import clock_s
from convoy.engine.rendered_ahead import Message
from convoy.errors import RefusalError, WireError
from convoy.plan.pool import Conversation
from convoy.plugin.users import ScenarioUser
from convoy.remote.connections import Connections
from convoy.remote.session import ApiSession, HttpAttempt
from convoy.results.outcome import ACCEPTED, REJECTED, UNKNOWN
from convoy.routes.catalogue import CLIENT, ROUTES, Route
from convoy.settings import Settings

__all__ = ["Message", "MessageUser"]

_NO_CONVERSATION = Conversation("")


class MessageUser(ScenarioUser):
    """A user that posts due messages on `route`: a row of the catalogue, or one of its own."""

    abstract = True
    request_type = "POST"
    route: Route = ROUTES["conversation"]
    session: ApiSession

    @classmethod
    def open_session(cls, connections: Connections, settings: Settings) -> ApiSession:
        return connections.open_session(cls.route.token)

    @classmethod
    def opening_session(cls, connections: Connections, settings: Settings) -> ApiSession:
        """Return a session with a client's token: conversations are opened by their customers."""
        return connections.open_session(CLIENT)

    def on_start(self) -> None:
        super().on_start()
        self._path_of = self.route.path_to(self.variables)
        self._answers = self._work.answers(self.route, self._work.rule.expect)
        # A step before the message takes room of it: near a limit the message would get a 429.
        self.session.keep_room(len(self._work.rule.steps))

    def send(self, message: Message) -> HttpAttempt:
        conversation = message.planned.conversation
        return self.session.post(
            self._path_of(conversation),
            message.body,
            self.timeout_s,
            self._answers,
            conversation.id,
            self.route.method,
        )

    def call(
        self,
        route: Route,
        body: Mapping[str, object] | None = None,
        conversation: Conversation = _NO_CONVERSATION,
        **variables: str,
    ) -> bytes:
        """Send what a step says on a route, by its method, or ask without a body.

        The path may name the conversation, the scenario's variables, and these. Returns the
        answer's body; raises RemoteError where it is not accepted, by which `step` counts it.
        """
        began_s = clock_s()
        attempt = self.session.post(
            route.path_to({**self.variables, **variables})(conversation),
            None if body is None else msgspec.json.encode(body),
            self.timeout_s,
            self._work.answers(route, {}),
            conversation.id,
            route.method,
        )
        self._called_s += attempt.done_s - began_s
        if attempt.fate is ACCEPTED:
            return attempt.body
        if attempt.fate is REJECTED:
            raise RefusalError(attempt.code)
        sent_s = attempt.sent_s if attempt.fate is UNKNOWN else None
        raise WireError(attempt.code, "", sent_s=sent_s, done_s=attempt.done_s)
