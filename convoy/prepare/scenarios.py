"""What the code says of a scenario: its user class, as everything before load needs to know it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convoy.errors import Fault, SettingsError, there_are
from convoy.plan.rendering import CUSTOMERS
from convoy.plan.scenario import ScenarioInputs
from convoy.remote.connections import Connections
from convoy.remote.session import Session
from convoy.results.grammar import Known
from convoy.results.series import step_of
from convoy.routes.catalogue import CLIENT, GUEST_CHAT, Route, TokenKind
from convoy.routes.codes import KNOWN_CODES
from convoy.settings import Settings
from convoy.settings.model import ScenarioSettings
from convoy.untrusted_text import quoted

MESSAGES_PER_GUEST = "messages_per_guest"
"""The variable that says after how many messages a user begins as another guest."""
RECONNECTED = "reconnected"
"""The timing of scenarios whose users drop their connections, and come back."""
_OF_DIALOGUES = ("answer", "attachment", "typing")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Opening:
    """One conversation to open before load: its number, from 0, and what to open it with.

    `marker` is one that no figure counts, `variables` are the scenario's own.
    """

    number: int
    marker: str
    variables: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class KnownScenario:
    """A scenario that can run: its user class without Locust.

    `steps` and `timings` are what its users measure besides messages. `optional_steps` are measured
    only where the settings ask for them; each maps to other optional steps that it needs. A timing
    that has the name of an optional step is measured only together with that step.
    `open_conversation` opens a conversation over a session of `opening_session`, and returns its
    id; it is None where the scenario's conversations cannot be opened.
    """

    route: Route
    steps: tuple[str, ...]
    optional_steps: Mapping[str, tuple[str, ...]]
    timings: tuple[str, ...]
    opening_session: Callable[[Connections, Settings], Session]
    open_conversation: Callable[[Any, Opening], str] | None
    holds_dialogues: bool = False

    def measured(self, steps: Collection[str]) -> tuple[str, ...]:
        """Return the timings that there are with these of its optional steps."""
        return chosen_timings(self.timings, self.optional_steps, steps)


def chosen_timings(
    timings: Iterable[str], optional_steps: Collection[str], steps: Collection[str]
) -> tuple[str, ...]:
    """Return the timings that are measured: one with the name of an optional step goes with it."""
    return tuple(each for each in timings if each not in optional_steps or each in steps)


def token_kinds(
    settings: Settings, known: Mapping[str, KnownScenario], *, prepares: bool
) -> list[TokenKind]:
    """Return the kinds of token that the users of a run hold, and who opens their conversations.

    Where nobody `prepares`, conversations are open already.
    """
    kinds = {known[name].route.token for name in settings.scenarios if name in known} - {"none"}
    sources = [settings.scenario[name].conversations.source for name in settings.scenarios]
    if not kinds or (prepares and "opened" in sources):
        kinds.add(CLIENT)
    return sorted(kinds)


def check_scenarios(settings: Settings, known: Mapping[str, KnownScenario]) -> None:
    """Raise SettingsError where the settings of a scenario ask for what its class cannot do."""
    SettingsError.raise_for(
        Fault(f"scenario.{name}.{setting}", problem)
        for name in settings.scenarios
        for setting, problem in _problems(settings.scenario[name], known[name])
    )


def _problems(rule: ScenarioSettings, known: KnownScenario) -> Iterator[tuple[str, str]]:
    """Yield each setting of a scenario that is wrong for its class, and what is wrong with it."""
    for step, count in Counter(rule.steps).items():
        if count > 1:
            yield "steps", f"names {quoted(step)} {count} times"
        if step not in known.optional_steps:
            yield "steps", f"has no step {step!r} to choose{there_are(step, known.optional_steps)}"
            continue
        for needed in known.optional_steps[step]:
            if needed not in rule.steps:
                yield "steps", f"has {step}, which needs {needed}; name both, or neither"
        if rule.dialogues and step in _OF_DIALOGUES:
            yield "steps", f"has {step}, which a dialogue says by itself; leave it out"
    named = {*known.route.placeholders, *known.route.needs, CUSTOMERS}
    for variable, value in rule.variables.items():
        if (variable in named or variable.endswith("_id")) and not value.strip():
            problem = "is empty; write the id or name that it stands for at the target"
            yield f"variables.{variable}", problem
    if rule.dialogues and not known.holds_dialogues:
        yield "dialogues", "are not held by its users; leave them out, or choose guest_chat"
    if rule.reconnect is not None and RECONNECTED not in known.timings:
        yield "reconnect", "is given, but its users do not drop; remove it"
    pool = rule.conversations
    if pool.source == "none" and known.route.participants:
        problem = f"is none, but route {known.route.name} goes to conversations that are there"
        yield "conversations.source", f"{problem}; choose another source"
    if pool.source == "opened" and known.open_conversation is None:
        problem = "is opened, but the scenario's user class has no `open_conversation`"
        yield "conversations.source", f"{problem}; write one, or choose another source"
    if known.route is not GUEST_CHAT:
        return
    each = rule.variables.get(MESSAGES_PER_GUEST, "1")
    if not _COUNT.fullmatch(each):
        problem = f'is {each!r}; give a whole number from 1 on, such as "5"'
        yield f"variables.{MESSAGES_PER_GUEST}", problem
    if pool.source != "none" or pool.count is not None:
        problem = "is more than `{source: none}`, but each guest writes in one of its own"
        yield "conversations", problem
    if rule.expect:
        yield "expect", "says what answers over HTTP hold, and guests have none; leave it out"


def known_to_criteria(
    settings: Settings,
    scenarios: Mapping[str, KnownScenario],
    inputs: Mapping[str, ScenarioInputs],
) -> Known:
    """Return what the criteria of a run may speak of."""
    expected = {code for each in inputs.values() for code in each.expected.values()}
    of_dialogues = {
        name: (step for dialogue in each.dialogues.values() for step in dialogue.steps)
        for name, each in inputs.items()
    }
    return Known(
        scenarios=settings.scenarios,
        duration_s=settings.duration_s,
        step_s=step_of(settings.duration_s),
        codes={*KNOWN_CODES, *expected},
        steps={
            name: (*scenarios[name].steps, *settings.scenario[name].steps, *steps)
            for name, steps in of_dialogues.items()
        },
        timings={
            name: scenarios[name].measured(settings.scenario[name].steps)
            for name in settings.scenarios
        },
    )
