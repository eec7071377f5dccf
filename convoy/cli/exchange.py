"""`python -m convoy send --frames`: one guest's exchange over WebSocket, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from time import time
from typing import NamedTuple

from gevent.event import Event as Signal

from convoy.cli.send import checked_template, past_the_guard
from convoy.errors import ExitCode, Fault, RemoteError, SettingsError
from convoy.files import FileError
from convoy.plan.dialogue import AnyLine, Dialogue, Expect
from convoy.plan.payloads import PayloadError, TemplateFault
from convoy.prepare.canaries import canary_run_id
from convoy.prepare.dialogues import (
    FOLDER,
    check_dialogue,
    dialogue_weights,
    read_dialogue_at,
    read_dialogue_file,
)
from convoy.prepare.setup import Setup
from convoy.prepare.templates import LONGEST_RUN_ID, sample_plan
from convoy.remote import guest_events
from convoy.remote.guest_dialogue import GuestDialogue
from convoy.remote.guest_protocol import GuestProtocol
from convoy.remote.guest_session import GuestSession
from convoy.remote.guests import Guests
from convoy.remote.websocket_protocol import UpgradeRefusedError
from convoy.remote.wire_faults import AnswerEndedError, AnswerTooLargeError, wire_code
from convoy.results.outcome import ACCEPTED
from convoy.results.record import RUNS, check_stop
from convoy.routes.catalogue import GUEST_CHAT
from convoy.routes.explain import as_text, explain, explain_code
from convoy.settings.model import ScenarioSettings
from convoy.untrusted_text import MARGIN, decoded, printable_lines, shortened, unbroken

_REPLY_S = 5.0
_LONGEST_SHOWN = 2_000
_LONGEST_KEPT = _LONGEST_SHOWN + MARGIN + 1
"""As much as is looked at when it is shown. Before, not all its secrets are known: a frame is kept
before it is read."""
_MOST_RECEIVED, _MOST_OF_A_LINE = 1_000, 20
"""Frames of an exchange, and how many more for each line of a dialogue: a guest that writes one
message gets some ten."""
_SENT, _RECEIVED, _NOTED = "sent", "received", "noted"
_REFUSALS = (guest_events.Refused, guest_events.SessionExpired, guest_events.TooManyRequests)
_HEADERS_TOLD = (
    *("connection", "content-type", "date", "inin-correlation-id", "location", "retry-after"),
    *("sec-websocket-extensions", "server", "upgrade", "via", "x-amz-cf-id", "x-cache"),
)
_FURTHER = " " * 24


class Line(NamedTuple):
    """What was "sent", "received" or "noted", `at_ms` after the start."""

    at_ms: float
    what: str
    text: str


@dataclass(slots=True)
class Exchange:
    """What went over one guest's WebSocket, and how its message ended.

    `code` names what stood in the way, "" where nothing did; `refusal` is the last frame that
    refused anything. `end` says what has come about where nothing stood in the way.
    """

    url: str
    lines: list[Line] = field(default_factory=list)
    exit_code: ExitCode = ExitCode.PASS
    code: str = ""
    refusal: str = ""
    end: str = "the message came back: it was accepted"


def exchange_one(
    setup: Setup, options: Mapping[str, object], *, conversation_id: str, payload: str
) -> Exchange:
    """Let one guest of the first scenario come, send a message, and leave; return all of it.

    Guard and `payload` are those of `send_one`, and it raises the same; what the service refuses or
    does not answer is in the exchange.
    """
    check_stop(RUNS)
    settings = setup.resolve(options)
    scenario = settings.scenarios[0]
    if setup.routes[scenario] is not GUEST_CHAT:
        problem = f"the messages of scenario {scenario} go over HTTP; leave --frames out, or give"
        raise SettingsError([Fault("--frames", f"{problem} --scenarios guest_chat")])
    if conversation_id:
        problem = "is given, but a guest's conversation begins with it; leave it out"
        raise SettingsError([Fault("--conversation", problem)])
    rule = settings.scenario[scenario]
    dialogues = _dialogue(setup.payloads, rule, payload)
    if dialogues:
        templates = {name: each.message for name, each in dialogues.items()}
    else:
        templates = dict([checked_template(setup, settings, payload)])
    plan = sample_plan(
        scenario, settings.seed, rule.variables, templates=templates, dialogues=dialogues
    )
    message = plan.message(0)
    for name, each in dialogues.items():
        variables = plan.bodies(LONGEST_RUN_ID).variables(message)
        check_dialogue(f"{name}.yaml", each, [variables], GUEST_CHAT.rules())
    with past_the_guard(setup, settings, GUEST_CHAT.token) as there:
        run_id = canary_run_id(there.run_id)
        body, lines = plan.bodies(run_id, time).render(message), plan.lines(run_id, time)(message)
        guests = there.connections.guests_of(rule.variables)
        return exchange(guests, f"{run_id}:0", body, joins="join" in rule.steps, lines=lines)


def _dialogue(payloads: Path, rule: ScenarioSettings, payload: str) -> dict[str, Dialogue]:
    """Return the dialogue that is meant, by name: `payload`, or the first of the settings.

    There is none where that is a template. Raises PayloadError.
    """
    if payload.endswith(".yaml"):
        path = Path(payload)
        try:
            return {path.stem: read_dialogue_at(path, path.name)}
        except FileError as error:
            raise PayloadError(path.name, TemplateFault(0, f"{path} {error}")) from error
    chosen = [payload] if payload else dialogue_weights(rule, GUEST_CHAT, payloads)
    name = next(iter(chosen), "")
    if not name.startswith(f"{FOLDER}/"):
        return {}
    return {name: read_dialogue_file(payloads, name)}


def exchange(
    guests: Guests, id: str, message: bytes, *, joins: bool, lines: Sequence[AnyLine] = ()
) -> Exchange:
    """Let one guest come, join if it `joins`, send a message, wait for a reply, and leave.

    Where there are `lines` of a dialogue, it does these instead of waiting, as far as it comes.
    """
    return _Watched(guests).play(id, message, joins, lines)


class _Watched:
    """A guest whose frames are kept, as far as they are shown; more than a service sends end it."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._clock: Callable[[], float] = guests.dialler.clock
        self._began_s = self._clock()
        self._replied = Signal()
        self._received, self._most_received = 0, _MOST_RECEIVED
        self._last = ""
        """The last frame that was received, all of it."""
        self._session = GuestSession(guests, self._hear, self._keep_frame)
        self._dialogue = GuestDialogue(self._session)
        self._found = Exchange(guests.deployment.host.url)

    def play(self, id: str, message: bytes, joins: bool, lines: Sequence[AnyLine]) -> Exchange:
        found = self._found
        self._most_received += _MOST_OF_A_LINE * len(lines)
        try:
            self._come(joins)
            self._say(id, message, lines)
        except RemoteError as exc:
            found.exit_code = exc.exit_code
            found.code = exc.code
        finally:
            self._leave()
        if found.code and self._is_full:
            found.code = wire_code(AnswerTooLargeError())
        return found

    def _come(self, joins: bool) -> None:
        deployment = self._guests.deployment
        headers = {"Host": deployment.host.host_header} | deployment.all_headers
        self._note(_SENT, _head(f"GET {deployment.path} HTTP/1.1", headers.items()))
        try:
            answered = self._session.connect()
        except RemoteError as exc:
            if isinstance(exc.__cause__, UpgradeRefusedError):
                self._keep_refusal(exc.__cause__)
            raise
        self._note(_RECEIVED, _head("HTTP/1.1 101 Switching Protocols", _telling(answered)))
        self._session.configure()
        if joins and self._session.is_ready:
            self._session.request(GuestProtocol.join, guest_events.OwnCopy)

    def _say(self, id: str, message: bytes, lines: Sequence[AnyLine]) -> None:
        session, timeout_s = self._session, self._guests.timeout_s
        self._replied.clear()
        if not session.is_ready:
            # A post would connect again, or begin another chat: that would hide what happened.
            self._note(_NOTED, f"no message can be sent: the session is {session.state}")
            self._found.exit_code = ExitCode.REFUSED
            self._found.code = session.connection.refusal.code
            return
        attempt = session.post(id, message, timeout_s)
        if attempt.fate is not ACCEPTED:
            self._note(_NOTED, f"the message's own copy did not come: {attempt.fate}")
            self._found.exit_code = ExitCode.NOT_ACCEPTED
            self._found.code = attempt.code
        elif lines:
            self._dialogue.said_s = attempt.sent_s
            self._go_on(lines)
        elif not self._replied.wait(min(_REPLY_S, timeout_s)):
            self._note(_NOTED, f"no reply within {min(_REPLY_S, timeout_s):g} s")

    def _go_on(self, lines: Sequence[AnyLine]) -> None:
        for line in lines:
            self._note(_NOTED, f"line {line.number}, {line}")
            try:
                began_s, done_s = self._dialogue.do(line)
            except RemoteError as exc:
                self._note(_NOTED, f"line {line.number} failed: {exc.code}")
                self._found.exit_code, self._found.code = ExitCode.NOT_ACCEPTED, exc.code
                return
            if isinstance(line, Expect):
                self._note(_NOTED, f"came {(done_s - began_s) * 1000:.1f} ms after what was said")
        self._found.end = "the dialogue came to its end"

    def _leave(self) -> None:
        session = self._session
        socket = session.socket
        if socket.is_open:
            self._note(_SENT, "close 1000")
        elif socket.fault is not None:
            self._note(_NOTED, f"the connection has ended: {socket.fault}")
            return
        session.close()
        if isinstance(socket.fault, AnswerEndedError):
            self._note(_NOTED, str(socket.fault))

    def _keep(self, what: str, text: str, at_s: float) -> None:
        kept = text[:_LONGEST_KEPT]
        self._found.lines.append(Line((at_s - self._began_s) * 1000, what, kept))

    @property
    def _is_full(self) -> bool:
        return self._received >= self._most_received

    def _keep_frame(self, what: str, text: str, at_s: float) -> None:
        if what != _RECEIVED:
            self._keep(what, unbroken(text), at_s)
            return
        if self._is_full:  # it had arrived before the connection was closed
            return
        self._received += 1
        self._last = unbroken(text)
        self._keep(what, self._last, at_s)
        if self._is_full:
            self._keep(_NOTED, f"{self._received:,} frames have come: the exchange ends", at_s)
            self._session.socket.close()
            self._replied.set()

    def _hear(self, event: guest_events.Event, received_s: float) -> None:
        if self._is_full:
            return
        self._dialogue.hear(event, received_s)
        match event:
            case guest_events.Reply():
                self._replied.set()
            case guest_events.Unreadable(problem=problem):
                self._keep(_NOTED, f"that is no frame: {problem}", received_s)
            case guest_events.Unknown(kind=kind):
                self._keep(_NOTED, f"the schema has no {kind}", received_s)
        if isinstance(event, _REFUSALS):
            self._found.refusal = self._last

    def _keep_refusal(self, refused: UpgradeRefusedError) -> None:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in refused.headers.items()
        ]
        body = decoded(refused.body)
        head = _head(f"HTTP/1.1 {refused.status}", _telling(headers))
        self._note(_RECEIVED, f"{head}\n{unbroken(body)}".rstrip())

    def _note(self, what: str, text: str) -> None:
        self._keep(what, text, self._clock())


def as_report(found: Exchange, redact: Callable[[str], str]) -> str:
    """Return the exchange line by line, and an explanation of what stood in the way."""
    return "\n".join(_lines(found, redact))


def _lines(found: Exchange, redact: Callable[[str], str]) -> Iterator[str]:
    yield f"one guest at {found.url}; times are in milliseconds since its start"
    yield ""
    for at_ms, what, text in found.lines:
        clean = printable_lines(shortened(text, _LONGEST_SHOWN, redact))
        shown = indent(clean, _FURTHER)
        yield f"{at_ms:12.1f}  {what:<8}  {shown.removeprefix(_FURTHER)}"
    yield ""
    if not found.code:
        yield found.end
        return
    explained = explain(redact(found.refusal).encode())
    if explained.code != found.code:
        explained = explain_code(found.code)
    yield "explanation"
    yield indent(as_text(explained), "  ")


def _telling(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in headers if name.lower() in _HEADERS_TOLD)


def _head(first: str, headers: Iterable[tuple[str, str]]) -> str:
    return "\n".join([first, *(unbroken(f"{name}: {value}") for name, value in headers)])
