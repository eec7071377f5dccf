"""The lines of a dialogue over a real session, with a far side on another WebSocket library."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError
from convoy.plan.dialogue import (
    TYPED_AGAIN_S,
    AnyLine,
    Attach,
    Choose,
    Close,
    Expect,
    Say,
    Typing,
    Wait,
)
from convoy.remote import guest_dialogue
from convoy.remote.guest_dialogue import GuestDialogue
from convoy.remote.guest_events import Event, Reply
from convoy.remote.limits import Limit
from tests.unit.remote.exchanges import LONG_S
from tests.unit.remote.guests_of_a_test import HELLO, Guest, guest_of
from tests.unit.remote.websocket_peer import EARLY, LATE, Peer, Script, plays, reply, said

SHORT_S = 0.2
ANY = Expect(within_s=LONG_S)
SOON = Expect(within_s=SHORT_S)


def offer(id: str, *choices: str) -> bytes:
    contents: list[dict[str, Any]] = [
        {"contentType": "QuickReply", "quickReply": {"text": each, "payload": f"{id}-{each}"}}
        for each in choices
    ]
    actions = [{"type": "Postback", "text": "Card", "payload": "c"}]
    contents.append({"contentType": "Card", "card": {"title": "A", "actions": actions}})
    body = {"direction": "Outbound", "type": "Structured", "text": "Which?", "id": id}
    return said("StructuredMessage", body | {"content": contents})


def answers(*replies: bytes, copy_first: bool = True) -> Script:
    """Copy what is said, and send these after it."""

    def play(peer: Peer) -> None:
        peer.configure()
        while (request := peer.hear()) is not None:
            if request["action"] == "closeSession":
                body = {"connected": False, "readOnly": True}
                peer.say("SessionResponse", body, tracingId=request["tracingId"])
                continue
            if copy_first:
                peer.copy(request)
            for each in replies:
                peer.frame(each)
            if not copy_first:
                peer.copy(request)

    return play


@contextmanager
def holding(script: Script, **options: Any) -> Iterator[tuple[GuestDialogue, Guest, list[Peer]]]:
    """Say the first line of a dialogue to a peer that plays a script."""
    peers: list[Peer] = []
    with guest_of(plays(script, peers=peers), **options) as (guest, _):
        dialogue = GuestDialogue(guest)

        def hear(event: Event, received_s: float) -> None:
            dialogue.hear(event, received_s)
            guest.told.append(event)

        guest.on_event = hear
        dialogue.said_s = guest.post("k", HELLO, LONG_S).sent_s
        yield dialogue, guest, peers


def await_reply(guest: Guest) -> None:
    while not any(isinstance(each, Reply) for each in guest.told):
        gevent.sleep(0.001)


def failure(dialogue: GuestDialogue, line: AnyLine) -> str:
    with pytest.raises(RemoteError) as caught:
        dialogue.do(line)
    return caught.value.code


def test_a_dialogue_goes_from_line_to_line() -> None:
    with holding(answers(reply("Hi"), offer("m1", "Yes", "No"))) as (dialogue, guest, peers):
        first_s = dialogue.said_s

        times_s = [
            dialogue.do(line)
            for line in (
                Expect(within_s=LONG_S, equals="Hi"),
                Expect(within_s=LONG_S, contains="Which", offers=("Yes", "Card")),
                Choose(choice="No"),
                Expect(within_s=LONG_S, offers=()),
                Choose(choice=3),
                Typing(lasts_s=0.01),
                Wait(lasts_s=0.01),
                Say(text="Bye"),
                Close(),
            )
        ]

        assert times_s[0][0] == times_s[1][0] == first_s
        assert all(began_s <= done_s for began_s, done_s in times_s)
        assert dialogue.said_s > first_s
        assert dialogue.is_closed
    sent = [each.get("message", {}) for each in peers[0].requests[2:]]
    buttons = [each["content"][0]["buttonResponse"] for each in sent if "content" in each]
    assert [(each["payload"], each["type"]) for each in buttons] == [
        ("m1-No", "QuickReply"),
        ("c", "Button"),
    ]
    assert sent[2]["events"][0]["typing"] == {"type": "On"}
    assert sent[3]["text"] == "Bye"
    assert peers[0].requests[-1]["action"] == "closeSession"


@pytest.mark.parametrize("copy_first", [True, False])
def test_replies_may_come_in_any_order_and_before_the_copy(copy_first: bool) -> None:
    script = answers(reply("B", LATE), reply("A", EARLY), copy_first=copy_first)
    with holding(script) as (dialogue, _, _):
        for text in ("A", "B"):
            dialogue.do(Expect(within_s=LONG_S, equals=text))

        assert failure(dialogue, SOON) == "expect.timeout"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (Expect(within_s=SHORT_S, equals="Ho"), "expect.other_text"),
        (Expect(within_s=SHORT_S, equals="Hi", offers=()), "expect.other_choices"),
        (Choose(choice="Yes"), "choose.not_offered"),
    ],
)
def test_what_is_not_as_expected_has_a_code(line: AnyLine, code: str) -> None:
    with holding(answers(reply("Hi"))) as (dialogue, guest, _):
        await_reply(guest)
        dialogue.said_s = clock_s()  # however long the reply took

        assert failure(dialogue, line) == code
        dialogue.do(Expect(within_s=LONG_S, equals="Hi"))


def test_a_reply_is_judged_by_when_it_came_and_not_by_when_it_is_asked_for() -> None:
    def late(peer: Peer) -> None:
        peer.configure()
        if (request := peer.hear()) is not None:
            peer.copy(request)
            time.sleep(2 * SHORT_S)
            peer.frame(reply("Late"))
            peer.copy_all()

    with holding(late) as (dialogue, guest, _):
        await_reply(guest)
        asked_s = clock_s()

        assert failure(dialogue, SOON) == "expect.timeout"
        began_s, done_s = dialogue.do(ANY)
        assert began_s + 2 * SHORT_S <= done_s <= asked_s


def test_what_was_replied_before_is_no_reply_to_what_is_said_next() -> None:
    def once(peer: Peer) -> None:
        peer.configure()
        if (request := peer.hear()) is not None:
            peer.copy(request)
            peer.frame(reply("Hi"))
            peer.frame(offer("m1", "Yes"))
            peer.copy_all()

    with holding(once) as (dialogue, _, _):
        dialogue.do(Expect(within_s=LONG_S, contains="Which"))
        dialogue.do(Say(text="Next"))

        assert failure(dialogue, SOON) == "expect.timeout"
        assert failure(dialogue, Choose(choice="Yes")) == "choose.not_offered"


def test_lines_keep_to_the_limit_of_a_session_typing_included() -> None:
    limit, lines = Limit("session", 2, 0.3), [Typing(lasts_s=0.01), Say(text="a"), Say(text="b")]
    with holding(answers(), limits=[limit]) as (dialogue, guest, peers):
        began_s = dialogue.said_s
        for line in lines:
            dialogue.do(line)

        lasted_s = clock_s() - began_s
    assert [each["action"] for each in peers[0].requests[1:]] == ["onMessage"] * 4
    assert 0.3 <= lasted_s < LONG_S


def test_typing_is_shown_again_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(for_s: float) -> None:
        slept.append(for_s)
        gevent.sleep(0)

    monkeypatch.setattr(guest_dialogue, "clock_s", lambda: 100.0 + sum(slept))
    monkeypatch.setattr(guest_dialogue, "gevent", SimpleNamespace(sleep=sleep))
    lasts_s = 2.5 * TYPED_AGAIN_S
    with holding(answers()) as (dialogue, _, peers):
        dialogue.do(Typing(lasts_s=lasts_s))

        dialogue.do(Say(text="a"))
    assert len(peers[0].requests) == 2 + 3 + 1
    assert sum(slept) == lasts_s


@pytest.mark.parametrize(
    "line", [ANY, Say(text="a"), Typing(lasts_s=1), Attach(name="a", data=b"a"), Close()]
)
def test_a_connection_that_has_ended_ends_the_dialogue(line: AnyLine) -> None:
    def leaves(peer: Peer) -> None:
        peer.configure()
        if (request := peer.hear()) is not None:
            peer.copy(request)
            peer.close()

    with holding(leaves) as (dialogue, guest, _):
        while guest.socket.is_open:
            gevent.sleep(0.001)
        if isinstance(line, Expect):
            line = SOON

        assert failure(dialogue, line) == "connection closed"


def test_a_bot_that_ends_the_conversation_ends_the_dialogue() -> None:
    body = {"direction": "Outbound", "type": "Event", "metadata": {"readOnly": "true"}}
    body |= {"events": [{"eventType": "Presence", "presence": {"type": "Disconnect"}}]}
    with holding(answers(reply("Bye"), said("StructuredMessage", body))) as (dialogue, guest, _):
        dialogue.do(ANY)
        while guest.is_ready:
            gevent.sleep(0.001)

        assert failure(dialogue, Say(text="a")) == "guest 409"


def test_a_refusal_of_a_line_has_the_code_of_the_service() -> None:
    def refuses(peer: Peer) -> None:
        peer.configure()
        if (request := peer.hear()) is not None:
            peer.copy(request)
        if (request := peer.hear()) is not None:
            peer.say("string", "message too long", 4011)
            peer.hear()

    with holding(refuses) as (dialogue, _, _), pytest.raises(RefusalError, match="guest 4011"):
        dialogue.do(Say(text="a"))
