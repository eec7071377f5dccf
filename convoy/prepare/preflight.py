"""The preflight: everything that has to be in place before load starts, checked and collected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, inf
from pathlib import Path
from time import perf_counter, time
from typing import TypeVar

import gevent

from convoy.errors import RemoteError
from convoy.plan.pool import NO_CONVERSATION, ConversationPool
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.prepare.allowance import check_allowance, check_user
from convoy.prepare.canaries import Canaries
from convoy.prepare.checklist import Checklist
from convoy.prepare.communications import find_whole_pool
from convoy.prepare.guard import (
    check_plan,
    check_processes,
    check_target,
    check_token,
    check_total,
    check_window,
)
from convoy.prepare.guest_limit import check_guests
from convoy.prepare.machine import check_machine, files_per_user
from convoy.prepare.message_counts import (
    canaries,
    check_due,
    messages_beside,
    messages_of_run,
    planned_messages,
)
from convoy.prepare.organisation_lock import OrganisationLock
from convoy.prepare.organisation_questions import ask, check_deployments, questions_of
from convoy.prepare.pools import check_pool_size, given_pool, open_conversations
from convoy.prepare.reach import check_way, check_way_of_guests
from convoy.prepare.scenarios import KnownScenario, check_scenarios
from convoy.prepare.templates import CheckedScenario, check_pool, check_templates
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.remote.connections import Connections
from convoy.remote.listing import PAGE_SIZE
from convoy.remote.oauth import Token
from convoy.remote.organisation import Organisation
from convoy.remote.pace import SECOND_S
from convoy.remote.session import ApiSession
from convoy.remote.simulator import read_ledger
from convoy.results.criteria import Criterion
from convoy.results.grammar import Known, parse
from convoy.results.record import RUNS, note_opened
from convoy.results.result import RunFacts
from convoy.results.series import step_of
from convoy.routes.catalogue import CLIENT, GUEST_CHAT, USER, TokenKind
from convoy.routes.codes import KNOWN_CODES
from convoy.secrets import Secret
from convoy.settings import Settings

_SHORTEST_PAUSE_S = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that may start: its settings, and what the plan of each scenario is made of.

    `criteria` is what it is judged by; `spawn_rate` is in users per second, None for all at once;
    `checklist` holds what the preflight found, `ledger_since` is since when the simulator's ledger
    counts ("" for another target), `facts` what the record says of it. `processes` on this machine
    hold the users; `admission` is what may be connected to. The users of the scenarios in `guests`
    are guests of web messaging. Where the total is approved, the preflight `sent` so much of it.
    """

    settings: Settings
    inputs: Mapping[str, ScenarioInputs]
    criteria: tuple[Criterion, ...]
    spawn_rate: float | None
    checklist: Checklist
    ledger_since: str
    run_id: str
    facts: RunFacts = RunFacts()
    processes: int = 1
    admission: Admission = THIS_MACHINE
    guests: tuple[str, ...] = ()
    sent: int = 0

    @property
    def users_per_s(self) -> float:
        return self.spawn_rate or float(self.settings.users)

    @property
    def description(self) -> str:
        settings = self.settings
        return (
            f"profile {settings.profile}, {self._load} in {settings.duration_s:g} s by "
            f"{settings.users} users to {settings.target.name} ({settings.target.api_url})"
        )

    @property
    def _load(self) -> str:
        if not self.settings.is_scheduled:
            return "messages at the users' own pace"
        return f"{sum(inputs.curve.count for inputs in self.inputs.values()):,} messages"


@dataclass(frozen=True, slots=True)
class Preflight:
    """The checks of one run, in order, each entered into `checklist`.

    `scenarios` are those that can run, by name; `processes` on this machine hold the users; a run
    that may send has taken the `lock` of its organisation; `key` is that of simulators. Opening
    conversations and the canary messages, the last steps, are the only checks that leave anything
    at the target; what they have `opened` is noted in the folder of the run. It is long because
    what each check may ask depends on those before it: their order stands in one place.
    """

    settings: Settings
    connections: Connections
    run_id: str
    payloads: Path
    scenarios: Mapping[str, KnownScenario]
    processes: int
    checklist: Checklist
    lock: OrganisationLock
    key: Secret | None = None
    facts: RunFacts = RunFacts()
    opened: list[str] = field(default_factory=list)

    def prepare(self, spawn_rate: float | None, *, sends: bool) -> PreparedRun:
        """Return the run; raises RefusedError or SettingsError. Checks without network go first.

        Unless it `sends`, there are names in the place of conversations that are to be opened.
        """
        settings = self.settings
        step, waiting = self.checklist.step, self.checklist.waiting
        routes = {name: self.scenarios[name].route for name in settings.scenarios}
        guests = tuple(name for name, each in routes.items() if each is GUEST_CHAT)
        with step("templates"):
            checked = check_templates(settings, self.payloads, routes)
        told = ", ".join(
            f"{len(each.inputs.templates)} of {name}" for name, each in checked.items()
        )
        self.checklist.ok("templates", told)
        with step("criteria"):
            criteria = self._criteria(checked)
        with step("scenarios"):
            check_scenarios(settings, self.scenarios)
        with step("pool"):
            inputs = {
                name: replace(each.inputs, pool=given_pool(settings, name) or NO_CONVERSATION)
                for name, each in checked.items()
            }
        with step("rate"):
            check_due(inputs)
        in_use = files_per_user(settings, guests)
        check_machine(settings.users, self.processes, self.checklist, in_use)
        with step("approval"):
            check_plan(settings)
            check_processes(settings, self.processes)
            check_window(settings, time(), settings.warm_up_s + settings.duration_s)
            _check_total(settings, inputs)
        with step("target"):
            region = check_target(settings, self.connections.admission, self.key)
        if region:
            self.checklist.ok("region", region)
        for url in settings.target.urls:
            with waiting(f"{url} to take a connection", settings.request_timeout_s):
                check_way(url, self.connections, settings.request_timeout_s, self.checklist)
        self.checklist.refuse_if_failed()
        if sends and settings.target.approval is not None:
            with step("organisation"):
                organisation_id = settings.target.approval.organisation_id
                self.lock.take(organisation_id, self.run_id, settings.logins_per_s)
        sessions = {
            kind: self.connections.open_session(kind) for kind in self.connections.token_kinds
        }
        try:
            tokens = {kind: self._token_of(kind, session) for kind, session in sessions.items()}
            asks = tokens.get(CLIENT) or tokens[USER]
            if settings.target.approval is not None:
                with step("organisation"):
                    for token in tokens.values():
                        check = partial(check_token, settings, token, self.connections.headers)
                        own = self._patiently("the token", check)
                    whose = partial(check_deployments, settings, asks, self.connections.headers)
                    deployments = self._patiently("the deployment", whose)
                told = f"the token is of {own}" + f", and so is {deployments}" * bool(deployments)
                self.checklist.ok("organisation", told)
            questions = questions_of(settings, routes)
            of = Organisation(settings, asks, self.connections.admission, self.connections.headers)
            in_force = ask(questions, of, self.checklist)
            to_open = {
                name: each
                for name, each in inputs.items()
                if sends and settings.scenario[name].conversations.source == "opened"
            }
            there = {name: each for name, each in inputs.items() if name not in to_open}
            run = PreparedRun(
                settings,
                {**inputs, **self._with_pools(there, checked, tokens)},
                criteria,
                spawn_rate,
                self.checklist,
                self._ledger_since(),
                self.run_id,
                self.facts,
                self.processes,
                self.connections.admission,
                guests=guests,
            )
            with step("approval"):
                _check_total(settings, run.inputs)
            total = self.connections.pace.total if self.connections.pace is not None else None
            if total is not None:
                total.reserve(messages_of_run(settings, run.inputs))
            before = questions.requests + _requests_before(settings, run.inputs)
            if len(run.guests) < len(routes):
                check_allowance(settings, in_force, before, self.checklist)
            check_guests(settings, run.guests, spawn_rate, self.checklist)
            if USER in tokens:
                has_one = tokens[USER].expires_at_s == inf
                check_user(settings, routes, self.checklist, has_one_token=has_one)
            for name in run.guests if sends else ():
                variables = settings.scenario[name].variables
                check_way_of_guests(self.connections.guests_of(variables), self.checklist)
            self.checklist.refuse_if_failed()
            # The last of all, because nothing but a cleanup takes it back.
            opened = self._with_pools(to_open, checked, tokens, opens=True)
            run = replace(run, inputs={**run.inputs, **opened})
            if sends and settings.canary:
                for name, each in run.inputs.items():
                    route = routes[name]
                    if route.path:
                        answers = route.answers(settings.scenario[name].expect)
                        Canaries(
                            each,
                            route,
                            answers,
                            sessions[route.token],
                            self.run_id,
                            settings.request_timeout_s,
                            self.checklist,
                            self._note_opened,
                            self.connections.redact,
                        ).send()
        finally:
            for session in sessions.values():
                session.close()
            if self.opened and not settings.target.embedded_simulator:
                told = f"conversations that were opened and stay open: {len(self.opened):,}"
                fix = f"python -m convoy cleanup {self.run_id} closes them"
                self.checklist.ok("opened", f"{told}; {fix}")
        self.checklist.refuse_if_failed()
        if sends and self.connections.pace is not None:
            # The users of the run do not know what has left just now.
            gevent.sleep(SECOND_S)
        return run if total is None else replace(run, sent=total.taken)

    def _token_of(self, kind: TokenKind, session: ApiSession) -> Token:
        url, for_s = self.settings.target.login_url, self.settings.request_timeout_s
        with self.checklist.step("login"), self.checklist.waiting(f"the login at {url}", for_s):
            token = self._patiently("the login", session.open)
        is_kept = token.expires_at_s == inf
        told = "a user's token is used as it is" if is_kept else f"{url} gave a token of {kind}"
        self.checklist.ok("login", told)
        return token

    def _patiently(self, what: str, ask: Callable[[], T]) -> T:
        """Return what is asked for; waits where the remote asks for that, if there is time."""
        ends_s = perf_counter() + self.settings.prepare_timeout_s
        while True:
            try:
                return ask()
            except RemoteError as error:
                pause_s = error.retry_after_s
                if pause_s is None or perf_counter() + pause_s > ends_s:
                    raise
                with self.checklist.waiting(f"{what} to be asked again ({error})", pause_s):
                    gevent.sleep(max(_SHORTEST_PAUSE_S, pause_s))

    def _criteria(self, checked: Mapping[str, CheckedScenario]) -> tuple[Criterion, ...]:
        """Return the run's criteria; raises SettingsError with every line that is none."""
        known = _known_to_criteria(self.settings, self.scenarios, checked)
        criteria = parse(self.settings.criteria, known)
        if criteria:
            self.checklist.ok("criteria", "; ".join(each.text for each in criteria))
        else:
            told = "there are none, so nothing decides whether the run is good"
            self.checklist.warn("criteria", told, "give some, as in docs/criteria.md")
        return criteria

    def _with_pools(
        self,
        drafts: Mapping[str, ScenarioInputs],
        checked: Mapping[str, CheckedScenario],
        tokens: Mapping[TokenKind, Token],
        *,
        opens: bool = False,
    ) -> dict[str, ScenarioInputs]:
        """Return the inputs with their whole pools, which are opened or are there."""
        inputs, settings = {}, self.settings
        with self.checklist.step("pool"):
            for name, draft in drafts.items():
                is_known = settings.scenario[name].conversations.source != "api"
                given = draft.pool if is_known else None
                where = f"the pool of {name} at {settings.target.api_url}"
                with self.checklist.waiting(where, settings.prepare_timeout_s):
                    if opens:
                        given = open_conversations(
                            self.scenarios[name],
                            self.connections,
                            settings,
                            name,
                            self.run_id,
                            self._note_opened,
                        )
                    pool = self._pool(checked[name], tokens, given)
                check_pool(checked[name], pool)
                inputs[name] = replace(draft, pool=pool)
        for each in inputs.values():
            check_pool_size(each, ScenarioPlan(each).count, self.checklist)
        return inputs

    def _pool(
        self,
        checked: CheckedScenario,
        tokens: Mapping[TokenKind, Token],
        given: ConversationPool | None,
    ) -> ConversationPool:
        scenario = checked.inputs.scenario
        kind = self.scenarios[scenario].route.token
        if kind not in tokens:  # its users have no token, and whose finds the pool is all the same
            kind = next(iter(tokens))
        find = partial(
            find_whole_pool,
            self.settings,
            scenario,
            checked.participants,
            (kind, tokens[kind]),
            self.connections,
            given,
        )
        return self._patiently("the listing", find)

    def _note_opened(self, conversation_id: str) -> None:
        redact = self.connections.redact
        self.opened.append(conversation_id)
        note_opened(RUNS, self.run_id, self.facts.settings, redact, conversation_id)

    def _ledger_since(self) -> str:
        if self.settings.target.approval is not None:
            return ""
        with suppress(RemoteError):
            url = self.settings.target.api_url
            return read_ledger(url, "", admission=self.connections.admission).since
        return ""


def _known_to_criteria(
    settings: Settings,
    scenarios: Mapping[str, KnownScenario],
    checked: Mapping[str, CheckedScenario],
) -> Known:
    expected = {code for each in checked.values() for code in each.inputs.expected.values()}
    return Known(
        scenarios=settings.scenarios,
        duration_s=settings.duration_s,
        step_s=step_of(settings.duration_s),
        codes={*KNOWN_CODES, *expected},
        steps={
            name: (*scenarios[name].steps, *settings.scenario[name].steps, *each.steps)
            for name, each in checked.items()
        },
        timings={
            name: scenarios[name].measured(settings.scenario[name].steps)
            for name in settings.scenarios
        },
    )


def _requests_before(settings: Settings, inputs: Mapping[str, ScenarioInputs]) -> int:
    """Return how many requests the preflight itself makes with the token of the first user."""
    pages = sum(
        ceil(len(each.pool) / PAGE_SIZE)
        for name, each in inputs.items()
        if settings.scenario[name].conversations.source == "api"
    )
    return canaries(settings, inputs) + pages


def _check_total(settings: Settings, inputs: Mapping[str, ScenarioInputs]) -> None:
    planned = planned_messages(settings, inputs)
    check_total(settings, planned, messages_beside(settings, inputs))
