"""Where in a text JSON stands, and the values in it, with their names and their places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

_BEGINS = re.compile(r'\A[ \t\r\n]*+(["{\[])|(\{)(?=[ \t\r\n]*+")')
_MOST_BROKEN = 10
"""What begins like JSON and is none: to see that may take a pass over the rest of the text."""
_DECODER = json.JSONDecoder(parse_int=len)  # a long number takes no time, then
_TOKEN = re.compile(
    r'"((?:[^"\\]++|\\.)*+)"([ \t\r\n]*+:)?|[{}\[\]]|[^ \t\r\n{}\[\],:"]++', re.DOTALL
)


class JsonValue(NamedTuple):
    """From where to where a value stands, or a name of an object's member as a value of no name.

    Of a text, and of the `name`, that is what its quotes hold. In a list of lists, as headers are
    written, the first text of a list is the name of the second.
    """

    begin: int
    end: int
    name: tuple[int, int] | None
    is_text: bool


def places_of_json(text: str) -> Iterator[tuple[int, int]]:
    """Yield from where to where JSON stands that is an object, or all there is.

    Within something else a list may be a part of what is no JSON, and a backslash may be another
    writer's, as Python's in `'{"a": "b\\\\"}'`: objects that have one are left out there.
    """
    begins, broken = _BEGINS.search(text), 0
    while begins and broken < _MOST_BROKEN:
        begin = begins.start(begins.lastindex or 0)
        try:
            _, end = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            broken += 1
            end = begin + 1
        else:
            is_all = begins.lastindex == 1 and not text[end:].strip()
            if is_all or (text[begin] == "{" and "\\" not in text[begin:end]):
                yield begin, end
        begins = _BEGINS.search(text, end)


def json_values(text: str, begin: int, end: int) -> Iterator[JsonValue]:
    """Yield all values of what stands there and is JSON, those within others first."""
    opened: list[tuple[int, tuple[int, int] | None]] = []
    name: tuple[int, int] | None = None
    is_first = False
    for token in _TOKEN.finditer(text, begin, end):
        at = token.start()
        was_first, is_first = is_first, text[at] == "["
        if text[at] in "[{":
            opened.append((at, name))
            name = None
        elif text[at] == '"':
            place = token.span(1)
            is_name = token[2] is not None
            yield JsonValue(*place, None if is_name else name, is_text=True)
            is_pair = was_first and len(opened) > 1 and text[opened[-2][0]] == "["
            name = place if is_name or is_pair else None
        else:
            if text[at] in "]}":
                at, name = opened.pop()
            yield JsonValue(at, token.end(), name, is_text=False)
            name = None
