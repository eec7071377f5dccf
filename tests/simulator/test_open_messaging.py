"""Customers' messages by the public routes: what is answered, stored, and to which conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.in_process import (
    ACTIVE,
    MESSAGES,
    WITHOUT_AGENT,
    Organisation,
    inbound,
    open_message,
)

HOUR_S = 3_600.0
ATTACHMENT = {
    "mediaType": "Image",
    "url": "https://example.com/cat.png",
    "mime": "image/png",
    "filename": "cat.png",
}


def test_a_message_is_answered_in_normalised_form() -> None:
    organisation = Organisation()
    body = open_message(metadata={"k": "v"}, content=[{"attachment": ATTACHMENT}])
    body["channel"]["messageId"] = "provider-1"

    answered = organisation.post(inbound(), body)

    assert answered == {
        "id": answered["id"],
        "channel": {
            "id": ACTIVE,
            "platform": "Open",
            "type": "Private",
            "messageId": "provider-1",
            "to": {"id": ACTIVE},
            "from": {"id": "vu-1", "idType": "Opaque", "nickname": "VU"},
            "time": "2026-11-22T10:00:00.000Z",
        },
        "type": "Text",
        "text": "hello",
        "content": [{"contentType": "Attachment", "attachment": ATTACHMENT}],
        "metadata": {"k": "v"},
    }


def test_the_conversation_is_named_only_where_it_is_asked_for() -> None:
    organisation = Organisation()

    without = organisation.post(inbound(), open_message())
    with_it = organisation.post(inbound() + "?prefetchConversationId=true", open_message())

    assert "conversationId" not in without
    stored = organisation.get(f"{MESSAGES}/{without['id']}/details")
    assert stored["conversationId"] == with_it["conversationId"]


@pytest.mark.parametrize("status", [200, 202])
def test_the_status_of_an_accepted_message_is_an_option(status: int) -> None:
    organisation = Organisation("--accepted-status", str(status))

    answer = organisation.ask("POST", inbound(), open_message())

    assert answer.status == status
    assert json.loads(answer.body)["text"] == "hello"


def test_a_sender_stays_in_his_conversation_and_no_other() -> None:
    organisation = Organisation()

    first, second = organisation.receive("vu-1"), organisation.receive("vu-2")

    assert organisation.receive("vu-1") == first != second
    other = organisation.post(
        inbound(WITHOUT_AGENT) + "?prefetchConversationId=true", open_message("vu-1")
    )
    assert other["conversationId"] not in (first, second)


@pytest.mark.parametrize(
    ("minutes", "after_s", "joins"),
    [
        pytest.param(4_320, 0.0, True, id="72 hours: at once"),
        pytest.param(4_320, 72 * HOUR_S - 1, True, id="72 hours: just within"),
        pytest.param(4_320, 72 * HOUR_S, False, id="72 hours: over"),
        pytest.param(1, 59.0, True, id="a minute: just within"),
        pytest.param(1, 60.0, False, id="a minute: over"),
        pytest.param(0, 0.0, False, id="none: every message begins another"),
    ],
)
def test_a_disconnected_conversation_is_taken_up_within_the_threading_window(
    minutes: int, after_s: float, joins: bool
) -> None:
    organisation = Organisation("--threading-window-minutes", str(minutes))
    first = organisation.receive()
    organisation.ask("POST", f"/api/v2/conversations/{first}/disconnect")
    organisation.now_s += after_s

    second = organisation.receive()

    assert (second == first) == joins
    participants = organisation.get(f"{MESSAGES}/{second}")["participants"]
    assert {each["state"] for each in participants} == {"connected"}


def test_the_window_does_not_run_while_a_conversation_is_connected() -> None:
    organisation = Organisation("--threading-window-minutes", "1")
    first = organisation.receive()
    organisation.now_s += 1_000 * HOUR_S

    assert organisation.receive() == first


def test_a_later_message_does_not_extend_the_window_of_an_earlier_conversation() -> None:
    organisation = Organisation("--threading-window-minutes", "1")
    first = organisation.receive()
    organisation.ask("POST", f"/api/v2/conversations/{first}/disconnect")
    organisation.now_s += 30.0
    organisation.ask("POST", f"/api/v2/conversations/{first}/disconnect")
    organisation.now_s += 30.0

    assert organisation.receive() != first


def test_a_pressed_button_is_a_message_of_the_conversation() -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    button = {"type": "QuickReply", "text": "Yes [convoy:r:chat:7]", "payload": "yes"}
    body = open_message() | {"buttonResponse": button, "originatingMessageId": "m-1"}
    del body["text"]

    answered = organisation.post(inbound(kind="structured/response"), body)

    assert answered["type"] == "Structured"
    assert answered["content"] == [{"contentType": "ButtonResponse", "buttonResponse": button}]
    assert organisation.texts(conversation)[-1] == button["text"]
    assert organisation.world.ledger.account("r").accepted == 1


def test_typing_is_answered_and_is_no_message() -> None:
    organisation = Organisation()
    body = open_message("nobody yet") | {"events": [{"eventType": "Typing"}]}

    answered = organisation.post(inbound(kind="event"), body)

    assert answered["type"] == "Event"
    assert answered["events"] == [{"eventType": "Typing", "typing": {"type": "On"}}]
    assert organisation.world.ledger.whole.accepted == 0
    assert organisation.world.messaging.by_id == {}


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("Sent", "sent"),
        ("Delivered", "delivery-success"),
        ("Failed", "delivery-failed"),
        ("Published", "published"),
        ("Removed", "removed"),
    ],
)
def test_a_receipt_changes_the_status_of_an_outbound_message(status: str, becomes: str) -> None:
    organisation = Organisation()
    path = organisation.reply_path(organisation.receive())
    sent = organisation.post(path, {"textBody": "hi"}, client="public-user")

    answered = organisation.post(inbound(kind="receipt"), receipt(sent["id"], status))

    assert (answered["id"], answered["status"], answered["direction"]) == (
        sent["id"],
        status,
        "Outbound",
    )
    assert organisation.get(f"{MESSAGES}/{sent['id']}/details")["status"] == becomes


def test_a_receipt_for_a_customer_s_message_finds_none() -> None:
    organisation = Organisation()
    [message] = organisation.message_ids(organisation.receive())

    code = organisation.code("POST", inbound(kind="receipt"), receipt(message, "Delivered"))

    assert code == "404 not.found"


def test_a_message_is_stored_as_it_was_sent() -> None:
    organisation = Organisation()
    [message] = organisation.message_ids(organisation.receive(text="hello [convoy:r:chat:1]"))

    stored = organisation.get(f"{MESSAGES}/{message}/details")

    assert stored["direction"] == "inbound"
    assert (stored["fromAddress"], stored["toAddress"]) == ("vu-1", ACTIVE)
    assert stored["normalizedMessage"]["text"] == "hello [convoy:r:chat:1]"
    assert organisation.world.ledger.account("r").accepted == 1


def test_a_marker_that_is_not_in_the_text_counts_too() -> None:
    organisation = Organisation()
    marked: dict[str, Any] = {"metadata": {"marker": "[convoy:r:chat:3]"}}

    organisation.receive(text="", content=[{"attachment": ATTACHMENT}], **marked)

    assert organisation.world.ledger.account("r").accepted == 1


def test_only_the_latest_messages_are_kept_and_conversations_that_are_over_go_with_theirs() -> None:
    organisation = Organisation("--messages-kept", "2")
    first = organisation.receive("vu-1", "one")
    organisation.ask("POST", f"/api/v2/conversations/{first}/disconnect")

    second = organisation.receive("vu-2", "two")
    organisation.receive("vu-2", "three")

    assert organisation.code("GET", f"/api/v2/conversations/{first}") == "404 not.found"
    assert organisation.texts(second) == ["two", "three"]


def receipt(message_id: str, status: str) -> dict[str, Any]:
    return {
        "id": message_id,
        "channel": {"to": {"id": "vu-1"}, "time": "2026-11-22T10:00:00+00:00"},
        "status": status,
    }
