"""The file of a dialogue: what may stand in its lines, and in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite

from msgspec.structs import replace

from convoy.errors import did_you_mean
from convoy.foreign import quoted
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
    Wait,
)
from convoy.plan.payloads import PayloadError, TemplateFault

MOST_LINES = 100
_LONGEST_S = 600.0
"""As long as a message may take at most."""
_SHORTEST_S = 0.01
_SLOWEST, _FASTEST = 0.1, 1_000.0
_LONGEST_NAME = 255
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s)")
_UNITS_S = {"ms": 0.001, "s": 1.0}
_STEP = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BESIDE = ("within", "step")
_TESTS = ("equals", "contains", "matches", "offers")
_SPEED = ("characters_per_s", "spread")

_Entry = dict[str, object]


class _Wrong(Exception):
    """What is wrong with a field of a line."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem


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
            faults.append(TemplateFault(number, wrong.problem, wrong.field))
    if not faults:
        faults += _faults_of_order(lines)
    PayloadError.raise_for(name, faults)
    return Dialogue(tuple(lines))


def _line(number: int, value: object, taken: frozenset[str]) -> AnyLine:
    entry = {value: None} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not entry:
        raise _Wrong("", f"should be one of {', '.join(_LINES)}, as in `- say: Hello`")
    found = [key for key in entry if key in _LINES]
    for key in entry:
        if key not in (*_LINES, *_BESIDE):
            raise _Wrong(key, f"is nothing that a line may have{_meant(key, (*_LINES, *_BESIDE))}")
    if "within" in entry and found != ["expect"]:
        raise _Wrong("within", "belongs to a line with expect")
    if len(found) != 1:
        problem = f"has {' and '.join(found)}; make each a line of its own"
        raise _Wrong("", problem if found else f"should be one of {', '.join(_LINES)}")
    [does] = found
    step = entry.get("step", "" if does == "wait" else does)
    if "step" in entry:
        if does == "wait" or not isinstance(step, str) or not _STEP.fullmatch(step):
            raise _Wrong("step", f"is {_shown(step)}; give a name such as order_number, to no wait")
        if step in {*_LINES, WHOLE, *taken}:
            raise _Wrong("step", f"is {step}, which is a step of another kind; choose another name")
    return replace(_LINES[does](entry), number=number, step=step)


def _say(entry: _Entry) -> Say:
    return Say(text=_text("say", entry["say"]))


def _expect(entry: _Entry) -> Expect:
    if "within" not in entry:
        raise _Wrong("within", "is missing; how long may the reply take? Write it as in 3s")
    within_s = _duration_s("within", entry["within"])
    expected = entry["expect"]
    if expected == "any":
        return Expect(within_s=within_s)
    if not isinstance(expected, dict) or not expected:
        raise _Wrong("expect", f"is {_shown(expected)}; write any, or as in {{contains: Hello}}")
    for key in expected:
        if key not in _TESTS:
            raise _Wrong(f"expect.{key}", f"is nothing to expect{_meant(key, _TESTS)}")
    texts = {key: _text(f"expect.{key}", expected[key]) for key in _TESTS[:3] if key in expected}
    if "matches" in texts:
        try:
            re.compile(texts["matches"])
        except (re.error, RecursionError, OverflowError) as error:
            raise _Wrong("expect.matches", f"is no regular expression: {error}") from error
    offers = _offers(expected["offers"]) if "offers" in expected else None
    return Expect(
        within_s=within_s,
        equals=texts.get("equals"),
        contains=texts.get("contains"),
        matches=texts.get("matches"),
        offers=offers,
    )


def _offers(value: object) -> tuple[str, ...]:
    if value == "any":
        return ()
    if not isinstance(value, tuple) or not value:
        raise _Wrong("expect.offers", f"is {_shown(value)}; write any, or a list of texts")
    return tuple(_text("expect.offers", each) for each in value)


def _choose(entry: _Entry) -> Choose:
    choice = entry["choose"]
    if isinstance(choice, int) and not isinstance(choice, bool):
        if not 0 < choice <= MOST_LINES:
            raise _Wrong("choose", f"is {choice}, but positions count from 1 to {MOST_LINES}")
        return Choose(choice=choice)
    return Choose(choice=_text("choose", choice))


def _wait(entry: _Entry) -> Wait:
    return Wait(lasts_s=_duration_s("wait", entry["wait"]))


def _typing(entry: _Entry) -> Typing:
    given = entry["typing"]
    if not isinstance(given, dict):
        return Typing(lasts_s=_duration_s("typing", given))
    for key in given:
        if key not in _SPEED:
            raise _Wrong(f"typing.{key}", f"is nothing of typing{_meant(key, _SPEED)}")
    speed = _number("typing.characters_per_s", given.get(_SPEED[0]), _SLOWEST, _FASTEST)
    return Typing(
        characters_per_s=speed, spread=_number("typing.spread", given.get(_SPEED[1], 0), 0, 1)
    )


def _attach(entry: _Entry) -> Attach:
    name = _text("attach", entry["attach"])
    if name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise _Wrong("attach", f"is {_shown(name)}; name a file that lies beside the dialogue")
    if len(name.encode()) > _LONGEST_NAME:
        raise _Wrong("attach", f"is a name of more than {_LONGEST_NAME} bytes")
    return Attach(name=name)


def _close(entry: _Entry) -> Close:
    if entry["close"] is not None:
        raise _Wrong("close", f"is {_shown(entry['close'])}, but takes no value; write `- close`")
    return Close()


_LINES: dict[str, Callable[[_Entry], AnyLine]] = {
    "say": _say,
    "expect": _expect,
    "choose": _choose,
    "typing": _typing,
    "wait": _wait,
    "attach": _attach,
    "close": _close,
}


def _check_place(line: AnyLine, before: Sequence[AnyLine]) -> None:
    """Raise what is wrong with a line after those before it."""
    if not before and not isinstance(line, Say):
        raise _Wrong("", "is the first line, which is the message; begin with say")
    if before and isinstance(before[-1], Close):
        raise _Wrong("", "comes after close, with which a dialogue ends")
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
        raise _Wrong("choose", problem)
    if offers and isinstance(line.choice, str) and line.choice not in offers:
        close = did_you_mean(line.choice, offers)
        there_are = f"is not among the choices that are expected before it: {', '.join(offers)}"
        raise _Wrong("choose", there_are + close)


def _faults_of_order(lines: Sequence[AnyLine]) -> Iterator[TemplateFault]:
    for line, after in zip(lines, [*lines, None][1:], strict=True):
        if isinstance(line, Typing) and line.characters_per_s and not isinstance(after, Say):
            problem = "is by characters, so a say has to follow; or give a time, as in 2s"
            yield TemplateFault(line.number, problem, "typing")


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        quotes = "; put it in quotes" if isinstance(value, (int, float)) else ""
        raise _Wrong(field, f"is {_shown(value)}, but should be text{quotes}")
    if not value.strip():
        raise _Wrong(field, "is empty")
    return value.strip()


def _duration_s(field: str, value: object) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _Wrong(field, f"is {_shown(value)}; write a time with its unit, as in 3s or 500ms")
    return _bounded(field, float(found[1]) * _UNITS_S[found[2]], _SHORTEST_S, _LONGEST_S, " s")


def _number(field: str, value: object, least: float, most: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value):
        raise _Wrong(field, f"is {_shown(value)}, but should be a number")
    return _bounded(field, value, least, most)


def _bounded(field: str, value: float, least: float, most: float, unit: str = "") -> float:
    if not least <= value <= most:
        between = f"should be from {least:g} to {most:g}{unit}"
        raise _Wrong(field, f"is {value:g}{unit}, but {between}")
    return float(value)


def _meant(key: str, known: Sequence[str]) -> str:
    return did_you_mean(key, known) or f"; there are: {', '.join(known)}"


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, str):
        return quoted(value)
    return f"{value}" if isinstance(value, (int, float)) else "a list or mapping"
