"""A guest's files and history: what goes over HTTP beside its WebSocket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from convoy.errors import RefusalError, RemoteError, WireError
from convoy.remote.guest_rest import put_file, read_history
from convoy.remote.http import Dialler
from convoy.secrets import Secret
from tests.unit.remote.exchanges import LONG_S, deadline, transport_to
from tests.unit.remote.guests_of_a_test import guest_of
from tests.unit.remote.misbehaving_server import (
    Behaviour,
    MisbehavingServer,
    answer,
    sends,
    serving,
)
from tests.unit.remote.websocket_peer import Peer, plays

PAGE = b'{"entities": [{"id": "m1"}, {"id": "m2"}], "pageSize": 25, "pageNumber": 1, "total": 2}'
TAGGING = {"x-amz-tagging": "a=b"}


def test_a_history_is_read_with_the_token_of_get_jwt() -> None:
    with serving(sends(answer("200 OK", PAGE))) as server, transport_to(server.port) as transport:
        page = read_history(transport, Secret("j.w.t"), deadline(), number=2)

    assert (len(page.entities), page.total) == (2, 2)
    (request,) = server.requests
    assert request.startswith(b"GET /api/v2/webmessaging/messages?pageSize=25&pageNumber=2 HTTP")
    assert b"\r\nAuthorization: Bearer j.w.t\r\n" in request


NO_PAGE: dict[str, tuple[bytes, str]] = {
    "refused": (answer("401 No", b'{"code": "bad.credentials"}'), "401 bad.credentials"),
    "too often": (answer("429 Slow", b'{"code": "too.many.requests"}'), "429 too.many.requests"),
    "a page of another kind": (answer("200 OK", b"<html>"), "unexpected answer"),
    "no entities": (answer("200 OK", b"{}"), "unexpected answer"),
    "nothing": (b"", "connection closed"),
}


@pytest.mark.parametrize(("sent", "code"), NO_PAGE.values(), ids=NO_PAGE)
def test_what_is_no_history_has_a_code(sent: bytes, code: str) -> None:
    with (
        serving(sends(sent)) as server,
        transport_to(server.port) as transport,
        pytest.raises(RemoteError) as caught,
    ):
        read_history(transport, Secret("j"), deadline())

    assert caught.value.code == code


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
        with guest_of(shares) as (guest, _):
            guest.upload("a1", "note.txt", "text/plain", b"Hello")

    head, _, body = files.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /a%20file?sig=x HTTP/1.1\r\n") and body == b"Hello"
    assert b"\r\nx-amz-tagging: a=b\r\n" in head


def test_a_file_may_be_refused_after_its_upload() -> None:
    with serving(sends(answer("200 OK"))) as files:
        failure = {"errorCode": 4003, "errorMessage": "content", "timestamp": "t"}
        shares = shares_files(files, ("UploadFailureEvent", failure))
        with guest_of(shares) as (guest, _), pytest.raises(RefusalError, match="guest 4003"):
            guest.upload("a1", "note.txt", "text/plain", b"Hello")


def test_a_file_may_be_refused_where_it_is_put() -> None:
    with serving(sends(answer("403 No"))) as files, guest_of(shares_files(files)) as (guest, _):
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
        put_file(Dialler(), Secret(url), {}, b"x", deadline(LONG_S))

    assert caught.value.code == "unexpected answer"
    assert url not in str(caught.value)


def test_a_header_that_is_no_line_is_refused() -> None:
    headers = json.loads('{"x-a": "b\\r\\nx-c: d"}')

    with pytest.raises(RefusalError):
        put_file(Dialler(), Secret("http://127.0.0.1:1/x"), headers, b"x", deadline())


def test_a_file_goes_to_no_address_without_admission() -> None:
    with pytest.raises(WireError, match="no load may go"):
        put_file(Dialler(), Secret("http://192.0.2.1/x"), {}, b"x", deadline())
