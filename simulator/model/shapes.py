"""Checks that bodies are described by: tables of members, each with what it must be.

A real 400 of a messaging operation is not documented; which of the definition's codes goes with
which fault is decided here, in one place: a member that is absent or too large is
`constraint.validation`, one of a wrong type or value `invalid.value`, a date `invalid.date`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from simulator.errors import rejection
from simulator.model.rejection import Rejection
from simulator.timestamps import parse_stamp

Check = Callable[[object], None]
"""Raises `Rejection`; its `field` is the path from the value that was given."""
SHOWN_MAX = 60


def text(*, choices: Iterable[str] = (), may_be_empty: bool = True) -> Check:
    """A string, one of `choices` if there are any."""
    allowed = frozenset(choices)
    sentence = ", ".join(choices)

    def check(value: object) -> None:
        if not isinstance(value, str):
            raise wrong_value(value, "string", "a string")
        if allowed and value not in allowed:
            raise wrong_value(value, "enum", sentence)
        if not value and not may_be_empty:
            raise rejection("constraint.validation", "may not be empty")

    return check


def web_address(value: object) -> None:
    """A URL with http or https and a host."""
    if not isinstance(value, str):
        raise wrong_value(value, "string", "a string")
    scheme, separator, rest = value.partition("://")
    if scheme not in ("http", "https") or not separator or not rest.partition("/")[0]:
        raise wrong_value(value, "url", "http://..., https://...")


def flag(value: object) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong_value(value, "boolean", "true, false")


def whole(lowest: int, highest: int) -> Check:
    """A whole number."""

    def check(value: object) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not lowest <= value <= highest:  # type: ignore[operator]  # an int
            raise wrong_value(value, "integer", f"{lowest} to {highest}")

    return check


def moment(value: object) -> None:
    """A date and time in ISO 8601."""
    if not isinstance(value, str) or parse_stamp(value) is None:
        raise rejection("invalid.date")


def anything(value: object) -> None:
    """Whatever it is."""


def list_of(item: Check, *, most: int | None = None) -> Check:
    """A list of such items."""

    def check(value: object) -> None:
        if not isinstance(value, list):
            raise wrong_value(value, "array", "an array")
        if most is not None and len(value) > most:
            raise rejection("constraint.validation", f"may hold at most {most} elements")
        for place, each in enumerate(value):
            try:
                item(each)
            except Rejection as refused:
                raise _inside(f"[{place}]", refused) from None

    return check


def map_of_text(value: object) -> None:
    """An object whose values are strings."""
    if not isinstance(value, dict):
        raise wrong_value(value, "object", "an object")
    for name, each in value.items():
        if not isinstance(each, str):
            raise _inside(name[:SHOWN_MAX], wrong_value(each, "string", "a string"))


def object_of(
    members: Mapping[str, Check],
    required: Iterable[str] = (),
    codes: Mapping[str, str] | None = None,
) -> Check:
    """An object with these members; others are ignored, and null is as good as absent.

    `codes` are the codes of members whose absence has one of its own.
    """
    needed, own_codes = frozenset(required), codes or {}

    def check(value: object) -> None:
        if not isinstance(value, dict):
            raise wrong_value(value, "object", "an object")
        for name, inner in members.items():
            each = value.get(name)
            if each is None:
                if name in needed:
                    raise _missing(name, own_codes.get(name))
                continue
            try:
                inner(each)
            except Rejection as refused:
                raise _inside(name, refused) from None

    return check


def wrong_value(value: object, kind: str, allowed: str) -> Rejection:
    return rejection("invalid.value", repr(value)[:SHOWN_MAX], kind, allowed)


def _missing(name: str, code: str | None) -> Rejection:
    if code is not None:
        return rejection(code, field=name)
    return rejection("constraint.validation", f"{name} may not be null", field=name)


def _inside(name: str, refused: Rejection) -> Rejection:
    joint = "" if not refused.field or refused.field.startswith("[") else "."
    refused.field = f"{name}{joint}{refused.field}"
    return refused
