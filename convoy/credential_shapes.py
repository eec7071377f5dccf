"""Where in a text stands what has the shape of a credential, though nobody has named it as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from convoy.escapes import layers

_LONGEST_NAME = 200
"""Characters of a name, in whatever escapes, of which the last ones tell that its value is one."""
_NAME = re.compile(
    r"(?:token|jwt|secret|passw(?:or)?d|signature|api[_ -]?key|authorization|cookie|credential)"
    r"\s*(?:\]|\[\d*+\])*\s*\Z"
    r"|[?&;#]sig\Z",
    re.IGNORECASE,
)
"""How the name of a credential ends, and perhaps which of a list it is: `user[password][0]`."""
# Quantifiers are possessive, short, or begin behind a character that they cannot hold: the time has
# to be linear in a text that a stranger has written.
_BY_ITSELF = re.compile(
    # A JSON Web Token, whose first part may have white space after its bracket.
    r"(?<![\w-])(e(?:yJ|yA|wo|w0|wk)[\w-]{8,}+(?:\.[\w-]*+){1,4}+)"
    r"|\b(?i:bearer|basic)[ \t]+([^\s\"'<>\\]{16,}+)"
)
_SEPARATOR = re.compile(r"(?<!\\)([\"'])\s*+(?::|=>?)\s*+|=[ \t]*+")
"""Between a name and its value: behind the quote of a member, or of a parameter and in a line."""
_MEMBER = re.compile(
    r"b?(?:\"((?:[^\"\\]|\\.)++)|'((?:[^'\\]|\\.)++)|(?P<bare>[\[{]|-?\d[\d.eE+-]{3,}+))",
    re.DOTALL,
)
"""The value of a member as JSON and Python write it, in its last group; a `bare` one is no text."""
_VALUE = re.compile(
    r"b?\"((?:[^\"\\]|\\.)++)(?=\")|b?'((?:[^'\\]|\\.)++)(?=')"
    # What a quote that is not closed begins ends with any other, as the text around it may.
    r"|[\"']((?:[^\"'\\]|\\.)++)"
    # A quote that is escaped belongs to what stands around.
    r"|((?:[^\s&\"'<>\\]|\\(?![\"'])|'(?=\w)|&(?![^=&\s\"'<>]*+=))++)",
    re.DOTALL,
)
"""The value of a parameter or in a line, in its last group: in quotes up to the other one, else up
to what ends a word, or to the next parameter."""
_VARIABLES = re.compile(r"(?:\$(?:[A-Z_][A-Z0-9_]*+|\{[A-Z_][A-Z0-9_]*+\})\s*+)++")
"""Of a shell, which say where a value is to be found."""
_BRACKET = re.compile(r"\"(?:[^\"\\]|\\.)*+(?:\"|\Z)|'(?:[^'\\]|\\.)*+(?:'|\Z)|[\[{}\]]", re.DOTALL)
_ADDRESS = re.compile(r"[^\s\"<>]*+")
_USER = re.compile(r"[^\s/:\"<>]*+:(?!\d{1,5}[/?#])")
"""Before a password, which may hold `@` and `/`. A user may be an address of e-mail, and a port has
the same colon."""
_USER_ALONE = re.compile(r"[^\s/@\"<>]++(?=@)")
_BEFORE_A_HOST = re.compile(r"@(?=[\w\[])")

Shaped: TypeAlias = tuple[int, int, int | None]
"""From where to where a credential stands. In the place of one that is no text in quotes, such as
a number of JSON, stars need the quote that stands where the last number says."""


def credential_spans(text: str) -> Iterator[Shaped]:
    """Yield where credentials stand in one layer of escapes, in no order, in a linear time."""
    for found in _BY_ITSELF.finditer(text):
        begin, end = found.span(found.lastindex or 0)
        yield begin, end, None
    yield from _logins_in_addresses(text)
    yield from _named(text)


def _logins_in_addresses(text: str) -> Iterator[Shaped]:
    """Yield user and password of each address, or the user alone."""
    last_end = end = 0
    while begin := text.find("://", end) + 1:
        begin += 2
        if begin > last_end:
            address = _ADDRESS.match(text, begin)
            last_end = address.end() if address else begin
            hosts = [at.start() for at in _BEFORE_A_HOST.finditer(text, begin, last_end)]
        login = _USER.match(text, begin)
        if login and hosts and login.end() < hosts[-1]:
            end = hosts[-1]
        else:
            login = _USER_ALONE.match(text, begin)
            end = login.end() if login else begin
        if login:
            yield begin, end, None


def _named(text: str) -> Iterator[Shaped]:
    """Yield the values of credentials that go by their names.

    A value ends by the escapes of what stands around its name, which itself may have some more: of
    `user%5Bpassword%5D=a%26b` it is `a%26b`.
    """
    start = 0
    while found := _SEPARATOR.search(text, start):
        name = text[max(start, found.start() - _LONGEST_NAME) : found.start()]
        start = found.end()
        if not any(_NAME.search(shown) for shown, _ in layers(name)):
            continue
        value = _MEMBER.match(text, start) if found[1] else None
        if value and value["bare"]:
            begin, start = value.start("bare"), _end_of_bare(text, value)
            yield begin, start, found.start(1)
            continue
        if value is None and "=" in found[0]:
            value = _VALUE.match(text, start)
        if value:
            begin, start = value.span(value.lastindex or 0)
            if not _VARIABLES.fullmatch(text, begin, start):
                yield begin, start, None


def _end_of_bare(text: str, value: re.Match[str]) -> int:
    """Return where a value ends that is no text: after its last bracket, or that of a number."""
    if value["bare"] not in "[{":
        return value.end()
    depth = 0
    for bracket in _BRACKET.finditer(text, value.start("bare")):
        depth += (bracket[0] in ("[", "{")) - (bracket[0] in ("]", "}"))
        if not depth:
            return bracket.end()
    return len(text)
