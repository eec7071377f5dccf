"""The configuration that comes with Convoy loads, means something and keeps its own limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

from convoy.settings import Settings
from convoy.settings.environment import CONFIG
from convoy.settings.sources import command_of
from tests.unit.settings.configuration import faults_of, settings_of

PROFILES = ("load", "mixed_day", "smoke", "soak", "spike", "storm", "stress")
TARGETS = ("genesys-cloud", "simulator")
CHOSEN_ELSEWHERE = {"profile", "target", "stages"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads_for_every_target(profile: str, target: str) -> None:
    settings = settings_of(command_line={"load_profile": profile, "target": target})

    assert (settings.profile, settings.target.name) == (profile, target)
    assert settings.duration_s == settings.run_time_s


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_stays_within_the_budget_of_its_tokens(profile: str) -> None:
    settings = settings_of(command_line={"load_profile": profile})
    limit = settings.limits[0]

    assert settings.highest_rate <= 0.9 * settings.users * limit.count / limit.per_s


def test_the_default_file_holds_every_setting_with_a_comment() -> None:
    text = (CONFIG / "default.yaml").read_text()
    described = text.split("\n\n")

    names = set(yaml.safe_load(text))

    assert names == Settings.model_fields.keys() - CHOSEN_ELSEWHERE
    assert all(block.lstrip().startswith("#") for block in described)


def test_no_real_target_is_approved_as_delivered() -> None:
    assert settings_of(command_line={"target": "genesys-cloud"}).target.approval is None


def test_the_message_template_is_the_canonical_body(repository: Path) -> None:
    template_file = repository / "payloads" / "conversation" / "text.json"
    template = Environment().from_string(template_file.read_text())

    body = json.loads(
        template.render(
            conversation_id="c-1",
            marker="[convoy:r:s:7]",
            k=7,
            text='say "hello"',
            author_name='Ada "A"',
            author_address="ada@load-test.invalid",
        )
    )

    assert body == {
        "to": {"id": "c-1", "type": "conversation"},
        "from": {"name": 'Ada "A"', "address": "ada@load-test.invalid", "type": "user"},
        "text": '[convoy:r:s:7] say "hello"',
        "type": "text",
    }


@pytest.mark.parametrize(
    ("sets", "labels", "expected"),
    [
        pytest.param((), "", {}, id="none"),
        pytest.param((), "build=1234, branch=main", {"build": "1234", "branch": "main"}, id="both"),
        pytest.param((), "a=b=c\n\nd = e ,", {"a": "b=c", "d": "e"}, id="lines and blanks"),
        pytest.param(("labels={build: 7}",), "", {"build": "7"}, id="a number"),
        pytest.param(("labels.build=8",), "build=7,x=y", {"build": "8", "x": "y"}, id="both ways"),
    ],
)
def test_labels_come_from_settings_and_from_a_variable(
    sets: tuple[str, ...], labels: str, expected: dict[str, str]
) -> None:
    assert settings_of(*sets, environ={"CONVOY_LABELS": labels}).labels == expected


@pytest.mark.parametrize("labels", ["build", "=7", "build=", "a=b, c"])
def test_a_label_without_name_or_value_is_refused(labels: str) -> None:
    [fault] = faults_of(environ={"CONVOY_LABELS": labels})

    assert fault.startswith("CONVOY_LABELS: has ") and "name=value" in fault


@pytest.mark.parametrize(
    ("sets", "is_recorded"),
    [
        pytest.param((), True, id="the default"),
        pytest.param(("rate=1000",), True, id="up to 1,000 a second"),
        pytest.param(("rate=1001",), False, id="more"),
        pytest.param(("rate=max",), False, id="flat out"),
        pytest.param(("arrivals=closed", "think_time_s=1"), True, id="at the users' pace"),
        pytest.param(("arrivals=closed", "think_time_s=0"), False, id="without pauses"),
        pytest.param(("rate=max", "record_messages=on"), True, id="asked for"),
        pytest.param(("record_messages=off",), False, id="not wanted"),
    ],
)
def test_messages_are_recorded_where_there_is_time_for_that(
    sets: tuple[str, ...], is_recorded: bool
) -> None:
    assert settings_of(*sets).records_messages is is_recorded


def test_the_command_of_a_run_asks_for_the_same_settings() -> None:
    asked = {"load_profile": "spike", "users": 20, "rate": None, "set": ["labels={a: 'b c'}"]}
    environ = {"CONVOY_TARGET": "simulator", "CONVOY_SET": "warm_up_s=1\nseed=9"}

    command = command_of(asked, environ, seed=7)

    assert command == (
        ".venv/bin/locust --headless --target simulator --load-profile spike --seed 7 --users 20 "
        "--set warm_up_s=1 --set seed=9 --set 'labels={a: '\"'\"'b c'\"'\"'}'"
    )
