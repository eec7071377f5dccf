"""Texts of others: on one line, bounded, and without the characters that steer a terminal.

What an API, a file or an exception says goes through here before it is printed, logged or recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters, digits

import msgspec

UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
"""What a decoder of JSON or msgpack, or of the texts in it, raises for data that has no such form,
or is nested too deeply."""
LONGEST = 2_000
"""Characters of one sentence that is told to the operator."""
LONGEST_PART = 1_024
"""Characters of a secret; a longer one is found by its parts of that length, too."""
MARGIN = 16 * LONGEST_PART
"""Characters of a part in the widest form that is usual, such as JSON in JSON in `\\u0041` only."""
_LONGEST_VALUE = 200
_LONGEST_READ = 2**16
_CUT = "…"
_OF_TOKENS = ascii_letters + digits + "-._~+/=" + "%\\&#;"
"""The characters of a bearer token (RFC 6750, 2.1), and of the escapes of others."""
_KEPT = "\n\t"
_SPACES = str.maketrans(dict.fromkeys("\t\n\v\f\r", " "))


def printable(text: str) -> str:
    """Return a text without what steers a terminal: escapes, line breaks, changes of direction."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "?" for each in text)


def on_one_line(text: str) -> str:
    """Return a text on one line, with a space for each line break, tab or other white space."""
    if text.isprintable():
        return text
    return printable("".join(" " if each.isspace() else each for each in text))


def unbroken(text: str) -> str:
    """Return a text on one line, and otherwise as it is: the secrets in it are still found.

    It is neither printable nor bounded before it has been redacted.
    """
    return text.translate(_SPACES)


def printable_lines(text: str) -> str:
    """Return lines, and tabs in them, without anything else that steers a terminal."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each.isprintable() or each in _KEPT else "?" for each in text)


def cut(text: str, longest: int = LONGEST) -> str:
    """Return at most so many characters of a text, the last of them a sign that there were more.

    What is left does not end within a token, because nobody who knows the token would find its
    beginning.
    """
    return text if len(text) <= longest else _without_end(text[: longest - len(_CUT)]) + _CUT


def _without_end(text: str) -> str:
    """Return a text without what may be the beginning of a token at its end."""
    return max(text.rstrip(_OF_TOKENS), text[:-MARGIN], key=len)


def quoted(value: str) -> str:
    """Return a value that was given, in quotes, and only the length of one that is too long.

    Its beginning could be that of a secret, which nobody would know again.
    """
    if len(value) <= _LONGEST_VALUE:
        return repr(value)
    return f"a text of {len(value):,} characters"


def readable(data: bytes, redact: Callable[[str], str]) -> str:
    """Return what bytes say without secrets, as much of it as anybody reads.

    To look through a character takes 1 us, and up to 50 where a hostile server has written it for
    that, while nobody hears the kill switch.
    """
    return shortened(decoded(data, 4 * (_LONGEST_READ + MARGIN + 1)), _LONGEST_READ, redact)


def decoded(data: bytes, most: int | None = None) -> str:
    """Return what at most so many bytes say; what is no UTF-8 becomes escapes.

    Nobody sees a NUL, and no secret is found around one: text in UTF-16 has one in each character.
    They are not counted, because it would not be seen that something was cut off behind them.
    """
    return data.replace(b"\0", b"")[:most].decode("utf-8", "backslashreplace")


def told(text: str, redact: Callable[[str], str], longest: int = LONGEST) -> str:
    """Return a text as it is told within a sentence: redacted, bounded and on one line."""
    return on_one_line(shortened(text, longest, redact))


def told_lines(text: str) -> str:
    """Return what is told to the operator: lines that can be printed, each of them bounded."""
    return "\n".join(map(cut, printable_lines(text).split("\n")))


def shortened(text: str, longest: int, redact: Callable[[str], str]) -> str:
    """Return at most so many characters of a text, redacted before it is cut.

    Only its beginning is searched for secrets. A part of one that ends beyond it would not be
    found, so the last `MARGIN` characters of it are left out again.
    """
    looked_at = longest + MARGIN
    clean = redact(text[:looked_at])
    if len(text) > looked_at:
        clean = _without_end(clean[:-MARGIN]) + _CUT
    return cut(clean, longest)
