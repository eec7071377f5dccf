"""Bodies: what a run renders is what Jinja2 renders with the same variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined

from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadError, PayloadTemplate
from convoy.plan.rendering import Bodies, fast_path
from convoy.plan.scenario import ScenarioPlan
from tests.unit.plan.test_scenario import INPUTS

RUN_ID = "20261122-120000-abcdef"
OWN = {"channel": "<b>'web' & \"phone\" ü\\</b>", "integration_id": "i-1"}
VARIABLES = (
    *("conversation_id", "customer_id", "agent_id", "marker", "text", "k", "sequence"),
    *("author", "author_name", "author_address", "time", "customers", "channel"),
)
PAYLOADS = Path(__file__).parents[3] / "payloads"
SOURCES = {
    str(path.relative_to(PAYLOADS)): path.read_text("utf-8") for path in PAYLOADS.glob("*/*.json")
} | {
    f"every variable as {form}": " ".join(form.replace("x", name) for name in VARIABLES)
    for form in ("{{ x }}", "{{ x | tojson }}", '{{ (x ~ "-") | tojson }}', '{{ "<" ~ x }}')
}
LITERALS = st.one_of(
    st.text(st.characters(exclude_characters="\\'", exclude_categories=["C"])).map(
        lambda text: f"'{text}'"
    ),
    st.sampled_from(["' '", "'<&>'", "'\"'", "7", "1.5", "true", "none", "'\\u00fc\\n'"]),
)
JOINED = st.lists(st.sampled_from(VARIABLES) | LITERALS, min_size=1, max_size=4).map(" ~ ".join)
EXPRESSIONS = st.one_of(
    JOINED, st.sampled_from(VARIABLES).map("{} | tojson".format), JOINED.map("({}) | tojson".format)
)
PLACEHOLDERS = st.tuples(
    st.sampled_from(["{{ ", "{{- "]), EXPRESSIONS, st.sampled_from([" }}", " -}}"])
).map("".join)
PIECES = st.one_of(
    PLACEHOLDERS,
    st.text(st.characters(exclude_characters="{", exclude_categories=["Cs"])),
    st.sampled_from(["{# why #}", "\n", "\r\n", "{", '{"a": ', "{% raw %}{{ k }}{% endraw %}"]),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def clock() -> float:
    return 1_780_000_000.25


def bodies_of(source: str, name: str = "a", run_id: str = RUN_ID) -> tuple[Bodies, PlannedMessage]:
    """Return what renders the messages of a plan with one template, and one of them."""
    inputs = replace(INPUTS, templates={name: source}, weights={name: 1.0}, variables=OWN)
    plan = ScenarioPlan(inputs)
    return plan.bodies(run_id, clock), plan.message(0)


def by_jinja(source: str, variables: Mapping[str, object]) -> bytes:
    """Render with Jinja2 as it comes, apart from JSON in UTF-8."""
    environment = Environment(undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment.from_string(source).render(variables).encode()


def has_fast_path(source: str) -> bool:
    own = {"customers": "kept", **OWN}
    return fast_path(PayloadTemplate("a", source).tree, "[convoy:", own, clock) is not None


@given(pieces=st.lists(PIECES, max_size=8), text=TEXTS, id_=TEXTS, k=st.integers(0))
def test_plain_templates_render_the_bytes_of_jinja(
    pieces: list[str], text: str, id_: str, k: int
) -> None:
    source = " ".join(pieces)
    bodies, planned = bodies_of(source, run_id="'<&>\\\"'{k}")
    conversation = msgspec.structs.replace(planned.conversation, id=id_)
    message = msgspec.structs.replace(planned, k=k, text=text, conversation=conversation)

    assert has_fast_path(source)
    assert bodies.render(message) == by_jinja(source, bodies.variables(message))


@pytest.mark.parametrize(
    "source",
    [
        "{{ text | upper }}",
        "{{ text + author_name }}",
        "{{ text | tojson | tojson }}",
        "{{ (text | tojson) ~ author_name }}",
        "{{ text[0] }}",
        "{{ choice }}",
        "{{ nobody }}",
        "{% if k %}a{% endif %}",
        "{% set text = 1 %}{{ text }}",
    ],
)
def test_everything_else_is_left_to_jinja(source: str) -> None:
    assert not has_fast_path(source)


@pytest.mark.parametrize(
    "name", ["text", "participant", "conversation_id_inside", "long", "unicode", "emoji"]
)
def test_templates_that_come_with_convoy_take_the_fast_path_where_they_can(name: str) -> None:
    draws_or_fills = name in {"long", "unicode", "emoji"}

    assert has_fast_path(SOURCES[f"conversation/{name}.json"]) != draws_or_fills


@pytest.mark.parametrize("name", ["text", "attachment"])
def test_open_messages_take_the_fast_path(name: str) -> None:
    assert has_fast_path(SOURCES[f"open_message/{name}.json"])


def test_a_body_says_when_it_was_rendered() -> None:
    bodies, message = bodies_of("{{ time }} {{ time | tojson }} {{ time | upper }}")
    fast, _ = bodies_of("{{ time }} {{ time | tojson }}")

    assert bodies.render(message).decode() == " ".join(
        ("2026-05-28T20:26:40.250Z", '"2026-05-28T20:26:40.250Z"', "2026-05-28T20:26:40.250Z")
    )
    assert bodies.render(message).startswith(fast.render(message))


@pytest.mark.parametrize("source", ["{{ customers }}", "{{ customers | string }}"])
def test_customers_are_those_of_the_run_unless_the_scenario_keeps_some(source: str) -> None:
    bodies, message = bodies_of(source)
    kept = replace(INPUTS, templates={"a": source}, weights={"a": 1}, variables={"customers": "vu"})

    assert bodies.render(message).decode() == RUN_ID
    assert ScenarioPlan(kept).bodies(RUN_ID).render(message) == b"vu"


@cache  # as in a run, which compiles each template once
def both_ways(name: str) -> tuple[Bodies, PlannedMessage, PayloadTemplate]:
    return *bodies_of(SOURCES[name], name), PayloadTemplate(name, SOURCES[name])


@given(text=st.text(), k=st.integers(0, 10**12))
def test_every_template_renders_what_jinja_makes_of_all_variables(text: str, k: int) -> None:
    for name in SOURCES:
        bodies, planned, by_jinja = both_ways(name)
        message = msgspec.structs.replace(planned, k=k, text=text)

        assert bodies.render(message) == by_jinja.render(bodies.variables(message)), name


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param('{"text": {{ text }}}', "surrogates not allowed", id="no UTF-8"),
        pytest.param('{"text": {{ txt }}}', "'txt' is undefined", id="unknown variable"),
        pytest.param('{"text": "' + "{{ text }}" * 6000 + '"}', "600,000", id="too large"),
    ],
)
def test_what_cannot_be_rendered_is_told_with_the_template(source: str, problem: str) -> None:
    bodies, planned = bodies_of(source)
    message = msgspec.structs.replace(planned, text="\ud800" + "x" * 200)

    with pytest.raises(PayloadError, match=f"^a(, line 1)?: cannot be rendered: .*{problem}"):
        bodies.render(message)
