"""The preflight's check of message templates, which needs no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convoy.errors import ExitCode, SettingsError
from convoy.safety.preflight import check_templates
from convoy.settings import Settings
from convoy.settings.model import ScenarioSettings
from tests.unit.settings.configuration import settings_of

GOOD = '{"text": {{ (marker ~ " " ~ text) | tojson }}}'


def settings_with(*names: str) -> Settings:
    """Return settings of one scenario that draws from these templates and no others."""
    drawn = ScenarioSettings(payloads=dict.fromkeys(names, 1.0))
    return settings_of().model_copy(update={"scenario": {"conversation_messages": drawn}})


def faults_of(settings: Settings, payloads: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_templates(settings, payloads)
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(fault) for fault in caught.value.faults]


def test_the_payloads_that_come_with_convoy_can_be_used(repository: Path) -> None:
    names = sorted(path.stem for path in (repository / "payloads").glob("*.json"))

    sources = check_templates(settings_with(*names), repository / "payloads")

    assert sorted(sources["conversation_messages"]) == names
    assert all("marker" in source for source in sources["conversation_messages"].values())


def test_the_sources_of_the_templates_are_returned_by_scenario_and_name(tmp_path: Path) -> None:
    (tmp_path / "hello.json").write_text(GOOD, encoding="utf-8")
    (tmp_path / "unicode.json").write_text('{"text": "Grüße 🚚"}', encoding="utf-8")
    (tmp_path / "unused.json").write_text("{", encoding="utf-8")

    sources = check_templates(settings_with("hello", "unicode"), tmp_path)

    assert sources == {"conversation_messages": {"hello": GOOD, "unicode": '{"text": "Grüße 🚚"}'}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b'{\n"text": {{ nobody }}}', "broken, line 2: ", id="unknown variable"),
        pytest.param(b"{\n\n{% if %}", "broken, line 3: ", id="syntax"),
        pytest.param(b'{"text": {{ text }}}', "does not render to JSON", id="not JSON"),
        pytest.param(b"[]", "a message is a JSON object", id="not an object"),
        pytest.param(b'{"text": "Gr\xfc\xdfe"}', "it is not UTF-8 text", id="not UTF-8"),
        pytest.param(b"{}" + b" " * 512_000, "is larger than 512,000 bytes", id="too large"),
    ],
)
def test_a_template_that_cannot_be_used_is_a_fault_of_the_settings(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "broken.json").write_bytes(content)

    [fault] = faults_of(settings_with("broken"), tmp_path)

    assert fault.startswith("scenario.conversation_messages.payloads.broken: ")
    assert problem in fault


def test_a_template_that_is_not_there_is_named_with_its_path(tmp_path: Path) -> None:
    [fault] = faults_of(settings_with("missing"), tmp_path)

    assert fault.startswith("scenario.conversation_messages.payloads.missing: ")
    assert f"{tmp_path / 'missing.json'} cannot be read: No such file or directory" in fault


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "hello.json").write_text(GOOD, encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "list.json").write_text(json.dumps([1]), encoding="utf-8")

    faults = faults_of(settings_with("hello", "missing", "broken", "list"), tmp_path)

    assert [fault.split(": ")[0].rpartition(".")[2] for fault in faults] == [
        "missing",
        "broken",
        "list",
    ]
