"""Answers as status, headers and body, and the envelope that every error travels in.

Members of the envelope: `ErrorBody` of the public API definition; statuses and sentences: its
standard set of errors (https://github.com/api-evangelist/genesys, read 2026-11-22).
"""

from __future__ import annotations

import msgspec

from simulator.model.rejection import INVALID_PAYLOAD, RateExceeded, Rejection

Headers = tuple[tuple[bytes, bytes], ...]
RATE_LIMIT_KEY = "client.credentials.token.rate.per.minute"
RATE_LIMIT_NAMESPACE = "platform.api"
BODY_BYTES_MAX = 512_000

STATUS_BY_CODE = {
    INVALID_PAYLOAD: 400,
    "bad.request": 400,
    "conversation.closed": 400,
    "invalid.query.param.value": 400,
    "not.a.client": 400,
    "authentication.required": 401,
    "bad.credentials": 401,
    "app.not.authorized.for.scope": 403,
    "not.authorized": 403,
    "conversation.error.conversation.not.found": 404,
    "not.found": 404,
    "method.not.allowed": 405,
    "client.timeout": 408,
    "request.conflict": 409,
    "request.entity.too.large": 413,
    "unsupported.media.type": 415,
    "too.many.requests.retry.after": 429,
    "internal.server.error": 500,
    "service.unavailable": 503,
    "request.timeout": 504,
}
SENTENCE_BY_CODE = {
    "bad.request": ("The request could not be understood by the server due to malformed syntax."),
    "bad.credentials": "Invalid login credentials.",
    "not.authorized": "You are not authorized to perform the requested action.",
    "not.found": "The requested resource was not found.",
    "method.not.allowed": "The method is not allowed for the requested resource.",
    "client.timeout": (
        "The client did not produce a request within the server timeout limit. This can be caused "
        "by a slow network connection and/or large payloads."
    ),
    "request.conflict": "The request conflicts with the current state of the target resource.",
    "request.entity.too.large": (
        f"The request is over the size limit. Maximum bytes: {BODY_BYTES_MAX}"
    ),
    "unsupported.media.type": (
        "Unsupported Media Type - Unsupported or incorrect media type, such as an incorrect "
        "Content-Type value in the header."
    ),
    "internal.server.error": (
        "The server encountered an unexpected condition which prevented it from fulfilling the "
        "request."
    ),
    "service.unavailable": (
        "Service Unavailable - The server is currently unavailable (because it is overloaded or "
        "down for maintenance)."
    ),
    "request.timeout": "The request timed out.",
}


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer; `code` is the error code of one that says no."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    code: str = ""


NO_CONTENT = Answer(204)
_encode = msgspec.json.Encoder().encode


def json_answer(content: object, status: int = 200, code: str = "") -> Answer:
    return Answer(status, _encode(content), code=code)


def standard_rejection(code: str) -> Rejection:
    """The rejection of a code that needs no more words than its standard sentence."""
    return Rejection(code, SENTENCE_BY_CODE[code])


def error_answer(rejection: Rejection, correlation_id: str) -> Answer:
    """The full error envelope of a rejection; its `contextId` is the correlation id."""
    status = STATUS_BY_CODE[rejection.code]
    details = (
        [{"errorCode": rejection.code, "fieldName": rejection.field}] if rejection.field else []
    )
    envelope: dict[str, object] = {
        "message": rejection.message,
        "code": rejection.code,
        "status": status,
        "messageParams": rejection.params,
        "contextId": correlation_id,
        "details": details,
        "errors": [],
    }
    if not isinstance(rejection, RateExceeded):
        return Answer(status, _encode(envelope), code=rejection.code)
    envelope["limit"] = {
        "key": RATE_LIMIT_KEY,
        "namespace": RATE_LIMIT_NAMESPACE,
        "value": rejection.allowed,
    }
    return Answer(status, _encode(envelope), _rate_headers(rejection), rejection.code)


def _rate_headers(rejection: RateExceeded) -> Headers:
    return (
        (b"Retry-After", b"%d" % rejection.retry_after_s),
        (b"Cache-Control", b"no-cache, no-store, must-revalidate"),
    )
