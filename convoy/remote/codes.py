"""The closed vocabulary of error codes: what the remote and the wire can say, and what it means."""

from __future__ import annotations

import re

import msgspec

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")

_WIRE: dict[str, str] = {
    "timeout": "No whole answer by request_timeout_s: the target is overloaded or stalled.",
    "connection refused": "Nothing takes connections at the address, it cannot be reached, or this "
    "machine ran out of ports or open files.",
    "connection reset": "The target broke the connection off: a restart, a crash or a balancer.",
    "connection closed": "The target closed the connection before its answer was whole.",
    "dns": "The host name was not found; check the target's address and this machine's DNS.",
    "tls": "No trusted TLS connection; check the certificate's names, dates and issuer (ca_file).",
    "proxy": "The proxy refused to connect us; check HTTPS_PROXY and NO_PROXY.",
    "malformed answer": "What answered does not speak HTTP, or not well; check the address.",
    "answer too large": "The answer is larger than Convoy reads; check that this is the API.",
    "stopped": "The run was stopped while the answer was awaited.",
    "worker lost": "The worker that sent it was lost before it reported what came of it.",
}

WIRE_CODES: frozenset[str] = frozenset(_WIRE)
"""Codes for what happened on the way: no answer of the remote's is behind them."""

# The support thread's dialect, answers of its message route and of the login:
# https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-with-invalid-payload-when-bypassing-messenger-widget/10121,
# read 2026-11-22. `conversation.closed` is Convoy's name, the thread gives none. The body of a
# refused login: https://github.com/tishige/CallFlowVisualizer/issues/8, read 2026-11-22.
_DIALECT: dict[str, str] = {
    "400 invalid_payload": "The body is wrong: to needs id and type, from a name, text 1 to 4,096 "
    "bytes; details[].fieldName in the sample names the field.",
    "400 conversation.closed": "The conversation has ended; use open ones, or refresh the pool.",
    "400 invalid_client": "The login knows no such client or another secret; check "
    "CONVOY_CLIENT_ID, CONVOY_CLIENT_SECRET and that the login host is of the client's region.",
    "401 invalid_client": "The login knows no such client or another secret; check "
    "CONVOY_CLIENT_ID, CONVOY_CLIENT_SECRET and that the login host is of the client's region.",
}

# Error codes of OAuth 2.0 logins: https://www.rfc-editor.org/rfc/rfc6749#section-5.2, read
# 2026-11-22.
_LOGIN: dict[str, str] = {
    "400 invalid_request": "The login did not understand the request; check the login address.",
    "400 invalid_grant": "The login refused the grant; the client must allow client credentials.",
    "400 unauthorized_client": "The client may not use client credentials; change its grant type.",
    "400 unsupported_grant_type": "The login host does not know client credentials.",
    "400 invalid_scope": "The login refused the scope asked for.",
}

# The published API definition: https://github.com/api-evangelist/genesys, read 2026-11-22.
_STANDARD: dict[str, str] = {
    "400 bad.request": "The API did not understand the request; check the payload's JSON.",
    "400 constraint.validation": "A value breaks a rule of the API; the sample names it.",
    "400 invalid.date": "A date is not written as 2026-01-31T12:00:00.000Z.",
    "400 invalid.property": "The payload has a member the API does not know; check its spelling.",
    "400 invalid.query.param.value": "A query parameter has a value that is not allowed.",
    "400 invalid.value": "A member of the payload has a value of the wrong type.",
    "400 response.entity.too.large": "The listing is too large; ask for smaller pages.",
    "400 not.a.client": "The route wants a token of client credentials, this one is a user's.",
    "400 not.a.user": "The route wants a user's token, this one is of client credentials.",
    "400 active.conversation": "There is an active conversation with this address already.",
    "400 existing.conversation": "There is a conversation with this address already.",
    "400 queue.address.required": "The queue has no address to send from; set one up.",
    "400 queue.membership.required": "The user is no member of the queue.",
    "400 invalid.phone.number": "The address is not a telephone number.",
    "400 invalid.phone.numbers": "An address is not a telephone number.",
    "400 invalid.whatsapp.address": "The address is not one of WhatsApp's.",
    "401 authentication.required": "The request carried no token.",
    "401 bad.credentials": "The token is unknown, expired or revoked, or of another region.",
    "401 ip.not.authorized": "The organisation does not allow this machine's address.",
    "403 not.authorized": "The client may not do this; give it a role that may.",
    "403 missing.permissions": "The client's role lacks a permission; the sample names it.",
    "403 missing.any.permissions": "The client's role lacks a permission; the sample names it.",
    "403 missing.division.permission": "The role lacks the permission in this division.",
    "403 missing.any.division.permissions": "The role lacks the permission in these divisions.",
    "403 app.not.authorized.for.scope": "The token lacks a scope: conversation:view and "
    "conversation:write, for guests also webchat:guest or webmessaging:guest.",
    "403 authz.policy.denied": "A security policy of the organisation refuses this.",
    "404 not.found": "The API has no such resource; check host, path and ids.",
    "404 conversation.error.conversation.not.found": "The conversation does not exist; "
    "check the pool's ids and that they are of this organisation.",
    "408 client.timeout": "The API waited too long for our request: a slow network or generator.",
    "409 request.conflict": "The request conflicts with the resource's present state.",
    "413 request.entity.too.large": "The body is over the size limit of 512,000 bytes.",
    "415 unsupported.media.type": "The API does not take this Content-Type.",
    "429 too.many.requests": "The token's budget is spent; use more tokens or a lower rate.",
    "429 too.many.requests.retry.after": "The token's budget is spent; use more tokens or a lower "
    "rate, and check limits against what the API allows.",
    "500 internal.server.error": "The API failed inside; report it with the correlation id.",
    "503 service.unavailable": "The API is overloaded or down for maintenance.",
    "504 request.timeout": "The API took too long inside; it is overloaded.",
    "504 authentication.request.timeout": "The API's own login check took too long.",
}

_FALLBACKS: dict[str, str] = {
    "4xx other": "A refusal without a code of the API's, perhaps from a gateway; see the sample.",
    "5xx other": "A failure without a code of the API's, perhaps from a gateway; see the sample.",
    "other": "An answer that is neither success nor error, such as a redirect; check the address.",
}

KNOWN_CODES: dict[str, str] = {**_WIRE, **_DIALECT, **_LOGIN, **_STANDARD, **_FALLBACKS}
"""Every known code, with its usual cause and what to change, in one sentence."""


class _ErrorBody(msgspec.Struct):
    code: object = None
    error: object = None


def error_code(status: int, body: bytes) -> str:
    """Return the code to count an answer under: `"400 invalid_payload"`.

    It is the status and the JSON member `code`, or OAuth's `error`, where that looks like a code;
    else `"4xx other"`, `"5xx other"` or `"other"`.
    """
    try:
        read = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _fallback(str(status))
    for value in (read.code, read.error):
        if isinstance(value, str) and _CODE.fullmatch(value):
            return f"{status} {value}"
    return _fallback(str(status))


def meaning(code: str) -> str:
    """Return the sentence on a code's usual cause, empty for an unknown one."""
    return KNOWN_CODES.get(code, "")


def _fallback(code: str) -> str:
    return {"4": "4xx other", "5": "5xx other"}.get(code[:1], "other")


class CodeBook:
    """Keeps the vocabulary closed: of the codes nobody knows, the first `keep` keep their names."""

    def __init__(self, keep: int = 50) -> None:
        self._keep = keep
        self._kept: set[str] = set()

    def name(self, code: str) -> str:
        """Return the name to count `code` under."""
        if code in KNOWN_CODES or code in self._kept:
            return code
        if len(self._kept) < self._keep:
            self._kept.add(code)
            return code
        return _fallback(code)
