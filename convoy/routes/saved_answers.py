"""Answers as people save them: of curl, an SDK's exception, a gateway's page, or plain JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from convoy.untrusted_text import UNREADABLE

_STATUS_LINE = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})\b[^\n]*(?:\n|$)")
_BLOCKS = re.compile(r"\n[ \t]*\n")
# No expression may try a long run of white space or tags again from each of its places.
_HEADER = re.compile(r"(?im)^[ \t]*'?inin-correlation-id'?\s*[:=]\s*'?\"?([A-Za-z0-9-]{1,100})")
_IN_LINE = re.compile(r"(?i)inin-correlation-id'?\"?[^A-Za-z0-9]{1,8}([A-Za-z0-9-]{8,100})")
_OF_EXCEPTION = re.compile(r"(?m)(?:^[ \t]*+|: )\(?([1-5]\d\d)\)?[ \t]*+(?:$|\n\s{0,20}Reason: )")
_OF_PAGE = re.compile(r"(?is)<(?:title|h1)[^<>]{0,200}>[^<]{0,200}?\b([1-5]\d\d)\b")
_TELLING = ("code", "error", "errors", "status")
_MOST_LOOKED_AT = 200


class SavedAnswer(NamedTuple):
    """What was found in a saved answer: `body` is {} where it holds no JSON object."""

    status: int | None
    body: Mapping[str, Any]
    correlation_id: str


def read_saved(text: str) -> SavedAnswer:
    """Return what a text holds of an answer of the API; it takes anything."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").strip()
    status, head, rest = None, "", text
    # One answer after the other: a proxy's, an interim one, a redirect, and then the last.
    for _ in range(_MOST_LOOKED_AT):
        line = _STATUS_LINE.match(rest)
        if line is None:
            break
        status = int(line[1])
        head, *more = _BLOCKS.split(rest, maxsplit=1)
        rest = more[0].lstrip() if more else ""
    if status is None and not text.startswith("{"):
        found = _OF_PAGE.search(text) or _OF_EXCEPTION.search(text)
        status = int(found[1]) if found else None
    named = _HEADER.search(head) or _IN_LINE.search(head or text)
    body = next(_errors(_objects(rest)), {})
    return SavedAnswer(status, body, named[1] if named else "")


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON objects that stand in a text, those within others left out."""
    # So many tries at most, because each of them may read the text to its end.
    decoder, start = json.JSONDecoder(), 0
    for _ in range(_MOST_LOOKED_AT):
        start = text.find("{", start)
        if start < 0:
            return
        try:
            value, start = decoder.raw_decode(text, start)
        except UNREADABLE:
            start += 1
            continue
        yield value


def _errors(objects: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield those that speak of an error, or the outermost object in each that does."""
    for each in objects:
        yield from _speaking(each)


def _speaking(value: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if depth > 8:
        return
    if isinstance(value, list):
        for each in value[:_MOST_LOOKED_AT]:
            yield from _speaking(each, depth + 1)
    if not isinstance(value, dict):
        return
    if any(isinstance(value.get(name), (str, int, list)) for name in _TELLING):
        yield _with_inner_code(value)
    for each in value.values():
        if isinstance(each, str) and each.lstrip().startswith("{"):
            yield from _errors(_objects(each))
        else:
            yield from _speaking(each, depth + 1)


def _with_inner_code(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an envelope without a code of its own with that of the first error that it lists."""
    inner = value.get("errors")
    first = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], dict) else {}
    if any(isinstance(value.get(name), str) for name in ("code", "error")):
        return value
    return {**first, **{name: each for name, each in value.items() if each}}
