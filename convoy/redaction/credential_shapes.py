"""Where in a text stands what has the shape of a credential, though nobody has named it as one."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from convoy.redaction.escapes import Layer, joined, layers, layers_below, text_of_json
from convoy.redaction.json_values import json_values, places_of_json
from convoy.redaction.value_ends import (
    ENDS,
    end_of_brackets,
    end_of_space,
    end_of_word,
    first_end,
    goes_on,
    in_quotes,
    is_end,
)

_LONGEST_NAME = 200
"""Characters before a separator, of which the last ones tell that a value is a credential."""
_NAME = re.compile(
    r"(?:token|jwt|secret|passw(?:or)?d|passphrase|pwd|signature"
    r"|(?:api|secret|private|access)[_ -]?key|authorization|cookie|credential)"
    r"(?:\s|[\"']?\]|\)|\[\d*+\])*+\Z"
    r"|[?&;#]sig\Z",
    re.IGNORECASE,
)
"""How the name of a credential ends, and perhaps which of a list it is: `user[password][0]`."""
_PAIR = re.compile(r"[\[({,]\s*+[(\[]\s*+b?[\"'][^\"']*+\Z")
"""Before a comma: the name of a pair within a list, as headers are written in Python and JSON."""
_SEPARATOR = re.compile(r"(?<!\\)([\"'])\s*+(?::=?|={1,3}>?|(,))|:?={1,3}>?")
"""Between a name and its value: behind the quote of a member, or of a parameter and in a line."""
_QUOTE = re.compile(r"[bBuUrRNE$]{0,2}+([\"'])")
_OPENS = re.compile(r"[\w.]{0,100}+[\[{(]|<\w")
"""How a value begins that is a list, an object, or one of a class as Python writes it."""
_OPENS_IN_PYTHON = re.compile(
    r"(?:[a-zA-Z_][\w.]{0,100}+\(|[\[{(])[\s\[{(]*+"
    r"(?:[bu]?+[\"']|\w{1,100}+=|(?:-?[\d.]{1,20}+|None|True|False)[,:]|[a-zA-Z_][\w.]{0,100}+\(|<)"
    r"|<[A-Z][\w.]{0,100}+[\[ :]"
)
"""The same without a name's quotes, where a password may hold a bracket."""
_NUMBER = re.compile(r"-?\d[\d.eE+-]{3,}+")
_ENDS_ADDRESS = re.compile(r"[\s\"<>]")
_ENDS_USER = re.compile(r"[\s/:\"<>]")
_ENDS_USER_ALONE = re.compile(r"[\s/@\"<>]")
_VARIABLES = re.compile(r"(?:\$(?:[A-Z_]++|\{[A-Z_][A-Z0-9_]*+\})\s*+)++[`)\].,;:]*+")
"""Of a shell, which say where a value is to be found."""
_HEADER_OF_SETTINGS = re.compile(
    r"\{\s*+\"?(?:env\"?\s*+:\s*+\"?[A-Z_][A-Z0-9_]*+|file\"?\s*+:\s*+\"?\.?/[\w./-]++)\"?\s*+\}"
)
"""What says it in a target or a profile."""
_PORT = re.compile(r"\d{1,5}[/?#]")
_BEFORE_HOST = re.compile(r"@(?=[\w\[/])")
_LONGEST_USER = 4_096
"""Of an address, in characters."""
_PARTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]*+)++")
_TOKEN = re.compile(r"e(?:yJ|yA|wo|w0|wk)[\w-]{8}")
"""How a JSON Web Token begins, whose first part may have white space after its bracket."""
# What is no letter or digit of ASCII before it may be what is left of a byte order mark.
_SCHEME = re.compile(
    r"(?<![a-zA-Z0-9_])(?:bearer|basic)(?=[ \t])"
    r"(?![ \t]++(?:realm|error|scope|charset)\w*+=[\"'\w])",
    re.IGNORECASE,
)
_SHORTEST_BEHIND_SCHEME = 16
_SCHEME_OF_VALUE = re.compile(r"(?:bearer|basic|digest)[ \t]++(?=\S)", re.IGNORECASE)
_MAY_HOLD_ONE = re.compile(r"[=:.,%&\\+\0]|bearer|basic", re.IGNORECASE)
"""Every shape has one of these, or an escape; ids and most values of JSON have none."""
_NUMBER_OR_MORE = re.compile(rf"{_NUMBER.pattern}|[\[{{]")
_NO_QUOTE = slice(0)


class Span(NamedTuple):
    """From where to where a credential stands, in the text beneath whose escapes it was found.

    In the place of a value of JSON that is no text, such as a number, stars need the quote that
    stands at `quote`.
    """

    begin: int
    end: int
    quote: slice = _NO_QUOTE


def credential_spans(whole: Layer) -> Iterator[Span]:
    """Yield where credentials stand in a text, or in a part of one, in no order.

    What is JSON is read as that, and each of its texts by itself, so that it stays JSON. Elsewhere
    more is taken for a part of a credential rather than less. The time is linear in the text, for
    each way in which it is escaped.
    """
    rest, start = list[str](), 0
    for begin, end in places_of_json(whole.text):
        if not _HEADER_OF_SETTINGS.fullmatch(whole.text, begin, end):
            yield from _in_json(whole, begin, end)
            # What stands around it may be a credential's name: the brackets still tell its value.
            rest += whole.text[start : begin + 1], "-" * (end - begin - 2)
            start = end - 1
    text = "".join([*rest, whole.text[start:]])
    if not _MAY_HOLD_ONE.search(text):
        return
    for layer in layers_below(Layer.of(text, whole.at)):
        for each in filter(None, (layer, joined(layer))):
            for begin, end in _in_text(each):
                yield Span(each.at[begin], each.at[end])


def credentials_in_address(address: str) -> list[str]:
    """Return what has the shape of a credential in an address, such as its signature, unescaped."""
    found = credential_spans(Layer.of(address))
    return list(dict.fromkeys(unquote(address[begin:end]) for begin, end, _ in found))


def _in_json(layer: Layer, begin: int, end: int) -> Iterator[Span]:
    text, at = layer.text, layer.at
    for value in json_values(text, begin, end):
        begin, end = value.begin, value.end
        if value.name and begin < end and _is_credential(text[slice(*value.name)]):
            if value.is_text:
                yield Span(at[begin], at[end])
            elif _NUMBER_OR_MORE.match(text, begin) and not _HEADER_OF_SETTINGS.fullmatch(
                text, begin, end
            ):
                name_end = value.name[1]
                yield Span(at[begin], at[end], slice(at[name_end], at[name_end + 1]))
        elif value.is_text and _MAY_HOLD_ONE.search(text, begin, end):
            yield from credential_spans(text_of_json(layer, begin, end))


def _is_credential(name: str) -> bool:
    """Return whether a name is that of a credential, beneath whatever escapes."""
    if not _MAY_HOLD_ONE.search(name):
        return _NAME.search(name) is not None
    return any(_NAME.search(each.text) for each in layers(name))


def _in_text(layer: Layer) -> Iterator[tuple[int, int]]:
    """Yield from where to where credentials stand in one layer of what is not known to be JSON.

    A value ends by the escapes of what stands around it, the `ways` in which its characters were
    written: with white space, in `password=a%20b` or in `password\\u003da%20b`, only where that has
    no escapes, or those of the separator. What has others is part of the value, though this layer
    does not show it.
    """
    text = layer.text
    for found in _PARTED.finditer(text):
        if token := _TOKEN.search(text, *found.span()):
            yield token.start(), found.end()
    hidden_end = 0
    for found in _SCHEME.finditer(text):
        if found.start() < hidden_end:  # looked through already
            continue
        way = layer.ways[found.end()]
        begin = end_of_space(layer, found.end(), way)
        if quote := _QUOTE.match(text, begin):
            begin, end = in_quotes(layer, quote.start(1))
        else:
            end = first_end(layer, ENDS, begin, way, len(text))
        if end - begin >= _SHORTEST_BEHIND_SCHEME:
            hidden_end = end
            yield begin, end
    yield from _logins_in_addresses(layer)
    yield from _NamedValues(layer).spans()


def _logins_in_addresses(layer: Layer) -> Iterator[tuple[int, int]]:
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
                address_ends[way] = first_end(layer, _ENDS_ADDRESS, begin, way, len(text))
            before = bisect_left(hosts, address_ends[way])
            end = hosts[before - 1] if before else begin
        if end <= user_end + 1:
            user_end = _end_of_user(layer, _ENDS_USER_ALONE, "@", begin, last)
            end = user_end if text[user_end] == "@" else begin
        if end > begin:
            yield begin, end


def _end_of_user(layer: Layer, ends: re.Pattern[str], wanted: str, begin: int, last: int) -> int:
    """Return where a user ends that begins there: with what is `wanted`, also where `/` is none."""
    found = ends.search(layer.text, begin, last)
    if found and found[0] == wanted:  # though it has an escape that `://` has not
        return found.start()
    return first_end(layer, ends, begin, layer.ways[begin - 1], last)


class _NamedValues:
    """The values of credentials in a layer that go by their names: of members and parameters."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._word_ends: dict[str, int] = {}
        """Where the last value without quotes ends, by the escapes of its separator."""
        self._hidden_end = 0
        self._is_cut_off = False

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield from where to where they stand.

        Values overlap: one without quotes may go on to what has other escapes and a name of its
        own, so that the search goes on within it.
        """
        text, start = self._layer.text, 0
        while separator := _SEPARATOR.search(text, start):
            name = text[max(start, separator.start() - _LONGEST_NAME) : separator.start()]
            start = separator.end()
            if not _NAME.search(name) or (separator[2] and not _PAIR.search(name)):
                continue
            if "=" in separator[0]:
                begin, end, start = self._parameter(separator, is_spaced=name[-1].isspace())
                elsewhere = _VARIABLES
            else:
                begin, end = self._member(start)
                elsewhere, start = _HEADER_OF_SETTINGS, end
            if begin < end and not elsewhere.fullmatch(text, begin, end):
                yield begin, end

    def _member(self, begin: int) -> tuple[int, int]:
        """Return from where to where a member's value stands, nothing where there is none."""
        layer, text = self._layer, self._layer.text
        while text[begin : begin + 1].isspace():
            begin += 1
        if quote := _QUOTE.match(text, begin):
            return in_quotes(layer, quote.start(1))
        if number := _NUMBER.match(text, begin):
            return begin, number.end()
        if _OPENS.match(text, begin):
            return begin, end_of_brackets(layer, begin)
        return begin, begin

    def _parameter(self, separator: re.Match[str], *, is_spaced: bool) -> tuple[int, int, int]:
        """Return from where to where a parameter's value stands, and where to search on.

        White space and quotes are its own where they have other escapes than `=`. In code and
        sentences, which have spaces there, only what has quotes is a value.
        """
        layer, text = self._layer, self._layer.text
        way = layer.ways[text.index("=", separator.start())]
        # A form that escapes `=` has a plus sign for a space.
        of_form = f"{way[:-1]}+" if way.endswith("%") else way
        begin = end_of_space(layer, separator.end(), way, of_form)
        quote = _QUOTE.match(text, begin)
        if quote and is_end(layer, quote.start(1), way):
            begin, end = self._in_quotes(quote.start(1), way)
            return begin, end, end
        if (is_spaced or begin > separator.end()) and ">" not in separator[0]:
            return begin, begin, begin
        # What is hidden already is looked through once, and to the end of the text for one quote.
        if begin >= self._hidden_end:
            if quote and not self._is_cut_off:
                end = self._in_quotes(quote.start(1), way)[1]
                self._is_cut_off = end == len(text)
                self._hidden_end = 0 if self._is_cut_off else end
            elif _OPENS_IN_PYTHON.match(text, begin):
                self._hidden_end = end_of_brackets(layer, begin)
        scheme = _SCHEME_OF_VALUE.match(text, begin)
        word_end = self._end_of_word(scheme.end() if scheme else begin, way)
        return begin, max(word_end, self._hidden_end), begin

    def _in_quotes(self, quote_at: int, way: str) -> tuple[int, int]:
        """Return from where to where a parameter's value stands that begins with a quote."""
        layer, text = self._layer, self._layer.text
        begin, end = in_quotes(layer, quote_at)
        word_end = self._end_of_word(begin, way) if end == len(text) else end
        if text[word_end : word_end + 1] == "&":  # not closed: another parameter ends it, too
            end = word_end
        elif goes_on(layer, end + 1, way):
            end = self._end_of_word(end + 1, way)
        return begin, end

    def _end_of_word(self, begin: int, way: str) -> int:
        """Return where a word ends, looked for once for all that begin before that end."""
        if self._word_ends.get(way, 0) <= begin:
            self._word_ends[way] = end_of_word(self._layer, begin, way)
        return self._word_ends[way]
