"""Finding conversations, and telling a simulator from anything else, over real sockets."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from convoy.errors import RefusedError, RemoteError
from convoy.plan.pool import Conversation
from convoy.remote.addresses import Admission
from convoy.remote.api_client import ApiClient
from convoy.remote.listing import find_conversations
from convoy.remote.simulator import is_convoy_simulator, starter_of_simulator
from convoy.secrets import Secret
from tests.locust_process import free_port
from tests.recording_relay import RecordingRelay
from tests.simulator_process import SimulatorProcess
from tests.unit.remote.certificates import Authority
from tests.unit.remote.clients import client_at
from tests.unit.remote.misbehaving_server import Visitor, answer, sends, serving, silent
from tests.unit.remote.proxy_server import name_proxy_at, tunnels

KEY = Secret("0123456789abcdef")
Listing = list[dict[str, Any]]


def conversation(id: str, state: str = "connected", type: str = "webchat") -> dict[str, str]:
    return {"id": id, "state": state, "type": type}


def lists(*pages: Listing, **added: int) -> Callable[[Visitor], None]:
    """Behaviour: answer `pageNumber=n` with the n-th page."""

    def behave(visitor: Visitor) -> None:
        while request := visitor.read_request():
            found = re.search(rb"pageNumber=(\d+)", request)
            number = int(found[1]) if found else 0
            entities = pages[number - 1] if number <= len(pages) else []
            visitor.send(answer("200 OK", json.dumps({"entities": entities, **added}).encode()))

    return behave


def always(sent: bytes) -> Callable[[Visitor], None]:
    return lambda visitor: visitor.answer_all(sent)


def listed_by(client: ApiClient, **options: Any) -> tuple[list[Conversation], int]:
    with client:
        return find_conversations(client, **options)


def found_at(port: int, **options: Any) -> list[str]:
    found, _ = listed_by(client_at(f"http://127.0.0.1:{port}"), **options)
    return [each.id for each in found]


def test_all_pages_are_read_filtered_and_sorted() -> None:
    pages: list[Listing] = [
        [conversation("c"), conversation("x", state="disconnected")],
        [conversation("a"), conversation("y", type="webmessaging")],
        [conversation("b"), conversation("c")],
    ]
    with serving(lists(*pages, pageCount=3)) as server:
        ids = found_at(server.port, page_size=2)

        assert ids == ["a", "b", "c"]
        assert len(server.requests) == 3
        assert b"GET /api/v2/conversations?pageSize=2&pageNumber=1 " in server.requests[0]
        assert b"Authorization: Bearer token-1\r\n" in server.requests[0]


def test_the_path_of_a_gateway_goes_before_that_of_the_listing() -> None:
    with serving(lists([conversation("a")], pageCount=1)) as server:
        listed_by(client_at(f"http://127.0.0.1:{server.port}/gw/x"))

        assert server.requests[0].startswith(b"GET /gw/x/api/v2/conversations?pageSize=")


def test_any_state_and_any_type_may_be_asked_for() -> None:
    pages: list[Listing] = [
        [conversation("a"), conversation("b", state="disconnected"), conversation("c", type="x")]
    ]
    with serving(lists(*pages, pageCount=1)) as server:
        assert found_at(server.port, state="any", type="any") == ["a", "b", "c"]
        assert found_at(server.port, state="any") == ["a", "b"]
        assert found_at(server.port, type="x") == ["c"]


def test_customer_and_agent_of_a_conversation_are_found_by_their_purpose() -> None:
    taking_part = [
        {"id": "bot-1", "purpose": "workflow"},
        {"id": "agent-1", "purpose": "agent"},
        {"id": "customer-1", "purpose": "customer"},
    ]
    page: Listing = [{**conversation("a"), "participants": taking_part}, conversation("b")]
    with serving(lists(page, pageCount=1)) as server:
        found, _ = listed_by(client_at(f"http://127.0.0.1:{server.port}/"))

    assert found == [Conversation("a", "customer-1", "agent-1"), Conversation("b")]


def test_a_users_conversations_are_listed_with_state_type_and_communication_of_the_customer() -> (
    None
):
    def of_the_definition(id: str, **leg: str) -> dict[str, Any]:
        customer = {"id": "vu", "purpose": "customer", "state": "connected", "type": "open", **leg}
        agent = {"id": "agent-1", "purpose": "agent", "state": "connected"}
        return {"id": id, "participants": [customer, agent]}

    page = [
        of_the_definition("a", peer="leg"),
        of_the_definition("b", state="disconnected"),
        of_the_definition("c", type="sms"),
        of_the_definition("d"),
    ]
    with serving(lists(page, pageCount=1)) as server:
        found, _ = listed_by(
            client_at(f"http://127.0.0.1:{server.port}"),
            type="open",
            route="message_conversations",
        )

        assert b"GET /api/v2/conversations/messages?pageSize=" in server.requests[0]
    assert found == [
        Conversation("a", "vu", "agent-1", "leg"),
        Conversation("d", "vu", "agent-1"),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"participants": None}, id="no participants"),
        pytest.param({"participants": [None]}, id="a participant that is none"),
        pytest.param({"participants": [{"purpose": "customer"}]}, id="a participant without id"),
        pytest.param({"type": None}, id="no type"),
        pytest.param({"state": 5}, id="a number as state"),
        pytest.param({"id": None}, id="no id"),
        pytest.param({"id": ""}, id="an empty id"),
    ],
)
def test_a_conversation_of_another_form_is_left_out_and_counted(odd: dict[str, object]) -> None:
    page: Listing = [conversation("a"), {**conversation("b"), **odd}, conversation("c")]
    with serving(lists(page, pageCount=1)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        found, left_out = listed_by(client_at(url))

    assert ([each.id for each in found], left_out) == (["a", "c"], 1)


def test_a_listing_that_is_packed_all_the_same_is_read() -> None:
    body = gzip.compress(json.dumps({"entities": [conversation("a")], "pageCount": 1}).encode())
    with serving(always(answer("200 OK", body, "Content-Encoding: gzip"))) as server:
        assert found_at(server.port) == ["a"]
        assert b"Accept-Encoding: identity\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("behave", "timeout_s", "cause"),
    [
        pytest.param(silent, 0.2, "No whole answer came", id="silent"),
        pytest.param(sends(answer("200 OK", b"{}")[:-1]), 60, "closed the connection", id="cut"),
        pytest.param(sends(b"\x15\x03\x03\x00\x02\x02\x46"), 60, "expects TLS", id="a port of TLS"),
    ],
)
def test_why_no_listing_came_is_said(
    behave: Callable[[Visitor], None], timeout_s: float, cause: str
) -> None:
    with serving(behave) as server, pytest.raises(RemoteError, match=cause):
        listed_by(client_at(f"http://127.0.0.1:{server.port}/", f"request_timeout_s={timeout_s}"))


def test_a_listing_over_tls_of_a_plain_port_is_said() -> None:
    def behave(visitor: Visitor) -> None:
        visitor.send(answer("400 Bad Request"))

    with serving(behave) as server, pytest.raises(RemoteError, match="speaks no TLS"):
        listed_by(client_at(f"https://127.0.0.1:{server.port}/"))


def test_without_a_page_count_a_page_that_is_not_full_is_the_last() -> None:
    pages: list[Listing] = [[conversation("a"), conversation("b")], [conversation("c")]]
    with serving(lists(*pages)) as server:
        assert found_at(server.port, page_size=2) == ["a", "b", "c"]
        assert len(server.requests) == 2


def test_an_empty_listing_is_an_empty_pool() -> None:
    with serving(lists([], pageCount=0)) as server:
        assert found_at(server.port) == []


def test_a_listing_without_end_is_refused() -> None:
    page = json.dumps({"entities": [conversation("a")], "pageCount": 10**9}).encode()
    with serving(always(answer("200 OK", page))) as server:
        with pytest.raises(RefusedError, match="more than 200 pages"):
            found_at(server.port)

        assert len(server.requests) == 200


def test_a_refusal_names_code_and_correlation_id() -> None:
    body = b'{"code": "missing.permissions"}'
    sent = answer("403 Forbidden", body, "ININ-Correlation-Id: c-9")
    with (
        serving(always(sent)) as server,
        pytest.raises(RemoteError, match=r"403 missing\.permissions, correlation id c-9.*lacks"),
    ):
        found_at(server.port)


NONSENSE = {
    "html": answer("200 OK", b"<html>"),
    "another object": answer("200 OK", b'{"a": 1}'),
    "redirect": answer("302 Found", b"", "Location: http://127.0.0.1:1/"),
    "half an answer": answer("200 OK", b"{}")[:-1],
    "garbage": b"\x16\x03garbage\r\n\r\n",
}


@pytest.mark.parametrize("sent", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_is_no_listing_is_a_remote_error(sent: bytes) -> None:
    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(sent)

    with serving(behave) as server, pytest.raises(RemoteError):
        found_at(server.port)


def test_a_target_that_is_not_there_is_a_remote_error() -> None:
    with pytest.raises(RemoteError, match="takes connections"):
        found_at(free_port())


SIMULATORS = {
    "a simulator": (
        answer("200 OK", b'{"simulator": "convoy", "version": "1", "started_by": "run-1"}'),
        "run-1",
    ),
    "one that nobody started": (answer("200 OK", b'{"simulator": "convoy"}'), ""),
    "another program": (answer("200 OK", b"<html>hello</html>"), ""),
    "another JSON": (answer("200 OK", b'{"simulator": "else", "started_by": "run-1"}'), ""),
    "a list": (answer("200 OK", b"[]"), ""),
    "not found": (answer("404 Not Found"), ""),
    "a redirect": (answer("302 Found", b"", "Location: /elsewhere"), ""),
    "garbage": (b"SSH-2.0-OpenSSH\r\n", ""),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize(("sent", "expected"), SIMULATORS.values(), ids=SIMULATORS)
def test_only_a_convoy_simulator_is_taken_for_one(sent: bytes, expected: str) -> None:
    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.send(sent)

    with serving(behave) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert starter_of_simulator(url) == expected
        assert not is_convoy_simulator(url, KEY)


def test_a_simulator_proves_that_it_has_the_key_and_does_not_tell_it(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{KEY.reveal()}\n")
    with SimulatorProcess("--key-file", str(key_file)) as simulator:
        with_key = is_convoy_simulator(simulator.url, KEY)
        with_another = is_convoy_simulator(simulator.url, Secret("another-key-of-that-length"))
    with SimulatorProcess() as simulator:
        without = is_convoy_simulator(simulator.url, KEY)

    assert (with_key, with_another, without) == (True, False, False)


def test_a_simulator_proves_nothing_for_another_address_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(KEY.reveal())
    addresses = ["127.0.0.1", "127.0.0.2"]
    with SimulatorProcess("--key-file", str(key_file)) as simulator:
        monkeypatch.setattr("_socket.getaddrinfo", told(*addresses))
        url = f"http://simulator.localhost:{simulator.port}"
        asked = [*addresses, "127.0.0.3"]
        proven = [is_convoy_simulator(url, KEY, admission=Admission(only=each)) for each in asked]

    assert proven == [True, False, False]


@pytest.mark.parametrize(
    ("key", "said"),
    [("short", "holds fewer than 16 characters"), (None, "cannot be read: there is no such file")],
)
def test_a_key_file_without_a_key_is_refused(tmp_path: Path, key: str | None, said: str) -> None:
    if key is not None:
        (tmp_path / "key").write_text(key)

    with pytest.raises(AssertionError, match=said):
        SimulatorProcess("--key-file", str(tmp_path / "key"))


def told(*addresses: str) -> Callable[..., Any]:
    """A resolver that tells these addresses for any name."""

    def getaddrinfo(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        found = addresses if host.endswith((".test", ".localhost")) else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    return getaddrinfo


@pytest.mark.parametrize("addresses", [["192.0.2.10"], ["127.0.0.1", "192.0.2.10"]])
def test_nothing_is_asked_of_an_address_without_admission(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr("_socket.getaddrinfo", told(*addresses))
    with serving(lists([])) as server:
        url = f"http://api.test:{server.port}"

        with pytest.raises(RemoteError):
            listed_by(client_at(url))
        assert not is_convoy_simulator(url, KEY)

    assert server.requests == []


def test_what_was_looked_up_is_connected_to_and_the_name_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("_socket.getaddrinfo", told("127.0.0.1"))
    with serving(lists([conversation("c")])) as server:
        found, _ = listed_by(client_at(f"http://api.test:{server.port}"))

    assert [each.id for each in found] == ["c"]
    assert f"Host: api.test:{server.port}\r\n".encode() in server.requests[0]


def test_something_that_listens_and_says_nothing_is_no_simulator() -> None:
    with serving(Visitor.wait_for_close) as server:
        assert starter_of_simulator(f"http://127.0.0.1:{server.port}", timeout_s=0.2) == ""


def test_where_nothing_listens_there_is_no_answer() -> None:
    assert starter_of_simulator(f"http://127.0.0.1:{free_port()}") is None


@pytest.mark.parametrize("failure", ["503 Service Unavailable", ""])
def test_listing_that_fails_once_is_asked_for_again(failure: str) -> None:
    """An empty failure stands for a connection that is dropped without a word."""
    good = lists([conversation("a")])

    def fails_once(visitor: Visitor) -> None:
        if failure and visitor.read_request():
            visitor.send(answer(failure))
            good(visitor)

    with serving(fails_once, good) as server:
        ids = found_at(server.port)

    assert ids == ["a"]


def test_a_listing_that_is_too_fast_goes_on_where_it_was() -> None:
    bodies = [{"entities": [conversation(id)], "pageCount": 2} for id in "ab"]
    first, second = (answer("200 OK", json.dumps(each).encode()) for each in bodies)
    answers = iter([first, answer("429 No", b"", "Retry-After: 0"), second])

    def behave(visitor: Visitor) -> None:
        while visitor.read_request():
            visitor.send(next(answers))

    with serving(behave) as server:
        assert found_at(server.port) == ["a", "b"]

    assert [b"pageNumber=2" in each for each in server.requests] == [False, True, True]


def test_the_pages_of_a_listing_spend_the_budget_of_the_token() -> None:
    pages: list[Listing] = [[conversation("a")], [conversation("b")], [conversation("c")]]
    limits = "limits=[{scope: token, count: 2, per_s: 60}]"
    with serving(lists(*pages, pageCount=3)) as server:
        client = client_at(f"http://127.0.0.1:{server.port}", limits, "prepare_timeout_s=10")

        with pytest.raises(RemoteError, match="budget .* is spent for 60 s"):
            listed_by(client)

    assert len(server.requests) == 2


def test_listing_that_keeps_failing_is_given_up_with_its_code() -> None:
    with serving(always(answer("503 Service Unavailable"))) as server:
        with pytest.raises(RemoteError, match="503"):
            found_at(server.port)

        assert len(server.requests) == 3


def test_a_listing_is_found_through_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with (
        serving(lists([conversation("a")]), tls=authority.server_context("api.test")) as server,
        serving(tunnels) as proxy,
    ):
        name_proxy_at(monkeypatch, proxy.port, "me:hunter22@")
        url = f"https://api.test:{server.port}"

        found, _ = listed_by(client_at(url, ca_file=authority.ca_file))

        assert [each.id for each in found] == ["a"]
        assert proxy.requests[0].startswith(f"CONNECT api.test:{server.port} ".encode())
        assert b"Basic bWU6aHVudGVyMjI=" in proxy.requests[0]
        assert b"bWU6aHVudGVyMjI=" not in server.requests[0]


def test_a_listing_trusts_the_systems_store_as_the_messages_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)
    context = authority.server_context("localhost")
    with serving(lists([conversation("a")]), tls=context) as server:
        url = f"https://localhost:{server.port}"

        found, _ = listed_by(client_at(url))

        assert [each.id for each in found] == ["a"]


def test_a_listing_trusts_the_named_authority_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    of_system, named = Authority(tmp_path), Authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", of_system.ca_file)
    context = of_system.server_context("localhost")
    with serving(lists([conversation("a")]), tls=context) as server:
        url = f"https://localhost:{server.port}"

        with pytest.raises(RemoteError, match="No trusted TLS connection"):
            listed_by(client_at(url, ca_file=named.ca_file))

        assert not server.requests


@pytest.mark.parametrize("sent", [answer("407 Login"), answer("403 No")], ids=["407", "403"])
def test_a_proxy_that_opens_no_tunnel_is_named_as_the_cause(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(sends(sent)) as proxy:
        name_proxy_at(monkeypatch, proxy.port, "me:hunter22@")

        with pytest.raises(RemoteError, match="The proxy could not be reached") as caught:
            listed_by(client_at("https://api.test"))
        is_simulator = is_convoy_simulator("https://api.test", KEY)

        assert "hunter22" not in str(caught.value)
        assert is_simulator is False
        assert all(each.startswith(b"CONNECT api.test:443 ") for each in proxy.requests)


def test_a_proxy_that_is_not_there_is_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    name_proxy_at(monkeypatch, free_port())

    with pytest.raises(RemoteError, match="The proxy could not be reached"):
        listed_by(client_at("https://api.test"))


def test_what_only_passes_the_question_on_is_no_simulator(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(KEY.reveal())
    options = ["--key-file", str(key_file)]
    with SimulatorProcess(*options) as simulator, RecordingRelay(simulator) as relay:
        assert is_convoy_simulator(simulator.url, KEY)
        assert starter_of_simulator(relay.url) == "a person"
        assert not is_convoy_simulator(relay.url, KEY)


def endless(piece: bytes, pause_s: float, *headers: str) -> Callable[[Visitor], None]:
    """Behaviour: begin a long answer and go on with it until the client leaves."""

    def behave(visitor: Visitor) -> None:
        visitor.read_request()
        head = ["HTTP/1.1 200 OK", "Content-Length: 1000000000000", *headers]
        visitor.send("\r\n".join(head).encode() + b"\r\n\r\n")
        with suppress(OSError):
            while True:
                visitor.send(piece)
                time.sleep(pause_s)

    return behave


@pytest.mark.parametrize(
    ("behaviour", "timeout_s", "said"),
    [
        pytest.param(endless(b" " * 2**20, 0.0), 60, "is larger than", id="without end"),
        pytest.param(
            sends(answer("200 OK", gzip.compress(b" " * 2**25), "Content-Encoding: gzip")),
            60,
            "did not answer what it should",
            id="packed",
        ),
        pytest.param(endless(b" ", 0.05), 0.5, "No whole answer came", id="drop by drop"),
    ],
)
def test_an_answer_has_an_end_in_length_and_time(
    behaviour: Callable[[Visitor], None], timeout_s: float, said: str
) -> None:
    with serving(behaviour) as server, pytest.raises(RemoteError) as caught:
        listed_by(client_at(f"http://127.0.0.1:{server.port}", f"request_timeout_s={timeout_s}"))

    assert said in str(caught.value)
