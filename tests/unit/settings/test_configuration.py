"""The configuration that comes with Convoy loads, means something and keeps its own limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

from convoy.settings import CONFIG, Settings
from tests.unit.settings.configuration import settings_of

PROFILES = ("load", "smoke", "soak", "spike", "stress")
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

    highest = max(max(stage[:2]) for stage in settings.global_stages())

    assert highest <= 0.9 * settings.users * limit.count / limit.per_s


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
