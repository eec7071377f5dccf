"""Whatever it is sent, the simulator answers in its own words or hangs up, and goes on."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.api import (
    MESSAGES,
    bearer,
    call,
    canonical_body,
    open_conversations,
)
from tests.simulator_process import SimulatorProcess

BUDGET = ("--token-rate-per-minute", "1000000")
ENVELOPE = {"message", "code", "status", "messageParams", "contextId", "details", "errors"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(*BUDGET) as process:
        yield process
        assert process.is_running()
        assert process.complaints() == ""


@pytest.fixture(scope="module")
def token(simulator: SimulatorProcess) -> dict[str, str]:
    return bearer(simulator)


@pytest.fixture(scope="module")
def conversation(simulator: SimulatorProcess) -> str:
    identity: str = open_conversations(simulator)[0]["id"]
    return identity


HUNG_UP = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)


def exchange(simulator: SimulatorProcess, sent: bytes) -> bytes:
    """Send these bytes and no more; all that comes back until the simulator hangs up."""
    received = b""
    with socket.create_connection(("127.0.0.1", simulator.port), 10.0) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError as error:
            # The simulator may hang up at any moment, also between two of our calls.
            assert error.errno in HUNG_UP
            return received
    return received


def assert_alive(simulator: SimulatorProcess) -> None:
    assert call(simulator, "GET", "/simulator").status == 200


def assert_refused(status: int, body: bytes) -> None:
    envelope = json.loads(body)
    assert 400 <= status < 500
    assert envelope.keys() >= ENVELOPE
    assert envelope["status"] == status


@given(member=st.sampled_from(["to", "from", "text", "type", "conversationId"]), value=json_values)
def test_any_value_of_a_member_is_accepted_or_refused(
    simulator: SimulatorProcess,
    token: dict[str, str],
    conversation: str,
    member: str,
    value: object,
) -> None:
    body = canonical_body(conversation) | {member: value}

    reply = call(simulator, "POST", MESSAGES, body, token)

    if reply.status != 200:
        assert_refused(reply.status, reply.body)


@given(
    member=st.sampled_from(["id", "type", "conversationId", "name"]),
    value=json_values,
    place=st.sampled_from(["to", "from"]),
)
def test_any_value_inside_an_address_is_accepted_or_refused(
    simulator: SimulatorProcess,
    token: dict[str, str],
    conversation: str,
    member: str,
    value: object,
    place: str,
) -> None:
    body = canonical_body(conversation)
    body[place] = body[place] | {member: value}

    reply = call(simulator, "POST", MESSAGES, body, token)

    if reply.status != 200:
        assert_refused(reply.status, reply.body)


@given(body=st.binary(max_size=300))
def test_any_bytes_as_a_body_are_refused(
    simulator: SimulatorProcess, token: dict[str, str], body: bytes
) -> None:
    replies = [
        call(simulator, "POST", path, body, token)
        for path in (MESSAGES, f"/api/v2/webmessaging/guests/x{MESSAGES[7:]}", "/simulator/faults")
    ]

    for reply in replies:
        assert_refused(reply.status, reply.body)


@given(
    body=st.binary(max_size=100),
    authorization=st.text(st.characters(max_codepoint=126, min_codepoint=33)),
)
def test_any_login_is_answered(
    simulator: SimulatorProcess, body: bytes, authorization: str
) -> None:
    headers = {"Authorization": f"Basic {authorization}"}

    reply = call(simulator, "POST", "/oauth/token", body, headers)

    assert reply.status == 400
    assert reply.json["error"] in {"invalid_request", "invalid_client", "unsupported_grant_type"}


@given(garbage=st.binary(max_size=300))
def test_any_bytes_on_the_socket_do_no_harm(simulator: SimulatorProcess, garbage: bytes) -> None:
    received = exchange(simulator, garbage)

    assert not received.startswith(b"HTTP/1.1 5")
    assert_alive(simulator)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "TRACE", "DELETE"]),
    target=st.binary(max_size=60).map(lambda tail: b"/" + tail.translate(None, b" \r\n")),
)
def test_any_method_and_target_is_answered_or_cut(
    simulator: SimulatorProcess, method: str, target: bytes
) -> None:
    received = exchange(
        simulator, method.encode() + b" " + target + b" HTTP/1.1\r\nHost: simulator\r\n\r\n"
    )

    assert not received.startswith(b"HTTP/1.1 5")
    assert_alive(simulator)


@given(query=st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=40))
def test_any_query_is_answered(
    simulator: SimulatorProcess, token: dict[str, str], query: str
) -> None:
    listing = call(simulator, "GET", f"/api/v2/conversations?{query}", headers=token)
    ledger = call(simulator, "GET", f"/simulator/ledger?run_id={query}")

    assert listing.status in (200, 400)
    assert ledger.status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nHost: s\r\nContent-Length: 50\r\n\r\n{",
        b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST "
        + MESSAGES.encode()
        + b" HTTP/1.1\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n",
        b"GET /simulator HTTP/9.9\r\n\r\n",
        b"GET /%zz%ff%00 HTTP/1.1\r\nHost: s\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: s\r\n\r\n",
        b"GET /simulator HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05he",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /simulator HTTP/1.1\r\n" + b"X-Long: " + b"x" * 300_000,
        b"GET /" + b"x" * 300_000,
    ],
    ids=lambda sent: repr(sent[:70]),
)
def test_broken_http_does_no_harm(simulator: SimulatorProcess, sent: bytes) -> None:
    received = exchange(simulator, sent)

    assert not received.startswith(b"HTTP/1.1 5")
    assert_alive(simulator)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"to":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"to": "\\ud800"}',
        b'{"text": "\xff\xfe"}',
        b"\xef\xbb\xbf{}",
        b"1" * 10_000,
        b"NaN",
        b"null",
        b"",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_hostile_json_is_refused(
    simulator: SimulatorProcess, token: dict[str, str], body: bytes
) -> None:
    reply = call(simulator, "POST", MESSAGES, body, token)

    assert_refused(reply.status, reply.body)
    assert reply.json["code"] == "invalid_payload"


def test_a_huge_body_in_chunks_is_refused_and_the_rest_of_it_thrown_away(
    simulator: SimulatorProcess, token: dict[str, str]
) -> None:
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: s\r\nAuthorization: {token['Authorization']}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunks = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 200

    received = exchange(simulator, head.encode() + chunks + b"0\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 413")
    assert_alive(simulator)


IN_CHUNKS = b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "unit"),
    [
        pytest.param(IN_CHUNKS + b"0\r\n", b"A: b\r\n", id="trailers"),
        pytest.param(IN_CHUNKS + b"0\r\nA: ", b"b", id="a trailer"),
        pytest.param(IN_CHUNKS + b"1;", b"x", id="an extension of a chunk"),
        pytest.param(b"GET / HTTP/1.1\r\n", b"A: b\r\n", id="headers"),
    ],
)
def test_what_has_no_end_is_cut_off(simulator: SimulatorProcess, begin: bytes, unit: bytes) -> None:
    units = unit * (32_768 // len(unit))
    sent = 0

    with (
        socket.create_connection(("127.0.0.1", simulator.port), 10) as peer,
        pytest.raises(ConnectionError),
    ):
        peer.sendall(begin)
        while sent < 2**25:
            peer.sendall(units)
            sent += len(units)

    assert_alive(simulator)


def test_a_body_after_a_long_one_and_its_trailers_are_taken(simulator: SimulatorProcess) -> None:
    body = b"grant_type=client_credentials" + b"&x=" + b"y" * 200_000
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[at : at + 1_000] for at in range(0, len(body), 1_000))
    )
    whole = IN_CHUNKS + chunks + b"0\r\nAuthorization: none\r\n\r\n"

    received = exchange(simulator, whole + whole.replace(b"Host", b"Connection: close\r\nHost"))

    assert received.count(b'"error":"invalid_client"') == 2


def test_garbage_after_a_whole_request_does_not_cost_its_answer(
    simulator: SimulatorProcess,
) -> None:
    received = exchange(
        simulator, b"GET /simulator HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage"
    )

    assert received.startswith(b"HTTP/1.1 200")


def test_requests_in_one_packet_are_answered_in_order(simulator: SimulatorProcess) -> None:
    paths = ("/simulator", "/nowhere", "/simulator/faults")
    sent = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths)

    received = exchange(simulator, sent.encode())

    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", MESSAGES, "POST"),
        ("GET", "/oauth/token", "POST"),
        ("PATCH", "/simulator/faults", "DELETE, GET, POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    simulator: SimulatorProcess, method: str, path: str, allowed: str
) -> None:
    reply = call(simulator, method, path)

    assert reply.json["code"] == "method.not.allowed"
    assert reply.headers["allow"] == allowed


def test_an_unknown_path_is_not_found(simulator: SimulatorProcess) -> None:
    reply = call(simulator, "GET", "/api/v2/nothing/here")

    assert_refused(reply.status, reply.body)
    assert reply.json["code"] == "not.found"
    assert reply.json["contextId"] == reply.headers["inin-correlation-id"]
