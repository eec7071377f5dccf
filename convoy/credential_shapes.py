"""Where in a text stands what has the shape of a credential, though nobody has named it as one."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from convoy.escapes import Layer

_LONGEST_NAME = 200
"""Characters before a separator, of which the last ones tell that a value is a credential."""
_NAME = re.compile(
    r"(?:token|jwt|secret|passw(?:or)?d|signature|api[_ -]?key|authorization|cookie|credential)"
    r"(?:\s|\]|\[\d*+\])*+\Z"
    r"|[?&;#]sig\Z",
    re.IGNORECASE,
)
"""How the name of a credential ends, and perhaps which of a list it is: `user[password][0]`."""
_PAIR = re.compile(r"(?:\(|[\[,]\s*+\[)\s*+b?[\"'][^\"']*+\Z")
"""Before a comma: the name of a pair, as headers are written in Python and JSON."""
_SEPARATOR = re.compile(r"(?<!\\)([\"'])\s*+(?::|=>?|(,))\s*+|=>?[ \t]*+")
"""Between a name and its value: behind the quote of a member, or of a parameter and in a line."""
_QUOTE = re.compile(r"[bBuUrR]{0,2}+([\"'])")
_OPENS = re.compile(r"[\w.]{0,100}+[\[{(]")
"""How a value begins that is a list, an object, or one of a class as Python writes it."""
_OPENS_WITH_TEXT = re.compile(r"[\w.]{0,100}+[\[{(]++\s*+[bu]?+[\"']")
_NUMBER = re.compile(r"-?\d[\d.eE+-]{3,}+")
_GOES_ON_AS_JSON = re.compile(
    r"([\"'])\s*+(?:,\s*+(?:\1|[{\[])|[}\]][\s,}\]]*+(?:\Z|\1|[{\[])|:\s*+[\"'{\[\d])"
)
"""How a text of JSON goes on behind its last quote."""
_BARE_QUOTE = re.compile(r"(?<!\\)[\"']")
_GOES_ON = re.compile(r"[ \t]*+\n\s*+[bu]?+([\"'])")
"""Between the parts of a long text, as Python writes them."""
_IS_NAME = re.compile(r"\s*+[:=]")
_IN_QUOTES = {"'": re.compile(r"['\\]"), '"': re.compile(r"[\"\\]")}
_ENDS = re.compile(r"[\s&\"'<>\\]")
_GOES_ON_BEHIND = re.compile(r"[\w'%&+/=!*~$@#^-]")
"""What stands behind an apostrophe that is part of a value, also in a URL."""
_ENDS_ADDRESS = re.compile(r"[\s\"<>]")
_ENDS_USER = re.compile(r"[\s/:\"<>]")
_ENDS_USER_ALONE = re.compile(r"[\s/@\"<>]")
_NEXT_PARAMETER = re.compile(r"[^=&\s\"'<>]*+=")
_BRACKET = re.compile(r"[\[\](){}\"'\\]")
_MOST_CUT_OFF = 5
"""Lists that are cut off, in a text: each is looked for its end in all that follows."""
_ELSEWHERE = re.compile(
    r"(?:\$(?:[A-Z_][A-Z0-9_]*+|\{[A-Z_][A-Z0-9_]*+\})\s*+)++"
    r"|\{\s*+\"?(?:env\"?\s*+:\s*+\"?[A-Z_][A-Z0-9_]*+|file\"?\s*+:\s*+\"?\.?/[\w./-]++)\"?\s*+\}"
)
"""What says where a value is to be found: variables of a shell, and a header in the settings."""
_PORT = re.compile(r"\d{1,5}[/?#]")
_BEFORE_HOST = re.compile(r"@(?=[\w\[])")
_LONGEST_USER = 4_096
"""Of an address, in characters."""
# What is no letter or digit of ASCII may be what is left of a byte order mark.
_PARTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]*+)++")
_TOKEN = re.compile(r"e(?:yJ|yA|wo|w0|wk)[\w-]{8}")
"""How a JSON Web Token begins, whose first part may have white space after its bracket."""
_SCHEME = re.compile(
    r"(?<![a-zA-Z0-9_])(?:bearer|basic)[ \t]++(?!(?:realm|error|scope|charset)\w*+=[\"'\w])",
    re.IGNORECASE,
)
_SHORTEST_BEHIND_SCHEME = 16

Shaped: TypeAlias = tuple[int, int, int | None]
"""From where to where a credential stands. In the place of one that is no text in quotes, such as
a number of JSON, stars need the quote that stands where the last number says."""


def credential_spans(layer: Layer) -> Iterator[Shaped]:
    """Yield where credentials stand in one layer of escapes, in no order, in a linear time.

    A value ends by the escapes of what stands around it: with white space, in `password=a%20b` or
    in `password\\u003da%20b`, only where that has no escapes, or those of the separator. What has
    others is part of the value, though this layer does not show it.
    """
    text = layer.text
    for found in _PARTED.finditer(text):
        if token := _TOKEN.search(text, *found.span()):
            yield token.start(), found.end(), None
    for found in _SCHEME.finditer(text):
        begin = found.end()
        if quote := _QUOTE.match(text, begin):
            begin, end = _in_quotes(layer, quote.start(1))
        else:
            end = _end_of_word(layer, begin, layer.ways[begin - 1])
        if end - begin >= _SHORTEST_BEHIND_SCHEME:
            yield begin, end, None
    yield from _logins_in_addresses(layer)
    yield from _named(layer)


@lru_cache(maxsize=2**14)
def _is_around(way: str, inner: str) -> bool:
    """Return whether all escapes of a character are among those of what may stand within it.

    Programs escape some characters and leave others: within what one has escaped as `&#x3D;` and
    the next as JSON, a space may have either of these escapes, both or none.
    """
    left = iter(inner)
    return all(each in left for each in way)


def _first(layer: Layer, ends: re.Pattern[str], begin: int, way: str, last: int) -> int:
    """Return where the first of the characters stands that ends what was escaped in this way."""
    for found in ends.finditer(layer.text, begin, last):
        if _is_around(layer.ways[found.start()], way):
            return found.start()
    return last


def _logins_in_addresses(layer: Layer) -> Iterator[Shaped]:
    """Yield user and password of each address, or the user alone.

    A user may be an address of e-mail, a password hold `@` and `/`, and a port has the same colon.
    """
    text, ways = layer.text, layer.ways
    hosts = [found.start() for found in _BEFORE_HOST.finditer(text)]
    ends: dict[str, int] = {}
    end, last_at = 0, max(0, text.rfind("@"))
    while begin := text.find("://", end, last_at) + 1:
        begin, end = begin + 2, begin + 2
        way, last = ways[begin - 1], min(last_at, begin + _LONGEST_USER)
        user_end = _first(layer, _ENDS_USER, begin, way, last)
        if text[user_end] == ":" and text[begin] != "[" and not _PORT.match(text, user_end + 1):
            if ends.get(way, 0) < begin:
                ends[way] = _first(layer, _ENDS_ADDRESS, begin, way, len(text))
            before = bisect_left(hosts, ends[way])
            end = hosts[before - 1] if before else begin
        if end <= user_end + 1:
            user_end = _first(layer, _ENDS_USER_ALONE, begin, way, last)
            end = user_end if text[user_end] == "@" else begin
        if end > begin:
            yield begin, end, None


class _Quotes:
    """The quotes of a layer that stand before a place, which moves to the right."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._until = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def is_open(self, quote: str, way: str, at: int) -> bool:
        """Return whether a text in such quotes, escaped in this way, has begun and not ended."""
        for found in _BARE_QUOTE.finditer(self._layer.text, self._until, at):
            self._counts[found[0], self._layer.ways[found.start()]] += 1
        self._until = max(self._until, at)
        return self._counts[quote, way] % 2 == 1


def _named(layer: Layer) -> Iterator[Shaped]:
    """Yield the values of credentials that go by their names.

    A value without quotes may hold others that have a name, and end before these do.
    """
    text, ways, start = layer.text, layer.ways, 0
    quotes, ends, cut_off = _Quotes(layer), dict[str, int](), 0
    while found := _SEPARATOR.search(text, start):
        name = text[max(start, found.start() - _LONGEST_NAME) : found.start()]
        begin = start = found.end()
        if not _NAME.search(name) or (found[2] and not _PAIR.search(name)):
            continue
        name_at, end = found.start(1), begin
        own_way = ways[max(name_at, found.start())]
        if quote := _QUOTE.match(text, begin):
            quote_at = quote.start(1)
            way = ways[quote_at]
            closes = _GOES_ON_AS_JSON.match(text, quote_at) and quotes.is_open(
                quote[1], way, quote_at
            )
            is_around = name_at >= 0 and quote[1] == text[name_at] and way != own_way
            if closes or (is_around and _is_around(way, own_way)):
                continue
            begin, end = _in_quotes(layer, quote_at)
            start = max(start, end)
        elif name_at >= 0 and (number := _NUMBER.match(text, begin)):
            end = number.end()
        elif (_OPENS if name_at >= 0 else _OPENS_WITH_TEXT).match(text, begin):
            end = start = _end_of_brackets(layer, begin, name_at)
            if end == len(text) and cut_off < _MOST_CUT_OFF and quotes.is_open('"', "", begin):
                # It was cut off, within a text that was not.
                cut_off += 1
                bare = (each.start() for each in _BARE_QUOTE.finditer(text, begin))
                end = start = next((at for at in bare if text[at] == '"' and not ways[at]), end)
        elif "=" in found[0]:
            if ends.get(own_way, 0) <= begin:
                ends[own_way] = _end_of_word(layer, begin, own_way)
            end = ends[own_way]
        if begin < end and not _ELSEWHERE.fullmatch(text, begin, end):
            yield begin, end, name_at if name_at >= 0 and not quote else None


def _end_of_word(layer: Layer, begin: int, way: str) -> int:
    """Return where a value without quotes ends whose separator was escaped in this way."""
    text, after = layer.text, begin
    for found in _ENDS.finditer(text, begin):
        at, character = found.start(), found[0]
        own_way = layer.ways[at]
        if character in "\"'":
            # Within JSON they have an escape that the separator does not need.
            is_end = _is_around(own_way.replace("\\", ""), way)
            is_end &= character == '"' or not _GOES_ON_BEHIND.match(text, at + 1)
        elif at < after or not _is_around(own_way, way):
            continue
        elif character == "\\":
            # A quote that is escaped belongs to what stands around.
            is_end = text[at + 1 : at + 2] in ('"', "'")
            after = at + 2
        else:
            is_end = character != "&" or _NEXT_PARAMETER.match(text, at + 1) is not None
        if is_end:
            return at
    return len(text)


def _in_quotes(layer: Layer, quote_at: int) -> tuple[int, int]:
    """Return from where to where a value stands in quotes, the first of which is there."""
    text, quote, begin = layer.text, layer.text[quote_at], quote_at + 1
    if text.startswith(2 * quote, begin) and (third := text.find(3 * quote, begin + 2)) > 0:
        return begin + 2, third
    end = _closing_quote(layer, quote_at)
    while end is not None and (goes_on := _GOES_ON.match(text, end + 1)):
        next_end = _closing_quote(layer, goes_on.start(1))
        if next_end is None or _IS_NAME.match(text, next_end + 1):
            break
        end = next_end
    if end is None:
        # What a quote begins that is not closed may stand within others.
        others = text.find('"', begin) if quote == "'" else -1
        end = len(text) if others < 0 else others
    return begin, end


def _closing_quote(layer: Layer, quote_at: int) -> int | None:
    """Return where the quote stands that closes what another one opens, None where none does."""
    way, end = layer.ways[quote_at], quote_at + 1
    while found := _IN_QUOTES[layer.text[quote_at]].search(layer.text, end):
        end = found.end()
        if found[0] == "\\":
            end += _is_around(layer.ways[found.start()], way)
        elif _closes(layer, found.start(), way):
            return found.start()
    return None


def _closes(layer: Layer, at: int, way: str) -> bool:
    """Return whether a quote closes a text whose first quote was escaped in this way.

    What was `\\\\"` in the original has an escape where Python has written it of JSON. In JSON it
    ends a text, whose last backslash is taken for that escape in further layers.
    """
    own_way = layer.ways[at]
    has_before = layer.text[at - 1] == "\\" and len(layer.ways[at - 1]) > len(own_way)
    has_eaten = layer.at[at + 1] - layer.at[at] < 2 ** own_way.count("\\")
    if (has_before or has_eaten) and _GOES_ON_AS_JSON.match(layer.text, at):
        return True
    return not has_before and _is_around(own_way, way)


def _end_of_brackets(layer: Layer, begin: int, quote_at: int) -> int:
    """Return where a value ends that begins with a bracket, behind its name's quote, if it has one.

    In JSON and Python nothing is escaped but within quotes: elsewhere this is not the layer in
    which the value is to be read.
    """
    text, ways = layer.text, layer.ways
    own_quote, name_way = (text[quote_at], ways[quote_at]) if quote_at >= 0 else ("", "")
    way, quote, quote_way = name_way, "", ""
    depth = after = 0
    for found in _BRACKET.finditer(text, begin):
        at, character = found.start(), found[0]
        own_way = ways[at]
        if at < after:
            continue
        if quote:
            if character == "\\":
                after = at + 1 + _is_around(own_way, quote_way)
            elif character == quote and _closes(layer, at, quote_way):
                if len(own_way) < len(quote_way):
                    return at
                quote = ""
        elif character in "\"'":
            if character == own_quote and own_way != name_way and _is_around(own_way, name_way):
                return at
            quote, quote_way = character, own_way
        elif character == "\\":
            return at
        elif not depth:
            # The name's quotes may have been left as they are, and the first bracket not.
            way, depth = max(way, own_way, key=len), 1
        elif not _is_around(own_way, way):
            continue
        elif character in "[{(":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return at + 1
    return len(text)
