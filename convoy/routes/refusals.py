"""Refusals: code, field and correlation id of an answer that refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from convoy.routes.codes import KNOWN_CODES, advice, full_code
from convoy.untrusted_text import UNREADABLE, printable

GUEST = "guest "
"""Begins the codes of what a guest of web messaging is refused with, in frames over WebSocket."""
_QUOTED = re.compile(r"'([A-Za-z][\w.\[\]/]*)'")
_STATUSES = range(100, 600)
_FIRST_FAILURE, _BAD_REQUEST = 300, 400
_SESSION_EXPIRED = 4006
_MOST_CODES = 100_000
_NAMELESS = "4xx other"
_LONGEST_SAID = 400
_LONGEST_FIELD = 80
# Whole words only: a part of a longer word may be a part of a secret, which no redaction finds.
_PERMISSION = re.compile(
    r"(?<![^\s,;'\"(\[])[A-Za-z]\w{0,63}+:\w{1,64}+:(?:\w{1,64}+|\*)(?!\.?[^\s.,;'\")\]])"
)
_MOST_PERMISSIONS = 20


class Refusal(NamedTuple):
    """What a refusing answer holds; empty where it does not say.

    `code` is "" for an answer that says yes. `is_field_certain` is false when the field was only
    found in a sentence. `permissions` are those that are missing.
    """

    code: str
    status: int | None = None
    said: str = ""
    field: str = ""
    is_field_certain: bool = False
    correlation_id: str = ""
    permissions: tuple[str, ...] = ()

    @property
    def is_about_the_body(self) -> bool:
        is_unknown = self.code not in KNOWN_CODES or self.code == _NAMELESS
        is_known = advice(self.code).is_about_the_body
        return is_known or (is_unknown and self.status in (None, _BAD_REQUEST))


def read_refusal(answer: Mapping[str, Any] | bytes, status: int | None = None) -> Refusal:
    """Return what an answer of any form holds; `status` goes before the one in its body."""
    answer = _object(answer)
    if isinstance(answer.get("class"), str):
        return _of_frame(answer)
    own_status = answer.get("status")
    if status is None and isinstance(own_status, int) and own_status in _STATUSES:
        status = own_status
    said = _line(answer.get("message")) or _line(answer.get("error_description"))
    certain = next(_field_names(answer), "")
    quoted = _QUOTED.search(said)
    return Refusal(
        code=_code(answer, status),
        status=status,
        said=said,
        field=certain or (_path(quoted[1]) if quoted else ""),
        is_field_certain=bool(certain),
        correlation_id=_line(answer.get("contextId")),
        permissions=tuple(dict.fromkeys(_permissions(answer)))[:_MOST_PERMISSIONS],
    )


def guest_code(number: int) -> str:
    """Return the code of a frame that refuses with a number: `"guest 4002"`.

    The service's have up to five digits; what has more may be somebody's number.
    """
    return f"{GUEST}{number}" if 0 <= number < _MOST_CODES else f"{GUEST}other"


def _of_frame(frame: Mapping[str, Any]) -> Refusal:
    """Return what a server's frame to a guest holds: it says its code in itself or in its body."""
    body = frame.get("body")
    inner = body if isinstance(body, dict) else {}
    given = inner.get("errorCode", frame.get("code"))
    if frame["class"] == "SessionExpiredEvent":
        given = _SESSION_EXPIRED
    return Refusal(
        guest_code(given) if isinstance(given, int) and given >= _FIRST_FAILURE else "",
        said=_line(body) or _line(inner.get("errorMessage")),
    )


def _code(answer: Mapping[str, Any], status: int | None) -> str:
    name = _line(answer.get("code")) or _line(answer.get("error"))
    is_success = status is not None and status < _FIRST_FAILURE
    if is_success or not (name or status):
        return ""
    return full_code(name, status) or _NAMELESS


def _field_names(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields that an error envelope, or one of those within it, names."""
    for envelope in (answer, *_objects(answer.get("errors"))):
        for detail in _objects(envelope.get("details")):
            if name := _path(_line(detail.get("fieldName"))):
                yield name


def _permissions(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the permissions that an answer names where it says that some are missing."""
    if ".permission" not in _line(answer.get("code")):
        return
    params = answer.get("messageParams")
    given = params.values() if isinstance(params, dict) else ()
    for text in (*given, answer.get("message")):
        if isinstance(text, str):
            yield from _PERMISSION.findall(text)


def _path(name: str) -> str:
    """Return a field's path as the bodies' rules write it: `$.to.type` and `/to/type` likewise."""
    return name.removeprefix("$").strip("./").replace("/", ".")[:_LONGEST_FIELD]


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(answer: Mapping[str, Any] | bytes) -> Mapping[str, Any]:
    if not isinstance(answer, bytes):
        return answer
    try:
        value = json.loads(answer)
    except UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}


def _line(value: object) -> str:
    """Return a text as one printable line, "" for what is no text."""
    if not isinstance(value, str):
        return ""
    return printable(" ".join(value[:_LONGEST_SAID].split()))
