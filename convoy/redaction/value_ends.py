"""Where in one layer of a text a value ends, by the escapes of what stands around it.

Nobody knows in which order programs escaped a text, and which of its characters. But what ends a
value has no escapes that its beginning has not: the `ways` of a layer tell.
"""

from __future__ import annotations

import re
from functools import lru_cache

from convoy.redaction.escapes import Layer

_NEXT_LITERAL = re.compile(r"[ \t]*+\n[ \t]++[bu]?+([\"'])")
"""To the next part of a long text, as Python writes it: in the next line, with an indent."""
_JOINED = re.compile(r"''|\"\"|'\"'\"'|'\\''|(?<=')\"'\"(?=')")
"""A quote within a value, as SQL and shells write it."""
_IS_NAME = re.compile(r"\s*+[:=]")
ENDS = re.compile(r"[\s&\"'<>]|\\(?=[\"'])")
_MARKS = re.compile(r"[.()!*~;]*+")
"""Which a URL leaves as they are, as it does apostrophes."""
_OF_A_VALUE = re.compile(r"[\w%+=*~$@#^|-]")
_NEXT_PARAMETER = re.compile(r"(?:quot|apos|lt|gt|nbsp|#34|#39|#x22|#x27);|[^=&\s\"'<>]*+=")
"""What stands behind a `&` that ends a value, in a URL or in HTML."""
_BRACKET = re.compile(r"[\[\](){}\"'\\]")
_BRACKET_OR_ANGLE = re.compile(r"[\[\](){}<>\"'\\]")


@lru_cache(maxsize=2**14)
def _may_stand_around(way: str, inner: str) -> bool:
    """Return whether all escapes of a character are among those of what may stand within it.

    Programs escape some characters and leave others: within what one has escaped as `&#x3D;` and
    the next as JSON, a space may have either of these escapes, both or none.
    """
    left = iter(inner)
    return all(each in left for each in way)


def is_end(layer: Layer, at: int, way: str) -> bool:
    """Return whether a character ends a value without quotes, whose separator had these escapes.

    JSON and HTML escape what ends one, such as quotes and line breaks, and leave what separates it
    from its name. In a URL a value's own are escaped. The end of the text ends all.
    """
    if at >= len(layer.ways):
        return True
    return _may_stand_around(layer.ways[at].replace("\\", "").replace("&", ""), way)


def first_end(layer: Layer, ends: re.Pattern[str], begin: int, way: str, last: int) -> int:
    """Return where the first of the characters stands that ends what was escaped in this way."""
    for found in ends.finditer(layer.text, begin, last):
        if is_end(layer, found.start(), way):
            return found.start()
    return last


def end_of_space(layer: Layer, begin: int, *ways: str) -> int:
    """Return where spaces and tabs end that are escaped in one of these ways."""
    while layer.text[begin : begin + 1] in (" ", "\t"):
        if not any(is_end(layer, begin, way) for way in ways):
            break
        begin += 1
    return begin


def end_of_word(layer: Layer, begin: int, way: str) -> int:
    """Return where a value without quotes ends whose separator was escaped in this way."""
    text = layer.text
    for found in ENDS.finditer(text, begin):
        at, character = found.start(), found[0]
        if not is_end(layer, at, way):
            continue
        if character == "'" and (
            text[at + 1 : at + 2] in ("'", "&", "/") or goes_on(layer, at + 1, way)
        ):
            continue
        if character == "&" and not _NEXT_PARAMETER.match(text, at + 1):
            continue
        return at
    return len(text)


def goes_on(layer: Layer, at: int, way: str) -> bool:
    """Return whether a quote before this place is part of a value without quotes."""
    marks = _MARKS.match(layer.text, at)
    after = marks.end() if marks else at
    return not is_end(layer, after, way) or _OF_A_VALUE.match(layer.text, after) is not None


def in_quotes(layer: Layer, quote_at: int) -> tuple[int, int]:
    """Return from where to where a value stands in quotes, the first of which is there."""
    text, end = layer.text, _closing_quote(layer, quote_at)
    while end is not None and (joined := _JOINED.match(text, end)):
        if layer.ways[end] != layer.ways[joined.end() - 1]:  # of what stands around
            break
        end = _closing_quote(layer, joined.end() - 1)
    while end is not None and (literal := _NEXT_LITERAL.match(text, end + 1)):
        next_end = _closing_quote(layer, literal.start(1))
        if next_end is None or _IS_NAME.match(text, next_end + 1):
            break
        end = next_end
    return quote_at + 1, len(text) if end is None else end


def _closing_quote(layer: Layer, quote_at: int) -> int | None:
    """Return where the quote stands that closes what another one opens, None where none does."""
    # One that is escaped ends it in the layer that shows the escape, and not in the next.
    end = layer.text.find(layer.text[quote_at], quote_at + 1)
    while end >= 0 and not _may_stand_around(layer.ways[end], layer.ways[quote_at]):
        end = layer.text.find(layer.text[quote_at], end + 1)
    return None if end < 0 else end


def end_of_brackets(layer: Layer, begin: int) -> int:
    """Return where a value ends that begins with a bracket: at the end where it was cut off."""
    brackets = _BRACKET_OR_ANGLE if layer.text[begin] == "<" else _BRACKET
    quote, quote_way = "", ""
    depth = after = 0
    for found in brackets.finditer(layer.text, begin):
        at, character = found.start(), found[0]
        if at < after:
            continue
        if character == "\\":
            after = at + 2
        elif quote:
            if character == quote and _may_stand_around(layer.ways[at], quote_way):
                quote = ""
        elif character in "\"'":
            quote, quote_way = character, layer.ways[at]
        elif character in "[{(<":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return at + 1
    return len(layer.text)
