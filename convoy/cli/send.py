"""`python -m convoy send`: one message sent by hand, outside of any run, and the report on it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import indent
from time import time

import msgspec

from convoy.errors import Fault, RefusedError, SettingsError, did_you_mean
from convoy.files import FileError, read_text
from convoy.plan.payloads import LARGEST_BODY_BYTES, PayloadTemplate, parse_body
from convoy.plan.pool import Conversation, ConversationPool, checked_id
from convoy.prepare.canaries import canary_run_id
from convoy.prepare.checklist import Checklist
from convoy.prepare.communications import find_whole_pool, with_communications
from convoy.prepare.guard import check_token
from convoy.prepare.organisation_questions import check_deployments
from convoy.prepare.setup import Setup, new_run_id
from convoy.prepare.templates import (
    LONGEST_RUN_ID,
    sample_bodies,
    sample_plan,
    template_names,
)
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections, WorkerShare
from convoy.remote.session import ApiSession
from convoy.results.outcome import ACCEPTED, Attempt
from convoy.results.record import RUNS, check_stop
from convoy.routes.catalogue import GUEST_CHAT, Route, TokenKind
from convoy.routes.codes import UNEXPECTED_ANSWER
from convoy.routes.explain import as_text, explain, explain_code
from convoy.secrets import STARS
from convoy.settings import Settings
from convoy.untrusted_text import UNREADABLE, cut, printable_lines, readable, told

_LONGEST_SHOWN = 4_096
_NOT_FOR_CURL = ("host", "authorization", "content-length", "user-agent")


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that was posted: the request's head without its token, and what came of it."""

    settings: Settings
    route: Route
    path: str
    head: tuple[str, ...]
    body: bytes
    attempt: Attempt
    correlation_id: str

    @property
    def url(self) -> str:
        return self.settings.target.api_url.rstrip("/") + self.path

    @property
    def is_accepted(self) -> bool:
        return self.attempt.fate is ACCEPTED


def send_one(
    setup: Setup, options: Mapping[str, object], *, conversation_id: str, payload: str
) -> Sent:
    """Send one message, marked as a canary, to where the options of a run lead.

    It goes on the route of the first scenario. `payload` names a template or is a path, "" takes
    the first of the profile; `conversation_id` "" takes the first of the pool.
    Raises RefusedError, RemoteError, SettingsError or PayloadError when nothing could be sent, and
    KillSwitchError.
    """
    if conversation_id:
        checked_id("--conversation", conversation_id)
    check_stop(RUNS)
    settings = setup.resolve(options)
    scenario = settings.scenarios[0]
    route, rule = setup.routes[scenario], settings.scenario[scenario]
    if not route.path:
        shown = "; --frames shows what a guest of it sends and receives" * (route is GUEST_CHAT)
        raise RefusedError(f"the messages of scenario {scenario} do not go over HTTP{shown}")
    template = checked_template(setup, settings, payload)
    with past_the_guard(setup, settings, route.token) as there:
        settings, session = there.settings, there.session
        conversation = _conversation(there, route, conversation_id)
        body = canary_body(there, template, conversation)
        path = route.path_to(rule.variables)(conversation)
        head = session.head(path, route.method) + str(len(body)).encode()
        answers = route.answers(rule.expect)
        attempt = session.post(
            path, body, settings.request_timeout_s, answers, conversation.id, route.method
        )
    told = _without_token(head)
    return Sent(settings, route, path, told, body, attempt, attempt.correlation_id)


@dataclass(frozen=True, slots=True)
class Ready:
    """Where one message may go: the settings with the address that it has, and a login."""

    settings: Settings
    run_id: str
    connections: Connections
    session: ApiSession
    client: ApiClient


def checked_template(setup: Setup, settings: Settings, payload: str) -> tuple[str, str]:
    """Return name and source of a template of the first scenario that renders to JSON.

    `payload` is as in `send_one`. Raises SettingsError or PayloadError.
    """
    scenario = settings.scenarios[0]
    rule = settings.scenario[scenario]
    name, source = _template(payload or next(iter(rule.payloads)), setup.payloads)
    sample = sample_plan(scenario, 0, rule.variables)
    variables = sample.bodies(LONGEST_RUN_ID).variables(sample.message(0))
    [body] = sample_bodies(PayloadTemplate(name, source), [variables])
    parse_body(name, body)
    return name, source


@contextmanager
def past_the_guard(setup: Setup, settings: Settings, kind: TokenKind) -> Iterator[Ready]:
    """Let one message be sent inside, after the guard of a run; raises as `send_one`."""
    run_id = new_run_id()
    if withheld := setup.keyring.withheld(settings):
        setup.tell(setup.told(withheld))
    settings = setup.simulator.settings_at(settings, run_id, Checklist())
    # Nobody opens conversations here.
    connections = setup.connect_guarded(settings, WorkerShare())
    # Guests have no token; then another kind of the run's tells whose organisation it is.
    kinds = connections.token_kinds
    session = connections.open_session(kind if kind in kinds else kinds[0])
    try:
        with setup.kill_switch.watched():
            approval = settings.target.approval
            # Before the login: who does not get the lock is to send nothing at all.
            if approval is not None:
                setup.lock.take(approval.organisation_id, run_id, settings.logins_per_s)
            session.open()
            client = ApiClient(session, settings)
            if approval is not None:
                check_token(settings, client)
                check_deployments(settings, client)
            yield Ready(settings, run_id, connections, session, client)
    finally:
        session.close()


def canary_body(there: Ready, template: tuple[str, str], conversation: Conversation) -> bytes:
    """Return the first message of a template, marked as a canary."""
    scenario = there.settings.scenarios[0]
    variables = there.settings.scenario[scenario].variables
    plan = sample_plan(scenario, 0, variables, None, conversation, dict([template]))
    return plan.bodies(canary_run_id(there.run_id), time).render(plan.message(0))


def as_report(sent: Sent, redact: Callable[[str], str]) -> str:
    """Return request, answer, explanation and the same as a curl command, for a terminal.

    All of it is redacted before anything is cut or wrapped.
    """
    return "\n".join(_lines(_redacted(sent, redact)))


def _redacted(sent: Sent, redact: Callable[[str], str]) -> Sent:
    attempt = sent.attempt
    body, answer = (readable(each, redact) for each in (sent.body, attempt.body))
    return replace(
        sent,
        path=redact(sent.path),
        head=tuple(map(redact, sent.head)),
        body=body.encode(),
        attempt=msgspec.structs.replace(attempt, body=answer.encode(), code=redact(attempt.code)),
        correlation_id=told(attempt.correlation_id, redact),
    )


def curl_command(sent: Sent) -> str:
    """Return shell lines that send the same message, with the token in `$TOKEN`.

    It goes by standard input: other users of the machine can read what stands on a command line.
    """
    kept = [line for line in sent.head[1:] if line.split(":")[0].lower() not in _NOT_FOR_CURL]
    parts = [f"curl -sS -i -X {sent.route.method} {shlex.quote(sent.url)}"]
    if sent.settings.target.ca_file is not None:
        parts.append("--cacert " + shlex.quote(sent.settings.target.ca_file))
    parts += ["-H @-", *("-H " + shlex.quote(line) for line in kept)]
    parts.append("--data-binary " + shlex.quote(sent.body.decode()))
    return " \\\n  ".join(parts) + " <<END\nAuthorization: Bearer $TOKEN\nEND"


def _template(given: str, payloads: Path) -> tuple[str, str]:
    """Return name and source of a template; raises SettingsError when it cannot be read."""
    named = payloads / f"{given}.json"
    path = named if named.is_file() else Path(given)
    try:
        return path.name, read_text(path, LARGEST_BODY_BYTES)
    except FileError as error:
        names = list(template_names(payloads))
        or_all = f"; by name there are: {', '.join(names) or 'none'}"
        problem = f"the template {given!r} {error}{did_you_mean(given, names) or or_all}"
        raise SettingsError([Fault("--payload", problem)]) from error


def _conversation(there: Ready, route: Route, conversation_id: str) -> Conversation:
    """Return a conversation by its id with the participants that the pool knows, else the first.

    One that the pool does not know is taken as it is, unless the route needs its customer.
    """
    settings = there.settings
    scenario = settings.scenarios[0]
    open_session = partial(there.connections.open_session, route.token)
    if conversation_id and not route.participants:
        return Conversation(conversation_id)
    if conversation_id and route.participants == ("communication_id",):
        named = ConversationPool.of([Conversation(conversation_id)])
        return with_communications(named, scenario, settings, open_session, waits=False)[0]
    pool = find_whole_pool(settings, scenario, route.participants, there.client, open_session)
    if not conversation_id:
        return pool[0]
    if conversation_id not in pool.ids:
        raise RefusedError(
            f"the pool of scenario {scenario} has no conversation {conversation_id!r}, and nothing "
            f"else knows the {route.participants[0]} that the route needs; choose one of the pool"
        )
    return pool[pool.ids.index(conversation_id)]


def _without_token(head: bytes) -> tuple[str, ...]:
    """Return request line and headers, with stars for the token."""
    lines = head.decode("latin-1").split("\r\n")
    return tuple(
        f"Authorization: Bearer {STARS}" if line.lower().startswith("authorization:") else line
        for line in lines
    )


def _lines(sent: Sent) -> Iterator[str]:
    attempt = sent.attempt
    yield "request"
    yield f"  {sent.route.method} {sent.url}"
    yield from (f"  {line}" for line in sent.head[1:])
    yield ""
    yield indent(_readable(sent.body), "  ")
    yield ""
    yield "answer"
    yield f"  {_outcome(attempt, sent.correlation_id)}"
    if attempt.body:
        yield indent(_readable(attempt.body), "  ")
    yield ""
    if not sent.is_accepted:
        explained = explain_code(attempt.code)
        if attempt.status and attempt.code != UNEXPECTED_ANSWER:
            payload = json.loads(sent.body)
            explained = explain(attempt.body, payload, status=attempt.status, route=sent.route)
        yield "explanation"
        yield indent(as_text(explained), "  ")
        yield ""
    yield "the same with curl, where $TOKEN holds a token"
    yield curl_command(sent)


def _outcome(attempt: Attempt, correlation_id: str) -> str:
    if not attempt.status:
        return f"none: {attempt.code} ({attempt.fate})"
    lasted_ms = (attempt.done_s - attempt.sent_s) * 1000
    correlation = correlation_id or "none given"
    said = f"{attempt.status} after {lasted_ms:.1f} ms, correlation id {correlation}"
    return said + ", sent again after a new login" * (attempt.attempts > 1)


def _readable(body: bytes) -> str:
    """Return a body bounded and without anything that would steer a terminal."""
    text = body.decode("utf-8", "replace")
    with suppress(*UNREADABLE):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return printable_lines(cut(text, _LONGEST_SHOWN))
