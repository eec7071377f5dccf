"""Guests over real WebSockets, by another library than the simulator's, and such as misbehave."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import websocket
from websocket import ABNF

from simulator.model.organisation import DEPLOYMENTS
from tests.simulator.api import MESSAGES, bearer, call
from tests.simulator.guest_in_process import UNLIMITED, check_answer
from tests.simulator_process import SimulatorProcess

WEB, _, DISABLED, DOMAINS, *_ = DEPLOYMENTS
DEADLINE_S = 60.0
GONE = (ConnectionError, websocket.WebSocketConnectionClosedException)
RST = struct.pack("ii", 1, 0)
"""For `SO_LINGER`: the connection is reset when it is closed."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--bot", "echo", "--bot-delay", "20ms", *UNLIMITED) as process:
        yield process


class SocketGuest:
    """A guest on a WebSocket, configured for a session of its own."""

    def __init__(self, simulator: SimulatorProcess, token: str) -> None:
        self.token = token
        url = f"ws://127.0.0.1:{simulator.port}/v1?deploymentId={WEB}&application=tests"
        self.socket = websocket.create_connection(url, timeout=DEADLINE_S)
        self.ask("configureSession", deploymentId=WEB)
        assert self.next("SessionResponse")["body"]["connected"]

    def __enter__(self) -> SocketGuest:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.shutdown()

    def ask(self, action: str, **members: object) -> None:
        self.socket.send(json.dumps({"action": action, "token": self.token, **members}))

    def say(self, text: str) -> None:
        self.ask("onMessage", message={"type": "Text", "text": text}, tracingId=text)

    def next(self, what: str) -> dict[str, Any]:
        """The next frame of a class, events left out; each is checked against the schema."""
        while True:
            frame: dict[str, Any] = json.loads(self.socket.recv())
            check_answer(frame)
            if frame["class"] == what and frame["body"] and "events" not in frame["body"]:
                return frame

    def closed_with(self) -> int:
        """The code of the next close frame, whatever comes before it."""
        while True:
            frame = self.socket.recv_frame()
            if frame.opcode == ABNF.OPCODE_CLOSE:
                code: int = struct.unpack("!H", frame.data[:2])[0]
                return code


def upgrade(simulator: SimulatorProcess, path: str) -> tuple[int, Any]:
    """The status of an upgrade and, where it is refused, the code in its body."""
    url = f"ws://127.0.0.1:{simulator.port}{path}"
    try:
        opened = websocket.create_connection(url, timeout=DEADLINE_S)
    except websocket.WebSocketBadStatusException as refused:
        assert refused.resp_body is not None
        return refused.status_code, json.loads(refused.resp_body)["code"]
    opened.close()
    return 101, None


def test_a_whole_dialogue_with_bot_agent_file_and_history(simulator: SimulatorProcess) -> None:
    user, client = bearer(simulator, "public-user"), bearer(simulator, "public")
    with SocketGuest(simulator, "dialogue") as guest:
        guest.say("hello [convoy:dialogue:guests:1]")
        copy, reply = guest.next("StructuredMessage"), guest.next("StructuredMessage")
        details = call(
            simulator, "GET", f"{MESSAGES}/{copy['body']['id']}/details", headers=client
        ).json
        conversation = f"{MESSAGES}/{details['conversationId']}"
        [customer, _] = call(simulator, "GET", conversation, headers=client).json["participants"]
        posted = call(
            simulator,
            "POST",
            f"{conversation}/communications/{customer['peer']}/messages",
            {"textBody": "from an agent"},
            {**user, "Content-Type": "application/json"},
        )
        of_agent = guest.next("StructuredMessage")

        # Larger than any body that the REST routes take.
        size = 600_000
        guest.ask("onAttachment", fileName="a.png", fileType="image/png", fileSize=size)
        address = guest.next("PresignedUrlResponse")["body"]
        request = urllib.request.Request(
            address["url"], b"x" * size, address["headers"], method="PUT"
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            sent = answer.status
        success = guest.next("UploadSuccessEvent")["body"]
        with urllib.request.urlopen(success["downloadUrl"], timeout=DEADLINE_S) as answer:
            fetched = answer.headers["Content-Type"], len(answer.read())

        guest.ask("getJwt")
        jwt = guest.next("JwtResponse")["body"]["jwt"]
        history = call(
            simulator,
            "GET",
            "/api/v2/webmessaging/messages",
            headers={"Authorization": f"bearer {jwt}"},
        ).json
        guest.socket.ping(b"there?")
        pong = guest.socket.recv_frame()
        guest.socket.send_close(1000)
        code = guest.closed_with()

    assert copy["tracingId"] == "hello [convoy:dialogue:guests:1]"
    assert reply["body"]["text"] == copy["body"]["text"]
    assert (posted.status, of_agent["body"]["text"]) == (200, "from an agent")
    assert (sent, success["attachmentId"]) == (200, address["attachmentId"])
    assert fetched == ("image/png", size)
    assert [each["text"] for each in history["entities"]] == [
        "from an agent",
        reply["body"]["text"],
        copy["body"]["text"],
    ]
    assert (pong.opcode, pong.data) == (ABNF.OPCODE_PONG, b"there?")
    assert code == 1000
    assert simulator.ledger("dialogue")["accepted"] == 1


def test_upgrades_are_refused_by_status(simulator: SimulatorProcess) -> None:
    answers = [
        upgrade(simulator, f"/v1?deploymentId={WEB}"),
        upgrade(simulator, f"/v1?deploymentId={DISABLED}"),
        upgrade(simulator, f"/v1?deploymentId={DOMAINS}"),
        upgrade(simulator, "/v1?deploymentId="),
        upgrade(simulator, "/v1"),
        upgrade(simulator, f"/v2?deploymentId={WEB}"),
    ]
    plain = call(simulator, "GET", f"/v1?deploymentId={WEB}")

    assert answers == [
        (101, None),
        (403, "not.authorized"),
        (403, "not.authorized"),
        (400, "parameters.missing"),
        (400, "parameters.missing"),
        (404, "not.found"),
    ]
    assert plain.status == 404


def test_beyond_its_rate_an_upgrade_is_told_when_to_come_back() -> None:
    with SimulatorProcess("--guest-connections-per-minute", "1") as simulator:
        first = upgrade(simulator, f"/v1?deploymentId={WEB}")
        url = f"ws://127.0.0.1:{simulator.port}/v1?deploymentId={WEB}"
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            websocket.create_connection(url, timeout=DEADLINE_S)

    assert first == (101, None)
    assert refused.value.status_code == 429
    assert refused.value.resp_headers is not None
    assert 1 <= int(refused.value.resp_headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("frames", "answer", "code"),
    [
        pytest.param([(ABNF.OPCODE_BINARY, 1, b"{}")], 400, None, id="binary"),
        pytest.param([(ABNF.OPCODE_TEXT, 1, b"\xff{")], 400, 1007, id="not UTF-8"),
        pytest.param([(ABNF.OPCODE_TEXT, 1, b"x" * 200_000)], 400, None, id="too large"),
        pytest.param([(ABNF.OPCODE_TEXT, 1, b"x" * 1_100_000)], None, 1009, id="much too large"),
        pytest.param(
            [(ABNF.OPCODE_TEXT, 0, b"x" * 700_000), (ABNF.OPCODE_CONT, 1, b"x" * 700_000)],
            None,
            1009,
            id="much too large in parts",
        ),
        pytest.param([(ABNF.OPCODE_CONT, 1, b"{}")], None, 1002, id="a part of nothing"),
        pytest.param(
            [(ABNF.OPCODE_TEXT, 0, b'{"action":'), (ABNF.OPCODE_CONT, 1, b'"no"}')],
            400,
            None,
            id="in parts",
        ),
    ],
)
def test_frames_that_are_wrong_harm_their_own_connection_at_most(
    frames: list[tuple[int, int, bytes]],
    answer: int | None,
    code: int | None,
    simulator: SimulatorProcess,
) -> None:
    with SocketGuest(simulator, "other") as other, SocketGuest(simulator, "wrong") as guest:
        for opcode, fin, data in frames:
            guest.socket.send_frame(ABNF(fin, 0, 0, 0, opcode, 1, data))
        if answer is not None:
            assert guest.next("string")["code"] == answer
        if code is not None:
            assert guest.closed_with() == code
        else:
            guest.say("still here")
            assert guest.next("StructuredMessage")["body"]["text"] == "still here"
        other.say("unharmed")

        assert other.next("StructuredMessage")["body"]["text"] == "unharmed"


def test_what_comes_together_with_a_guest_s_close_is_taken(simulator: SimulatorProcess) -> None:
    with SocketGuest(simulator, "leaving") as guest:
        message = {"type": "Text", "text": "[convoy:leaving:guest_chat:1] Bye"}
        request = {"action": "onMessage", "token": guest.token, "message": message}
        close = ABNF(1, 0, 0, 0, ABNF.OPCODE_CLOSE, 1, struct.pack("!H", 1000))
        said = ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 1, json.dumps(request).encode())
        guest.socket.sock.sendall(said.format() + close.format())

        assert guest.closed_with() == 1000
        assert simulator.ledger("leaving")["accepted"] == 1


def test_a_guest_who_does_not_read_is_cut_off_before_it_fills_the_memory(
    simulator: SimulatorProcess,
) -> None:
    before_kib = memory_kib(simulator)
    with SocketGuest(simulator, "deaf") as guest:
        guest.socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        deadline = time.monotonic() + DEADLINE_S
        with pytest.raises(GONE):
            while time.monotonic() < deadline:
                guest.ask("echo", message={"type": "Text", "text": "x" * 60_000})

    assert memory_kib(simulator) - before_kib < 16_384
    assert call(simulator, "GET", "/simulator").status == 200


def memory_kib(simulator: SimulatorProcess) -> int:
    status = Path(f"/proc/{simulator.process.pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_200_connections_that_are_dropped_at_once_leave_nothing_behind(
    simulator: SimulatorProcess,
) -> None:
    with ExitStack() as stack:
        guests = [stack.enter_context(SocketGuest(simulator, f"dropped {k}")) for k in range(200)]
        for guest in guests:
            guest.say("half a dialogue")
        for guest in guests:
            guest.socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            guest.socket.sock.close()

    with SocketGuest(simulator, "dropped 0") as again:
        again.say("whole")

        assert again.next("StructuredMessage")["body"]["text"] == "whole"
    assert simulator.complaints() == ""


def test_faults_of_connections_are_seen_on_the_wire() -> None:
    with SimulatorProcess("--fault", "ws-drop=1/s") as simulator:
        with SocketGuest(simulator, "cut") as guest, pytest.raises(GONE):
            while True:
                guest.next("nothing")
        call(simulator, "DELETE", "/simulator/faults")
        call(simulator, "POST", "/simulator/faults", {"faults": ["ws-close=4029:1"]})
        with closing(
            websocket.create_connection(
                f"ws://127.0.0.1:{simulator.port}/v1?deploymentId={WEB}", timeout=DEADLINE_S
            )
        ) as closed:
            closed.send("{}")
            frame = closed.recv_frame()
        call(simulator, "POST", "/simulator/faults", {"faults": ["ws-refuse=429:1"]})
        refused = upgrade(simulator, f"/v1?deploymentId={WEB}")

    assert (frame.opcode, frame.data[:2]) == (ABNF.OPCODE_CLOSE, struct.pack("!H", 4029))
    assert refused == (429, "too.many.requests.retry.after")


def test_sigterm_closes_open_sockets_and_ends_it() -> None:
    with (
        SimulatorProcess("--bot-delay", "3600s") as simulator,
        SocketGuest(simulator, "open") as guest,
        SocketGuest(simulator, "silent"),
    ):
        guest.say("and now wait for a reply that never comes")
        guest.next("StructuredMessage")

        exit_code = simulator.stop()  # which fails if it waits for that

        assert guest.closed_with() == 1012
    assert exit_code == 0
