"""JSON as the remote reads it, and where a text is none: its line, its field and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|"')
_LONGEST_NUMBER = 4_300
"""Python itself reads no longer one."""
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
_CURLY = re.compile("[“”„‟«»‘’‚′″]")


class NotJsonError(ValueError):
    """A text that is no JSON; `field` is a path such as `to.id`, "" where none is to blame."""

    def __init__(self, line: int, field: str, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.field = field
        self.problem = problem

    @property
    def place(self) -> str:
        return f"line {self.line}" + f", field {self.field}" * bool(self.field)


def read_json(text: str) -> object:
    """Return the value of a JSON text; raises NotJsonError, also for NaN and a name given twice."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise NotJsonError(1, "", "it is empty")
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_without_repeats)
    except RecursionError as error:
        raise NotJsonError(1, "", "it is nested too deeply") from error
    except ValueError as error:
        end = getattr(error, "pos", len(text))
        field = ""
        for position, place, problem in _tokens(text):
            if problem:
                raise NotJsonError(_line(text, position), place, problem) from error
            if position >= end:
                break
            field = place
        problem = getattr(error, "msg", str(error))
        raise NotJsonError(_line(text, end), field, problem) from error


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield for each token where it stands, in which field, and what is wrong with it, if anything.

    The text may be anything; what JSON's own grammar refuses is not looked for.
    """
    path: list[str | int] = []
    names: list[set[str]] = []
    is_name, before = False, ""
    for match in _TOKEN.finditer(text):
        token, problem = match[0], ""
        if token in ("{", "["):
            path.append("" if token == "{" else 0)
            names.append(set())
            is_name = token == "{"
        elif token in ("}", "]"):
            if before == ",":
                problem = f"a comma stands before {token} with nothing behind it; take it out"
            path, names, is_name = path[:-1], names[:-1], False
        elif token == "," and path:
            last = path[-1]
            is_name = isinstance(last, str)
            path[-1] = "" if isinstance(last, str) else last + 1
        elif is_name and token.startswith('"'):
            name = token[1:-1]
            path[-1], is_name = name, False
            if name in names[-1]:
                problem = f"the name {name!r} stands twice in one object"
            names[-1].add(name)
        elif token in _NO_NUMBERS:
            problem = f"{token} is no JSON number"
        elif len(token) > _LONGEST_NUMBER and token.lstrip("-").isdigit():
            problem = f"a number of {len(token):,} digits is longer than anybody reads"
        elif found := _CURLY.search(token) if not token.startswith('"') else None:
            problem = f'{found[0]} is no quotation mark of JSON; write " in its place'
        before = token
        yield match.start(), _field(path), problem


def _field(path: list[str | int]) -> str:
    steps = (f"[{each}]" if isinstance(each, int) else f".{each}" for each in path if each != "")
    return "".join(steps).removeprefix(".")


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found
