"""The preflight: everything that has to be in place before load starts, checked and collected."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path

import gevent

from convoy.clock import clock_s
from convoy.errors import LoginError, RemoteError
from convoy.plan.scenario import ScenarioPlan
from convoy.prepare.allowance import check_allowance, check_user
from convoy.prepare.canaries import Canaries
from convoy.prepare.communications import find_whole_pool
from convoy.prepare.guard import (
    check_target,
    check_token,
    check_total,
)
from convoy.prepare.guest_limit import check_guests
from convoy.prepare.message_counts import (
    messages_beside,
    messages_of_run,
    planned_messages,
    requests_before,
)
from convoy.prepare.organisation_lock import OrganisationLock
from convoy.prepare.organisation_questions import ask, check_deployments, most_questions
from convoy.prepare.pools import check_pool_size, open_conversations
from convoy.prepare.prepared_run import PreparedRun, drafted
from convoy.prepare.reach import check_way, check_way_of_guests
from convoy.prepare.scenarios import KnownScenario
from convoy.prepare.templates import CheckedScenario, check_pool
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.remote.oauth import Token
from convoy.remote.organisation import Organisation
from convoy.remote.pace import SECOND_S
from convoy.remote.session import ApiSession
from convoy.remote.simulator import read_ledger
from convoy.results.record import RUNS, note_opened
from convoy.routes.catalogue import CLIENT, USER, Route, TokenKind
from convoy.secrets import Secret

_SHORTEST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Preflight:
    """The checks of one run, in order, each entered into `checklist`.

    `scenarios` are those that can run, by name; `processes` on this machine hold the users; before
    anything leaves the `lock` of the organisation is taken; `key` is that of simulators. Opening
    conversations and the canary messages, the last steps, are the only checks that leave anything
    at the target; what they have `opened` is noted in the folder of the run. What each check may
    ask depends on those before it.
    """

    run: PreparedRun
    connections: Connections
    payloads: Path
    scenarios: Mapping[str, KnownScenario]
    lock: OrganisationLock
    key: Secret | None = None
    opened: list[str] = field(default_factory=list)

    def prepare(self, *, sends: bool) -> PreparedRun:
        """Return the run; raises RefusedError or SettingsError. Checks without network go first.

        Unless it `sends`, there are names in the place of conversations that are to be opened.
        """
        settings, checklist = self.run.settings, self.run.checklist
        run, checked = drafted(self.run, self.scenarios, self.payloads)
        self._check_ways()
        total = None if (pace := self.connections.pace) is None else pace.total
        with self._sessions() as sessions:
            tokens = {kind: self._token_of(kind, session) for kind, session in sessions.items()}
            clients = {
                kind: ApiClient(session, settings, checklist.waiting)
                for kind, session in sessions.items()
            }
            if settings.target.approval is not None:
                self._check_organisation(clients)
            to_open = [
                name
                for name in run.inputs
                if sends and settings.scenario[name].conversations.source == "opened"
            ]
            run = self._found(run, checked, clients, to_open)
            if USER in tokens:
                has_one = tokens[USER].expires_at_s == inf
                check_user(settings, self._routes, checklist, has_one_token=has_one)
            # Before anything leaves that counts: the preflight may use what the plan leaves.
            if total is not None:
                total.reserve(messages_of_run(settings, run.inputs))
            for name in run.guests if sends else ():
                variables = settings.scenario[name].variables
                check_way_of_guests(self.connections.guests_of(variables), checklist)
            checklist.refuse_if_failed()
            # The last of all, because nothing but a cleanup takes it back.
            for name in to_open:
                run = self._with_pool(run, checked[name], clients, opens=True)
            if sends and settings.canary:
                self._send_canaries(run, sessions)
        checklist.refuse_if_failed()
        if sends and pace is not None:
            # The users of the run do not know what has left just now.
            gevent.sleep(SECOND_S)
        return run if total is None else replace(run, sent=total.taken)

    @property
    def _routes(self) -> dict[str, Route]:
        return {name: self.scenarios[name].route for name in self.run.settings.scenarios}

    def _check_ways(self) -> None:
        """Look where the target is, whether load may go there now, and whether it answers."""
        settings, checklist = self.run.settings, self.run.checklist
        with checklist.step("target"):
            region = check_target(settings, self.connections.admission, self.key)
        if region:
            checklist.ok("region", region)
        if (approval := settings.target.approval) is not None:
            asked = approval.organisation_id, self.run.run_id, settings.logins_per_s
            with checklist.step("organisation"):  # before anything leaves
                self.lock.take(*asked, has_workers=self.run.processes != 1)
        for url in settings.target.urls:
            with checklist.waiting(f"{url} to take a connection", settings.request_timeout_s):
                check_way(url, self.connections, settings.request_timeout_s, checklist)
        checklist.refuse_if_failed()

    @contextmanager
    def _sessions(self) -> Iterator[dict[TokenKind, ApiSession]]:
        """Open a session of each kind of token; at the end say what stays open at the target."""
        sessions = {
            kind: self.connections.open_session(kind) for kind in self.connections.token_kinds
        }
        try:
            yield sessions
        finally:
            for session in sessions.values():
                session.close()
            if self.opened and not self.run.settings.target.embedded_simulator:
                told = f"conversations that were opened and stay open: {len(self.opened):,}"
                fix = f"python -m convoy cleanup {self.run.run_id} closes them"
                self.run.checklist.ok("opened", f"{told}; {fix}")

    def _check_organisation(self, clients: Mapping[TokenKind, ApiClient]) -> None:
        with self.run.checklist.step("organisation"):
            for client in clients.values():
                own = check_token(self.run.settings, client)
            deployments = check_deployments(self.run.settings, _asking(clients))
        told = f"the token is of {own}" + f", and so is {deployments}" * bool(deployments)
        self.run.checklist.ok("organisation", told)

    def _found(
        self,
        run: PreparedRun,
        checked: Mapping[str, CheckedScenario],
        clients: Mapping[TokenKind, ApiClient],
        to_open: Collection[str],
    ) -> PreparedRun:
        """Return the run with the pools that are there, and check what the organisation allows."""
        settings, checklist = self.run.settings, self.run.checklist
        asked = f"what {settings.target.api_url} says of the organisation"
        with checklist.waiting(asked, settings.prepare_timeout_s):
            in_force = ask(settings, self._routes, Organisation(_asking(clients)), checklist)
        for name in run.inputs:
            if name not in to_open:
                run = self._with_pool(run, checked[name], clients)
        run = replace(run, ledger_since=self._ledger_since())
        with checklist.step("approval"):
            planned = planned_messages(settings, run.inputs)
            check_total(settings, planned, messages_beside(settings, run.inputs))
        if len(run.guests) < len(run.inputs):
            before = most_questions(settings, self._routes) + requests_before(settings, run.inputs)
            check_allowance(settings, in_force, before, checklist)
        check_guests(settings, run.guests, run.spawn_rate, checklist)
        return run

    def _send_canaries(self, run: PreparedRun, sessions: Mapping[TokenKind, ApiSession]) -> None:
        note, redact = self._note_opened, self.connections.redact
        for name, each in run.inputs.items():
            route = self._routes[name]
            if route.path:
                Canaries(run, each, route, sessions[route.token], note, redact).send()

    def _token_of(self, kind: TokenKind, session: ApiSession) -> Token:
        url, for_s = self.run.settings.target.login_url, self.run.settings.request_timeout_s
        with (
            self.run.checklist.step("login"),
            self.run.checklist.waiting(f"the login at {url}", for_s),
        ):
            token = self._logged_in(session)
        is_kept = token.expires_at_s == inf
        told = "a user's token is used as it is" if is_kept else f"{url} gave a token of {kind}"
        self.run.checklist.ok("login", told)
        return token

    def _logged_in(self, session: ApiSession) -> Token:
        """Return the token of a session; waits where the remote asks for that, if there is time."""
        ends_s = clock_s() + self.run.settings.prepare_timeout_s
        while True:
            try:
                return session.open()
            except LoginError as error:
                pause_s = error.retry_after_s
                if pause_s is None or clock_s() + pause_s > ends_s:
                    raise
                with self.run.checklist.waiting(f"the login to be asked again ({error})", pause_s):
                    gevent.sleep(max(_SHORTEST_PAUSE_S, pause_s))

    def _with_pool(
        self,
        run: PreparedRun,
        checked: CheckedScenario,
        clients: Mapping[TokenKind, ApiClient],
        *,
        opens: bool = False,
    ) -> PreparedRun:
        """Return the run with the whole pool of a scenario: opened, or there already."""
        settings, name, checklist = self.run.settings, checked.inputs.scenario, self.run.checklist
        known, kind = self.scenarios[name], self.scenarios[name].route.token
        if kind not in clients:  # its users have no token, and whose finds the pool is the same
            kind = next(iter(clients))
        open_session = partial(self.connections.open_session, kind)
        is_given = settings.scenario[name].conversations.source != "api"
        given = run.inputs[name].pool if is_given else None
        where = f"the pool of {name} at {settings.target.api_url}"
        with checklist.step("pool"), checklist.waiting(where, settings.prepare_timeout_s):
            if opens:
                note = self._note_opened
                given = open_conversations(
                    known, self.connections, settings, name, self.run.run_id, note
                )
            named = checked.participants
            pool = find_whole_pool(settings, name, named, clients[kind], open_session, given)
            check_pool(checked, pool)
        inputs = replace(run.inputs[name], pool=pool)
        check_pool_size(inputs, ScenarioPlan(inputs).count, checklist)
        return replace(run, inputs={**run.inputs, name: inputs})

    def _note_opened(self, conversation_id: str) -> None:
        redact = self.connections.redact
        self.opened.append(conversation_id)
        note_opened(RUNS, self.run.run_id, self.run.facts.settings, redact, conversation_id)

    def _ledger_since(self) -> str:
        if self.run.settings.target.approval is not None:
            return ""
        with suppress(RemoteError):
            url = self.run.settings.target.api_url
            return read_ledger(url, "", admission=self.connections.admission).since
        return ""


def _asking(clients: Mapping[TokenKind, ApiClient]) -> ApiClient:
    """Return the client that asks the organisation."""
    return clients.get(CLIENT) or clients[USER]
