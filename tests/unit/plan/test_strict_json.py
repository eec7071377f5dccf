"""JSON as the remote reads it: where a text is none, line and field are named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.strict_json import NotJsonError, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_json_is_read(value: object) -> None:
    assert read_json("\ufeff" + json.dumps(value, indent=1)) == value


@pytest.mark.parametrize(
    ("text", "line", "field", "problem"),
    [
        pytest.param('{"to": {"id": NaN}}', 1, "to.id", "NaN is no JSON number", id="NaN"),
        pytest.param('{"a": [1,\n -Infinity]}', 2, "a[1]", "-Infinity is no JSON", id="infinite"),
        pytest.param('{"a": {"b": 1},\n "c": 2,\n "a": 3}', 3, "a", "'a' stands twice", id="twice"),
        pytest.param('{"a": {"a": 1, "b":\n{"a": 1,"a": 2}}}', 2, "a.b.a", "twice", id="inner"),
        pytest.param('[{"a": 1}, {"a": 1, "a": 2}]', 1, "[1].a", "twice", id="in a list"),
        pytest.param('{\n“text”: "x"}', 2, "", "“ is no quotation mark", id="curly name"),
        pytest.param('{"text":\n “x”}', 2, "text", "“ is no quotation mark", id="curly value"),
        pytest.param("{'a': 1}", 1, "", "Expecting property name", id="single quotes"),
        pytest.param('{"a": 1,\n}', 2, "", "a comma stands before }", id="comma at the end"),
        pytest.param('{"a": [1,\n], "b": 1}', 2, "a", "before ] with", id="in a list's end"),
        pytest.param('{"a": {"b": 1, }}', 1, "a", "a comma stands before }", id="inner comma"),
        pytest.param('{"to": {"id": }}', 1, "to.id", "Expecting value", id="no value"),
        pytest.param("", 1, "", "it is empty", id="nothing"),
        pytest.param("\ufeff\n ", 1, "", "it is empty", id="white space"),
        pytest.param('{"a":\n{"b": -' + "9" * 5000 + "}}", 2, "a.b", "5,001 digits", id="digits"),
        pytest.param("[" * 100_000, 1, "", "nested too deeply", id="depth"),
    ],
)
def test_the_first_fault_is_named(text: str, line: int, field: str, problem: str) -> None:
    with pytest.raises(NotJsonError) as found:
        read_json(text)

    assert (found.value.line, found.value.field) == (line, field)
    assert problem in found.value.problem


def test_curly_quotes_and_nan_are_text_inside_a_string() -> None:
    assert read_json('{"“NaN”": "“x” NaN"}') == {"“NaN”": "“x” NaN"}


@given(st.text(alphabet='{}[],:" \\n\\“NaN1a'))
def test_any_text_is_json_or_a_fault_with_its_place(text: str) -> None:
    try:
        read_json(text)
    except NotJsonError as error:
        assert error.line >= 1 and error.problem
