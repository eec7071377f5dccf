"""The fast path renders the same bytes as Jinja2, whatever the template and its values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined

from convoy.plan.payloads import PayloadTemplate
from convoy.plan.placeholders import Expression, Slot, compiled, with_value

NAMES = ("alpha", "beta", "k")
LITERALS = st.one_of(
    st.text(st.characters(exclude_characters="\\'", exclude_categories=["C"])).map(
        lambda text: f"'{text}'"
    ),
    st.sampled_from(["' '", "'<&>'", '"\'"', "7", "1.5", "true", "none", "'\\u00fc\\n'"]),
)
JOINED = st.lists(st.sampled_from(NAMES) | LITERALS, min_size=1, max_size=4).map(" ~ ".join)
EXPRESSIONS = st.one_of(
    JOINED, st.sampled_from(NAMES).map("{} | tojson".format), JOINED.map("({}) | tojson".format)
)
PLACEHOLDERS = st.tuples(
    st.sampled_from(["{{ ", "{{- "]), EXPRESSIONS, st.sampled_from([" }}", " -}}"])
).map("".join)
PIECES = st.one_of(
    PLACEHOLDERS,
    st.text(st.characters(exclude_characters="{", exclude_categories=["Cs"])),
    st.sampled_from(["{# why #}", "\n", "\r\n", "{", '{"a": ']),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def by_jinja(source: str, variables: dict[str, Any]) -> bytes:
    """Render with Jinja2 as it comes, apart from JSON in UTF-8."""
    environment = Environment(undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment.from_string(source).render(variables).encode()


def by_parts(template: PayloadTemplate, variables: dict[str, Any]) -> bytes:
    """Render with the function that is made of a template's parts."""
    assert template.parts is not None
    expressions = {name: of_values(name, type(value)) for name, value in variables.items()}
    return compiled(template.parts, "values", expressions, {})(variables).encode()


def of_values(name: str, kind: type[str] | type[int]) -> Expression:
    return Expression(f"values[{name!r}]", kind)


@given(pieces=st.lists(PIECES, max_size=8), alpha=TEXTS, beta=TEXTS, k=st.integers())
def test_plain_templates_render_the_bytes_of_jinja(
    pieces: list[str], alpha: str, beta: str, k: int
) -> None:
    source = " ".join(pieces)
    variables: dict[str, Any] = {"alpha": alpha, "beta": beta, "k": k}

    template = PayloadTemplate("greeting", source)

    assert by_parts(template, variables) == by_jinja(source, variables)


@pytest.mark.parametrize(
    "source",
    [
        "{{ alpha | upper }}",
        "{{ alpha + beta }}",
        "{{ alpha | tojson | tojson }}",
        "{{ (alpha | tojson) ~ beta }}",
        "{{ alpha | tojson(2) }}",
        "{{ alpha[0] }}",
        "{{ choice }}",
        "{% if k %}a{% endif %}",
        "{% set alpha = 1 %}{{ alpha }}",
    ],
)
def test_everything_else_is_left_to_jinja(source: str) -> None:
    assert PayloadTemplate("greeting", source).parts is None


@given(pieces=st.lists(PIECES, max_size=8), before=st.text(), k=st.integers(0), behind=st.text())
def test_a_value_made_of_parts_is_written_like_the_whole(
    pieces: list[str], before: str, k: int, behind: str
) -> None:
    source = " ".join(pieces)
    template = PayloadTemplate("greeting", source)
    assert template.parts is not None

    parts = list(with_value(template.parts, "alpha", [before, Slot("k", str), behind]))

    expressions = {"beta": of_values("beta", str), "k": of_values("k", int)}
    rendered = compiled(parts, "values", expressions, {})({"beta": "b", "k": k}).encode()
    whole = {"alpha": f"{before}{k}{behind}", "beta": "b", "k": k}
    assert rendered == by_jinja(source, whole)


def test_a_variable_that_nobody_knows_is_told() -> None:
    template = PayloadTemplate("greeting", "{{ alpha }}")
    assert template.parts is not None

    with pytest.raises(KeyError, match="alpha"):
        compiled(template.parts, "values", {}, {})
