"""The filters and tests a template may use: Jinja2's harmless ones, bounded in what they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import Environment
from jinja2.filters import FILTERS as _OF_JINJA
from jinja2.nodes import EvalContext
from jinja2.tests import TESTS as _OF_JINJA_TESTS
from jinja2.utils import pass_environment, pass_eval_context

LONGEST_VALUE = 600_000
"""Characters or entries that a value may have while a message is rendered."""

_WIDEST = 10_000
_LONGEST_WRAPPED = 10_000
_MOST_DIGITS = 15
_SPECIFIERS = re.compile(r"%[-+ #0-9.*(]+")


class TooLargeError(Exception):
    """A filter or operator was asked for more than a message can hold; the message says what."""


def check_length(length: int) -> None:
    """Raise TooLargeError unless a value of so many characters or entries may be made."""
    if length > LONGEST_VALUE:
        raise TooLargeError(f"a value of {length:,} characters is made; {LONGEST_VALUE:,} may be")


def check_format(text: str) -> None:
    """Raise TooLargeError for a `%` format that could be wide or use one value many times."""
    marks = "".join(_SPECIFIERS.findall(text))
    if "(" in marks or "*" in marks:
        raise TooLargeError("a format takes its values in order and its widths as numbers")
    widths = re.findall(r"\d+", marks)
    if any(len(width) > _MOST_DIGITS for width in widths) or sum(map(int, widths)) > _WIDEST:
        raise TooLargeError(f"the widths in a format add up to more than {_WIDEST:,}")


def filled(value: str, size_bytes: int, filling: str = " ") -> str:
    """Return the value with `filling` repeated behind it, cut to `size_bytes` of UTF-8.

    It is shorter by up to three bytes where a character does not fit, and as it was where
    `filling` is empty and it is short enough.
    """
    check_length(size_bytes)
    content, more = value.encode(), filling.encode()
    if more and len(content) < size_bytes:
        content += more * ((size_bytes - len(content)) // len(more) + 1)
    return content[: max(0, size_bytes)].decode(errors="ignore")


def _format(value: str, *args: object, **kwargs: object) -> str:
    check_format(value)
    formatted: str = _OF_JINJA["format"](value, *args, **kwargs)
    return formatted


def _center(value: str, width: int = 80) -> str:
    check_length(width)
    return str(value).center(width)


def _indent(value: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    step = width if isinstance(width, int) else len(width)
    check_length(len(value) + step * (value.count("\n") + 1))
    indented: str = _OF_JINJA["indent"](value, width, first, blank)
    return indented


@pass_eval_context
def _join(context: EvalContext, values: Iterable[object], between: str = "") -> str:
    entries = list(values)
    check_length(len(entries) * len(between))
    joined: str = _OF_JINJA["join"](context, entries, between)
    return joined


@pass_eval_context
def _replace(context: EvalContext, value: str, old: str, new: str, count: int | None = None) -> str:
    text = str(value)
    check_length(len(text) + text.count(old) * len(new))
    replaced: str = _OF_JINJA["replace"](context, text, old, new, count)
    return replaced


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if abs(precision) > _MOST_DIGITS:
        raise TooLargeError(f"round goes to {_MOST_DIGITS} digits at most")
    rounded: float = _OF_JINJA["round"](value, precision, method)
    return rounded


@pass_environment
def _wordwrap(environment: Environment, value: str, width: int = 79) -> str:
    if len(value) > _LONGEST_WRAPPED:
        raise TooLargeError(f"wordwrap takes {_LONGEST_WRAPPED:,} characters at most")
    wrapped: str = _OF_JINJA["wordwrap"](environment, value, width, wrapstring="\n")
    return wrapped


@pass_eval_context
def _tojson(context: EvalContext, value: object) -> str:
    # As text and not as Jinja2's Markup, which would escape what is added to it.
    return str(_OF_JINJA["tojson"](context, value))


def _is_divisible(value: int, by: int) -> bool:
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__name__!r} is no whole number")
    return value % by == 0


_HARMLESS = (
    *("abs", "capitalize", "count", "first", "float", "int", "last", "length", "list", "lower"),
    *("max", "min", "sort", "string", "title", "trim", "truncate", "upper", "urlencode"),
    "wordcount",
)

FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _OF_JINJA[name] for name in _HARMLESS},
    "center": _center,
    "filled": filled,
    "format": _format,
    "indent": _indent,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "tojson": _tojson,
    "wordwrap": _wordwrap,
}
"""Filters by name. None draws, none reads a clock or a file."""

TESTS: dict[str, Any] = {
    **{name: _OF_JINJA_TESTS[name] for name in ("boolean", "float", "integer", "none", "number")},
    "divisibleby": _is_divisible,
    "even": lambda value: _is_divisible(value, 2),
    "odd": lambda value: not _is_divisible(value, 2),
    "string": _OF_JINJA_TESTS["string"],
}
"""Tests by name, as in `k is even`."""
