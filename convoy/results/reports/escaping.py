"""Escaping: how a text from outside is written where some of its characters mean something else."""

from __future__ import annotations

import re

from convoy.untrusted_text import cut, printable_lines

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even as a reference (https://www.w3.org/TR/xml/#charsets,
read 2026-11-26): most control characters, and halves of surrogate pairs."""
_STAND_IN = "\ufffd"
_LONGEST_CODE = 250
_PLAIN = frozenset(" ,-()%/=")
"""What is no markup within a line of Markdown."""


def xml_text(text: str) -> str:
    """Return a text with a stand-in for what XML cannot hold; who writes it escapes the rest."""
    return _NOT_IN_XML.sub(_STAND_IN, text)


def label_value(text: str) -> str:
    """Return a text for between the quotes of a label of OpenMetrics."""
    escaped = xml_text(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # Some readers of lines end one at these, too.
    return re.sub("[\r\x85\u2028\u2029]", _STAND_IN, escaped)


def markdown(text: str) -> str:
    """Return a text for GitHub's Markdown in which nothing is markup, on one line.

    A reference such as `&#42;` is never taken for the sign that it stands for.
    """
    return "".join(map(_markdown_character, text))


def markdown_code(text: str) -> str:
    """Return a text as code, where GitHub also links no names and issues and draws no emoji."""
    return f"<code>{markdown(cut(text, _LONGEST_CODE))}</code>"


def _markdown_character(character: str) -> str:
    if character.isalnum() or character in _PLAIN:
        return character
    return f"&#{ord(character)};" if character.isprintable() else _STAND_IN


def command_data(text: str) -> str:
    """Return what can be printed of a text, for a workflow command, as GitHub's toolkit escapes it.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts, read 2026-11-26.
    """
    return printable_lines(text).replace("%", "%25").replace("\n", "%0A")


def command_property(text: str) -> str:
    """Return the value of a workflow command's property."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")
