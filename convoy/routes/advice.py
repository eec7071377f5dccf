"""What each known error code usually comes from and what to change, with where the code stands."""

from __future__ import annotations

from typing import NamedTuple


class Advice(NamedTuple):
    """What usually causes an error code and what to change, as two clauses without full stop."""

    cause: str
    change: str

    @property
    def sentence(self) -> str:
        return f"{self.cause}; {self.change}."


WIRE: dict[str, Advice] = {
    "timeout": Advice(
        "No whole answer came by request_timeout_s: the target is overloaded or stalled",
        "lower the rate, or find out what the target waits for",
    ),
    "connection refused": Advice(
        "Nothing takes connections at the address, it cannot be reached, or this machine ran out "
        "of ports or open files",
        "check address, firewall and `ulimit -n`",
    ),
    "connection reset": Advice(
        "The target broke the connection off: a restart, a crash or a balancer",
        "look into its log at that moment",
    ),
    "connection closed": Advice(
        "The target closed the connection before its answer was whole",
        "look into its log, or that of the balancer before it",
    ),
    "dns": Advice(
        "The host name was not found", "check the target's address and this machine's DNS"
    ),
    "tls": Advice(
        "No trusted TLS connection came about",
        "check the certificate's names, dates and issuer (ca_file)",
    ),
    "proxy": Advice(
        "The proxy could not be reached, or refused to connect us",
        "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the login in them",
    ),
    "malformed answer": Advice(
        "What answered does not speak HTTP, or not well", "check the address and its port"
    ),
    "answer too large": Advice(
        "The answer is larger than Convoy reads", "check that the address is the API's"
    ),
    "stopped": Advice(
        "The run was stopped while the answer was awaited", "let it end by itself to know the fate"
    ),
    "worker lost": Advice(
        "The worker that sent it was lost before it reported what came of it",
        "read that worker's log, and give it more memory or fewer users",
    ),
}

_UNKNOWN_CLIENT = Advice(
    "The login knows no such client, or another secret for it",
    "check CONVOY_CLIENT_ID, CONVOY_CLIENT_SECRET and that the login host is of the region",
)

# The support thread's dialect, answers of its message route and of the login:
# https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-with-invalid-payload-when-bypassing-messenger-widget/10121,
# read 2026-11-22. `conversation.closed` is Convoy's name, the thread gives none. The body of a
# refused login: https://github.com/tishige/CallFlowVisualizer/issues/8, read 2026-11-22.
DIALECT: dict[str, Advice] = {
    "400 invalid_payload": Advice(
        "The body is wrong: to needs id and type, from a name, text 1 to 4,096 bytes",
        "`python -m convoy explain` names the field",
    ),
    "400 conversation.closed": Advice(
        "The conversation has ended", "send to open ones, or refresh the pool"
    ),
    "400 invalid_client": _UNKNOWN_CLIENT,
    "401 invalid_client": _UNKNOWN_CLIENT,
}

# Error codes of OAuth 2.0 logins: https://www.rfc-editor.org/rfc/rfc6749#section-5.2, read
# 2026-11-22.
LOGIN: dict[str, Advice] = {
    "400 invalid_request": Advice(
        "The login did not understand the request", "check the login address"
    ),
    "400 invalid_grant": Advice(
        "The login refused the grant", "let the client use the grant client credentials"
    ),
    "400 unauthorized_client": Advice(
        "The client may not use client credentials", "change its grant type"
    ),
    "400 unsupported_grant_type": Advice(
        "The login host does not know client credentials", "check the login address"
    ),
    "400 invalid_scope": Advice(
        "The login refused the scope asked for", "grant the client that scope"
    ),
}

# What the published definition gives for the operation it has at `POST
# /api/v2/conversations/messages`, an agent's outbound conversation:
# https://github.com/api-evangelist/genesys, read 2026-11-22.
OUTBOUND: dict[str, Advice] = {
    "400 active.conversation": Advice(
        "There is an active conversation with this address already",
        "end it first, or write into it",
    ),
    "400 existing.conversation": Advice(
        "There is a conversation with this address already", "continue it (useExistingConversation)"
    ),
    "400 queue.address.required": Advice(
        "The queue has no address to send from", "give it one for this kind of message"
    ),
    "400 queue.membership.required": Advice(
        "The user is no member of the queue", "add the user to it"
    ),
    "400 invalid.phone.number": Advice(
        "The address is not a telephone number", "write it as +4989123456"
    ),
    "400 invalid.phone.numbers": Advice(
        "An address is not a telephone number", "write it as +4989123456"
    ),
    "400 invalid.whatsapp.address": Advice(
        "The address is not one of WhatsApp's", "use a number that WhatsApp knows"
    ),
}

_LACKS_PERMISSION = "The client's role lacks a permission, which the answer names"

# The published API definition: https://github.com/api-evangelist/genesys, read 2026-11-22.
STANDARD: dict[str, Advice] = {
    "400 bad.request": Advice("The API did not understand the request", "check the payload's JSON"),
    "400 constraint.validation": Advice(
        "A value breaks a rule of the API", "correct the one that the answer names"
    ),
    "400 invalid.date": Advice(
        "A date is not written as the API wants it", "write it as 2026-01-31T12:00:00.000Z"
    ),
    "400 invalid.property": Advice(
        "The payload has a member the API does not know", "check its spelling, or leave it out"
    ),
    "400 invalid.query.param.value": Advice(
        "A query parameter has a value that is not allowed", "correct the one the answer names"
    ),
    "400 invalid.value": Advice(
        "A member of the payload has a value of the wrong type", "correct the one the answer names"
    ),
    "400 response.entity.too.large": Advice("The listing is too large", "ask for smaller pages"),
    "400 not.a.client": Advice(
        "The route wants a token of client credentials, this one is a user's",
        "log in with a client whose grant type is client credentials",
    ),
    "400 not.a.user": Advice(
        "The route wants a user's token, this one is of client credentials",
        "use another route: Convoy logs in with client credentials only",
    ),
    "401 authentication.required": Advice(
        "The request carried no token", "send the header `Authorization: Bearer <token>`"
    ),
    "401 bad.credentials": Advice(
        "The token is unknown, expired or revoked, or of another region",
        "log in again at the login host of the API's region",
    ),
    "401 ip.not.authorized": Advice(
        "The organisation does not allow this machine's address",
        "have it added to the allowed ones",
    ),
    "403 not.authorized": Advice("The client may not do this", "give it a role that may"),
    "403 missing.permissions": Advice(_LACKS_PERMISSION, "add it to the role"),
    "403 missing.any.permissions": Advice(_LACKS_PERMISSION, "add one of them to the role"),
    "403 missing.division.permission": Advice(
        "The role lacks the permission in this division", "assign the role in that division"
    ),
    "403 missing.any.division.permissions": Advice(
        "The role lacks the permission in these divisions", "assign the role in one of them"
    ),
    "403 app.not.authorized.for.scope": Advice(
        "The token lacks a scope",
        "grant the client conversation:view and conversation:write, for guests also "
        "webchat:guest or webmessaging:guest",
    ),
    "403 authz.policy.denied": Advice(
        "A security policy of the organisation refuses this", "ask its administrator"
    ),
    "404 not.found": Advice("The API has no such resource", "check host, path and ids"),
    "404 conversation.error.conversation.not.found": Advice(
        "The conversation does not exist",
        "check that the ids are conversations' (not participants') and of this organisation",
    ),
    "408 client.timeout": Advice(
        "The API waited too long for our request: a slow network or generator",
        "check the load of this machine and its line",
    ),
    "409 request.conflict": Advice(
        "The request conflicts with the resource's present state", "read that state first"
    ),
    "413 request.entity.too.large": Advice(
        "The body is over the size limit of 512,000 bytes", "send less"
    ),
    "415 unsupported.media.type": Advice(
        "The API does not take this Content-Type", "send `Content-Type: application/json`"
    ),
    "429 too.many.requests": Advice(
        "The token's budget is spent", "use more tokens or a lower rate"
    ),
    "429 too.many.requests.retry.after": Advice(
        "The token's budget is spent",
        "use more tokens or a lower rate, and check limits against what the API allows",
    ),
    "500 internal.server.error": Advice(
        "The API failed inside", "report it with the correlation id"
    ),
    "503 service.unavailable": Advice(
        "The API is overloaded or down for maintenance", "lower the rate, or try again later"
    ),
    "504 request.timeout": Advice(
        "The API took too long inside; it is overloaded", "lower the rate"
    ),
    "504 authentication.request.timeout": Advice(
        "The API's own login check took too long", "lower the rate, or try again later"
    ),
}

# Convoy's own word on an answer that is no error.
OPINION: dict[str, Advice] = {
    "200 unexpected": Advice(
        "The target accepted a message that it should have refused",
        "find out whether its rules have changed, or correct expected.yaml beside the template",
    ),
}

FALLBACKS: dict[str, Advice] = {
    "4xx other": Advice(
        "A refusal without a known code of the API's, perhaps from a gateway",
        "read the answer in the sample",
    ),
    "5xx other": Advice(
        "A failure without a known code of the API's, perhaps from a gateway",
        "read the answer in the sample",
    ),
    "other": Advice(
        "An answer that is neither success nor error, such as a redirect", "check the address"
    ),
}

ADVICE: dict[str, Advice] = {
    **WIRE,
    **DIALECT,
    **LOGIN,
    **OUTBOUND,
    **STANDARD,
    **OPINION,
    **FALLBACKS,
}
