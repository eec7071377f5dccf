"""The scenarios that can run: the user classes that have been imported, and what they say."""

from __future__ import annotations

from convoy.plugin.users import ScenarioUser
from convoy.prepare.scenarios import KnownScenario


def user_classes() -> list[type[ScenarioUser]]:
    """Return every scenario's user class that has been imported."""
    found: list[type[ScenarioUser]] = []
    waiting: list[type[ScenarioUser]] = [ScenarioUser]
    while waiting:
        user_class = waiting.pop()
        waiting += user_class.__subclasses__()
        if not user_class.abstract:
            found.append(user_class)
    return found


def known_scenarios() -> dict[str, KnownScenario]:
    """Return the scenarios that can run, by name."""
    return {
        each.scenario: KnownScenario(
            each.route,
            each.steps,
            each.optional_steps,
            each.timings,
            each.opening_session,
            None
            if each.open_conversation is ScenarioUser.open_conversation
            else each.open_conversation,
        )
        for each in user_classes()
    }
