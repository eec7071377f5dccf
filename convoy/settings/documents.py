"""YAML as Convoy reads it: bounded, with no aliases or tags, and no key given twice."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 2**20
MAX_DEPTH = 32

_NUMBER_STARTS = list("-+.0123456789")


class DocumentError(Exception):
    """A YAML text that cannot be read; the message says what is wrong and in which line."""


class _Loader(yaml.CSafeLoader):
    """Reads plain scalars as YAML 1.2 does.

    The loader's own YAML 1.1 would make 8 of `010`, 90 of `1:30`, false of `off`, a date of
    `2026-11-22` and a text of `1e3`.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = _line(key_node.start_mark)
            if not isinstance(key, str):
                raise DocumentError(f"line {line}: the key {key!r} is no text; put it in quotes")
            if key in seen:
                raise DocumentError(f"line {line}: the key {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), _NUMBER_STARTS)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    _NUMBER_STARTS,
)


def parse_yaml(text: str) -> object:
    """Return the value of one YAML document (None for an empty one); raises DocumentError."""
    if len(text) > MAX_BYTES:
        raise DocumentError(f"longer than {MAX_BYTES} bytes")
    try:
        _check_events(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise DocumentError(f"line {_line(error.problem_mark)}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        # A character that YAML does not allow, or a number of thousands of digits.
        raise DocumentError(f"is no YAML ({type(error).__name__})") from error


def read_yaml(path: Path) -> object:
    """Return the value of a YAML file; raises DocumentError, also when it cannot be read."""
    try:
        if not path.is_file():
            raise DocumentError("is no file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return parse_yaml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DocumentError("is not UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(f"cannot be read: {reason}") from error


def _check_events(text: str) -> None:
    """Refuse what makes a small text a big value, before any value is built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            raise DocumentError(f"line {line}: aliases (*name) are not supported; repeat the value")
        if getattr(event, "tag", None) not in (None, "!"):
            raise DocumentError(f"line {line}: tags (!name) are not supported")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise DocumentError(f"line {line}: nested deeper than {MAX_DEPTH} levels")


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1
