"""Where in a text stands what has the shape of a credential, though nobody has named it as one."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

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
_PAIR = re.compile(r"[\[,]\s*+[(\[]\s*+b?[\"'][^\"']*+\Z")
"""Before a comma: the name of a pair within a list, as headers are written in Python and JSON."""
_SEPARATOR = re.compile(r"(?<!\\)([\"'])\s*+(?::=?|={1,3}>?|(,))\s*+|:?={1,3}>?[ \t]*+")
"""Between a name and its value: behind the quote of a member, or of a parameter and in a line."""
_SPACED = re.compile(r"\A\s|\s\Z")
"""White space around a separator, as in code and sentences: only a text in quotes is a value."""
_QUOTE = re.compile(r"[bBuUrR]{0,2}+([\"'])")
_OPENS = re.compile(r"[\w.]{0,100}+[\[{(]")
"""How a value begins that is a list, an object, or one of a class as Python writes it."""
_OPENS_IN_PYTHON = re.compile(
    r"(?:[a-zA-Z_][\w.]{0,100}+\(|[\[{(])\s*+(?:[bu]?+[\"']|\w{1,100}+=|\d{1,20}+,)"
)
"""The same without a name's quotes, where a password may hold a bracket."""
_NUMBER = re.compile(r"-?\d[\d.eE+-]{3,}+")
_NEXT_OF_JSON = re.compile(
    r"([\"'])\s*+(?:,\s*+(?:\1|[{\[])|[}\]][\s,}\]]*+(?:\Z|\1|[{\[])|:\s*+[\"'{\[\d])"
)
"""What stands in JSON from the last quote of a text on."""
_ANY_QUOTE = re.compile(r"[\"']")
_NEXT_LITERAL = re.compile(r"[ \t]*+\n[ \t]++[bu]?+([\"'])")
"""Between the parts of a long text, as Python writes them: each has a line, the next an indent."""
_IS_NAME = re.compile(r"\s*+[:=]")
_IN_QUOTES = {"'": re.compile(r"['\\]"), '"': re.compile(r"[\"\\]")}
_ENDS = re.compile(r"[\s&\"'<>\\]")
_AFTER_APOSTROPHE = re.compile(r"[\w'%&+/=!*~$@#^-]")
"""What stands behind an apostrophe that is part of a value, also in a URL."""
_ENDS_ADDRESS = re.compile(r"[\s\"<>]")
_ENDS_USER = re.compile(r"[\s/:\"<>]")
_ENDS_USER_ALONE = re.compile(r"[\s/@\"<>]")
_NEXT_PARAMETER = re.compile(r"(?:quot|apos|lt|gt|nbsp|#34|#39|#x22|#x27);|[^=&\s\"'<>]*+=")
"""What stands behind a `&` that ends a value, in a URL or in HTML."""
_BRACKET = re.compile(r"[\[\](){}\"'\\]")
_MOST_CUT_OFF = 5
"""Values of a text whose missing end is looked for: each takes a pass over the rest of the text."""
_VARIABLES = re.compile(r"(?:\$(?:[A-Z_]++|\{[A-Z_][A-Z0-9_]*+\})\s*+)++[`)\].,;:]*+")
"""Of a shell, which say where a value is to be found."""
_HEADER_OF_SETTINGS = re.compile(
    r"\{\s*+\"?(?:env\"?\s*+:\s*+\"?[A-Z_][A-Z0-9_]*+|file\"?\s*+:\s*+\"?\.?/[\w./-]++)\"?\s*+\}"
)
"""What says it in a target or a profile."""
_PORT = re.compile(r"\d{1,5}[/?#]")
_BEFORE_HOST = re.compile(r"@(?=[\w\[])")
_LONGEST_USER = 4_096
"""Of an address, in characters."""
_PARTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]*+)++")
_TOKEN = re.compile(r"e(?:yJ|yA|wo|w0|wk)[\w-]{8}")
"""How a JSON Web Token begins, whose first part may have white space after its bracket."""
# What is no letter or digit of ASCII before it may be what is left of a byte order mark.
_SCHEME = re.compile(
    r"(?<![a-zA-Z0-9_])(?:bearer|basic)[ \t]++(?!(?:realm|error|scope|charset)\w*+=[\"'\w])",
    re.IGNORECASE,
)
_SHORTEST_BEHIND_SCHEME = 16


class Span(NamedTuple):
    """From where to where a credential stands.

    In the place of one that is no text in quotes, such as a number of JSON, stars need the quote
    that stands at `quote_at`.
    """

    begin: int
    end: int
    quote_at: int | None = None


def credential_spans(layer: Layer) -> Iterator[Span]:
    """Yield where credentials stand in one layer of escapes, in no order.

    A value ends by the escapes of what stands around it, the `ways` in which its characters were
    written: with white space, in `password=a%20b` or in `password\\u003da%20b`, only where that has
    no escapes, or those of the separator. What has others is part of the value, though this layer
    does not show it. The time is linear in the text, for each way that it has.
    """
    text = layer.text
    for found in _PARTED.finditer(text):
        if token := _TOKEN.search(text, *found.span()):
            yield Span(token.start(), found.end())
    for found in _SCHEME.finditer(text):
        begin = found.end()
        if quote := _QUOTE.match(text, begin):
            begin, end = _in_quotes(layer, quote.start(1))
        else:
            end = _first(layer, _ENDS, begin, layer.ways[begin - 1], len(text))
        if end - begin >= _SHORTEST_BEHIND_SCHEME:
            yield Span(begin, end)
    yield from _logins_in_addresses(layer)
    yield from _NamedValues(layer).spans()


@lru_cache(maxsize=2**14)
def _may_stand_around(way: str, inner: str) -> bool:
    """Return whether all escapes of a character are among those of what may stand within it.

    Programs escape some characters and leave others: within what one has escaped as `&#x3D;` and
    the next as JSON, a space may have either of these escapes, both or none.
    """
    left = iter(inner)
    return all(each in left for each in way)


def _is_end(layer: Layer, at: int, way: str) -> bool:
    """Return whether a character ends a value without quotes, whose separator had these escapes.

    JSON and HTML escape what ends one, such as quotes and line breaks, and leave what separates it
    from its name. In a URL a value's own are escaped.
    """
    return _may_stand_around(layer.ways[at].replace("\\", "").replace("&", ""), way)


def _first(layer: Layer, ends: re.Pattern[str], begin: int, way: str, last: int) -> int:
    """Return where the first of the characters stands that ends what was escaped in this way."""
    for found in ends.finditer(layer.text, begin, last):
        if _is_end(layer, found.start(), way):
            return found.start()
    return last


def _logins_in_addresses(layer: Layer) -> Iterator[Span]:
    """Yield user and password of each address, or the user alone.

    A user may be an address of e-mail, a password hold `@` and `/`, and a port has the same colon.
    """
    text, ways = layer.text, layer.ways
    hosts = [found.start() for found in _BEFORE_HOST.finditer(text)]
    address_ends: dict[str, int] = {}
    end, last_at = 0, max(0, text.rfind("@"))
    while begin := text.find("://", end, last_at) + 1:
        begin += 2
        way, last = ways[begin - 1], min(last_at, begin + _LONGEST_USER)
        user_end, end = _end_of_user(layer, _ENDS_USER, ":", begin, last), begin
        if text[user_end] == ":" and text[begin] != "[" and not _PORT.match(text, user_end + 1):
            if address_ends.get(way, 0) < begin:
                address_ends[way] = _first(layer, _ENDS_ADDRESS, begin, way, len(text))
            before = bisect_left(hosts, address_ends[way])
            end = hosts[before - 1] if before else begin
        if end <= user_end + 1:
            user_end = _end_of_user(layer, _ENDS_USER_ALONE, "@", begin, last)
            end = user_end if text[user_end] == "@" else begin
        if end > begin:
            yield Span(begin, end)


def _end_of_user(layer: Layer, ends: re.Pattern[str], wanted: str, begin: int, last: int) -> int:
    """Return where a user ends that begins there: with what is `wanted`, also where `/` is none."""
    found = ends.search(layer.text, begin, last)
    if found and found[0] == wanted:  # though it has an escape that `://` has not
        return found.start()
    return _first(layer, ends, begin, layer.ways[begin - 1], last)


class _Quotes:
    """The quotes of a layer that stand before a place, which moves to the right."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._until = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def is_open(self, quote: str, way: str, at: int) -> bool:
        """Return whether a text in such quotes, escaped in this way, has begun and not ended."""
        for found in _ANY_QUOTE.finditer(self._layer.text, self._until, at):
            if not self._is_escaped(found.start()):
                self._counts[found[0], self._layer.ways[found.start()]] += 1
        self._until = max(self._until, at)
        return self._counts[quote, way] % 2 == 1

    def _is_escaped(self, at: int) -> bool:
        """Return whether a quote has an odd number of backslashes of its own layer before it."""
        text, ways, before = self._layer.text, self._layer.ways, at
        while before and text[before - 1] == "\\" and _may_stand_around(ways[before - 1], ways[at]):
            before -= 1
        return (at - before) % 2 == 1


class _NamedValues:
    """The values of credentials in a layer that go by their names: of members and parameters."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._quotes = _Quotes(layer)
        self._word_ends: dict[str, int] = {}
        """Where the last value without quotes ends, by the escapes of its separator."""
        self._cut_off = 0

    def spans(self) -> Iterator[Span]:
        """Yield where they stand.

        Values overlap: one without quotes may go on to what has other escapes and a name of its
        own, so that the search goes on within it.
        """
        text, start = self._layer.text, 0
        while separator := _SEPARATOR.search(text, start):
            name = text[max(start, separator.start() - _LONGEST_NAME) : separator.start()]
            begin = start = end = separator.end()
            if not _NAME.search(name) or (separator[2] and not _PAIR.search(name)):
                continue
            is_member = bool(separator[1])
            quote = _QUOTE.match(text, begin)
            if quote:
                begin, start = self._in_quotes(quote.start(1), separator)
                end = start
            elif is_member and (member_end := self._end_of_member(begin, separator)):
                end = start = member_end
            elif _is_parameter(name, separator):
                end = self._end_of_parameter(begin, separator)
            elsewhere = _HEADER_OF_SETTINGS if is_member else _VARIABLES
            if begin < end and not elsewhere.fullmatch(text, begin, end):
                yield Span(begin, end, separator.start(1) if is_member and not quote else None)

    def _in_quotes(self, quote_at: int, separator: re.Match[str]) -> tuple[int, int]:
        """Return from where to where a value stands in quotes, nothing where they hold none."""
        layer, text = self._layer, self._layer.text
        if self._is_closing(quote_at, separator):
            return separator.end(), separator.end()
        begin, end = _in_quotes(layer, quote_at)
        way = layer.ways[separator.start()]
        if end == len(text) and not separator[1]:  # not closed: another parameter ends it, too
            word_end = _end_of_word(layer, begin, way)
            return begin, word_end if text[word_end : word_end + 1] == "&" else end
        if begin == end and text[end + 1 : end + 2].isalnum():  # doubled, as in SQL and YAML
            return end + 1, _end_of_word(layer, end + 1, way)
        return begin, end

    def _is_closing(self, quote_at: int, separator: re.Match[str]) -> bool:
        """Return whether the quote behind a separator closes the text in which its name stands.

        As in `{"message": "without \\"token\\":", "code": 5}`; there is no value then.
        """
        layer, quote = self._layer, self._layer.text[quote_at]
        if not _NEXT_OF_JSON.match(layer.text, quote_at):
            return False
        way, name_way = layer.ways[quote_at], layer.ways[separator.start()]
        if quote == separator[1] and len(way) < len(name_way):
            return True
        return self._quotes.is_open(quote, way, quote_at)

    def _end_of_member(self, begin: int, separator: re.Match[str]) -> int | None:
        """Return where a number, a list or an object ends, None where none begins there."""
        if number := _NUMBER.match(self._layer.text, begin):
            return number.end()
        if _OPENS.match(self._layer.text, begin):
            end = _end_of_brackets(self._layer, begin, separator.start(1))
            return end or len(self._layer.text)
        return None

    def _end_of_parameter(self, begin: int, separator: re.Match[str]) -> int:
        """Return where the word, or what Python writes with brackets, ends behind `name=`."""
        way = self._layer.ways[separator.start()]
        if self._word_ends.get(way, 0) <= begin:
            self._word_ends[way] = _end_of_word(self._layer, begin, way)
        end = self._word_ends[way]
        if self._cut_off < _MOST_CUT_OFF and _OPENS_IN_PYTHON.match(self._layer.text, begin):
            closed = _end_of_brackets(self._layer, begin, separator.start(1))
            self._cut_off += closed is None
            end = max(end, closed or 0)
        return end


def _is_parameter(name: str, separator: re.Match[str]) -> bool:
    """Return whether a value without quotes may follow, as in `name=value` and `name => value`."""
    if "=" not in separator[0]:
        return False
    return ">" in separator[0] or not _SPACED.search(name[-1:] + separator[0])


def _end_of_word(layer: Layer, begin: int, way: str) -> int:
    """Return where a value without quotes ends whose separator was escaped in this way."""
    text, after = layer.text, begin
    for found in _ENDS.finditer(text, begin):
        at, character = found.start(), found[0]
        if at < after or not _is_end(layer, at, way):
            continue
        if character == "\\":
            # A quote that is escaped belongs to what stands around.
            is_end = text[at + 1 : at + 2] in ('"', "'")
            after = at + 2
        elif character == "'":
            is_end = not _AFTER_APOSTROPHE.match(text, at + 1)
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
    while end is not None and (literal := _NEXT_LITERAL.match(text, end + 1)):
        next_at = literal.start(1)
        next_end = _closing_quote(layer, next_at)
        is_text = not _NEXT_OF_JSON.match(text, next_at)
        if next_end is None or not is_text or _IS_NAME.match(text, next_end + 1):
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
            end += _may_stand_around(layer.ways[found.start()], way)
        elif _closes(layer, found.start(), way):
            return found.start()
    return None


def _closes(layer: Layer, at: int, way: str) -> bool:
    """Return whether a quote closes a text whose first quote was escaped in this way.

    Where the original has `\\\\"`, two layers later `"` is left, as if it had had two escapes:
    these take four characters, and it has three. In JSON the first two are a backslash, and the
    quote closes the text; in what Python writes of JSON it does not. What comes next tells.
    """
    own_way = layer.ways[at]
    is_short = layer.at[at + 1] - layer.at[at] < 2 ** own_way.count("\\")
    if is_short and _NEXT_OF_JSON.match(layer.text, at):
        return True
    return _may_stand_around(own_way, way)


def _end_of_brackets(layer: Layer, begin: int, quote_at: int) -> int | None:
    """Return where a value ends that begins with a bracket, None where it was cut off.

    Its name has a quote at `quote_at`, or none where that is negative. In JSON and Python nothing
    is escaped but within quotes: elsewhere this is not the layer in which the value is to be read.
    """
    text, ways = layer.text, layer.ways
    own_quote, name_way = (text[quote_at], ways[quote_at]) if quote_at >= 0 else ("", "")
    quote, quote_way = "", ""
    depth = after = 0
    for found in _BRACKET.finditer(text, begin):
        at, character = found.start(), found[0]
        own_way = ways[at]
        if at < after:
            continue
        if quote:
            if character == "\\":
                after = at + 1 + _may_stand_around(own_way, quote_way)
            elif character == quote and _closes(layer, at, quote_way):
                if len(own_way) < len(quote_way):
                    return at
                quote = ""
        elif character in "\"'":
            if character == own_quote and len(own_way) < len(name_way):
                return at
            quote, quote_way = character, own_way
        elif character == "\\":
            return at
        elif character in "[{(":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return at + 1
    return None
