"""A guest's files and history: what goes over HTTP beside its WebSocket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convoy.errors import RefusalError, RemoteError, WireError
from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.dialling import Dialler
from convoy.remote.guest_events import PresignedUrl, UploadDone
from convoy.remote.guest_rest import (
    HistoryMessage,
    HistoryPage,
    HistorySearch,
    check_public,
    put_file,
    read_history,
)
from convoy.remote.guests import Guests
from convoy.remote.kill_switch import KillSwitch
from convoy.remote.pace import Pace
from convoy.routes.codes import KNOWN_CODES, UPLOAD_REFUSED
from convoy.secrets import Secret
from convoy.settings import Origin
from tests.unit.remote.exchanges import LONG_S, deadline, dialler_without_names
from tests.unit.remote.guests_of_a_test import SHORT_S, Guest, guest_of, guests_at
from tests.unit.remote.misbehaving_server import (
    Behaviour,
    MisbehavingServer,
    Visitor,
    answer,
    sends,
    serving,
)
from tests.unit.remote.websocket_peer import Peer, plays

PAGE = b'{"entities": [{"id": "m1"}, {"id": "m2"}], "pageSize": 25, "pageNumber": 1, "total": 2}'
TAGGING = {"x-amz-tagging": "a=b"}


def at(port: int) -> Origin:
    return Origin("http", "127.0.0.1", port)


def put(
    guests: Guests, url: str, headers: dict[str, str] | None = None, seconds: float = LONG_S
) -> None:
    put_file(guests, PresignedUrl(url=Secret(url), headers=headers or {}), b"x", deadline(seconds))


def test_a_history_is_read_with_the_token_of_get_jwt() -> None:
    with serving(sends(answer("200 OK", PAGE))) as server:
        guests = guests_at(server.port)
        page = read_history(guests, at(server.port), Secret("j.w.t"), deadline(), number=2)

    assert (len(page.entities), page.total) == (2, 2)
    (request,) = server.requests
    assert request.startswith(b"GET /api/v2/webmessaging/messages?pageSize=25&pageNumber=2 HTTP")
    assert b"\r\nAuthorization: Bearer j.w.t\r\n" in request


@pytest.mark.parametrize(
    ("pages", "missing", "has_text", "read"),
    [
        pytest.param([[("a", "x"), ("b", "mine")]], [], True, 1, id="all of it"),
        pytest.param([[("a", "x"), ("b", " mine, tidied up")]], [], True, 1, id="text around it"),
        pytest.param([[("b", "mine")]], ["a"], True, 1, id="not what it was told"),
        pytest.param([[("a", "min"), ("a", None)]], [], False, 1, id="not what it sent"),
        pytest.param([[]], ["a"], False, 1, id="nothing"),
        pytest.param([[("c", "x")] * 25, [("a", "mine")]], [], True, 2, id="on the second page"),
        pytest.param([[("a", "mine")] * 25, []], [], True, 1, id="no page too many"),
        pytest.param([[("c", "x")] * 25] * 11, ["a"], False, 10, id="no more than ten pages"),
    ],
)
def test_a_search_finds_in_a_history(
    pages: list[list[tuple[str, str | None]]], missing: list[str], has_text: bool, read: int
) -> None:
    search, numbers = HistorySearch(["a"], "mine"), list[int]()
    total = sum(map(len, pages))

    def page(number: int) -> HistoryPage:
        numbers.append(number)
        return HistoryPage([HistoryMessage(*each) for each in pages[number - 1]], total)

    search.take_pages(page)

    assert (sorted(search.ids), search.has_text) == (missing, has_text)
    assert search.is_over is (has_text and not missing)
    assert numbers == list(range(1, read + 1))


NO_PAGE: dict[str, tuple[bytes, str]] = {
    "refused": (answer("401 No", b'{"code": "bad.credentials"}'), "401 bad.credentials"),
    "too often": (answer("429 Slow", b'{"code": "too.many.requests"}'), "429 too.many.requests"),
    "a page of another kind": (answer("200 OK", b"<html>"), "unexpected answer"),
    "no entities": (answer("200 OK", b"{}"), "unexpected answer"),
    "nothing": (b"", "connection closed"),
}


@pytest.mark.parametrize(("sent", "code"), NO_PAGE.values(), ids=NO_PAGE)
def test_what_is_no_history_has_a_code(sent: bytes, code: str) -> None:
    with serving(sends(sent)) as server, pytest.raises(RemoteError) as caught:
        read_history(guests_at(server.port), at(server.port), Secret("j"), deadline())

    assert caught.value.code == code


def test_no_history_is_read_once_the_kill_switch_is_on(tmp_path: Path) -> None:
    with serving(sends(answer("200 OK", PAGE))) as server:
        guests = guests_at(server.port, kill_switch=thrown(tmp_path))
        with pytest.raises(WireError) as caught:
            read_history(guests, at(server.port), Secret("j"), deadline())

        assert (caught.value.code, server.connections) == ("stopped", 0)


def thrown(folder: Path) -> KillSwitch:
    kill_switch = KillSwitch(folder / "STOP")
    kill_switch.throw("a test")
    return kill_switch


def shares_files(files: MisbehavingServer, *said: tuple[str, dict[str, Any]]) -> Behaviour:
    """Name a place for the guest's file, and once it is there, say what is given."""

    def play(peer: Peer) -> None:
        peer.configure()
        request = peer.hear()
        assert request is not None
        id, url = request["attachmentId"], f"http://127.0.0.1:{files.port}/a%20file?sig=x"
        place = {"attachmentId": id, "url": url, "headers": TAGGING}
        peer.say("PresignedUrlResponse", place, tracingId=request["tracingId"])
        files.wait_until(lambda: bool(files.requests))
        for kind, body in said:
            peer.say(kind, {"attachmentId": id} | body)
        peer.hear()

    return plays(play)


def test_a_file_is_put_where_the_server_says() -> None:
    with serving(sends(answer("200 OK"))) as files:
        shares = shares_files(files, ("UploadSuccessEvent", {"downloadUrl": "u", "timestamp": "t"}))
        with guest_of(shares, origins=[at(files.port)]) as (guest, _):
            guest.upload("a1", "note.txt", "text/plain", b"Hello")

    head, _, body = files.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /a%20file?sig=x HTTP/1.1\r\n") and body == b"Hello"
    assert b"\r\nx-amz-tagging: a=b\r\n" in head


def test_a_file_is_uploaded_also_where_that_is_told_before_its_put_is_answered() -> None:
    guests: list[Guest] = []

    def answers_when_it_is_told(visitor: Visitor) -> None:
        visitor.read_request()
        files.wait_until(lambda: any(isinstance(each, UploadDone) for each in guests[0].told))
        visitor.send(answer("200 OK"))

    done = ("UploadSuccessEvent", {"downloadUrl": "u", "timestamp": "t"})
    with serving(answers_when_it_is_told) as files:
        options = {"origins": [at(files.port)], "timeout_s": 10.0}
        with guest_of(shares_files(files, done), **options) as (guest, _):
            guests.append(guest)

            guest.upload("a1", "note.txt", "text/plain", b"Hello")

    assert len(files.requests) == 1


def test_a_file_may_be_refused_after_its_upload() -> None:
    with serving(sends(answer("200 OK"))) as files:
        failure = {"errorCode": 4003, "errorMessage": "content", "timestamp": "t"}
        shares = shares_files(files, ("UploadFailureEvent", failure))
        with (
            guest_of(shares, origins=[at(files.port)]) as (guest, _),
            pytest.raises(RefusalError, match="guest 4003"),
        ):
            guest.upload("a1", "note.txt", "text/plain", b"Hello")


def test_a_file_may_be_refused_where_it_is_put() -> None:
    with (
        serving(sends(answer("403 No"))) as files,
        guest_of(shares_files(files), origins=[at(files.port)]) as (guest, _),
    ):
        with pytest.raises(RefusalError, match="4xx other"):
            guest.upload("a1", "note.txt", "text/plain", b"Hello")

        assert guest.is_ready


URLS = {
    "no URL": "somewhere",
    "another scheme": "ftp://127.0.0.1/x",
    "a login": "http://me:pw@127.0.0.1/x",
    "a line break": "http://127.0.0.1:1/x\r\nX: y",
    "a space": "http://127.0.0.1:1/x y",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_what_is_no_place_for_a_file_is_refused(url: str) -> None:
    with pytest.raises(RemoteError) as caught:
        put(guests_at(1, origins=[at(1)]), url)

    assert caught.value.code == "unexpected answer"
    assert url not in str(caught.value)


def test_a_header_that_is_no_line_is_refused() -> None:
    headers = json.loads('{"x-amz-a": "b\\r\\nx-c: d"}')

    with pytest.raises(RefusalError, match="unexpected answer"):
        put(guests_at(1, origins=[at(1)]), "http://127.0.0.1:1/x", headers)


def test_of_the_headers_that_come_with_a_place_only_those_of_a_file_are_taken() -> None:
    told = {"Host": "evil", "Authorization": "Bearer x", "Cookie": "a=b", "content-length": "9"}
    taken = {"X-Amz-Tagging": "a=b", "content-type": "text/plain"}
    with serving(sends(answer("200 OK"))) as files:
        place = f"http://127.0.0.1:{files.port}"
        put(guests_at(1, origins=[at(files.port)]), f"{place}/x", told | taken)

    lines = files.requests[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    assert dict(line.split(": ") for line in lines) == {
        "Host": f"127.0.0.1:{files.port}",
        "User-Agent": "convoy",
        "X-Amz-Tagging": "a=b",
        "content-type": "text/plain",
        "Content-Length": "1",
    }
    assert len(lines) == 5


ELSEWHERE: dict[str, tuple[str, bool]] = {
    "the metadata of a machine in a cloud": ("https://169.254.169.254/x", True),
    "a private network": ("https://10.0.0.5/x", True),
    "a private network, mapped": ("https://[::ffff:10.0.0.5]/x", True),
    "this machine": ("https://127.0.0.1:1/x", True),
    "this machine by name": ("https://a.localhost/x", True),
    "this machine in another notation": ("https://decimal.example/x", True),
    "a name of a private network": ("https://inside.example/x", True),
    "plain http": ("http://outside.example/x", True),
    "outside without an approval": ("https://outside.example/x", False),
}
STANDS_FOR = {"inside.example": "192.168.0.1", "decimal.example": "127.0.0.1"}


@pytest.mark.parametrize(("url", "is_approved"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_file_goes_nowhere_but_to_the_target_or_with_an_approval_to_public_places(
    url: str, is_approved: bool
) -> None:
    def look_up(host: str, port: int) -> Any:
        if host not in STANDS_FOR:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (STANDS_FOR[host], port))]

    dialler = Dialler(AddressBook(Admission(anywhere=is_approved), look_up=look_up))
    guests = guests_at(1, dialler=dialler, origins=[at(1)], is_approved=is_approved)

    with pytest.raises(RemoteError) as caught:
        put(guests, url)

    assert caught.value.code == UPLOAD_REFUSED
    assert UPLOAD_REFUSED in KNOWN_CODES


@pytest.mark.parametrize("host", ["169.254.169.254", "a.localhost"])
def test_no_proxy_is_asked_for_what_is_not_public(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(sends(answer("200 OK"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(RefusalError, match=UPLOAD_REFUSED):
            put(guests_at(1, is_approved=True), f"https://{host}/x")

        assert proxy.connections == 0


@pytest.mark.parametrize("is_approved", [False, True])
def test_a_file_goes_to_no_other_port_of_this_machine(is_approved: bool) -> None:
    with serving(sends(answer("200 OK"))) as other:
        guests = guests_at(1, origins=[at(1)], is_approved=is_approved)
        with pytest.raises(RefusalError, match=UPLOAD_REFUSED):
            put(guests, f"http://127.0.0.1:{other.port}/x")

        assert other.connections == 0


@pytest.mark.parametrize("address", ["0x7f.1", "127.1", "2130706433", "127.0.0.1.", "localhost."])
def test_what_is_not_public_is_known_in_other_notations(address: str) -> None:
    with pytest.raises(RefusalError, match="of this machine or of a private network"):
        check_public(address, address)


@pytest.mark.parametrize("address", ["93.184.215.14", "1572395790", "files.example"])
def test_with_an_approval_a_file_may_go_to_a_public_place(address: str) -> None:
    check_public("files.example", address)
    guests = guests_at(1, dialler=dialler_without_names(), is_approved=True)

    with pytest.raises(WireError) as caught:
        put(guests, "https://files.example/x")

    assert caught.value.code == "dns"


def test_no_file_leaves_once_the_kill_switch_is_on(tmp_path: Path) -> None:
    kill_switch = KillSwitch(tmp_path / "STOP")
    with serving(sends(answer("200 OK"))) as files:

        def stops(peer: Peer) -> None:
            peer.configure()
            request = peer.hear()
            assert request is not None
            kill_switch.throw("a test")
            id, url = request["attachmentId"], f"http://127.0.0.1:{files.port}/x"
            place = {"attachmentId": id, "url": url, "headers": TAGGING}
            peer.say("PresignedUrlResponse", place, tracingId=request["tracingId"])
            peer.hear()

        options = {"origins": [at(files.port)], "kill_switch": kill_switch}
        with guest_of(plays(stops), **options) as (guest, _), pytest.raises(WireError) as caught:
            guest.upload("a1", "note.txt", "text/plain", b"Hello")

        assert (caught.value.code, files.connections) == ("stopped", 0)


def read_one(guests: Guests, port: int, seconds: float) -> None:
    read_history(guests, at(port), Secret("j"), deadline(seconds))


def put_one(guests: Guests, port: int, seconds: float) -> None:
    put(guests, f"http://127.0.0.1:{port}/1", seconds=seconds)


@pytest.mark.parametrize("ask", [read_one, put_one])
def test_what_guests_do_over_http_keeps_to_the_pace_of_an_approval(
    ask: Callable[[Guests, int, float], None],
) -> None:
    with serving(sends(answer("200 OK", PAGE))) as server:
        guests = guests_at(1, origins=[at(server.port)], pace=Pace(1))
        ask(guests, server.port, LONG_S)
        with pytest.raises(WireError) as caught:
            ask(guests, server.port, SHORT_S)

        assert (caught.value.code, len(server.requests)) == ("timeout", 1)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://zk7head/tail8Rt3?x=1", "put to an address with a secret in it: not an address"),
        ("https://files.example/a?token=zk7head/tail8Rt3", "put to https://files.example: not an"),
    ],
)
def test_an_address_for_a_file_is_told_where_it_is_no_part_of_a_secret(url: str, told: str) -> None:
    def hide(text: str) -> str:
        return text.replace("zk7head/tail8Rt3", "****")

    with pytest.raises(RemoteError, match=told) as caught:
        put(guests_at(1, redact=hide), url)

    assert "zk7" not in str(caught.value)
