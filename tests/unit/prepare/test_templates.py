"""The check of message templates before any load, which needs no network."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from convoy.errors import ExitCode, RefusedError, SettingsError
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.sandbox import FILTERS, TESTS
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.prepare.templates import CheckedScenario, check_pool, check_templates, template_names
from convoy.routes.catalogue import ROUTES, Route, RouteError
from convoy.settings import Settings
from convoy.settings.model import ScenarioSettings, Texts
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of

GOOD = '{"text": {{ (marker ~ " " ~ text) | tojson }}}'
SCENARIO = "conversation_messages"
WITHOUT_RULES = Route("own", "/own")


def settings_with(*names: str, weight: float = 1.0, **more: Any) -> Settings:
    """Return settings of one scenario that draws from these templates and no others."""
    drawn = ScenarioSettings(payloads=dict.fromkeys(names, weight), **more)
    return settings_of().model_copy(update={"scenario": {SCENARIO: drawn}})


def checked(
    payloads: Path, *names: str, route: Route = WITHOUT_RULES, **more: Any
) -> CheckedScenario:
    settings = settings_with(*names, **more)
    return check_templates(settings, payloads, {SCENARIO: route})[SCENARIO]


def faults_of(settings: Settings, payloads: Path, route: Route = WITHOUT_RULES) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_templates(settings, payloads, {SCENARIO: route})
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(fault) for fault in caught.value.faults]


def written(folder: Path, **sources: str) -> Path:
    """Write templates into the folder, those named `invalid_…` into the one below."""
    (folder / "invalid").mkdir(exist_ok=True)
    for name, source in sources.items():
        path = name.replace("invalid_", "invalid/", 1)
        (folder / f"{path}.json").write_text(source, encoding="utf-8")
    return folder


def test_the_payloads_that_come_with_convoy_can_be_used(repository: Path) -> None:
    payloads = repository / "payloads"
    names = {
        route: [f"{route}/{path.stem}" for path in (payloads / route).glob("*.json")]
        for route in ("conversation", "guest")
    }

    found = checked(payloads, *names["conversation"], route=ROUTES["conversation"])
    guest = checked(payloads, *names["guest"], route=ROUTES["guest"])

    assert sorted([*found.inputs.templates, *guest.inputs.templates]) == sorted(
        sum(names.values(), [])
    )
    assert found.participants == {"customer_id": "template conversation/participant.json"}
    assert guest.participants == {"customer_id": "its route"}


def test_the_default_settings_draw_every_wrong_payload_and_expect_a_code_of_each(
    repository: Path,
) -> None:
    payloads = repository / "payloads"
    wrong = {name for name in template_names(payloads) if "conversation/invalid/" in name}
    settings = settings_of("scenarios=[invalid_messages]")
    routes = {"invalid_messages": ROUTES["conversation"]}

    found = check_templates(settings, payloads, routes)["invalid_messages"]

    assert set(found.inputs.weights) == set(found.inputs.expected) == wrong
    assert found.participants == {}


def test_sources_weights_and_texts_are_returned_by_name(tmp_path: Path) -> None:
    written(tmp_path, hello=GOOD, umlaut='{"t": {{ marker | tojson }}, "u": "ü"}', unused="{")

    found = checked(tmp_path, "hello", "umlaut", weight=3.0)

    assert found.inputs.templates["hello"] == GOOD and found.inputs.weights == {
        "hello": 3.0,
        "umlaut": 3.0,
    }
    assert "Is somebody there?" in found.inputs.texts.texts and found.inputs.expected == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b'{\n"text": {{ nobody }}}', "broken.json, line 2: ", id="unknown variable"),
        pytest.param(b"{\n\n{% if %}", "broken.json, line 3: ", id="syntax"),
        pytest.param(b'{"text": {{ text }}}', "does not render to JSON", id="not JSON"),
        pytest.param(b"[]", "a message is a JSON object", id="not an object"),
        pytest.param(b'{"text": "Gr\xfc\xdfe"}', "it is not UTF-8 text", id="not UTF-8"),
        pytest.param(b"{}" + b" " * 512_000, "is larger than 512,000 bytes", id="too large"),
        pytest.param(b'{"text": "unmarked"}', "holds no {{ marker }}", id="no marker"),
    ],
)
def test_a_template_that_cannot_be_used_is_a_fault_of_the_settings(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "broken.json").write_bytes(content)

    [fault] = faults_of(settings_with("broken"), tmp_path)

    assert fault.startswith("scenario.conversation_messages.payloads.broken: ")
    assert problem in fault


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a\0b", ".."])
def test_a_template_outside_the_folder_is_no_template(tmp_path: Path, name: str) -> None:
    written(tmp_path, hello=GOOD)
    (tmp_path / "inside").mkdir()

    [fault] = faults_of(settings_with(name), tmp_path / "inside")

    assert "is no name of a template" in fault


def test_a_pipe_is_no_template(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    os.mkfifo(tmp_path / "corpus")

    faults = faults_of(settings_with("pipe", texts=Texts(corpus=f"{tmp_path}/corpus")), tmp_path)

    assert [fault.endswith("is no file, but a pipe") for fault in faults] == [True, True]


def test_a_template_that_is_not_there_is_named_with_its_path_and_the_nearest_one(
    tmp_path: Path,
) -> None:
    written(tmp_path, greeting=GOOD)

    [fault] = faults_of(settings_with("greting"), tmp_path)

    assert fault.startswith("scenario.conversation_messages.payloads.greting: ")
    assert f"{tmp_path / 'greting.json'} cannot be read: No such file or directory" in fault
    assert "did you mean greeting?" in fault


def test_a_template_of_weight_0_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, hello=GOOD)
    weights = {"hello": 1.0, "missing": 0.0}

    drawn = {SCENARIO: ScenarioSettings(payloads=weights)}
    settings = settings_of().model_copy(update={"scenario": drawn})
    found = check_templates(settings, tmp_path, {SCENARIO: WITHOUT_RULES})

    assert set(found[SCENARIO].inputs.templates) == {"hello"}


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    written(tmp_path, hello=GOOD, broken="{", list="[1]", twice="{{ a }}\n{{ b }}")

    names = ["hello", "missing", "broken", "list", "twice"]
    faults = faults_of(settings_with(*names, texts=Texts(corpus="nowhere.txt")), tmp_path)

    assert [fault.split(": ")[0].rpartition(".")[2] for fault in faults] == [
        "corpus",
        "missing",
        "broken",
        "list",
        "twice",
        "twice",
    ]


def test_a_field_is_named_with_its_line(tmp_path: Path) -> None:
    written(tmp_path, phone='{\n"to":\n{"type": "phone"},\n"text": {{ marker | tojson }}}')

    faults = faults_of(settings_with("phone"), tmp_path, ROUTES["conversation"])

    assert [fault.split(": ")[1] for fault in faults] == [
        "phone.json, line 3, field to.type",
        "phone.json, line 2, field to.id",
        "phone.json, line 1, field from.name",
    ]


def test_a_template_that_only_some_texts_break_is_found(tmp_path: Path) -> None:
    written(tmp_path, quoted='{"text": "{{ marker }} {{ text }}"}')
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("harmless\n" * 1000 + 'say "no"\n', "utf-8")

    assert checked(tmp_path, "quoted").inputs.texts.texts
    [fault] = faults_of(settings_with("quoted", texts=Texts(corpus=str(corpus))), tmp_path)

    assert "quoted.json, line 1, field text: does not render to JSON" in fault


def test_a_text_that_leaves_no_room_for_the_marker_is_found(
    tmp_path: Path, repository: Path
) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("short\n" + "ü" * 2040 + "\n", "utf-8")
    settings = settings_with("conversation/text", texts=Texts(corpus=str(corpus)))

    [fault] = faults_of(settings, repository / "payloads", ROUTES["conversation"])

    assert "text.json, line 4, field text: `text` is 4,1" in fault and "4,096 are taken" in fault


def test_a_wrong_template_may_hold_anything_that_renders(tmp_path: Path) -> None:
    written(tmp_path, invalid_raw="{% if k %}no{% endif %} JSON")
    (tmp_path / "invalid" / "expected.yaml").write_text("raw: 400 invalid_payload\n")

    found = checked(tmp_path, "invalid/raw")

    assert found.inputs.expected == {"invalid/raw": "400 invalid_payload"}


def test_a_wrong_template_is_held_to_the_language_too(tmp_path: Path) -> None:
    written(tmp_path, invalid_raw="{{ nobody }}", invalid_long="{{ 'x' * 600001 }}")
    (tmp_path / "invalid" / "expected.yaml").write_text("raw: 400 a\nlong: 413 b\n")

    faults = faults_of(settings_with("invalid/raw", "invalid/long"), tmp_path)

    assert ["'nobody' is no variable" in faults[0], "600,000 characters" in faults[1]] == [True] * 2


@pytest.mark.parametrize(
    ("expectations", "problem"),
    [
        pytest.param(None, "cannot be read", id="no file"),
        pytest.param("[1]", "should hold a line", id="no mapping"),
        pytest.param("{}", "raw: is missing", id="no line"),
        pytest.param("raw: 200 ok", "raw: '200 ok' is no error code", id="no error"),
        pytest.param("raw: 400", "raw: 400 is no error code", id="no name"),
        pytest.param("raw: 400 invalid_paylod", "did you mean 400 invalid_payload?", id="misspelt"),
        pytest.param("raw: 400 a\nlost: 400 a", "lost: there is no template", id="unused"),
    ],
)
def test_an_expectation_that_cannot_be_met_is_a_fault(
    tmp_path: Path, expectations: str | None, problem: str
) -> None:
    written(tmp_path, invalid_raw="{}")
    if expectations is not None:
        (tmp_path / "invalid" / "expected.yaml").write_text(expectations)

    [fault] = faults_of(settings_with("invalid/raw"), tmp_path)

    assert fault.startswith(f"{tmp_path}/invalid/expected.yaml")
    assert problem in fault or "is no file" in fault


def test_a_pool_without_the_participants_that_messages_name_is_refused() -> None:
    needed = {"customer_id": "its route"}
    payloads = CheckedScenario(INPUTS, needed)
    half = ConversationPool.of([Conversation("a", "customer"), Conversation("b")])

    check_pool(payloads, ConversationPool.of([Conversation("a", "customer")]))
    with pytest.raises(RefusedError, match="no customer_id for 1 of 2 conversations") as caught:
        check_pool(payloads, half)
    with pytest.raises(RefusedError, match="no customer_id for 1 of 1 conversations"):
        check_pool(payloads, ConversationPool.of([Conversation("a", "", "agent")]))
    # Only where the path names nobody can a scenario do without conversations.
    by_template = replace(payloads, participants={"customer_id": "template a.json"})
    with pytest.raises(RefusedError, match="or give `source: none` a `count`"):
        check_pool(by_template, half)
    assert "source: none" not in str(caught.value)

    assert caught.value.exit_code is ExitCode.REFUSED


def test_everything_a_template_can_use_is_documented(repository: Path) -> None:
    pool = ConversationPool.of([Conversation("a")])
    curve = RateCurve([Stage(1, 1, 1)])
    plan = ScenarioPlan(ScenarioInputs(SCENARIO, 1, curve, pool, {}, {"text": 1.0}))
    text = (repository / "payloads" / "README.md").read_text("utf-8")

    offered = {*plan.bodies("run").variables(plan.message(0)), "range", *FILTERS, *TESTS}

    assert sorted(name for name in offered if f"`{name}" not in text) == []


def test_every_template_has_its_line_in_the_readme(repository: Path) -> None:
    payloads = repository / "payloads"
    text = (payloads / "README.md").read_text("utf-8")
    names = [name for name in template_names(payloads) if "/invalid/" not in name]
    assert [name for name in names if f"`{name}.json`" not in text] == []
    for invalid in payloads.glob("*/invalid"):
        expected = yaml.safe_load((invalid / "expected.yaml").read_text("utf-8"))
        assert sorted(expected) == sorted(path.stem for path in invalid.glob("*.json"))


def test_a_variable_of_the_scenario_can_be_named_in_path_and_template(tmp_path: Path) -> None:
    written(tmp_path, own='{"to": {{ integration_id | tojson }}, "text": {{ marker | tojson }}}')
    route = Route("own", "/own/{integration_id}")

    assert checked(
        tmp_path, "own", route=route, variables={"integration_id": "i-1"}
    ).inputs.templates
    with pytest.raises(RouteError, match="path of route own names integration_id"):
        checked(tmp_path, "own", route=route)
    [fault] = faults_of(settings_with("own"), tmp_path)

    assert "'integration_id' is no variable" in fault


def test_a_variable_cannot_have_the_name_of_a_built_in_one(tmp_path: Path) -> None:
    written(tmp_path, hello=GOOD)

    [fault] = faults_of(settings_with("hello", variables={"marker": "x"}), tmp_path)

    assert fault.startswith(f"scenario.{SCENARIO}.variables.marker: is the name of a built-in")
