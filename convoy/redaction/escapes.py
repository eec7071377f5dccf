"""Texts beneath their escapes: those of JSON, Python, URLs, forms and HTML, in any mixture."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_MOST_LAYERS = 6
"""Of escapes, one in the other. One more is needed where a secret holds what looks like an escape,
because that is taken off together with the others."""
_PAIR_OF_SURROGATES = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE_OF_JSON = re.compile(rf"{_PAIR_OF_SURROGATES}|\\(?:u[0-9a-fA-F]{{4}}|[^u])", re.DOTALL)
_ESCAPE = re.compile(
    rf"{_PAIR_OF_SURROGATES}"
    r"|\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|(?!%\w\w|&[#a-zA-Z])[^uUx\0])"
    r"|(?:%[0-9a-fA-F]{2})+"
    # Browsers read numbers, and the oldest names, without a semicolon, too.
    r"|&(?:\#[0-9]{1,20};?|\#[xX][0-9a-fA-F]{1,20};?|[a-zA-Z][a-zA-Z0-9]{1,30};|amp|lt|gt|quot)"
    r"|\+"  # a space, in a form
    r"|\0+|\x1b\[[0-9;]{0,20}m",  # what nobody sees: of UTF-16, and colours of a terminal
    re.DOTALL,
)
_BREAK = re.compile(r"[\"'][ \t]*+\n[ \t]++[bu]?+[\"']")
"""Between the parts of a long text, as Python writes them: each has a line, the next an indent."""
_BEGIN_ESCAPES = frozenset("\\%&+\0\x1b")
_LENGTH_OF_PAIR = 12
_ESCAPED_BYTE = 0xDC00
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Layer(NamedTuple):
    """A text without some of its escapes, and for each of its characters what those were.

    `at` is where a character, and the end, began in the original; `ways` are the first characters
    of its escapes, of the outermost first: `&\\` of a character of JSON in HTML, "" of one that
    had none.
    """

    text: str
    at: Sequence[int]
    ways: Sequence[str]

    @classmethod
    def of(cls, text: str, at: Sequence[int] | None = None) -> Layer:
        """Return a text as it stands, or what of another one stands at these places."""
        return cls(text, range(len(text) + 1) if at is None else at, [""] * len(text))


def layers(text: str) -> Iterator[Layer]:
    """Yield a text, then again and again without its outermost escapes, as long as it has some."""
    return layers_below(Layer.of(text))


def layers_below(first: Layer) -> Iterator[Layer]:
    """Yield a layer, then again and again without its outermost escapes."""
    layer: Layer | None = first
    for _ in range(_MOST_LAYERS + 1):
        if layer is None:
            return
        yield layer
        if _BEGIN_ESCAPES.isdisjoint(layer.text):  # as most do, and the expression takes far longer
            return
        layer = _without_escapes(layer, _ESCAPE)


def joined(layer: Layer) -> Layer | None:
    """Return a layer without the breaks that Python makes in long texts, None where it has none."""
    return _without_escapes(layer, _BREAK)


def text_of_json(layer: Layer, begin: int, end: int) -> Layer:
    """Return what a text in JSON says that stands there, without quotes, as one by itself."""
    written = Layer.of(layer.text[begin:end], layer.at[begin : end + 1])
    shown = _without_escapes(written, _ESCAPE_OF_JSON) if "\\" in written.text else None
    return Layer.of(shown.text, shown.at) if shown else written


def _without_escapes(layer: Layer, escapes: re.Pattern[str]) -> Layer | None:
    """Return a layer without these escapes, None where it has none."""
    text, at, ways = layer
    shown: list[str] = []
    places: list[int] = []
    shown_ways: list[str] = []
    start = 0
    for found in escapes.finditer(text):
        begin, end = found.span()
        shown.append(text[start:begin])
        places += at[start:begin]
        shown_ways += ways[start:begin]
        step = 0
        escape = found[0]
        for character, width in _characters(escape):
            if character != "\0":
                shown.append(character)
                places.append(at[begin + step])
                shown_ways.append(ways[min(begin + step, end - 1)] + escape[0])
            step += width
        start = end
    if not start:
        return None
    shown.append(text[start:])
    places += at[start:]
    shown_ways += ways[start:]
    return Layer("".join(shown), places, shown_ways)


def _characters(escape: str) -> Iterator[tuple[str, int]]:
    """Yield the characters that an escape stands for, each with the width of its part of it."""
    if escape[0] == "%":
        plain = bytes.fromhex(escape.replace("%", "")).decode("utf-8", "surrogateescape")
        for each in plain:
            is_no_utf8 = "\udc80" <= each <= "\udcff"
            shown = chr(ord(each) - _ESCAPED_BYTE) if is_no_utf8 else each  # Latin-1, then
            yield shown, 3 * len(each.encode("utf-8", "surrogateescape"))
    elif escape[0] == "\\" and escape[1] in "uUx":
        code = int(escape[2:6] if len(escape) == _LENGTH_OF_PAIR else escape[2:], 16)
        if len(escape) == _LENGTH_OF_PAIR:
            code = 0x10000 + (code - 0xD800) * 0x400 + int(escape[8:], 16) - 0xDC00
        yield chr(min(code, sys.maxunicode)), len(escape)
    elif escape[0] == "\\":
        yield _LETTERS.get(escape[1], escape[1]), len(escape)
    elif escape[:2] == "&#":
        digits = escape[2:].removesuffix(";")
        code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
        yield chr(min(code, sys.maxunicode)), len(escape)
    elif escape[0] == "&":
        # Of what is no name, or begins with one, the rest is text.
        plain = html.unescape(escape)
        width = 1 if escape.endswith(plain[1:]) else 0
        yield plain[0], len(escape) - width * len(plain[1:])
        yield from ((each, width) for each in plain[1:])
    else:
        yield " " if escape == "+" else "\0", len(escape)
