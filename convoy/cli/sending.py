"""Sending one message by hand, outside of any run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from convoy.errors import Fault, RefusedError, SettingsError
from convoy.plan.payloads import PayloadError, TemplateFault
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.prepare.guard import check_target
from convoy.prepare.pools import find_pool
from convoy.prepare.run_ids import canary_run_id, new_run_id
from convoy.prepare.sample_bodies import Sample, render_apart, sample_plan
from convoy.prepare.setup import Setup
from convoy.prepare.templates import read_source, template_names
from convoy.remote.client import Connections
from convoy.remote.session import Exchange
from convoy.routes.catalogue import Route
from convoy.secrets import STARS
from convoy.settings import Settings

_NOBODY = Conversation(*("00000000-0000-0000-0000-000000000000",) * 3)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that was posted: the request's head without its token, and what came of it."""

    settings: Settings
    route: Route
    path: str
    head: tuple[str, ...]
    body: bytes
    exchange: Exchange

    @property
    def url(self) -> str:
        return self.settings.target.api_url.rstrip("/") + self.path

    @property
    def is_accepted(self) -> bool:
        return self.exchange.fate == "accepted"


def send_one(
    setup: Setup,
    options: Mapping[str, object],
    *,
    conversation_id: str,
    payload: str,
) -> Sent:
    """Send one message, marked as a canary, to where the options of a run lead.

    It goes on the route of the first scenario. `payload` names a template or is a path, "" takes
    the first of the profile; `conversation_id` "" takes the first of the pool.
    Raises RefusedError, RemoteError, SettingsError or PayloadError when nothing could be sent.
    """
    settings = setup.resolve(options)
    scenario = settings.scenarios[0]
    route = setup.routes[scenario]
    chosen = payload or next(iter(settings.scenario[scenario].payloads))
    name, source = _template(chosen, setup.payloads)
    variables = settings.scenario[scenario].variables
    plan = sample_plan(scenario, 0, variables)
    [tried] = render_apart([Sample(name, source, scenario, 0, variables, [plan.message(0)])])
    if tried.faults:
        raise PayloadError(name, *tried.faults)
    _rendered(settings, scenario, name, source, _NOBODY)
    connections = setup.connect(settings)
    check_target(settings)
    if settings.target.embedded_simulator:
        setup.simulator.ensure(settings.target.api_url)
    conversation = _conversation(settings, scenario, route, connections, conversation_id)
    path = route.path_to(settings.scenario[scenario].variables)(conversation)
    body = _rendered(settings, scenario, name, source, conversation)
    return _post(settings, connections, route, path, body)


def _template(given: str, payloads: Path) -> tuple[str, str]:
    """Return name and source of a template; raises SettingsError when it cannot be read."""
    named = payloads / f"{given}.json"
    path = named if named.is_file() else Path(given)
    try:
        return path.name, read_source(path)
    except ValueError as error:
        there_are = ", ".join(template_names(payloads)) or "none"
        problem = f"the template {given!r} {error}; by name there are: {there_are}"
        raise SettingsError([Fault("--payload", problem)]) from error


def _rendered(
    settings: Settings, scenario: str, name: str, source: str, conversation: Conversation
) -> bytes:
    inputs = ScenarioInputs(
        scenario=scenario,
        seed=0,
        curve=RateCurve([Stage(1, 1, 1)]),
        pool=ConversationPool.of([conversation]),
        templates={name: source},
        weights={name: 1},
        variables=settings.scenario[scenario].variables,
    )
    plan = ScenarioPlan(inputs)
    body = plan.bodies(canary_run_id(new_run_id())).render(plan.message(0))
    try:
        json.loads(body)
    except ValueError as error:
        fault = TemplateFault(0, f"does not render to JSON ({error})")
        raise PayloadError(name, fault) from error
    return body


def _conversation(
    settings: Settings,
    scenario: str,
    route: Route,
    connections: Connections,
    conversation_id: str,
) -> Conversation:
    """Return a conversation by its id with the participants that the pool knows, else the first.

    One that the pool does not know is taken as it is, unless the route needs its customer.
    """
    if conversation_id and not route.participants:
        return Conversation(conversation_id)
    pool = find_pool(settings, scenario, connections.log_in())
    if not conversation_id:
        return pool[0]
    if conversation_id not in pool.ids:
        raise RefusedError(
            f"the pool of scenario {scenario} has no conversation {conversation_id!r}, and nothing "
            f"else knows the {route.participants[0]} that the route needs; choose one of the pool"
        )
    return pool[pool.ids.index(conversation_id)]


def _post(
    settings: Settings, connections: Connections, route: Route, path: str, body: bytes
) -> Sent:
    session = connections.open_session()
    try:
        head = tuple(_head(session.head(path) + str(len(body)).encode()))
        exchange = session.post(path, body, settings.request_timeout_s)
    finally:
        session.close()
    return Sent(settings, route, path, head, body, exchange)


def _head(head: bytes) -> Iterator[str]:
    """Yield request line and headers; the token is not in them."""
    for line in head.decode("latin-1").split("\r\n"):
        is_login = line.lower().startswith("authorization:")
        yield f"Authorization: Bearer {STARS}" if is_login else line
