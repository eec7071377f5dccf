"""Answers as status, headers and body, and the envelope that every error travels in.

Members of the envelope: `ErrorBody` of the public API definition
(https://github.com/api-evangelist/genesys, read 2026-11-22).
"""

from __future__ import annotations

import msgspec

from simulator.errors import ERRORS
from simulator.model.rejection import RateExceeded, Rejection

Headers = tuple[tuple[bytes, bytes], ...]
RATE_LIMIT_NAMESPACE = "platform.api"


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer; `code` is the error code of one that says no."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    code: str = ""
    content_type: bytes = b"application/json"


NO_CONTENT = Answer(204)
_encode = msgspec.json.Encoder().encode


def json_answer(content: object, status: int = 200, code: str = "") -> Answer:
    return Answer(status, _encode(content), code=code)


def error_answer(rejection: Rejection, correlation_id: str) -> Answer:
    """The full error envelope of a rejection; its `contextId` is the correlation id."""
    status = rejection.status or ERRORS[rejection.code].status
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
        "key": rejection.key,
        "namespace": RATE_LIMIT_NAMESPACE,
        "value": rejection.allowed,
    }
    return Answer(status, _encode(envelope), _rate_headers(rejection), rejection.code)


def _rate_headers(rejection: RateExceeded) -> Headers:
    return (
        (b"Retry-After", b"%d" % rejection.retry_after_s),
        (b"Cache-Control", b"no-cache, no-store, must-revalidate"),
    )
