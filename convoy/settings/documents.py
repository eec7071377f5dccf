"""YAML as Convoy reads it: bounded, with no aliases or tags, and no key given twice.

Plain scalars mean what they mean in YAML 1.2. PyYAML's own YAML 1.1 would make 8 of `010`, 90 of
`1:30`, false of `off`, a date of `2026-11-22` and a text of `1e3`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from convoy.files import FileError, read_text
from convoy.untrusted_text import quoted

MAX_BYTES = 2**20
MAX_DEPTH = 32
MAX_KEYS = 1_000

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan},
}
_TEXT = "tag:yaml.org,2002:str"
# Python refuses to read very long integers; a longer one is read as a float, which is infinite.
_INTEGER = re.compile(r"[-+]?[0-9]{1,1000}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class DocumentError(Exception):
    """A YAML text that cannot be read; the message says what is wrong and in which line."""


def parse_yaml(text: str) -> object:
    """Return the value of one YAML document (None for an empty one); raises DocumentError.

    Lists are tuples.
    """
    if len(text) > MAX_BYTES:
        raise DocumentError(f"longer than {MAX_BYTES} bytes")
    events = yaml.parse(text, Loader=yaml.CSafeLoader)
    try:
        next(events)  # the beginning of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return None
        value = _value(next(events), events)
        next(events)  # the end of the document
        end = next(events)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"line {line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        # A character that YAML does not allow, or half of one.
        raise DocumentError(f"is no YAML ({type(error).__name__})") from error
    if not isinstance(end, yaml.StreamEndEvent):
        raise _refused(end, "a second document begins here, but only one is read")
    return value


def parse_mapping(text: str) -> dict[str, Any]:
    """Return the mapping that a YAML document is, an empty one for none; raises DocumentError."""
    value = parse_yaml(text)
    if not isinstance(value, dict | None):
        raise DocumentError("holds no names with values")
    return value or {}


def read_yaml(path: Path) -> object:
    """Return the value of a YAML file; raises DocumentError, also when it cannot be read."""
    try:
        return parse_yaml(read_text(path, MAX_BYTES))
    except FileError as error:
        raise DocumentError(str(error)) from error


def as_yaml(value: object) -> str:
    """Return a value as YAML that `parse_yaml` reads as it was, members in their own order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and texts in quotes where they would be read as something else."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def _text(self, text: str) -> yaml.ScalarNode:
        is_text = isinstance(plain_value(text), str)
        return self.represent_scalar(_TEXT, text, style=None if is_text else "'")


_Dumper.add_representer(str, _Dumper._text)


def plain_value(text: str) -> object:
    """Return what a scalar without quotes means: None, true or false, a number, or a text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _value(event: Any, events: Iterator[Any], depth: int = 0) -> object:
    """Return the value that begins with `event`; what belongs to it is taken from `events`."""
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, "aliases (*name) are not supported; repeat the value")
    if event.tag not in (None, "!"):
        raise _refused(event, "tags (!name) are not supported")
    if isinstance(event, yaml.ScalarEvent):
        # Implicit is what has no quotes; to libyaml also what has a bare `!` before it.
        return plain_value(event.value) if event.implicit[0] else event.value
    if depth == MAX_DEPTH:
        raise _refused(event, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(event, yaml.SequenceStartEvent):
        return tuple(_value(each, events, depth + 1) for each in _until_end(events))
    values: dict[str, object] = {}
    for each in _until_end(events):
        key = _value(each, events, depth + 1)
        if type(key) is int:  # a status, say; written back as it was read
            key = each.value
        if not isinstance(key, str):
            shown = "of several values" if isinstance(key, (tuple, dict)) else repr(key)
            raise _refused(each, f"the key {shown} is no text; put it in quotes")
        if key in values:
            raise _refused(each, f"the key {quoted(key)} is given twice")
        if len(values) == MAX_KEYS:
            raise _refused(each, f"more than {MAX_KEYS} names in one mapping")
        values[key] = _value(next(events), events, depth + 1)
    return values


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    """Yield the first event of each part of a list or mapping, whose parts take their own."""
    while not isinstance(event := next(events), yaml.CollectionEndEvent):
        yield event


def _refused(event: Any, problem: str) -> DocumentError:
    return DocumentError(f"line {event.start_mark.line + 1}: {problem}")
