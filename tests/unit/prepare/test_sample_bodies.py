"""Sample bodies: templates are tried in another process, and none of them ends more than that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from convoy.errors import SettingsError
from convoy.prepare.sample_bodies import Rendered, Sample, render, render_apart, sample_plan
from convoy.prepare.templates import check_templates
from convoy.routes.catalogue import Route
from convoy.settings import ScenarioSettings
from tests.unit.settings.configuration import settings_of

SCENARIO = "conversation_messages"
OWN = {"channel": "ü"}
PLAN = sample_plan(SCENARIO, 1, OWN)
MESSAGES = [PLAN.message(k) for k in range(20)]
DOUBLED = "{{% set a = {start} %}}" + "{{% set a = {step} %}}" * 60 + "{use}"
LOOPS = "{% for i in range(1000) %}" * 3 + "{% endfor %}" * 3
TOO_LONG = "takes more than 2 s to render"
TOO_MUCH = "takes too much memory"


def sample(source: str, name: str = "a.json") -> Sample:
    return Sample(name, source, SCENARIO, 1, OWN, MESSAGES)


def problems(*sources: str) -> list[str]:
    """Return what is said of each template when they are tried together."""
    return [
        " / ".join(fault.problem for fault in each.faults)
        for each in render_apart([sample(source) for source in sources])
    ]


def test_another_process_renders_what_this_one_does() -> None:
    samples = [
        sample('{"text": {{ (marker ~ text ~ channel) | tojson }}, "k": {{ k }}}'),
        sample('{% set a = choice("ü", "😀") %}{{ a }}{{ number(1, 100) }}{{ conversation_id }}'),
        sample("{{ nobody }}\n{{ nothing }}"),
        sample("{% if %}"),
        sample("{% if k == 7 %}{{ 1 / 0 }}{% endif %}"),
    ]

    rendered = render_apart(samples)

    assert rendered == [render(each) for each in samples]
    assert [len(each.bodies) for each in rendered] == [20, 20, 0, 0, 0]
    assert [len(each.faults) for each in rendered] == [0, 0, 2, 1, 1]
    assert rendered[1].names == {"choice", "number", "conversation_id"}


def test_no_templates_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    assert render_apart([]) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param(LOOPS, TOO_LONG, id="loops in loops"),
        pytest.param(DOUBLED.format(start="'xx'", step="a ~ a", use=""), TOO_MUCH, id="joined"),
        pytest.param(DOUBLED.format(start="'xx'", step="a + a", use=""), TOO_MUCH, id="added"),
        pytest.param(DOUBLED.format(start="[1]", step="a + a", use=""), TOO_MUCH, id="lists"),
        pytest.param("{{ [['x' * 600000] * 600000] }}", "takes ", id="one text many times"),
        pytest.param(
            DOUBLED.format(start="[1]", step="[a, a]", use="{{ choice(a, a) | tojson }}"),
            "takes ",
            id="lists in lists",
        ),
    ],
)
def test_what_takes_too_much_is_named_and_the_others_are_tried(source: str, problem: str) -> None:
    before, named, behind = problems("{}", source, "{{ text }}")

    assert problem in named
    assert (before, behind) == ("", "")


def test_a_template_that_never_ends_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "endless.json").write_text(LOOPS)
    (tmp_path / "wrong.json").write_text("[]")
    drawn = {SCENARIO: ScenarioSettings(payloads={"endless": 1.0, "wrong": 1.0})}
    settings = settings_of().model_copy(update={"scenario": drawn})

    with pytest.raises(SettingsError) as caught:
        check_templates(settings, tmp_path, {SCENARIO: Route("own", "/own")})

    endless, wrong = str(caught.value).splitlines()
    assert endless.startswith(f"scenario.{SCENARIO}.payloads.endless: endless.json: {TOO_LONG}")
    assert "a message is a JSON object" in wrong


def test_the_other_process_has_nothing_of_the_environment_and_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")

    assert problems("{}") == [""]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        pytest.param(None, "No such file", id="no program"),
        pytest.param("exit 0", "ended with code 0: it says nothing", id="nothing"),
        pytest.param("echo why >&2; exit 3", "ended with code 3: why", id="last words"),
        pytest.param("echo hello", "says nothing intelligible", id="unintelligible"),
    ],
)
def test_a_process_that_tries_nothing_is_told_once_for_each_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, problem: str
) -> None:
    program = tmp_path / "python"
    if script is not None:
        program.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    said = problems("{}", "{{ text }}")

    assert [problem in each and str(program) in each for each in said] == [True, True]


def test_what_was_rendered_before_the_process_ended_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho '{}'\nprintf '{\"bod'\nkill -KILL $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    first, second = render_apart([sample("{}"), sample("{}")])

    assert first == Rendered()
    assert "ends the process it is rendered in by signal 9" in second.faults[0].problem
