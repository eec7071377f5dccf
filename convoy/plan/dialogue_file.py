"""The file of a dialogue: what may stand in its lines, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from convoy.errors import did_you_mean
from convoy.plan.dialogue import (
    WHOLE,
    AnyLine,
    Attach,
    Choose,
    Close,
    Dialogue,
    Expect,
    Say,
    Typing,
)
from convoy.plan.payloads import PayloadError, TemplateFault
from convoy.untrusted_text import quoted

MOST_LINES = 100
_LONGEST_NAME = 255
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s)")
_UNITS_S = {"ms": 0.001, "s": 1.0}
_KINDS = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyLine)}
_TEXT = "a text, which needs quotes if it is a number, true or false"
_TIME = "a time with its unit, as in 3s or 500ms, from 10ms to 600s"
_WANTED = {
    "say": _TEXT,
    "expect": "any, or as in {contains: Hello}",
    **dict.fromkeys(("expect.equals", "expect.contains", "expect.matches"), _TEXT),
    "expect.offers": 'any, or texts as in [Yes, "2"]',
    "within": _TIME,
    "choose": "the text of a choice, or its position from 1 to 100",
    "typing": f"{_TIME}, or as in {{characters_per_s: 8}}",
    "typing.characters_per_s": "a number from 0.1 to 1000",
    "typing.spread": "a number from 0 to 1",
    "wait": _TIME,
    "attach": f"the name of a file that lies beside the dialogue, {_LONGEST_NAME} bytes at most",
    "close": "`- close`, which takes no value",
    "step": "a small letter and up to 39 more, digits or _, as in order_number",
}
"""What to write for each field, those of a mapping with its name before theirs.

The bounds are those of the lines in `plan.dialogue`.
"""
_PLACE = re.compile(r"`(?:\$\.)?([\w.]+)(?:\[(\d+)\])?`$")
"""What msgspec's faults end with: a field, and the index of a value in its list."""


class _Wrong(Exception):
    """What is wrong with a line, and with which field of it, if it is one."""


def read_dialogue(
    name: str, entries: Sequence[tuple[int, object]], taken: Iterable[str] = ()
) -> Dialogue:
    """Return the dialogue of a file: the values of its list, each with its line.

    Attachments have no data yet. `taken` are names that no step of its own may have. Raises
    PayloadError with every fault.
    """
    if not 0 < len(entries) <= MOST_LINES:
        problem = f"should be a list of 1 to {MOST_LINES} lines, the first as in `- say: Hello`"
        raise PayloadError(name, TemplateFault(1, problem))
    lines: list[AnyLine] = []
    faults: list[TemplateFault] = []
    for number, value in entries:
        try:
            line = _line(number, value, frozenset(taken))
            if not faults:  # what is missing would be missed again
                _check_place(line, lines)
            lines.append(line)
        except _Wrong as wrong:
            faults.append(TemplateFault(number, *wrong.args))
    if not faults:
        faults += _faults_of_order(lines)
    PayloadError.raise_for(name, faults)
    return Dialogue(tuple(lines))


def _line(number: int, value: object, taken: frozenset[str]) -> AnyLine:
    entry = {value: None} if isinstance(value, str) else value if isinstance(value, dict) else {}
    # A key `expect.offers` counts as a kind, or it would be taken for a field of a mapping.
    does, *others = [key for key in entry if key.partition(".")[0] in _KINDS] or [""]
    if does not in _KINDS:
        first = next((key for key in entry if key not in ("within", "step")), "")
        kinds = f"{', '.join(_KINDS)}, as in `- say: Hello`{did_you_mean(first, _KINDS)}"
        raise _Wrong(f"should be one of {kinds}", first)
    if others:
        raise _Wrong(f"has {does} and {' and '.join(others)}; make each a line of its own")
    line = _converted(does, dict(_fields(entry)))
    if line.step in {*_KINDS, WHOLE, *taken}:
        raise _Wrong(f"is {line.step}, a step of another kind; choose another name", "step")
    return replace(line, number=number, step=line.step or ("" if does == "wait" else does))


def _fields(entry: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the fields of a line by their names in `_WANTED`; `any` and no value are none."""
    for key, value in entry.items():
        if key in ("expect", "typing") and isinstance(value, dict) and value:
            yield from ((f"{key}.{part}", each) for part, each in value.items())
        elif (key, value) not in (("expect", "any"), ("close", None)):
            yield key, value


def _converted(does: str, fields: Mapping[str, object]) -> AnyLine:
    kind = _KINDS[does]
    known = [each for each in _WANTED if each in (does, *kind.__struct_encode_fields__)]
    if does == "wait":  # it is no step
        known.remove("step")
    for field in fields:
        if field not in known:
            # Names that begin with the same word are close by that alone.
            close = did_you_mean(field, known, cutoff=0.9) or f"; there are: {', '.join(known)}"
            raise _Wrong(f"is nothing that a line with {does} may have{close}", field)
    plain = {field: _plain(field, value) for field, value in fields.items()}
    try:
        line: AnyLine = msgspec.convert(plain, kind)
        if isinstance(line, Expect) and line.matches:
            re.compile(line.matches)
    except msgspec.ValidationError as error:
        [(field, index)] = _PLACE.findall(str(error))
        value: Any = fields.get(field)
        raise _unwanted(field, value[int(index)] if index else value) from error
    except (re.error, RecursionError, OverflowError) as error:
        raise _Wrong(f"is no regular expression: {error}", "expect.matches") from error
    match line:
        case Attach(name=name) if not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
            raise _unwanted("attach", name)
        case Typing(lasts_s=0, characters_per_s=0):
            raise _unwanted("typing.characters_per_s", None)
    return line


def _plain(field: str, value: object) -> object:
    """Return a value as its field takes it: times in seconds, texts without space around them."""
    if value is None or value == () or field in ("expect", "close"):
        raise _unwanted(field, value)
    if field in ("within", "wait", "typing"):
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        return found and float(found[1]) * _UNITS_S[found[2]]
    if (field, value) == ("expect.offers", "any"):
        return ()
    if isinstance(value, tuple):
        return tuple(each.strip() if isinstance(each, str) else each for each in value)
    return value.strip() if isinstance(value, str) else value


def _unwanted(field: str, value: object) -> _Wrong:
    if value is None or not str(value).strip():
        shown = "not given"
    elif isinstance(value, str):
        shown = quoted(value)
    else:
        shown = f"{value}" if isinstance(value, (int, float)) else "a list or mapping"
    return _Wrong(f"is {shown}; write {_WANTED[field]}", field)


def _check_place(line: AnyLine, before: Sequence[AnyLine]) -> None:
    """Raise what is wrong with a line after those before it."""
    if not before and not isinstance(line, Say):
        raise _Wrong("is the first line, which is the message; begin with say")
    if before and isinstance(before[-1], Close):
        raise _Wrong("comes after close, with which a dialogue ends")
    if isinstance(line, Choose):
        _check_offer(line, before)


def _check_offer(line: Choose, before: Sequence[AnyLine]) -> None:
    offers: tuple[str, ...] | None = None
    for each in before:
        if isinstance(each, (Say, Choose, Attach)):
            offers = None
        elif isinstance(each, Expect) and each.offers is not None:
            offers = each.offers
    if offers is None:
        problem = "has no choices before it; expect them first, as in {offers: [Yes, No]}"
        raise _Wrong(problem, "choose")
    if offers and isinstance(line.choice, str) and line.choice not in offers:
        close = did_you_mean(line.choice, offers)
        there_are = f"is not among the choices that are expected before it: {', '.join(offers)}"
        raise _Wrong(there_are + close, "choose")


def _faults_of_order(lines: Sequence[AnyLine]) -> Iterator[TemplateFault]:
    for line, after in zip(lines, [*lines, None][1:], strict=True):
        if isinstance(line, Typing) and line.characters_per_s and not isinstance(after, Say):
            problem = "is by characters, so a say has to follow; or give a time, as in 2s"
            yield TemplateFault(line.number, problem, "typing")
