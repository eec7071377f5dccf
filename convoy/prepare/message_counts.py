"""How many messages a run sends: those of its plans, and what leaves beside them."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from convoy.errors import Fault, SettingsError
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.remote.listing import PAGE_SIZE
from convoy.settings import Settings


def check_due(inputs: Mapping[str, ScenarioInputs]) -> None:
    """Raise SettingsError where no message of a scenario is ever due."""
    SettingsError.raise_for(
        Fault("rate", f"is so low that no message of {scenario} is due; raise it or run_time_s")
        for scenario, each in inputs.items()
        if ScenarioPlan(each).count == 0
    )


def planned_messages(
    settings: Settings, inputs: Mapping[str, ScenarioInputs]
) -> dict[str, int] | None:
    """Return how many messages of each scenario the plan has at most; None where nobody knows."""
    if settings.is_scheduled:
        return {name: ScenarioPlan(each).count or 0 for name, each in inputs.items()}
    return None if settings.messages is None else dict.fromkeys(inputs, settings.messages)


def requests_planned(settings: Settings, planned: Mapping[str, int]) -> int:
    """Return how many messages so many of each scenario are, with what their steps send."""
    return sum(settings.requests_each(name) * count for name, count in planned.items())


def messages_of_run(settings: Settings, inputs: Mapping[str, ScenarioInputs]) -> int:
    """Return how many messages may leave from the end of the preflight on, as far as is known."""
    planned = planned_messages(settings, inputs) or {}
    beside = warm_up_messages(settings) + first_words(settings)
    return requests_planned(settings, planned) + beside


def canaries(settings: Settings, inputs: Mapping[str, ScenarioInputs]) -> int:
    """Return how many canary messages there are: one of each template."""
    return sum(len(each.weights) for each in inputs.values()) if settings.canary else 0


def messages_beside(settings: Settings, inputs: Mapping[str, ScenarioInputs]) -> int:
    """Return how many messages leave besides the plans': of the preflight, warm-up, first words.

    The preflight's are canaries, and what opens conversations; there are more where a conversation
    takes none, or where one has to be sent again.
    """
    pools = [settings.scenario[name].conversations for name in inputs]
    opened = sum(each.count or 0 for each in pools if each.source == "opened")
    of_run = warm_up_messages(settings) + first_words(settings)
    return canaries(settings, inputs) + opened + of_run


def warm_up_messages(settings: Settings) -> int:
    """Return how many messages the warm-up has at most, with what their steps send."""
    if not settings.is_scheduled:
        return 0
    return sum(
        ceil(curve.stages[0].rate_from * settings.warm_up_s) * settings.requests_each(name)
        for name, curve in settings.curves().items()
    )


def first_words(settings: Settings) -> int:
    """Return how many messages the guests send who drop or join a chat, as each one begins."""
    rules = [settings.scenario[name] for name in settings.scenarios]
    return settings.users * any(each.reconnect or "join" in each.steps for each in rules)


def requests_before(settings: Settings, inputs: Mapping[str, ScenarioInputs]) -> int:
    """Return how many requests the preflight itself makes with the token of the first user."""
    pages = sum(
        ceil(len(each.pool) / PAGE_SIZE)
        for name, each in inputs.items()
        if settings.scenario[name].conversations.source == "api"
    )
    return canaries(settings, inputs) + pages
