"""Bodies: what a run renders is what Jinja2 renders with the same variables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.payloads import PayloadError, PayloadTemplate
from convoy.plan.scenario import ScenarioPlan
from tests.unit.plan.test_scenario import INPUTS

RUN_ID = "20261122-120000-abcdef"
VARIABLES = (
    *("conversation_id", "customer_id", "agent_id", "marker", "text", "k", "sequence"),
    *("author", "author_name", "author_address"),
)
PAYLOADS = Path(__file__).parents[3] / "payloads"
SOURCES = {path.stem: path.read_text("utf-8") for path in PAYLOADS.glob("*.json")} | {
    f"every variable as {form}": " ".join(form.replace("x", name) for name in VARIABLES)
    for form in ("{{ x }}", "{{ x | tojson }}", '{{ (x ~ "-") | tojson }}', '{{ "<" ~ x }}')
}


@pytest.mark.parametrize("name", SOURCES)
@given(text=st.text(), k=st.integers(0, 10**12))
def test_every_template_renders_what_jinja_makes_of_all_variables(
    name: str, text: str, k: int
) -> None:
    plan = ScenarioPlan(replace(INPUTS, templates={name: SOURCES[name]}, weights={name: 1.0}))
    bodies = plan.bodies(RUN_ID)
    message = msgspec.structs.replace(plan.message(k), text=text)

    body = bodies.render(message)

    assert body == PayloadTemplate(name, SOURCES[name]).render(bodies.variables(message))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param('{"text": {{ text }}}', "surrogates not allowed", id="no UTF-8"),
        pytest.param('{"text": {{ txt }}}', "'txt' is undefined", id="unknown variable"),
        pytest.param('{"text": "' + "{{ text }}" * 6000 + '"}', "600,000", id="too large"),
    ],
)
def test_what_cannot_be_rendered_is_told_with_the_template(source: str, problem: str) -> None:
    plan = ScenarioPlan(replace(INPUTS, templates={"a": source}, weights={"a": 1.0}))
    message = msgspec.structs.replace(plan.message(0), text="\ud800" + "x" * 200)

    with pytest.raises(PayloadError, match=f"^a(, line 1)?: cannot be rendered: .*{problem}"):
        plan.bodies(RUN_ID).render(message)
