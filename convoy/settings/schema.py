"""The JSON Schema of settings files, by which an editor completes and checks them.

`python -m convoy.settings.schema` prints what is kept in `docs/settings.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

from convoy.settings.model import Settings
from convoy.settings.values import HIGHEST_RATE

_RATE = {"type": "number", "exclusiveMinimum": 0, "maximum": HIGHEST_RATE}
_FIELDS = {"type": "array", "items": {"type": "string"}}
_SOURCES = [
    {"type": "object", "properties": {kind: {"type": "string"}}, "additionalProperties": False}
    for kind in ("env", "file")
]
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
"""Pydantic's names of bounds, which it leaves where another validator stands before them."""


def json_schema() -> str:
    """Return the JSON Schema of a profile, a target file or `default.yaml`.

    Nothing is required, because what one file leaves out another one has.
    """
    schema = _for_files(Settings.model_json_schema())
    settings, scenario = schema["properties"], schema["$defs"]["ScenarioSettings"]["properties"]
    del settings["profile"]
    settings["rate"] = {"anyOf": [_RATE, {"const": "max"}, {"type": "null"}]}
    settings["labels"]["additionalProperties"] = {"type": ["string", "number"]}
    settings["headers"]["additionalProperties"] = {"anyOf": [{"type": "string"}, *_SOURCES]}
    # To some readers of YAML `on` is a boolean.
    settings["record_messages"] = {"enum": ["auto", "on", "off", True, False]}
    settings["criteria"] = {"anyOf": [_FIELDS, {"type": "string"}]}
    scenario["expect"]["additionalProperties"] = {"anyOf": [_FIELDS, {"const": "empty"}]}
    scenario["dialogues"] = {"anyOf": [{"type": "string"}, scenario["dialogues"]]}
    del scenario["longest_dialogue"], schema["$defs"]["LongestDialogue"]
    return json.dumps(schema, indent=2) + "\n"


@cache
def words_of_settings() -> frozenset[str]:
    """Return the names of all settings, and the words that are values of some."""
    return frozenset(_words(Settings.model_json_schema()))


def _words(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        yield from part.get("properties", ())
        yield from filter(lambda each: isinstance(each, str), part.get("enum", ()))
        yield from chain.from_iterable(map(_words, part.values()))
    elif isinstance(part, list):
        yield from chain.from_iterable(map(_words, part))


def _for_files(part: Any, *, is_by_name: bool = False) -> Any:
    """Return a schema without titles and required members; `is_by_name` where keys are settings."""
    if isinstance(part, list):
        return [_for_files(each) for each in part]
    if not isinstance(part, dict):
        return part
    left_out = () if is_by_name else ("required", "title")
    return {
        key if is_by_name else _BOUNDS.get(key, key): _for_files(
            value, is_by_name=key in ("properties", "$defs") and not is_by_name
        )
        for key, value in part.items()
        if key not in left_out
    }


if __name__ == "__main__":
    print(json_schema(), end="")
