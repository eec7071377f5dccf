"""A WebSocket, under a guest's session: upgrades, frames and ends in every form."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.utils import accept_key

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError, WireError
from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.guest_events import Event, OwnCopy, Reply, Unknown, Unreadable
from convoy.remote.guests import Deployment
from convoy.remote.tls import tls_context
from convoy.remote.websocket import WebSocket
from convoy.results.masking import masking
from convoy.results.outcome import ACCEPTED, UNKNOWN
from convoy.routes.codes import meaning
from convoy.settings import Origin
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import LONG_S, deadline, wait_in_loop
from tests.unit.remote.guests_of_a_test import (
    HELLO,
    SHORT_S,
    Guest,
    guest_of,
    guests_at,
    resumes,
)
from tests.unit.remote.misbehaving_server import (
    Behaviour,
    Visitor,
    answer,
    sends,
    serving,
    silent,
)
from tests.unit.remote.proxy_server import ESTABLISHED, answers_connect, name_proxy_at
from tests.unit.remote.websocket_peer import (
    BINARY,
    CONTINUATION,
    EARLY,
    LATE,
    PING,
    SWITCHING,
    TEXT,
    Peer,
    copy_of,
    framed,
    plays,
    reply,
    said,
)

PAGE = answer("200 OK", b"<html>Welcome</html>", "Content-Type: text/html")
DEFLATE = SWITCHING + b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def accepts(*lines: bytes, then: bytes = b"") -> Behaviour:
    """Answer the upgrade by hand, and send what follows in the same piece."""

    def behave(visitor: Visitor) -> None:
        request = visitor.read_request().decode()
        key = next(
            line[19:] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key")
        )
        accept = f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
        visitor.send(b"".join(lines) + accept + then)
        visitor.wait_for_close()

    return behave


REFUSED: dict[str, tuple[Behaviour, str, str]] = {
    "403": (sends(answer("403 Forbidden")), "guest upgrade 403", "answered with 403"),
    "403 with a code": (
        sends(answer("403 Forbidden", b'{"code": "not.authorized"}')),
        "guest upgrade 403",
        "answered with 403",
    ),
    "an overload": (sends(answer("503 Busy", b"<html>")), "503 gateway.unavailable", "with 503"),
    "a redirect": (
        sends(answer("302 Found", b"", "Location: https://x.example/")),
        "other",
        "answered with 302 to https://x.example/",
    ),
    "a page": (sends(PAGE), "unexpected answer", "answered with 200"),
    "a page without a length": (
        sends(b"HTTP/1.1 404 Not Found\r\n\r\n<html>"),
        "4xx other",
        "answered with 404",
    ),
    "no HTTP": (sends(b"220 mail.example ESMTP\r\n\r\n"), "malformed answer", ""),
    "TLS": (sends(b"\x15\x03\x01\x00\x02\x02\x46"), "tls expected", ""),
    "an end": (sends(), "connection closed", ""),
    "half an answer": (sends(b"HTTP/1.1 101 Swi"), "connection closed", ""),
    "a reset": (Visitor.reset, "connection reset", ""),
    "silence": (silent, "timeout", ""),
    "another key": (
        sends(SWITCHING + b"Sec-WebSocket-Accept: AAAA\r\n\r\n"),
        "malformed answer",
        "Sec-WebSocket-Accept",
    ),
    "compression that was not offered": (accepts(DEFLATE), "malformed answer", "extension"),
}


@pytest.mark.parametrize(("behave", "code", "told"), REFUSED.values(), ids=REFUSED)
def test_a_refused_upgrade_has_a_code_and_a_sentence(
    behave: Behaviour, code: str, told: str
) -> None:
    with serving(behave) as server:
        guest = Guest(guests_at(server.port, timeout_s=SHORT_S if behave is silent else LONG_S))

        with pytest.raises(RemoteError) as caught:
            guest.open()

        assert (caught.value.code, guest.is_ready) == (code, False)
        assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_redirect_is_told_without_what_it_says_of_the_visitor() -> None:
    where = "Location: https://x.example/in?visitor=Ada#ada"
    is_told = pytest.raises(RemoteError, match="302 to https://x.example/in$")
    with serving(sends(answer("302 Found", b"", where))) as server, is_told:
        Guest(guests_at(server.port)).open()


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        (sends(answer("302 Found", b"", "Location: https://x.example/ada@x.example")), "302 to"),
        (plays(lambda peer: peer.close(4011, "ask ada@x.example")), "4011 (private use) ask <"),
    ],
    ids=["a redirect", "the reason to close"],
)
def test_people_are_masked_in_what_a_server_says_that_lets_nobody_in(
    behave: Behaviour, told: str
) -> None:
    with serving(behave) as server:
        guest = Guest(guests_at(server.port, clean=masking(str)))

        with pytest.raises(RemoteError) as caught:
            guest.open()

    assert told in str(caught.value) and "<e-mail address>" in str(caught.value)
    assert "ada" not in str(caught.value)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (
            answer("302 Found", b"", "Location: https://x.example/Zk7Q-head?tail8Rt3#b"),
            "answered with 302 to https://x.example/\\*\\*$",
        ),
        (
            answer("302 Found", b"", "Location: https://x.example/a?b=Zk7Q%2F1&c=%20"),
            "answered with 302 to https://x.example/a$",
        ),
        (SWITCHING.replace(b": websocket", b": Zk7Q,tail"), "another Upgrade header"),
        (SWITCHING.replace(b": Upgrade", b": Zk7Q,tail"), "another Connection header"),
    ],
    ids=["a redirect", "a query", "Upgrade", "Connection"],
)
def test_no_part_of_a_secret_is_told_of_what_a_server_says_to_an_upgrade(
    sent: bytes, told: str
) -> None:
    def hide(text: str) -> str:
        return text.replace("Zk7Q-head?tail8Rt3", "**").replace("Zk7Q,tail", "**")

    is_told = pytest.raises(RemoteError, match=told)
    with (
        serving(sends(sent + b"\r\n" * sent.startswith(b"HTTP/1.1 101"))) as server,
        is_told as caught,
    ):
        Guest(guests_at(server.port, clean=masking(hide), redact=hide)).open()

    shown = "".join(traceback.format_exception(caught.value))
    assert "tail" not in shown


def test_nobody_at_the_port_is_a_refused_connection() -> None:
    with serving(silent) as server:
        pass

    with pytest.raises(WireError, match="connection refused"):
        Guest(guests_at(server.port)).open()


def test_a_guest_for_whom_no_descriptor_is_left_says_what_to_raise() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(silent) as server:
        guest = Guest(guests_at(server.port))
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            with pytest.raises(WireError) as caught:
                guest.open()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (caught.value.code, caught.value.sent_s) == ("EMFILE", None)
    assert "raise `ulimit -n`" in meaning(caught.value.code)


def test_what_comes_together_with_the_answer_to_the_upgrade_is_heard() -> None:
    heard: list[str] = []
    websocket = WebSocket(lambda text, received_s: heard.append(text))
    with serving(accepts(SWITCHING, then=framed(b"Hello"))) as server:
        origin = Origin("http", "127.0.0.1", server.port)
        websocket.open(Dialler(), origin, "/", {}, deadline(), lambda _: deadline())
        websocket.close()

    assert heard == ["Hello"]


def test_a_refused_upgrade_says_when_to_come_back() -> None:
    busy = sends(answer("429 Slow", b"", "Retry-After: 7"))
    with serving(busy) as server, pytest.raises(RefusalError) as caught:
        Guest(guests_at(server.port)).open()

    assert caught.value.retry_after_s == 7.0


def answers_with(send: Callable[[Peer, dict[str, Any]], object]) -> Behaviour:
    """Have the first message answered as given, and wait for the guest's close frame."""

    def play(peer: Peer) -> None:
        peer.configure()
        request = peer.hear()
        assert request is not None
        send(peer, request)
        peer.close_codes = peer.close_code()  # type: ignore[attr-defined]

    return plays(play)


def in_pieces(peer: Peer, request: dict[str, Any]) -> None:
    first, *others, last = (bytes([each]) for each in copy_of(request))
    peer.frame(first, TEXT, fin=False)
    peer.frame(b"", PING)
    for each in others:
        peer.frame(each, CONTINUATION, fin=False)
    peer.frame(last, CONTINUATION)


def after(data: bytes) -> Callable[[Peer, dict[str, Any]], object]:
    def send(peer: Peer, request: dict[str, Any]) -> None:
        peer.frame(data)
        peer.copy(request)

    return send


READ: dict[str, tuple[Callable[[Peer, dict[str, Any]], object], list[type[Event]]]] = {
    "in pieces": (in_pieces, [OwnCopy]),
    "after no JSON": (after(b"hello"), [Unreadable, OwnCopy]),
    "after no object": (after(b"[1]"), [Unreadable, OwnCopy]),
    "after an unknown class": (after(said("Fax", {})), [Unknown, OwnCopy]),
    "with unknown members": (after(said("LogoutEvents", 5, more=[1])), [Unknown, OwnCopy]),
    "after its reply": (
        lambda peer, request: (peer.frame(reply("Hi", LATE)), peer.copy(request, EARLY)),
        [Reply, OwnCopy],
    ),
    "twice": (
        lambda peer, request: (peer.copy(request), peer.copy(request)),
        [OwnCopy, OwnCopy],
    ),
    "after that of another": (
        lambda peer, request: (peer.copy(request | {"tracingId": "x"}), peer.copy(request)),
        [OwnCopy, OwnCopy],
    ),
}


@pytest.mark.parametrize(("send", "told"), READ.values(), ids=READ)
def test_a_copy_is_read_whatever_comes_with_it(
    send: Callable[[Peer, dict[str, Any]], object], told: list[type[Event]]
) -> None:
    with guest_of(answers_with(send)) as (guest, _):
        assert guest.post("k1", HELLO, LONG_S).fate is ACCEPTED
        wait_in_loop(lambda: list(map(type, guest.told[1:])) == told)


def in_one_piece(peer: Peer, request: dict[str, Any]) -> None:
    # What nobody reads would have the kernel reset the connection, and lose the close frame.
    peer.visitor.send(b"\x81\x7f" + struct.pack("!Q", 300_000))


def in_many_pieces(peer: Peer, request: dict[str, Any]) -> None:
    peer.frame(b'"' + b"a" * 60_000, TEXT, fin=False)
    for _ in range(3):
        peer.frame(b"a" * 60_000, CONTINUATION, fin=False)
    peer.visitor.send(b"\x00\x7e" + struct.pack("!H", 60_000))


BREAKS: dict[str, tuple[Callable[[Peer, dict[str, Any]], object], str, int | None]] = {
    "too large": (in_one_piece, "answer too large", 1009),
    "too large in pieces": (in_many_pieces, "answer too large", 1009),
    "binary": (lambda peer, _: peer.frame(b"{}", BINARY), "malformed answer", 1003),
    "no UTF-8": (lambda peer, _: peer.frame(b'"\xff"'), "malformed answer", 1007),
    "compressed": (lambda peer, _: peer.frame(b"\xab\x00", reserved=4), "malformed answer", 1002),
    "no WebSocket": (
        lambda peer, _: peer.visitor.send(b"HTTP/1.1 400 No\r\n" * 9),
        "malformed answer",
        1002,
    ),
    "half a frame": (
        lambda peer, _: (peer.visitor.send(b"\x81\x7e"), peer.visitor.connection.shutdown(1)),
        "connection closed",
        None,
    ),
    "a close": (lambda peer, _: peer.close(1012), "connection closed", 1012),
    "an end": (lambda peer, _: peer.visitor.connection.shutdown(1), "connection closed", None),
    "a reset": (lambda peer, _: peer.visitor.reset(), "connection reset", None),
}


@pytest.mark.parametrize(("send", "code", "close_code"), BREAKS.values(), ids=BREAKS)
def test_what_breaks_the_rules_ends_the_connection_and_not_the_session(
    send: Callable[[Peer, dict[str, Any]], object], code: str, close_code: int | None
) -> None:
    codes: list[int | None] = []

    def play(peer: Peer) -> None:
        peer.configure()
        request = peer.hear()
        assert request is not None
        send(peer, request)
        codes.append(peer.close_code())

    with guest_of(plays(play), plays(resumes)) as (guest, server):
        attempt = guest.post("k1", HELLO, LONG_S)

        assert (attempt.fate, attempt.code, attempt.status) == (UNKNOWN, code, 0)
        assert not guest.is_ready
        assert guest.connection.loss == ("guest closed 1012" if close_code == 1012 else code)
        assert guest.post("k2", HELLO, LONG_S).fate is ACCEPTED
        assert (guest.connection.loss, server.connections) == ("", 2)
        if code != "connection reset":
            wait_in_loop(lambda: codes == [close_code])


def test_pings_are_answered() -> None:
    pongs: list[bytes | None] = []

    def pings(peer: Peer) -> None:
        peer.configure()
        peer.frame(b"are you there?", PING)
        pongs.append(peer.await_pong())

    with guest_of(plays(pings)):
        wait_in_loop(lambda: pongs == [b"are you there?"])


def test_answers_to_pings_do_not_pile_up_where_they_are_not_read() -> None:
    is_over = threading.Event()

    def floods(peer: Peer) -> None:
        peer.visitor.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.configure()
        peer.visitor.send((bytes([0x80 | PING, 125]) + b"x" * 125) * 40_000)
        peer.frame(reply("done"))
        is_over.wait(LONG_S)

    with guest_of(plays(floods)) as (guest, _):
        wait_in_loop(lambda: any(isinstance(each, Reply) for each in guest.told))

        connection = guest.socket._connection
        assert connection is not None and 0 < len(connection.unsent) < 10_000
        is_over.set()


def test_an_address_without_admission_is_not_connected_to() -> None:
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
    book = AddressBook(Admission(), look_up=lambda host, port: [found])
    guests = guests_at(80, dialler=Dialler(book))
    elsewhere = replace(guests, deployment=Deployment(Origin("http", "x.example", 80), "d1"))

    with pytest.raises(
        WireError, match="address not allowed: .* x.example stands for 192.0.2.1, to which no load"
    ):
        Guest(elsewhere).open()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is needed to make test certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


def secure_guest(port: int, authority: Authority) -> Guest:
    dialler = Dialler(tls=tls_context(authority.ca_file))
    deployment = Deployment(Origin("https", "localhost", port), "d1")
    return Guest(guests_at(port, dialler=dialler, deployment=deployment))


def test_a_guest_speaks_over_tls(authority: Authority) -> None:
    codes: list[int | None] = []

    def closes(peer: Peer) -> None:
        peer.configure()
        for _ in range(3):
            request = peer.hear()
            assert request is not None
            peer.copy(request)
        codes.append(peer.close_code())

    with serving(plays(closes), tls=authority.server_context("localhost")) as server:
        guest = secure_guest(server.port, authority)
        guest.open()

        attempts = [guest.post(f"k{number}", HELLO, LONG_S) for number in range(3)]

        guest.close()
        assert [each.fate for each in attempts] == [ACCEPTED] * 3
        assert all(each.sent_s <= each.done_s for each in attempts)
        server.wait_until(lambda: codes == [1000])


def speaks_plainly(visitor: Visitor) -> None:
    visitor.connection.recv(65_536)
    visitor.send(answer("400 Bad Request"))


def test_faults_of_tls_have_codes(authority: Authority) -> None:
    untrusted = serving(silent, tls=authority.self_signed_context())
    with untrusted as server, pytest.raises(WireError, match="^tls: "):
        secure_guest(server.port, authority).open()
    with serving(speaks_plainly) as server, pytest.raises(WireError, match="^no tls: "):
        secure_guest(server.port, authority).open()


def drops(after_bytes: int) -> Behaviour:
    """Be a proxy that drops the tunnel after so many bytes of the guest's."""

    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(ESTABLISHED)
        left = after_bytes
        while left > 0 and (data := visitor.connection.recv(left)):
            left -= len(data)
        visitor.reset()

    return behave


PROXIES: dict[str, tuple[Behaviour, str]] = {
    "refuses": (answers_connect(answer("403 Forbidden")), "proxy"),
    "drops before an answer": (sends(), "proxy"),
    "drops at once": (drops(1), "connection reset"),
    "drops in the handshake": (drops(100), "connection reset"),
}


@pytest.mark.parametrize(("behave", "code"), PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_drops_has_a_code(
    behave: Behaviour, code: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(behave) as proxy:
        name_proxy_at(monkeypatch, proxy.port)
        deployment = Deployment(Origin("https", "messaging.example", 443), "d1")
        dialler = Dialler(tls=tls_context(authority.ca_file))

        with pytest.raises(WireError) as caught:
            Guest(guests_at(0, dialler=dialler, deployment=deployment)).open()

        assert caught.value.code == code
        assert proxy.requests[0].startswith(b"CONNECT messaging.example:443 ")


def test_a_close_frame_may_be_left_behind_and_texts_and_pings_may_not() -> None:
    websocket = WebSocket(lambda text, received_s: None)
    with serving(accepts(SWITCHING)) as server:
        origin = Origin("http", "127.0.0.1", server.port)
        websocket.open(Dialler(), origin, "/", {}, deadline(), lambda _: deadline())
        connection = websocket.connection
        assert connection is not None
        ends = [connection.message_end]
        for act in (lambda: websocket.send(b"hello"), websocket.ping, websocket.begin_close):
            act()
            ends.append(connection.message_end)

        assert ends[0] < ends[1] < ends[2] == ends[3] < connection.given_bytes
        websocket.close()


@pytest.mark.parametrize("is_held", [False, True])
def test_a_connection_whose_server_has_not_received_a_text_is_closed_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, is_held: bool
) -> None:
    websocket = WebSocket(lambda text, received_s: None)
    with serving(accepts(SWITCHING)) as server:
        origin = Origin("http", "127.0.0.1", server.port)
        websocket.open(Dialler(), origin, "/", {}, deadline(), lambda _: deadline())
        websocket.send(b"hello")
        monkeypatch.setattr(Connection, "holds", lambda connection, end: is_held)

        with pytest.raises(TimeoutError):
            websocket.wait_for(lambda: False, deadline(0.05), clock_s, lambda _: False)

        assert websocket.is_open == (not is_held)
        websocket.close()
