"""The routes of the public definition, and what each asks of a token.

Scopes, permissions and contexts: https://github.com/api-evangelist/genesys,
`openapi/genesys-*-api-openapi.yml`, read 2026-11-22; those of queues and deployments, which were
not among what was read there, from the documentation of the official SDKs. Where the definition
lists no code for the wrong context (agents' messages, typing, new conversations), the official blog
says that they need a user: https://github.com/MyPureCloud/developer-center-blog,
`source/2024-09-27-agentless-sms-api`.
"""

from __future__ import annotations

from simulator.calls import Handle
from simulator.handlers import (
    agent_messages,
    analytics,
    messaging_conversations,
    open_messaging,
    organisation,
)
from simulator.model.access import CLIENT_ONLY, USER_ONLY, Access
from simulator.routes import Route

MESSAGES = "/api/v2/conversations/messages"
PARTICIPANT = f"{MESSAGES}/{{}}/participants/{{}}"
COMMUNICATION = f"{MESSAGES}/{{}}/communications/{{}}"
INBOUND = f"{MESSAGES}/{{}}/inbound/open"
INTEGRATIONS = "/api/v2/conversations/messaging/integrations/open"
LIMITS = "/api/v2/organizations/limits"

_WRITES, _READS = ("conversations",), ("conversations", "conversations:readonly")
_VIEW = Access(_READS, ("conversation:message:view", "conversation:webmessaging:view"))
_SEES_CONVERSATION = Access(_READS, ("conversation:communication:view",))
_ENDS = ("conversation:communication:disconnect",)
_END = Access(_WRITES, _ENDS)
_END_AS_USER = Access(_WRITES, _ENDS, context=USER_ONLY)
_UPDATE = Access(_WRITES, (*_ENDS, "conversation:message:park"))
_UPDATE_PARTICIPANT = Access(
    _WRITES, ("conversation:participant:wrapup", "conversation:call:record", *_ENDS)
)
_RECEIVE = Access(_WRITES, ("conversation:message:receive",), True, CLIENT_ONLY)
_NOTIFY = Access(_WRITES, ("conversation:message:create",), True, CLIENT_ONLY)
_BEGIN = Access(_WRITES, ("conversation:message:create",), True, USER_ONLY)
_REPLY = Access(
    _WRITES,
    ("conversation:message:create", "conversation:webmessaging:create"),
    context=USER_ONLY,
)
_INTEGRATION = Access(
    ("messaging", "messaging:readonly"), ("messaging:integration:view",), needs_all=True
)
_ANALYTICS = Access(
    ("analytics", "analytics:readonly"),
    ("analytics:conversationDetail:view", "analytics:agentConversationDetail:view"),
)
_ORGANISATION = Access(("organization", "organization:readonly"))
_QUEUE = Access(("routing", "routing:readonly"), ("routing:queue:view",))
_DEPLOYMENT = Access(
    ("webdeployments", "webdeployments:readonly"), ("webDeployments:deployment:view",)
)
_TOKEN = Access(("user-basic-info",))


def _route(
    method: str, path: str, handle: Handle, access: Access, *, is_message: bool = False
) -> Route:
    return Route(method, path, handle, needs_token=True, is_message=is_message, access=access)


PUBLIC_ROUTES = (
    _route("GET", "/api/v2/tokens/me", organisation.show_token, _TOKEN),
    _route("HEAD", "/api/v2/tokens/me", organisation.probe_token, _TOKEN),
    _route("DELETE", "/api/v2/tokens/me", organisation.revoke_token, _TOKEN),
    _route("GET", f"{LIMITS}/docs", organisation.show_limit_docs, _ORGANISATION),
    _route("GET", f"{LIMITS}/namespaces", organisation.list_namespaces, _ORGANISATION),
    _route("GET", f"{LIMITS}/namespaces/{{}}", organisation.list_limits, _ORGANISATION),
    _route(
        "GET",
        f"{LIMITS}/namespaces/{{}}/defaults",
        organisation.list_default_limits,
        _ORGANISATION,
    ),
    _route("GET", INTEGRATIONS, organisation.list_integrations, _INTEGRATION),
    _route("GET", f"{INTEGRATIONS}/{{}}", organisation.show_integration, _INTEGRATION),
    _route("GET", "/api/v2/routing/queues", organisation.list_queues, _QUEUE),
    _route("GET", "/api/v2/routing/queues/{}", organisation.show_queue, _QUEUE),
    _route(
        "GET",
        "/api/v2/webdeployments/deployments/{}",
        organisation.show_deployment,
        _DEPLOYMENT,
    ),
    _route("POST", f"{INBOUND}/message", open_messaging.take_message, _RECEIVE, is_message=True),
    _route(
        "POST",
        f"{INBOUND}/structured/response",
        open_messaging.take_structured_response,
        _RECEIVE,
        is_message=True,
    ),
    _route("POST", f"{INBOUND}/event", open_messaging.take_event, _RECEIVE),
    _route("POST", f"{INBOUND}/receipt", open_messaging.take_receipt, _RECEIVE),
    _route("POST", MESSAGES, agent_messages.start_conversation, _BEGIN),
    _route("POST", f"{MESSAGES}/agentless", agent_messages.notify, _NOTIFY, is_message=True),
    _route("POST", f"{COMMUNICATION}/messages", agent_messages.reply, _REPLY, is_message=True),
    _route("POST", f"{COMMUNICATION}/typing", agent_messages.type_as_agent, _REPLY),
    _route(
        "GET", "/api/v2/conversations", messaging_conversations.list_conversations, Access(_READS)
    ),
    _route("GET", MESSAGES, messaging_conversations.list_message_conversations, Access(_READS)),
    _route("GET", "/api/v2/conversations/{}", messaging_conversations.show, _SEES_CONVERSATION),
    _route(
        "GET",
        f"{MESSAGES}/{{}}",
        messaging_conversations.show_message_conversation,
        Access(_READS),
    ),
    _route("PATCH", f"{MESSAGES}/{{}}", messaging_conversations.update, _UPDATE),
    _route("DELETE", "/api/v2/conversations/{}", messaging_conversations.end, _END_AS_USER),
    _route("POST", "/api/v2/conversations/{}/disconnect", messaging_conversations.disconnect, _END),
    _route("PATCH", PARTICIPANT, messaging_conversations.update_participant, _UPDATE_PARTICIPANT),
    _route(
        "PATCH",
        f"{PARTICIPANT}/attributes",
        messaging_conversations.update_attributes,
        Access(_WRITES),
    ),
    _route(
        "PATCH",
        f"{PARTICIPANT}/communications/{{}}",
        messaging_conversations.update_communication,
        Access(_WRITES),
    ),
    _route("GET", f"{MESSAGES}/{{}}/details", messaging_conversations.show_message_details, _VIEW),
    _route("GET", f"{MESSAGES}/{{}}/messages/{{}}", messaging_conversations.show_message, _VIEW),
    _route("POST", f"{MESSAGES}/{{}}/messages/bulk", messaging_conversations.list_messages, _VIEW),
    _route("POST", "/api/v2/analytics/conversations/details/query", analytics.query, _ANALYTICS),
)
