"""A guest's exchange as `send --frames` shows it, with services good, bad and silent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from convoy.cli import exchange as cli_exchange
from convoy.cli.exchange import as_report, exchange
from convoy.errors import ExitCode
from convoy.plan.dialogue import AnyLine, Expect, Say
from convoy.remote import guest_session
from convoy.secrets import Redactor
from tests.unit.remote.exchanges import LONG_S
from tests.unit.remote.guests_of_a_test import HELLO, guests_at
from tests.unit.remote.misbehaving_server import Behaviour, answer, sends, serving, silent
from tests.unit.remote.websocket_peer import BINARY, Peer, plays, reply

SILENT_S = 2.0
TIMED = re.compile(r"(?m)^ +\d+\.\d  (sent|received|noted) ")


def shown(
    behaviour: Behaviour,
    timeout_s: float = LONG_S,
    joins: bool = False,
    lines: Sequence[AnyLine] = (),
) -> tuple[int, str]:
    """The exit code and the report of one exchange with a service that behaves so."""
    redactor = Redactor()
    redactor.register("token-1")
    with serving(behaviour) as server:
        guests = guests_at(server.port, timeout_s=timeout_s)
        found = exchange(guests, "k1", HELLO, joins=joins, lines=lines)
    return found.exit_code, as_report(found, redactor.redact)


def answers(peer: Peer) -> None:
    """Copy what the guest says, and reply to it at once."""
    while (request := peer.hear()) is not None:
        peer.copy(request)
        peer.frame(reply("Hi"))


def refuses(code: int, kind: str = "string", body: Any = "no") -> Any:
    def play(peer: Peer) -> None:
        request = peer.hear()
        assert request is not None
        peer.say(kind, body, code, tracingId=request["tracingId"])
        peer.hear()

    return play


def reads_only(peer: Peer) -> None:
    peer.configure(readOnly=True)
    peer.hear()


def says(data: bytes, **how: Any) -> Any:
    def play(peer: Peer) -> None:
        peer.hear()
        peer.frame(data, **how)
        peer.hear()

    return play


def test_a_guest_that_comes_through_is_shown_frame_by_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guest_session, "_CLOSE_S", LONG_S)  # the peer may be slow to answer
    monkeypatch.setattr(cli_exchange, "_REPLY_S", LONG_S)
    jwt = b'{"class": "JwtResponse", "code": 200, "body": {"jwt": "secret-of-7", "exp": 1}}'

    def play(peer: Peer) -> None:
        peer.configure()
        peer.frame(jwt)
        peer.frame(b'{"class": "JwtResponse", "x": "' + b"y" * 9_000 + b'"}')
        join = peer.hear()
        assert join is not None
        peer.copy(join)
        answers(peer)

    exit_code, told = shown(plays(play), joins=True)

    assert exit_code == ExitCode.PASS
    steps = [
        "GET /v1?deploymentId=d%201",
        "Origin: https://shop.example",
        "HTTP/1.1 101",
        '"configureSession"',
        "SessionResponse",
        '"Join"',
        '"Inbound"',
        '"text": "Hello"',
        '"Inbound"',
        '"Outbound"',
        "sent      close 1000",
        "noted     the server closed the WebSocket: 1000",
        "it was accepted",
    ]
    at = 0
    for step in steps:
        assert step in told[at:], (step, told)
        at += told[at:].index(step)
    assert "token-1" not in told and "secret-of-7" not in told
    assert '"token":"**********"' in told and '"jwt": "**********"' in told
    assert max(map(len, told.splitlines())) < 2_100
    assert len(TIMED.findall(told)) >= 10
    assert "explanation" not in told


def test_a_dialogue_is_shown_line_by_line_as_far_as_it_comes() -> None:
    hi, bye = (
        Expect(number=2 + number, within_s=SILENT_S, equals=text)
        for number, text in enumerate(["Hi", "Bye"])
    )

    exit_code, told = shown(plays(Peer.configure, answers), lines=[hi, Say(number=5, text="Bye")])
    failed_code, failed = shown(plays(Peer.configure, answers), lines=[bye, Say(text="never")])

    assert exit_code == ExitCode.PASS, told
    assert re.search(
        rf"line 2, expect: equals 'Hi', within {SILENT_S:g} s\n.*came \d+\.\d ms after",
        told,
        re.DOTALL,  # the reply may come before that, or in between
    )
    assert told.endswith("the dialogue came to its end")
    assert "line 5, say: Bye" in told and '"text":"Bye"' in told
    assert failed_code == ExitCode.NOT_ACCEPTED
    assert "line 3 failed: expect.other_text" in failed and "never" not in failed
    assert "What was replied is not what the dialogue expects" in failed


LIMIT = {"retryAfter": 1, "errorCode": 4029, "errorMessage": "Message rate too high"}
REFUSED, NOT_ACCEPTED = ExitCode.REFUSED, ExitCode.NOT_ACCEPTED
FAILS: dict[str, tuple[Behaviour, ExitCode, tuple[str, ...]]] = {
    "the upgrade": (
        sends(answer("403 Forbidden", b"go\x1b[2J away", "Server: gate")),
        REFUSED,
        ("HTTP/1.1 403", "server: gate", "go?[2J away", "guest upgrade 403", "check deployment_id"),
    ),
    "a redirect": (
        sends(answer("302 Found", b"", "Location: https://other.example")),
        REFUSED,
        ("HTTP/1.1 302", "location: https://other.example"),
    ),
    "no upgrade": (silent, REFUSED, ("timeout", "explanation")),
    "the session": (plays(refuses(4007)), REFUSED, ("guest 4007", "knows no session")),
    "silence after the upgrade": (
        plays(Peer.hear, Peer.hear),
        REFUSED,
        ("configureSession", "timeout", "request_timeout_s"),
    ),
    "a read-only session": (plays(reads_only), REFUSED, ("is read-only", "guest 409")),
    "the message": (
        plays(Peer.configure, refuses(4011)),
        NOT_ACCEPTED,
        ("own copy did not come: rejected", "guest 4011", "too long", "the answer said no"),
    ),
    "a limit": (
        plays(Peer.configure, refuses(429, "TooManyRequestsErrorMessage", LIMIT)),
        NOT_ACCEPTED,
        ("guest 4029", "the answer said Message rate too high"),
    ),
    "silence after the message": (
        plays(Peer.configure, Peer.hear, Peer.hear),
        NOT_ACCEPTED,
        ("own copy did not come: unknown", "timeout"),
    ),
    "no JSON": (
        plays(Peer.configure, says(b"{no \x1b]")),
        NOT_ACCEPTED,
        ("received {no ?]", "that is no frame: JSON is malformed", "timeout"),
    ),
    "an unknown class": (
        plays(Peer.configure, says(b'{"class": "Novel", "code": 200}')),
        NOT_ACCEPTED,
        ("the schema has no Novel", "timeout"),
    ),
    "a binary frame": (
        plays(Peer.configure, says(b"\0", opcode=BINARY)),
        NOT_ACCEPTED,
        ("the connection has ended: a frame is binary", "malformed"),
    ),
    "the end by the server": (
        plays(Peer.configure, Peer.hear, lambda peer: peer.close(1013)),
        NOT_ACCEPTED,
        ("the server closed the WebSocket: 1013", "connection closed"),
    ),
}


@pytest.mark.parametrize(("behaviour", "exit_code", "says"), FAILS.values(), ids=FAILS)
def test_what_stands_in_the_way_is_shown_and_explained(
    behaviour: Behaviour, exit_code: ExitCode, says: tuple[str, ...]
) -> None:
    found_code, told = shown(behaviour, SILENT_S if "timeout" in says else LONG_S)

    assert found_code == exit_code, told
    words = " ".join(told.lower().split())
    assert [each for each in says if each.lower() not in words] == [], told


def test_a_read_only_session_is_not_joined() -> None:
    exit_code, told = shown(plays(reads_only), joins=True)

    assert exit_code == ExitCode.REFUSED
    assert "Join" not in told and "guest 409" in told


def test_a_bot_that_says_nothing_is_no_failure() -> None:
    exit_code, told = shown(plays(Peer.configure, Peer.copy_all), SILENT_S)

    assert exit_code == ExitCode.PASS
    assert f"no reply within {SILENT_S:g} s" in told


def floods(frame: bytes) -> Any:
    def play(peer: Peer) -> None:
        with suppress(OSError):
            while True:
                peer.frame(frame)

    return play


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b'{"class": "Novel", "code": 200, "x": "%s"}' % (b"y" * 60_000), id="long"),
        pytest.param(b"{}", id="short"),
    ],
)
@pytest.mark.parametrize(
    ("is_copied", "exit_code", "says"),
    [
        pytest.param(False, NOT_ACCEPTED, "answer too large", id="before the message's own copy"),
        pytest.param(True, ExitCode.PASS, "it was accepted", id="after it"),
    ],
)
def test_a_service_that_sends_without_end_is_kept_and_shown_in_part(
    frame: bytes, is_copied: bool, exit_code: ExitCode, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_exchange, "_REPLY_S", LONG_S)  # as long as a slow machine needs

    def says_hello(peer: Peer) -> None:
        request = peer.hear()
        assert request is not None
        if is_copied:
            peer.copy(request)

    with serving(plays(Peer.configure, says_hello, floods(frame))) as server:
        found = exchange(guests_at(server.port, timeout_s=LONG_S), "k1", HELLO, joins=False)

    told = as_report(found, str)
    answers_to_upgrade = 1
    received = [line.what for line in found.lines].count("received")
    assert received == answers_to_upgrade + 1_000
    assert sum(len(line.text) for line in found.lines) < 20_000_000
    assert len(found.lines) < 2_100 and len(told) < 2_500_000
    assert told.count("noted     1,000 frames have come: the exchange ends") == 1
    assert found.exit_code == exit_code and says in told


def test_a_long_dialogue_may_have_more_frames() -> None:
    def copies_all(peer: Peer) -> None:
        peer.configure()
        for _ in range(1_000):
            peer.frame(b"{}")
        peer.copy_all()

    exit_code, told = shown(plays(copies_all), lines=[Say(number=2, text="Bye")])

    assert exit_code == ExitCode.PASS
    assert told.endswith("the dialogue came to its end")


def test_a_long_refusal_is_explained() -> None:
    _, told = shown(plays(Peer.configure, refuses(4011, body="no " + "x" * 50_000)))

    assert "guest 4011" in told and "the answer said no xxx" in " ".join(told.split())
    assert max(map(len, told.splitlines())) < 2_100
