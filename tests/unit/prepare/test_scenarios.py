"""What the settings ask of a scenario's class, checked before load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convoy.errors import SettingsError
from convoy.prepare.scenarios import RECONNECTED, KnownScenario, check_scenarios
from convoy.routes.catalogue import GUEST_CHAT, ROUTES, Route
from tests.unit.settings.configuration import settings_of

CHAT = KnownScenario(GUEST_CHAT, (), {}, (), lambda *_: None, None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("given", "is_right"),
    [
        *((each, True) for each in ("1", "5", "100000")),
        *((each, False) for each in ("0", "-1", "2.5", "", "five", "1e3", " 5", "٥")),
    ],
)
def test_guests_write_a_whole_number_of_messages(given: str, is_right: bool) -> None:
    number = f"scenario.guest_chat.variables.messages_per_guest={given!r}"
    settings = settings_of("scenarios=[guest_chat]", number)

    if is_right:
        check_scenarios(settings, {"guest_chat": CHAT})
        return
    with pytest.raises(SettingsError, match="messages_per_guest: is .*; give a whole number"):
        check_scenarios(settings, {"guest_chat": CHAT})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("conversations={source: api}", "conversations: is more than `{source: none}`"),
        ("conversations={source: inline, ids: [a]}", "conversations: is more than"),
        ("conversations={source: none, count: 5}", "conversations: is more than"),
        ("expect={200: [id]}", "expect: says what answers over HTTP hold"),
    ],
)
def test_guests_use_no_pool_and_have_no_answers_over_http(given: str, told: str) -> None:
    settings = settings_of("scenarios=[guest_chat]", f"scenario.guest_chat.{given}")

    with pytest.raises(SettingsError, match=told):
        check_scenarios(settings, {"guest_chat": CHAT})


def test_a_step_is_chosen_once() -> None:
    settings = settings_of("scenarios=[guest_chat]", "scenario.guest_chat.steps=[join, join]")

    with pytest.raises(SettingsError, match="steps: names 'join' 2 times"):
        check_scenarios(settings, {"guest_chat": replace(CHAT, optional_steps={"join": ()})})


KNOWN = {
    name: KnownScenario(route, (), {}, (), lambda *_: None, lambda *_: "")  # type: ignore[arg-type, return-value]
    for name, route in (
        ("guest_chat", GUEST_CHAT),
        ("open_messaging", ROUTES["open_message"]),
        ("agent_reply", ROUTES["agent_reply"]),
        ("agentless", ROUTES["agentless"]),
        ("conversation_messages", Route("mine", "/rooms/{room}/{conversation_id}")),
    )
}


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    ("scenario", "variable"),
    [
        ("open_messaging", "integration_id"),
        ("agent_reply", "integration_id"),
        ("agentless", "integration_id"),
        ("agentless", "queue_id"),
        ("open_messaging", "customers"),
        ("guest_chat", "deployment_id"),
        ("conversation_messages", "room"),
    ],
)
def test_a_variable_that_names_something_is_not_empty(
    scenario: str, variable: str, value: str
) -> None:
    where = f"scenario.{scenario}.variables.{variable}"
    settings = settings_of(f"scenarios=[{scenario}]", f"{where}={value!r}")

    with pytest.raises(SettingsError, match=f"{where}: is empty"):
        check_scenarios(settings, KNOWN)


def test_a_variable_of_a_template_may_be_empty() -> None:
    settings = settings_of("scenarios=[guest_chat]", "scenario.guest_chat.variables.site=''")

    check_scenarios(settings, KNOWN)


def test_only_guests_who_drop_have_a_policy_for_coming_back() -> None:
    settings = settings_of("scenarios=[guest_chat]", "scenario.guest_chat.reconnect={wait_s: 1}")

    with pytest.raises(SettingsError, match="reconnect: is given, but its users do not drop"):
        check_scenarios(settings, {"guest_chat": CHAT})
    check_scenarios(settings, {"guest_chat": replace(CHAT, timings=(RECONNECTED,))})
