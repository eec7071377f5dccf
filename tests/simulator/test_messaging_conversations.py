"""Conversations of the public routes: read, listed for a user, ended in each of the ways."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.in_process import MESSAGES, Organisation

USER = "public-user"
NOWHERE = "00000000-0000-4000-8000-000000000000"
GENERAL = "/api/v2/conversations"


@pytest.mark.parametrize(
    ("method", "path", "client", "status"),
    [
        ("POST", f"{GENERAL}/<id>/disconnect", "public", 202),
        ("DELETE", f"{GENERAL}/<id>", USER, 204),
        ("PATCH", f"{MESSAGES}/<id>", "public", 200),
        ("PATCH", f"{MESSAGES}/<id>/participants/<customer>", "public", 202),
        ("PATCH", f"{MESSAGES}/<id>/participants/<agent>", USER, 202),
        ("PATCH", f"{MESSAGES}/<id>/participants/<agent>/communications/<peer>", USER, 200),
        ("POST", "/simulator/conversations/<id>/close", USER, 204),
    ],
)
def test_a_conversation_is_ended_in_each_way(
    method: str, path: str, client: str, status: int
) -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    filled = fill(organisation, conversation, path)

    answer = organisation.ask(method, filled, {"state": "disconnected"}, client=client)

    found = organisation.get(f"{GENERAL}/{conversation}")
    assert answer.status == status, answer.body
    assert found["endTime"]
    assert {one["messages"][0]["state"] for one in found["participants"]} == {"disconnected"}
    assert organisation.get(GENERAL, client=USER)["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", f"{GENERAL}/{NOWHERE}", None, "404 not.found"),
        (
            "GET",
            f"{MESSAGES}/{NOWHERE}",
            None,
            "404 conversation.error.conversation.not.found",
        ),
        (
            "POST",
            f"{GENERAL}/{NOWHERE}/disconnect",
            None,
            "404 conversation.error.conversation.not.found",
        ),
        ("DELETE", f"{GENERAL}/{NOWHERE}", None, "404 conversation.error.conversation.not.found"),
        ("PATCH", f"{MESSAGES}/{NOWHERE}", {}, "404 not.found"),
        ("PATCH", f"{MESSAGES}/<id>", {}, "400 constraint.validation"),
        ("PATCH", f"{MESSAGES}/<id>", {"state": "connected"}, "400 invalid.value"),
        ("PATCH", f"{MESSAGES}/<id>/participants/{NOWHERE}", {}, "404 not.found"),
        (
            "PATCH",
            f"{MESSAGES}/<id>/participants/<customer>",
            {"state": "connected"},
            "400 conversation.participant.update.invalid",
        ),
        (
            "PATCH",
            f"{MESSAGES}/<id>/participants/<customer>/communications/{NOWHERE}",
            {"state": "disconnected"},
            "404 not.found",
        ),
        (
            "PATCH",
            f"{MESSAGES}/<id>/participants/<customer>/communications/<peer>",
            {"state": "alerting"},
            "400 communication.state.required",
        ),
        (
            "PATCH",
            f"{MESSAGES}/<id>/participants/<customer>/attributes",
            {"attributes": {"a": 1}},
            "400 invalid.value",
        ),
        ("GET", f"{MESSAGES}/{NOWHERE}/details", None, "404 not.found"),
        ("GET", f"{MESSAGES}/<id>/messages/{NOWHERE}", None, "404 not.found"),
        ("POST", f"{MESSAGES}/{NOWHERE}/messages/bulk", [], "404 not.found"),
        ("POST", f"{MESSAGES}/<id>/messages/bulk", {}, "400 invalid.value"),
        ("POST", f"{MESSAGES}/<id>/messages/bulk", ["x"] * 1_001, "400 constraint.validation"),
        ("POST", f"{MESSAGES}/<id>/messages/bulk", [1], "400 invalid.value"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_refused_by_its_code(
    method: str, path: str, body: object, code: str
) -> None:
    organisation = Organisation()
    filled = fill(organisation, organisation.receive(), path)

    assert organisation.code(method, filled, body, USER) == code


def test_a_participant_cannot_leave_twice() -> None:
    organisation = Organisation()
    path = fill(organisation, organisation.receive(), f"{MESSAGES}/<id>/participants/<customer>")
    organisation.ask("PATCH", path, {"state": "disconnected"})

    code = organisation.code("PATCH", path, {"state": "disconnected"})

    assert code == "400 conversation.error.participant.no.active.conversations"


def test_attributes_are_kept_with_the_customer() -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    path = fill(organisation, conversation, f"{MESSAGES}/<id>/participants/<customer>/attributes")

    organisation.ask("PATCH", path, {"attributes": {"a": "1"}})
    answer = organisation.ask("PATCH", path, {"attributes": {"b": "2"}})

    customer, _ = organisation.get(f"{GENERAL}/{conversation}")["participants"]
    assert answer.status == 202
    assert customer["attributes"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("path", [GENERAL, MESSAGES])
def test_a_user_sees_the_active_conversations_in_pages(path: str) -> None:
    organisation = Organisation()
    ids = [organisation.receive(f"vu-{number}") for number in range(5)]

    pages = [
        organisation.get(f"{path}?pageSize=2&pageNumber={number}", client=USER)
        for number in (1, 2, 3)
    ]

    assert [each["id"] for page in pages for each in page["entities"]] == ids
    assert {(page["total"], page["pageCount"]) for page in pages} == {(5, 3)}


@pytest.mark.parametrize("path", [GENERAL, MESSAGES])
def test_without_a_user_a_listing_is_empty_or_refused_as_configured(path: str) -> None:
    empty, refusing = Organisation(), Organisation("--refuse-userless-listings")
    empty.receive()

    assert empty.get(path)["entities"] == []
    assert refusing.code("GET", path) == "400 not.a.user"


def test_bulk_finds_the_conversation_s_own_messages_only() -> None:
    organisation = Organisation()
    first, second = organisation.receive("vu-1", "one"), organisation.receive("vu-2", "two")
    ids = organisation.message_ids(first) + organisation.message_ids(second) + [NOWHERE]

    found = organisation.post(f"{MESSAGES}/{first}/messages/bulk", ids)["entities"]

    assert [each["normalizedMessage"]["text"] for each in found] == ["one"]


def test_a_message_is_not_found_by_another_conversation() -> None:
    organisation = Organisation()
    first, second = organisation.receive("vu-1"), organisation.receive("vu-2")
    [id] = organisation.message_ids(second)

    assert organisation.code("GET", f"{MESSAGES}/{first}/messages/{id}") == "404 not.found"


def test_a_message_is_the_same_by_each_route() -> None:
    organisation = Organisation()
    conversation = organisation.receive()
    [id] = organisation.message_ids(conversation)

    [in_bulk] = organisation.post(f"{MESSAGES}/{conversation}/messages/bulk", [id])["entities"]

    assert organisation.get(f"{MESSAGES}/{conversation}/messages/{id}") == in_bulk
    assert organisation.get(f"{MESSAGES}/{id}/details") == in_bulk


def fill(organisation: Organisation, conversation: str, path: str) -> str:
    found: dict[str, Any] = organisation.get(f"{MESSAGES}/{conversation}")
    customer, agent = found["participants"]
    names = {
        "<id>": conversation,
        "<customer>": customer["id"],
        "<agent>": agent["id"],
        "<peer>": customer["peer"],
    }
    for name, value in names.items():
        path = path.replace(name, value)
    return path
