"""Sending one message by hand, outside of any run."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from convoy.errors import Fault, SettingsError
from convoy.plan.conversations import ConversationPool
from convoy.plan.payloads import PayloadError
from convoy.plan.plan import ScenarioInputs, ScenarioPlan
from convoy.plan.rates import RateCurve, Stage
from convoy.plan.template_language import TemplateFault
from convoy.remote.codes import CodeBook
from convoy.remote.connections import Connections
from convoy.remote.limits import Budget, Limit
from convoy.remote.oauth import OAuthSession
from convoy.remote.routes import CONVERSATION_MESSAGES
from convoy.remote.session import ApiSession, Exchange
from convoy.remote.tls import tls_context
from convoy.remote.transport import Answer, Origin, Transport
from convoy.safety.guard import check_target
from convoy.safety.pools import find_pool
from convoy.safety.setup import Setup
from convoy.settings import Settings

_LARGEST_TEMPLATE_BYTES = 512_000
_STARS = "**********"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that was posted: the request's head without its token, and what came of it."""

    settings: Settings
    head: tuple[str, ...]
    body: bytes
    exchange: Exchange

    @property
    def url(self) -> str:
        return self.settings.target.api_url.rstrip("/") + CONVERSATION_MESSAGES

    @property
    def is_accepted(self) -> bool:
        return self.exchange.fate == "accepted"


class _WatchedTransport(Transport):
    """A transport that remembers the last request as it was written."""

    request = b""

    def exchange(self, request: bytes, deadline_s: float) -> Answer:
        self.request = request
        return super().exchange(request, deadline_s)


def send_one(
    setup: Setup,
    options: Mapping[str, object],
    *,
    conversation_id: str,
    payload: str,
    payloads: Path,
) -> Sent:
    """Send one message, marked as a canary, to where the options of a run lead.

    `payload` names a template in `payloads` or is a path, "" takes the first of the profile;
    `conversation_id` "" takes the first of the pool. Raises RefusedError, RemoteError,
    SettingsError or PayloadError when nothing could be sent.
    """
    settings = setup.resolve(options)
    scenario = settings.scenarios[0]
    name, source = _template(payload or next(iter(settings.scenario[scenario].payloads)), payloads)
    _rendered(scenario, name, source, conversation_id or str(uuid.UUID(int=0)))
    check_target(settings)
    if settings.target.embedded_simulator:
        setup.simulator.ensure(settings.target.api_url)
    connections = setup.connect(settings)
    conversation_id = conversation_id or _first_of_pool(settings, scenario, connections)
    return _post(settings, connections, _rendered(scenario, name, source, conversation_id))


def _template(given: str, payloads: Path) -> tuple[str, str]:
    """Return name and source of a template; raises SettingsError when it cannot be read."""
    named = payloads / f"{given}.json"
    path = named if named.is_file() else Path(given)
    try:
        if path.stat().st_size > _LARGEST_TEMPLATE_BYTES:
            problem = f"{given!r} is larger than {_LARGEST_TEMPLATE_BYTES:,} bytes"
            raise SettingsError([Fault("--payload", problem)])
        return path.name, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        there_are = ", ".join(sorted(each.stem for each in payloads.glob("*.json"))) or "none"
        problem = f"the template {given!r} cannot be read: {reason}; by name there are: {there_are}"
        raise SettingsError([Fault("--payload", problem)]) from error


def _rendered(scenario: str, name: str, source: str, conversation_id: str) -> bytes:
    inputs = ScenarioInputs(
        scenario=scenario,
        seed=0,
        curve=RateCurve([Stage(1, 1, 1)]),
        pool=ConversationPool((conversation_id,)),
        templates={name: source},
        weights={name: 1},
    )
    plan = ScenarioPlan(inputs)
    body = plan.render(plan.message(0), f"{new_run_id()}-canary")
    try:
        json.loads(body)
    except ValueError as error:
        fault = TemplateFault(0, f"does not render to JSON ({error})")
        raise PayloadError(name, fault) from error
    return body


def _first_of_pool(settings: Settings, scenario: str, connections: Connections) -> str:
    return find_pool(settings, scenario, connections.log_in())[0].id


def new_run_id() -> str:
    """Return an id that no run has had: the time in UTC and six random characters."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def _post(settings: Settings, connections: Connections, body: bytes) -> Sent:
    clock = time.perf_counter
    target = settings.target
    transport = _WatchedTransport(
        Origin.parse(target.api_url), tls=tls_context(target.ca_file), clock=clock
    )
    session = ApiSession(
        transport,
        OAuthSession(
            connections.log_in, refresh_before_s=settings.oauth.refresh_before_s, clock=clock
        ),
        Budget([Limit(each.scope, each.count, each.per_s) for each in settings.limits]),
        code_book=CodeBook(),
        clock=clock,
    )
    try:
        exchange = session.post(CONVERSATION_MESSAGES, body, settings.request_timeout_s)
    finally:
        session.close()
    return Sent(settings, tuple(_head(transport.request)), body, exchange)


def _head(request: bytes) -> Iterator[str]:
    """Yield request line and headers; the token is not in them."""
    for line in request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n"):
        is_login = line.lower().startswith("authorization:")
        yield f"Authorization: Bearer {_STARS}" if is_login else line
