"""The operations of the remote API that Convoy uses: one table, a line or two each.

A new route is a row here, its schema in `routes/schemas/<name>.json`, a template in
`payloads/<name>/` and a scenario that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote

from convoy.errors import ConvoyError, ExitCode
from convoy.plan.pool import Conversation
from convoy.routes.answers import AnswerRule
from convoy.routes.schema import ANY_BODY, BodyRules
from convoy.untrusted_text import UNREADABLE

TokenKind: TypeAlias = Literal["client credentials", "user", "none"]
"""Whose token an operation takes: a client's own, or that of a user who has logged in."""

CLIENT: TokenKind = "client credentials"
USER: TokenKind = "user"

_SCHEMAS = Path(__file__).parent / "schemas"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_OF_THE_CONVERSATION = ("conversation_id", "customer_id", "agent_id", "communication_id")

_THREAD = (
    "https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-"
    "with-invalid-payload-when-bypassing-messenger-widget/10121"
)
"""The support thread that the dialect of the first two routes comes from; the published definition
gives the first path another meaning."""
_DEFINITION = "https://github.com/api-evangelist/genesys"
"""The published API definition."""
_SDK = "https://github.com/MyPureCloud/platform-client-sdk-python"
"""The official Python SDK, whose models are newer than that."""
_READ = "2026-11-22"
_MESSAGES = "/api/v2/conversations/messages"
_INBOUND = f"{_MESSAGES}/{{integration_id}}/inbound/open"
_COMMUNICATION = f"{_MESSAGES}/{{conversation_id}}/communications/{{communication_id}}"


class RouteError(ConvoyError):
    """A route that cannot be used; the message names it and says why."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Route:
    """An operation: where it is, who may ask for it, and what it accepts.

    `path` may hold placeholders, variables of a message in braces. `accepts` holds the statuses
    that accept, each with the fields that its answer must hold (none: the body is empty).
    `documentation` is the address of where this is written, `read` the day it was read. `schema` is
    a file with the rules of the body; without it the file with the route's name in `routes/schemas`
    is taken, if there is one. The path is empty where a protocol other than HTTP carries the body;
    `needs` names the variables that the scenario has to have for that protocol. `shows` is for a
    route that tells the state of a thing: the name of the scenarios' variable that holds its id.
    """

    name: str
    path: str
    method: str = "POST"
    token: TokenKind = CLIENT
    permission: str = ""
    accepts: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: {200: ("id",)})
    documentation: str = ""
    read: str = ""
    schema: Path | None = None
    shows: str = ""
    needs: tuple[str, ...] = ()

    @property
    def is_published(self) -> bool:
        """True for an operation of the published definition, whose others are there as well."""
        return self.documentation == _DEFINITION

    @property
    def is_of_thread(self) -> bool:
        """True for the support thread's dialect, whose messages the simulator does not store."""
        return self.documentation == _THREAD

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(_PLACEHOLDER.findall(self.path))

    @property
    def participants(self) -> tuple[str, ...]:
        """The ids besides its own that the path names, which every conversation has to bring."""
        return tuple(name for name in self.placeholders if name in _OF_THE_CONVERSATION[1:])

    def path_to(self, variables: Mapping[str, str]) -> Callable[[Conversation], str]:
        """Return what gives the path for a conversation; `variables` are the scenario's own.

        Each value is quoted, so that none can leave its place in the path. Raises RouteError for a
        placeholder without a value; this and what it returns raise it for a value `.` or `..`.
        """
        unknown = {*self.placeholders} - {*_OF_THE_CONVERSATION} - variables.keys()
        if unknown:
            names = ", ".join(sorted(unknown))
            raise RouteError(
                f"the path of route {self.name} names {names}; give it in the scenario's variables"
            )
        missing = ", ".join(name for name in self.needs if not variables.get(name))
        if missing:
            raise RouteError(
                f"route {self.name} needs {missing}; give it in the scenario's variables"
            )
        path = _filled(self.path, variables)
        if "{" not in path:
            return lambda conversation: path

        def path_of(conversation: Conversation) -> str:
            ids = (
                conversation.id,
                conversation.customer_id,
                conversation.agent_id,
                conversation.communication_id,
            )
            return _filled(path, dict(zip(_OF_THE_CONVERSATION, ids, strict=True)))

        return path_of

    def answers(self, expect: Mapping[int, tuple[str, ...]]) -> AnswerRule:
        """Return what tells its own answers from others; `expect` goes before `accepts`."""
        return AnswerRule({**self.accepts, **expect})

    def rules(self) -> BodyRules:
        """Return the rules of the route's body; raises RouteError for a file that holds none."""
        path = self.schema or _SCHEMAS / f"{self.name}.json"
        if self.schema is None and not path.is_file():
            return BodyRules(ANY_BODY)
        return _rules(path)


_published = partial(Route, documentation=_DEFINITION, read=_READ)
"""Makes a row for an operation of the published definition."""
_of_thread = partial(
    Route, accepts={200: ("id", "conversationId")}, documentation=_THREAD, read=_READ
)
_MESSAGE_TAKEN = {200: ("id", "type"), 202: ("id", "type")}
_ID_OR_NOTHING = {200: ("id",), 202: ()}
_LISTED = {200: ("entities",)}
_RECEIVE = "conversation:message:receive"
_CREATE = "conversation:message:create"
_VIEW = "conversation:message:view"

ROUTES: dict[str, Route] = {
    route.name: route
    for route in (
        _of_thread("conversation", _MESSAGES, permission="conversation:write"),
        _of_thread(
            "guest",
            "/api/v2/webmessaging/guests/{customer_id}/conversations/messages",
            permission="webmessaging:guest",
        ),
        _published(
            "open_message",
            f"{_INBOUND}/message?prefetchConversationId=true",
            permission=_RECEIVE,
            accepts=_MESSAGE_TAKEN,
        ),
        _published(
            "open_event",
            f"{_INBOUND}/event",
            permission=_RECEIVE,
            accepts={200: ("type", "events"), 202: ("type", "events")},
        ),
        _published(
            "open_receipt",
            f"{_INBOUND}/receipt",
            permission=_RECEIVE,
            accepts={200: ("type", "status"), 202: ("type", "status")},
        ),
        _published(
            "open_structured_response",
            f"{_INBOUND}/structured/response",
            permission=_RECEIVE,
            accepts=_MESSAGE_TAKEN,
        ),
        _published(
            "agentless", f"{_MESSAGES}/agentless", permission=_CREATE, accepts=_ID_OR_NOTHING
        ),
        _published(
            "agent_reply",
            f"{_COMMUNICATION}/messages",
            token=USER,
            permission=_CREATE,
            accepts=_ID_OR_NOTHING,
        ),
        _published(
            "agent_typing",
            f"{_COMMUNICATION}/typing",
            token=USER,
            permission=_CREATE,
            accepts={204: ()},
        ),
        _published("message_conversations", _MESSAGES, "GET", USER, accepts=_LISTED),
        _published(
            "message_conversation",
            f"{_MESSAGES}/{{conversation_id}}",
            "GET",
            accepts={200: ("participants",)},
        ),
        _published(
            "message_details", f"{_MESSAGES}/{{message_id}}/details", "GET", permission=_VIEW
        ),
        _published(
            "conversations",
            "/api/v2/conversations",
            "GET",
            permission="conversation:view",
            accepts=_LISTED,
        ),
        _published(
            "messages_bulk",
            f"{_MESSAGES}/{{conversation_id}}/messages/bulk",
            permission=_VIEW,
            accepts=_LISTED,
        ),
        _published(
            "analytics_details",
            "/api/v2/analytics/conversations/details/query",
            permission="analytics:conversationDetail:view",
            accepts={200: ("conversations",)},
        ),
        _published(
            "disconnect",
            "/api/v2/conversations/{conversation_id}/disconnect",
            permission="conversation:communication:disconnect",
            accepts={202: ()},
        ),
        _published("own_token", "/api/v2/tokens/me", "GET", accepts={200: ("organization",)}),
        _published(
            "limits",
            "/api/v2/organizations/limits/namespaces/{namespace}",
            "GET",
            accepts=_LISTED,
        ),
        _published(
            "open_integration",
            "/api/v2/conversations/messaging/integrations/open/{integration_id}",
            "GET",
            permission="messaging:integration:view",
            shows="integration_id",
        ),
        Route(
            "queue",
            "/api/v2/routing/queues/{queue_id}",
            "GET",
            permission="routing:queue:view",
            shows="queue_id",
            documentation=_SDK,
            read=_READ,
        ),
        Route(
            "deployment",
            "/api/v2/webdeployments/deployments/{deployment_id}",
            "GET",
            permission="webDeployments:deployment:view",
            documentation=_SDK,
            read="2026-11-26",
        ),
        Route(
            "oauth_token",
            "/oauth/token",
            token="none",
            accepts={200: ("access_token",)},
            documentation="https://www.rfc-editor.org/rfc/rfc6749#section-4.4",
            read=_READ,
        ),
    )
}
"""Every route by its name. `oauth_token` is on the login host, all others on the API's."""

GUEST_CHAT = Route(
    name="guest_chat",
    path="",
    token="none",
    needs=("deployment_id",),
    documentation="https://github.com/MyPureCloud/web-messaging-sdk-java",
    read="2026-11-26",
)
"""What a guest of web messaging writes over its WebSocket, the `message` of an onMessage frame."""

NO_ROUTE = Route("none", "")
"""That of a protocol without routes: any JSON object with its marker is a body."""

SIMULATOR = "/simulator"
"""Convoy's own path: only a Convoy simulator answers it."""


def _filled(path: str, variables: Mapping[str, str]) -> str:
    def quoted(found: re.Match[str]) -> str:
        value = variables.get(found[1])
        if value in (".", ".."):  # quoted or not, who reads a path takes it for a way up
            raise RouteError(f"{found[1]} is {value!r}, which is no part of a path")
        return found[0] if value is None else quote(value, safe="")

    return _PLACEHOLDER.sub(quoted, path)


@cache
def _rules(path: Path) -> BodyRules:
    try:
        return BodyRules(json.loads(path.read_text("utf-8")))
    except (OSError, *UNREADABLE) as error:
        reason = getattr(error, "strerror", None) or error
        raise RouteError(f"the schema {path} cannot be used: {reason}") from error
