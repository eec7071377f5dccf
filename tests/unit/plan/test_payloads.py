"""Message templates: what they can reach, and what is said of those that cannot be used."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import ExitCode
from convoy.plan.payloads import PayloadError, PayloadTemplate, parse_body

VARIABLES = {
    "conversation_id": "conversation-1",
    "marker": "[convoy:run-1:conversation_messages:0]",
    "k": 0,
    "text": "Hello",
    "author_name": "Guest",
    "author_address": "guest@load-test.invalid",
}


def problem_of(source: str) -> str:
    """Return what is said of a template that cannot be used, an empty text if it can."""
    try:
        template = PayloadTemplate("greeting", source)
        template.check_names(VARIABLES)
        parse_body("greeting", template.render(VARIABLES))
    except PayloadError as error:
        assert error.exit_code is ExitCode.USAGE
        return str(error)
    return ""


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{}", id="an empty object"),
        pytest.param('{"text": {{ text | tojson }}, "k": {{ k }}}', id="variables"),
        pytest.param('{% if k > 3 %}{"a": 1}{% else %}{"b": 2}{% endif %}', id="a condition"),
        pytest.param('{"list": [{{ range(3) | join(", ") }}]}', id="a loop"),
        pytest.param('{# why #}\n{"text": "a {{ text }} b"}\n', id="a comment"),
    ],
)
def test_a_template_that_renders_to_an_object_can_be_used(source: str) -> None:
    assert problem_of(source) == ""


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("''.__class__", id="the class of a text"),
        pytest.param("''['__class__']", id="by subscript"),
        pytest.param("'{0.__class__}'.format(k)", id="by format"),
        pytest.param("k.__class__.__mro__", id="the class of a variable"),
        pytest.param("range.__globals__", id="the globals of a function"),
        pytest.param("text.__init__.__globals__", id="the globals of a method"),
    ],
)
def test_a_template_cannot_reach_the_internals_of_objects(expression: str) -> None:
    problem = problem_of(f'{{"text": "{{{{ {expression} }}}}"}}')

    assert problem.startswith("greeting, line 1: ")
    assert "unsafe" in problem


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{% include '/etc/hostname' %}", id="include"),
        pytest.param("{% import '/etc/hostname' as file %}", id="import"),
        pytest.param("{% extends '/etc/hostname' %}", id="extends"),
        pytest.param("{% from '/etc/hostname' import file %}", id="import from"),
    ],
)
def test_a_template_cannot_read_files(source: str) -> None:
    problem = problem_of(source)

    assert problem.startswith("greeting, line 1: ")
    assert "not allowed" in problem


def test_a_template_cannot_change_what_it_is_given() -> None:
    with pytest.raises(PayloadError, match="unsafe"):
        PayloadTemplate("greeting", "{{ names.append('b') }}")


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        pytest.param("{\n{{ nobody }}\n}", 2, "'nobody'", id="unknown variable"),
        pytest.param("{}\n{% if k %}{{ nobody }}{% endif %}", 2, "'nobody'", id="seldom reached"),
        pytest.param("{{ open('/etc/hostname') }}", 1, "'open'", id="unknown function"),
        pytest.param("{}\n{{ [1, 2] | random }}", 2, "random", id="a draw of its own"),
        pytest.param("{}\n{{ lipsum() }}", 2, "lipsum", id="a text of its own"),
        pytest.param("{\n\n{{ text.nobody }}}", 3, "attribute 'nobody'", id="attribute"),
        pytest.param("{}\n{{ text | upside_down }}", 2, "upside_down", id="unknown filter"),
        pytest.param("{{ txt }}", 1, "; did you mean text?", id="a variable with a slip"),
        pytest.param("{{ text | uper }}", 1, "; did you mean upper?", id="a filter with a slip"),
        pytest.param("{}\n{% if %}", 2, "Expected an expression", id="syntax"),
        pytest.param("{}\n\n{% for a in b %}", 3, "Unexpected end", id="open block"),
        pytest.param("{{ 1 / 0 }}", 1, "division by zero", id="arithmetic"),
        pytest.param("{\n  {{ text + 1 }}\n}", 2, "cannot be rendered", id="types"),
        pytest.param('{\n"a": {{ text }}\n}', 2, "| tojson", id="text without quotes"),
        pytest.param('{"a": 1,\n}', 2, "does not render to JSON", id="trailing comma"),
        pytest.param("", 1, "does not render to JSON", id="empty"),
        pytest.param("[1]", 1, "a message is a JSON object", id="list"),
        pytest.param("{{ text | tojson }}", 1, "a message is a JSON object", id="text"),
        pytest.param("null", 1, "a message is a JSON object", id="null"),
    ],
)
def test_an_error_names_template_line_and_problem(source: str, line: int, problem: str) -> None:
    said = problem_of(source)

    assert re.match(rf"greeting, line {line}(, field \w+)?: ", said)
    assert problem in said


def test_everything_that_a_template_may_not_do_is_said_at_once() -> None:
    problem = problem_of("{% include 'a' %}\n{{ text | upside_down }}\n{{ text.upper() }}")

    assert [line.split(": ")[0] for line in problem.splitlines()] == [
        "greeting, line 1",
        "greeting, line 2",
        "greeting, line 3",
    ]


def test_every_unknown_name_is_said_at_once() -> None:
    problem = problem_of("{{ nobody }}\n{{ text }}\n{{ nothing }}")

    assert [line.split(" is no ")[0] for line in problem.splitlines()] == [
        "greeting, line 1: 'nobody'",
        "greeting, line 3: 'nothing'",
    ]


def test_a_body_larger_than_the_remote_takes_cannot_be_used() -> None:
    source = '{"text": {{ text | filled(511988, "x") | tojson }}}'

    assert problem_of(source) == ""
    assert "renders to 512,001 bytes; 512,000 are taken" in problem_of(source.replace("88", "89"))


def test_a_body_nested_without_end_cannot_be_used() -> None:
    assert "does not render to JSON" in problem_of('{"a": ' + "[" * 100_000)


def test_a_template_knows_the_variables_and_functions_that_it_names() -> None:
    template = PayloadTemplate("greeting", "{% set a = k %}{{ a ~ marker ~ choice(text, k) }}")

    assert template.names == {"k", "marker", "choice", "text"}


@given(source=st.text(alphabet="{}%#-~|()[]'\"., \n" + "abkrx1*") | st.text())
def test_no_source_makes_anything_but_a_template_or_a_payload_error(source: str) -> None:
    with contextlib.suppress(PayloadError):
        PayloadTemplate("greeting", source).render(VARIABLES)


def test_a_template_that_fails_in_the_middle_of_a_run_says_so_too() -> None:
    template = PayloadTemplate("greeting", '{\n"a": {{ 10 // (3 - k) }}}')
    template.render(VARIABLES)

    with pytest.raises(PayloadError, match="^greeting, line 2: cannot be rendered: .*zero"):
        template.render({**VARIABLES, "k": 3})


@given(text=st.text())
def test_any_text_comes_through_unchanged(text: str) -> None:
    template = PayloadTemplate("greeting", '{"text": {{ text | tojson }}}')

    body = template.render({"text": text})

    assert json.loads(body.decode("utf-8")) == {"text": text}


@pytest.mark.parametrize(
    "text", ["Grüße", "日本語", "🚚🚛", "a\u0000b", '"quoted" \\ <tag> & \'', "‮"]
)
def test_text_beyond_ascii_is_sent_as_utf_8(text: str) -> None:
    template = PayloadTemplate("greeting", '{"text": {{ text | tojson }}, "own": "日本"}')

    body = template.render({"text": text})

    assert json.loads(body) == {"text": text, "own": "日本"}
    assert "日本".encode() in body
