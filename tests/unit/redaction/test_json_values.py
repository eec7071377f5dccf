"""What stands in a text is read as JSON only where nothing else can be meant."""

from __future__ import annotations

import pytest

from convoy.redaction.json_values import json_values, places_of_json


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (' {"a": [1]} ', ['{"a": [1]}']),
        ('["a", {"b": "\\""}]', ['["a", {"b": "\\""}]']),
        (r'"{\"a\": 1}"', [r'"{\"a\": 1}"']),
        ('400: {"a": {"b": 1}} and { "c": 2}.', ['{"a": {"b": 1}}', '{ "c": 2}']),
        ('"GET /" failed: {"a": 1}', ['{"a": 1}']),
        ('[1] {"a": 1}', ['{"a": 1}']),
        ('{"a": 1} {"a": "\\n"}', ['{"a": 1}']),
        ('400: ["a", "b"]', []),
        (r"b'{\"a\": \"x\\\\\"}'", []),
        ("12345678", []),
        ('{"a": 1', []),
        ("[" * 5_000 + "]" * 5_000, []),
        ('{"a' * 20 + '{"b": 1}', []),
    ],
)
def test_json_is_all_there_is_or_an_object_without_a_backslash(
    text: str, places: list[str]
) -> None:
    assert [text[begin:end] for begin, end in places_of_json(text)] == places


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": "b", "c" : 1.5e3}', {"b": "a", "1.5e3": "c"}),
        ('{"a": ["b", {}]}', {"b": None, "{}": None, '["b", {}]': "a"}),
        ('[["a", "b", "c"]]', {"a": None, "b": "a", "c": None, '["a", "b", "c"]': None}),
        ('{"x": [["a", 1]]}', {"a": None, "1": "a", '["a", 1]': None, '[["a", 1]]': "x"}),
        ('["a", "b"]', {"a": None, "b": None}),
        (r'{"a\"b": "c\\"}', {r"c\\": r"a\"b"}),
        ('{"a": null, "b": ""}', {"null": "a", "": "b"}),
    ],
)
def test_each_value_has_its_name(text: str, values: dict[str, str | None]) -> None:
    found = {
        text[value.begin : value.end]: value.name and text[slice(*value.name)]
        for value in json_values(text, 0, len(text))
    }

    names = {name: None for name in values.values() if name and name not in values}
    assert found == {**names, **values, text: None}
