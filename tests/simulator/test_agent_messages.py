"""What goes out by the public routes: agents' replies, typing, notifications, new conversations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.in_process import (
    ACTIVE,
    INACTIVE,
    MESSAGES,
    QUEUE,
    QUEUE_WITHOUT_ADDRESS,
    QUEUE_WITHOUT_USER,
    WITHOUT_AGENT,
    Organisation,
    inbound,
    open_message,
)

AGENTLESS = f"{MESSAGES}/agentless"
USER = "public-user"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def notification(address: str = "vu-1", **members: object) -> dict[str, Any]:
    """SendAgentlessOutboundMessageRequest."""
    return {
        "fromAddress": ACTIVE,
        "toAddress": address,
        "toAddressMessengerType": "open",
        "textBody": "your parcel [convoy:r:agentless:1]",
        **members,
    }


def outbound(address: str = "vu-1", **members: object) -> dict[str, Any]:
    """CreateOutboundMessagingConversationRequest."""
    return {
        "queueId": QUEUE,
        "toAddress": address,
        "toAddressMessengerType": "open",
        **members,
    }


def test_a_reply_is_a_message_of_the_conversation_by_the_user() -> None:
    organisation = Organisation()
    conversation = organisation.receive(text="hello?")

    sent = organisation.post(
        organisation.reply_path(conversation), {"textBody": "hi [convoy:r:reply:1]"}, client=USER
    )

    assert sent["direction"] == "outbound"
    assert sent["conversationId"] == conversation
    assert (sent["fromAddress"], sent["toAddress"]) == (ACTIVE, "vu-1")
    assert sent["createdBy"]["name"] == "Convoy Agent"
    assert organisation.texts(conversation) == ["hello?", "hi [convoy:r:reply:1]"]
    assert organisation.world.ledger.account("r").accepted == 1


def test_both_reads_of_a_conversation_name_the_communication_to_reply_by() -> None:
    organisation = Organisation()
    conversation = organisation.receive()

    media = organisation.get(f"{MESSAGES}/{conversation}")["participants"]
    general = organisation.get(f"/api/v2/conversations/{conversation}")["participants"]

    customer, agent = general
    assert [each["purpose"] for each in media] == ["customer", "agent"]
    assert media[0]["peer"] == customer["messages"][0]["peerId"] == agent["messages"][0]["id"]
    assert media[1]["peer"] == customer["messages"][0]["id"]


def test_with_status_202_a_reply_and_a_notification_are_answered_with_nothing() -> None:
    organisation = Organisation("--accepted-status", "202")
    path = organisation.reply_path(organisation.receive())

    reply = organisation.ask("POST", path, {"textBody": "hi"}, client=USER)
    notified = organisation.ask("POST", AGENTLESS, notification("vu-2"))

    assert [(each.status, each.body) for each in (reply, notified)] == [(202, b"")] * 2


def test_typing_is_answered_with_nothing_and_is_no_message() -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    path = organisation.reply_path(conversation, "typing")

    answer = organisation.ask("POST", path, {"typing": {"type": "On"}}, client=USER)

    assert (answer.status, answer.body) == (204, b"")
    assert len(organisation.message_ids(conversation)) == 1


@pytest.mark.parametrize("tail", ["messages", "typing"])
def test_there_is_no_reply_without_a_conversation_or_its_communication(tail: str) -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    waiting = organisation.post(
        inbound(WITHOUT_AGENT) + "?prefetchConversationId=true", open_message()
    )["conversationId"]
    body = {"textBody": "hi", "typing": {"type": "On"}}

    codes = [
        organisation.code("POST", f"{MESSAGES}/{place}/{tail}", body, USER)
        for place in (
            f"{NOWHERE}/communications/{NOWHERE}",
            f"{conversation}/communications/{NOWHERE}",
            f"{waiting}/communications/{NOWHERE}",
            f"{waiting}/communications/",
            f"{waiting}/communications/None",
        )
    ]

    assert codes == ["404 not.found"] * 5


def test_a_conversation_without_an_agent_is_alerting_and_names_no_peer() -> None:
    organisation = Organisation()
    waiting = organisation.post(
        inbound(WITHOUT_AGENT) + "?prefetchConversationId=true", open_message()
    )["conversationId"]

    [customer] = organisation.get(f"{MESSAGES}/{waiting}")["participants"]

    assert customer["state"] == "alerting"
    assert "peer" not in customer


def test_there_is_no_reply_into_a_conversation_that_is_over() -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    path = organisation.reply_path(conversation)
    organisation.ask("POST", f"/api/v2/conversations/{conversation}/disconnect")

    assert organisation.code("POST", path, {"textBody": "hi"}, USER) == "409 request.conflict"


@pytest.mark.parametrize(
    ("options", "body", "code"),
    [
        pytest.param((), {"textBody": "x" * 2_001}, "400 max.length.exceeded", id="too long"),
        pytest.param(
            ("--outbound-text-max", "10"),
            {"textBody": "x" * 11},
            "400 max.length.exceeded",
            id="longer than configured",
        ),
        pytest.param((), {"textBody": "x", "mediaIds": ["m"]}, "400 not.found", id="unknown media"),
        pytest.param(
            ("--conversation-messages-max", "1"),
            {"textBody": "x"},
            "400 conversation.message.limit.exceeded",
            id="full conversation",
        ),
        pytest.param((), {"textBody": ""}, "400 constraint.validation", id="empty"),
        pytest.param((), {}, "400 constraint.validation", id="no text"),
    ],
)
def test_a_reply_that_may_not_be_is_refused_by_its_code(
    options: tuple[str, ...], body: dict[str, Any], code: str
) -> None:
    organisation = Organisation(*options)
    conversation = organisation.receive()

    assert organisation.code("POST", organisation.reply_path(conversation), body, USER) == code
    assert len(organisation.message_ids(conversation)) == 1


def test_the_organisation_s_outbound_messages_are_limited_together() -> None:
    organisation = Organisation("--outbound-usage-max", "2")
    path = organisation.reply_path(organisation.receive())
    organisation.post(path, {"textBody": "one"}, client=USER)
    organisation.post(AGENTLESS, notification("vu-2"))

    codes = [
        organisation.code("POST", path, {"textBody": "two"}, USER),
        organisation.code("POST", AGENTLESS, notification("vu-3")),
    ]

    assert codes == ["409 organization.outbound.usage.limit.exceeded"] * 2


def test_a_notification_has_a_conversation_of_its_own_that_the_answer_takes_up() -> None:
    organisation = Organisation()

    sent = organisation.post(AGENTLESS, notification())

    assert sent["messengerType"] == "open"
    assert sent["message"]["normalizedMessage"]["text"] == "your parcel [convoy:r:agentless:1]"
    assert organisation.receive() == sent["conversationId"]
    assert organisation.world.ledger.account("r").accepted == 1


@pytest.mark.parametrize("is_active", [True, False], ids=["beside a customer", "of its own"])
def test_a_notification_is_listed_in_its_conversation_where_no_agent_is(is_active: bool) -> None:
    organisation = Organisation()
    notified = notification(fromAddress=WITHOUT_AGENT, useExistingActiveConversation=True)
    if is_active:
        organisation.post(inbound(WITHOUT_AGENT), open_message())

    sent = organisation.post(AGENTLESS, notified)

    conversation = sent["conversationId"]
    customer, api = organisation.get(f"{MESSAGES}/{conversation}")["participants"]
    general = organisation.get(f"/api/v2/conversations/{conversation}")["participants"]
    assert [each["purpose"] for each in general] == ["customer", "api"]
    assert [each["messageId"] for each in api["messages"]] == [sent["id"]]
    assert len(customer["messages"]) == is_active
    assert api["id"] == general[1]["id"] != customer["id"]
    assert "user" not in api and "userId" not in general[1]
    assert "peer" not in customer, "nobody is there who could reply"


def test_a_notification_is_in_the_way_of_none_after_it() -> None:
    organisation = Organisation()

    sent = [organisation.post(AGENTLESS, notification()) for _ in range(2)]

    assert sent[0]["conversationId"] != sent[1]["conversationId"]
    assert organisation.get(f"/api/v2/conversations/{sent[1]['conversationId']}")["endTime"]


def test_a_notification_joins_an_active_conversation_only_if_it_is_to() -> None:
    organisation = Organisation()
    conversation = organisation.receive()

    refused = organisation.code("POST", AGENTLESS, notification())
    joined = organisation.post(AGENTLESS, notification(useExistingActiveConversation=True))
    to_another = organisation.post(
        AGENTLESS, notification("vu-2", useExistingActiveConversation=True)
    )

    assert refused == "400 active.conversation"
    assert joined["conversationId"] == conversation != to_another["conversationId"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"fromAddress": NOWHERE}, "404 not.found", id="unknown integration"),
        pytest.param({"fromAddress": INACTIVE}, "409 request.conflict", id="inactive integration"),
        pytest.param({"toAddress": None}, "400 constraint.validation", id="no address"),
        pytest.param({"textBody": None}, "400 constraint.validation", id="no text"),
        pytest.param({"textBody": "x" * 2_001}, "400 max.length.exceeded", id="too long"),
        pytest.param(
            {"toAddressMessengerType": "pigeon"}, "400 invalid.value", id="unknown messenger"
        ),
        pytest.param(
            {"toAddressMessengerType": "sms", "fromAddress": "+13175550100", "textBody": "x" * 766},
            "400 max.length.exceeded",
            id="too long for SMS",
        ),
        pytest.param(
            {
                "toAddressMessengerType": "whatsapp",
                "fromAddress": "5c0d0000-0000-4000-8000-0000000000d1",
                "toAddress": "+1317",
            },
            "400 invalid.whatsapp.address",
            id="WhatsApp address with a plus",
        ),
        pytest.param(
            {
                "toAddressMessengerType": "whatsapp",
                "fromAddress": "5c0d0000-0000-4000-8000-0000000000d1",
                "toAddress": "1317",
            },
            "400 constraint.validation",
            id="WhatsApp without a template",
        ),
        pytest.param(
            {
                "toAddressMessengerType": "webmessaging",
                "fromAddress": "5c0d0000-0000-4000-8000-0000000000d2",
                "externalContactId": "c-1",
                "textBody": "x" * 4_000,
            },
            "400 invalid.webmessaging.text.body",
            id="too long for web messaging",
        ),
        pytest.param(
            {
                "toAddressMessengerType": "webmessaging",
                "fromAddress": "5c0d0000-0000-4000-8000-0000000000d2",
            },
            "400 constraint.validation",
            id="web messaging without a contact",
        ),
    ],
)
def test_a_notification_that_may_not_be_is_refused_by_its_code(
    members: dict[str, Any], code: str
) -> None:
    assert Organisation().code("POST", AGENTLESS, notification(**members)) == code


def test_a_text_message_reaches_a_telephone() -> None:
    body = notification("+13175555555", fromAddress="+13175550100", toAddressMessengerType="sms")

    assert Organisation().post(AGENTLESS, body)["messengerType"] == "sms"


def test_an_agent_begins_a_conversation_and_writes_to_it() -> None:
    organisation = Organisation()

    begun = organisation.post(MESSAGES, outbound(), client=USER)
    organisation.post(organisation.reply_path(begun["id"]), {"textBody": "hello"}, client=USER)

    assert begun["selfUri"] == f"{MESSAGES}/{begun['id']}"
    assert organisation.texts(begun["id"]) == ["hello"]
    assert organisation.receive() == begun["id"]


def test_an_agent_takes_up_an_existing_conversation_only_if_he_is_to() -> None:
    organisation = Organisation()
    conversation = organisation.receive()

    active = organisation.code("POST", MESSAGES, outbound(), USER)
    organisation.ask("POST", f"/api/v2/conversations/{conversation}/disconnect")
    existing = organisation.code("POST", MESSAGES, outbound(), USER)
    taken_up = organisation.post(MESSAGES, outbound(useExistingConversation=True), client=USER)

    assert (active, existing) == ("400 active.conversation", "400 existing.conversation")
    assert taken_up["id"] == conversation


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param({"queueId": NOWHERE}, "404 not.found", id="unknown queue"),
        pytest.param(
            {"queueId": QUEUE_WITHOUT_ADDRESS}, "400 queue.address.required", id="address"
        ),
        pytest.param(
            {"queueId": QUEUE_WITHOUT_USER}, "400 queue.membership.required", id="membership"
        ),
        pytest.param(
            {"toAddressMessengerType": "sms", "toAddress": "555"},
            "400 invalid.phone.number",
            id="telephone number",
        ),
        pytest.param(
            {"toAddressMessengerType": "whatsapp", "toAddress": "+1"},
            "400 invalid.whatsapp.address",
            id="WhatsApp address",
        ),
        pytest.param({"toAddress": None}, "400 constraint.validation", id="no address"),
    ],
)
def test_a_conversation_that_may_not_begin_is_refused_by_its_code(
    members: dict[str, Any], code: str
) -> None:
    assert Organisation().code("POST", MESSAGES, outbound(**members), USER) == code
