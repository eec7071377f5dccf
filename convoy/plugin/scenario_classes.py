"""The scenarios that can run: the user classes that have been imported, and what they say."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import chain

from convoy.errors import Fault, SettingsError
from convoy.plugin.dialogue_user import DialogueUser
from convoy.plugin.rows import TIMING
from convoy.plugin.users import ScenarioUser
from convoy.prepare.scenarios import KnownScenario
from convoy.results.account import step_name


def user_classes() -> list[type[ScenarioUser]]:
    """Return every scenario's user class that has been imported.

    Raises SettingsError for one that cannot run.
    """
    found: list[type[ScenarioUser]] = []
    waiting: list[type[ScenarioUser]] = [ScenarioUser]
    while waiting:
        user_class = waiting.pop()
        waiting += user_class.__subclasses__()
        if not user_class.abstract:
            found.append(user_class)
    SettingsError.raise_for(chain.from_iterable(map(_faults_of, found)))
    return found


def _faults_of(user_class: type[ScenarioUser]) -> Iterator[Fault]:
    where = f"{inspect.getfile(user_class)}, class {user_class.__name__}"
    name = getattr(user_class, "scenario", None)
    if not isinstance(name, str) or not name:
        yield Fault(where, 'has no name; write `scenario = "…"` in it, or `abstract = True`')
    if not user_class.tasks:
        yield Fault(where, "has no task; write `@task` above the method that posts")


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
            issubclass(each, DialogueUser),
        )
        for each in user_classes()
    }


def request_types() -> dict[str, str]:
    """Return the request types of Locust's rows by name; any other row is that of a step."""
    classes = user_classes()
    timings = {
        step_name(each.scenario, timing): TIMING
        for each in classes
        for timing in each.timings
        if timing not in each.optional_steps
    }
    return timings | {each.scenario: each.request_type for each in classes}
