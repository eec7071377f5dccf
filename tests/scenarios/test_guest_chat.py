"""Scenario `guest_chat` against guests' far side on another WebSocket library."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

from tests.locust_process import run_locust
from tests.test_new_route import shop
from tests.unit.remote.misbehaving_server import answer, sends, serving
from tests.unit.remote.websocket_peer import Peer, copy_of, plays, reply, said

MESSAGES, USERS, OF_A_GUEST = 60, 6, 5
BEFORE = "2026-11-26T09:00:00.000Z"
K = re.compile(r"\[convoy:(?P<run>[^:]+):guest_chat:(?P<k>\d+)\]")
SETTINGS = {
    "scenarios": ["guest_chat"],
    "scenario.guest_chat.steps": ["join", "typing", "answer", "attachment", "history"],
    "scenario.guest_chat.variables.site": "https://shop.example",
    "limits": [],
    "request_timeout_s": 2,
    "late_after_ms": 4000,
    "criteria": [
        "share(failures[*]) < 20%",
        "count(errors[guest 4011], guest_chat) == 6",
        "p95(timing[first_reply]) < 1s",
        "p95(service_time, guest_chat/configure) < 1s",
    ],
}


CLOSES, RESTARTS, EXPIRIES = itertools.count(), itertools.count(), itertools.count()


def chats(peer: Peer) -> None:
    """Send each message back, between two replies; refuse each tenth.

    One measured copy comes twice, one is of nothing, one reply has too early a time; one connection
    is closed before its guest leaves, and one between two messages, so that its guest comes back;
    one session expires with its first message.
    """
    is_measured, said_before = False, 0
    while (request := peer.hear()) is not None:
        id = request["tracingId"]
        if request["action"] == "configureSession":
            body = {"connected": True, "newSession": request["token"] not in RESTARTED}
            peer.say("SessionResponse", body, tracingId=id)
            continue
        if request["action"] == "getJwt":
            jwt = said("JwtResponse", {"jwt": "a.b.c", "exp": 2e9}, tracingId=id)
            if is_measured and next(CLOSES) == 0:
                peer.close_after(jwt, 1013)
            else:
                peer.frame(jwt)
            continue
        if request["action"] == "onAttachment":
            file = request["attachmentId"]
            place = {"attachmentId": file, "url": f"http://{peer.upgrade.host}/{file}"}
            peer.say("PresignedUrlResponse", {**place, "headers": {"x-a": "b"}}, tracingId=id)
            peer.visitor.server.wait_until(
                lambda path=f"/{file}": peer.visitor.server.was_asked_for(path)
            )
            peer.say("UploadSuccessEvent", place)
            continue
        found = K.search(request["message"].get("text", ""))
        if found is None or found["run"].endswith("-steps"):
            is_answer = "content" in request["message"] and said_before == 1
            if is_measured and is_answer and next(RESTARTS) == 0:
                RESTARTED.append(request["token"])
                peer.close_after(copy_of(request), 1012)
            else:
                peer.copy(request)
            continue
        said_before += 1
        is_measured = not found["run"].endswith("-warmup")
        is_first = is_measured and said_before == 1 and int(found["k"]) % 10 not in (3, 7)
        if is_first and next(EXPIRIES) == 0:
            peer.say("SessionExpiredEvent", {}, type="response")
        elif int(found["k"]) % 10 == 3:
            peer.say("string", "message too long", 4011, tracingId=id)
        else:
            peer.frame(offer())
            peer.copy(request)
            peer.frame(reply("Second"))
            if is_measured and found["k"] == "17":
                peer.copy(request)
                peer.copy(request | {"tracingId": "nobody's"})
                peer.frame(reply("Third", BEFORE))


RESTARTED: list[str] = []


def offer() -> bytes:
    choice = {"contentType": "QuickReply", "quickReply": {"text": "Yes", "payload": "y"}}
    body = {"direction": "Outbound", "type": "Structured", "id": "m9", "content": [choice]}
    return said("StructuredMessage", body)


DISTURBANCES = ("guest out of order", "guest closed 1012", "guest closed 1013")


def test_guests_chat_and_come_back_as_others(tmp_path: Path) -> None:
    peers: list[Peer] = []
    given = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items()]
    chatting = plays(chats, peers=peers, otherwise=answer("200 OK"))
    shape = ["-t", "2s", "-u", str(USERS), "--rate", "30"]

    with shop() as (url, _), serving(chatting) as server:
        messaging = f"--set=target.messaging_url=http://127.0.0.1:{server.port}"
        ended = run_locust(tmp_path, "-H", url, *shape, *given, messaging)

    assert ended.exit_code == 0, ended.output
    figures: dict[str, Any] = ended.run["scenarios"]["guest_chat"]
    assert (figures["sent"], figures["accepted"], figures["rejected"]) == (MESSAGES, 53, 7)
    assert figures["errors"] == {"guest 4011": 6, "guest 4006": 1}
    steps = {name: (each["count"], each["errors"]) for name, each in figures["steps"].items()}
    begun = steps["connect"][0]
    left = steps["attachment"][0]
    # The guest of an expired session takes no leave; after the last leaves nobody comes any more.
    assert begun - 1 <= left < begun - 1 + USERS
    assert steps == {
        "connect": (begun, {}),
        "configure": (begun, {}),
        "reconnect": (1, {}),
        "join": (begun, {}),
        "typing": (MESSAGES - 2, {}),  # not before a guest has come back, or another one come
        "answer": (53, {}),
        "attachment": (left, {}),
        "history": (left, {"unexpected answer": left}),  # the shop has no history
        "disturbance": (3, {code: 1 for code in DISTURBANCES}),
    }
    assert MESSAGES // OF_A_GUEST - USERS <= begun <= MESSAGES // OF_A_GUEST + USERS
    matched = {name: each["matched"] for name, each in figures["timings"].items()}
    own_copy = figures["timings"]["own_copy"]
    assert [own_copy[each] for each in ("missing", "duplicate", "unexpected")] == [0, 1, 1]
    assert matched["own_copy"] == matched["first_reply"] == 53
    assert 53 - USERS <= matched["reply_burst"] <= 53
    for timing, count in matched.items():
        assert re.search(rf"TIMING +guest_chat/{timing} +{count} ", ended.output), timing
    assert "guest closed 1000" not in ended.output  # that is how guests leave themselves

    requests = [request for peer in peers for request in peer.requests]
    ours = [found["k"] for each in requests if (found := of_the_run(each, ended.run["run_id"]))]
    assert sorted(map(int, ours)) == list(range(MESSAGES))
    tokens = [peer.requests[0]["token"] for peer in peers if peer.requests]
    assert len(tokens) - 1 == len(set(tokens)) > USERS
    assert [token for token in set(tokens) if tokens.count(token) > 1] == RESTARTED
    assert not any(token in ended.output for token in tokens)
    assert dict(peers[0].upgrade.extra_headers)[b"origin"] == b"https://shop.example"
    closed = [peer for peer in peers if peer.ends]
    assert len(closed) == len(peers)


def of_the_run(request: dict[str, Any], run_id: str) -> re.Match[str] | None:
    found = K.search(request.get("message", {}).get("text", ""))
    return found if found is not None and found["run"] == run_id else None


def test_a_deployment_that_refuses_guests_is_refused_before_any_load(tmp_path: Path) -> None:
    options = ["--scenarios", "guest_chat", "-t", "1s", "-u", "2", "--rate", "5"]
    with shop() as (url, _), serving(sends(answer("403 Forbidden"))) as server:
        messaging = f"--set=target.messaging_url=http://127.0.0.1:{server.port}"
        ended = run_locust(tmp_path, "-H", url, *options, messaging)

    assert ended.exit_code == 4, ended.output
    assert "the upgrade was answered with 403" in ended.output
    assert "check deployment_id and site" in ended.output
    assert sum(b"/v1?deploymentId" in each for each in server.requests) == 1
