"""The table of routes: paths, schemas, and where each is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from convoy.plan.pool import Conversation
from convoy.routes.catalogue import GUEST_CHAT, ROUTES, Route, RouteError

CONVERSATION = Conversation("conversation", "a/b?c d\r\n", "agent")


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    path = ROUTES["guest"].path_to({})(CONVERSATION)

    assert path == "/api/v2/webmessaging/guests/a%2Fb%3Fc%20d%0D%0A/conversations/messages"


@pytest.mark.parametrize("part", [".", ".."])
def test_no_part_of_a_path_leads_upwards(part: str) -> None:
    route = Route("own", "/api/{conversation_id}/messages")

    with pytest.raises(RouteError, match=f"conversation_id is '{part}', which is no part of"):
        route.path_to({})(Conversation(part))


def test_a_path_takes_variables_of_the_scenario_too() -> None:
    route = Route("own", "/api/{integration_id}/to/{conversation_id}")

    assert route.path_to({"integration_id": "a b"})(CONVERSATION) == "/api/a%20b/to/conversation"


def test_a_placeholder_without_a_value_is_named() -> None:
    with pytest.raises(RouteError, match="route own names integration_id; give it in"):
        Route("own", "/api/{integration_id}").path_to({})


@pytest.mark.parametrize("variables", [{}, {"deployment_id": ""}], ids=["missing", "empty"])
def test_what_another_protocol_needs_is_named_before_load(variables: dict[str, str]) -> None:
    with pytest.raises(RouteError, match="route guest_chat needs deployment_id; give it in"):
        GUEST_CHAT.path_to(variables)

    assert GUEST_CHAT.path_to({"deployment_id": "d1"})(Conversation("")) == ""


def test_the_participants_of_a_path_are_what_every_conversation_has_to_bring() -> None:
    assert ROUTES["conversation"].participants == ()
    assert ROUTES["guest"].participants == ("customer_id",)
    assert ROUTES["agent_reply"].participants == ("communication_id",)


def test_an_agent_replies_by_a_communication_of_the_conversation() -> None:
    path = ROUTES["agent_reply"].path_to({})(Conversation("c", communication_id="a/b"))

    assert path == "/api/v2/conversations/messages/c/communications/a%2Fb/messages"


@pytest.mark.parametrize("name", ROUTES)
def test_every_route_says_where_it_is_written_and_what_it_accepts(name: str) -> None:
    route = ROUTES[name]

    assert route.documentation.startswith("https://") and route.read.count("-") == 2
    assert all(200 <= status < 300 for status in route.accepts)
    assert route.path.startswith("/")


@pytest.mark.parametrize("content", ["", "[", "[1]", '{"type": 7}', "{" * 100_000])
def test_a_schema_that_cannot_be_used_is_named(tmp_path: Path, content: str) -> None:
    schema = tmp_path / "own.json"
    schema.write_text(content)

    with pytest.raises(RouteError, match="own.json cannot be used"):
        Route("own", "/own", schema=schema).rules()


def test_a_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="No such file"):
        Route("own", "/own", schema=tmp_path / "nowhere.json").rules()
