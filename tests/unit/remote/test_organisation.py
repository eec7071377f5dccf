"""What an organisation says of itself, as far as an answer of any form can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from convoy.errors import RemoteError
from convoy.remote.organisation import Organisation, OwnToken, Shown
from convoy.routes.catalogue import ROUTES
from tests.unit.remote.clients import client_at
from tests.unit.remote.misbehaving_server import answer, serving

LACKING = {
    "code": "missing.permissions",
    "status": 403,
    "messageParams": {"permissions": "[messaging:integration:view]"},
}


@contextmanager
def organisation(port: int) -> Iterator[Organisation]:
    url = f"http://127.0.0.1:{port}"
    with client_at(url, "headers={X-Test-Run: nightly}") as client:
        yield Organisation(client)


def answered(body: object, status: str = "200 OK") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(status, content)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param({"organization": {"id": "o-1"}}, OwnToken("o-1"), id="thread"),
        pytest.param(
            {
                "organization": {"id": "o-1", "name": "Acme"},
                "OAuthClient": {"name": "load", "authorizedGrantType": "CLIENT-CREDENTIALS"},
            },
            OwnToken("o-1", "Acme", "load", "CLIENT-CREDENTIALS"),
            id="all of it",
        ),
        pytest.param(
            {"organization": {"id": "o-1", "name": 7}, "OAuthClient": ["?"], "more": {}},
            OwnToken("o-1"),
            id="odd",
        ),
        pytest.param(
            {"organization": {"id": "o-1", "name": "A\nB" + "C" * 999}},
            OwnToken("o-1", "A B" + "C" * 999),
            id="of many lines, and long",
        ),
        pytest.param({"organization": None}, None, id="no organisation"),
        pytest.param({"organization": {"id": 7}}, None, id="no id"),
        pytest.param(b"<html>", None, id="no JSON"),
    ],
)
def test_whose_a_token_is(body: object, found: OwnToken | None) -> None:
    with (
        serving(lambda visitor: visitor.answer_all(answered(body))) as server,
        organisation(server.port) as asked,
    ):
        if found is None:
            with pytest.raises(RemoteError, match="tokens/me did not answer what it should"):
                asked.own_token()
        else:
            assert asked.own_token() == found

    [request] = server.requests
    assert request.startswith(b"GET /api/v2/tokens/me HTTP/1.1\r\n")
    assert b"Authorization: Bearer token-1\r\n" in request and b"X-Test-Run: nightly" in request


def test_a_token_is_told_with_its_organisation_client_and_grant() -> None:
    assert str(OwnToken("o-1")) == "o-1"
    assert (
        str(OwnToken("o-1", "Acme", "load", "CODE")) == "o-1 (Acme), by client load with grant CODE"
    )


LIMIT = {"key": "token.rate.per.minute", "namespace": "platform.api", "value": 300}


@pytest.mark.parametrize(
    ("entities", "found"),
    [
        pytest.param([LIMIT], ({LIMIT["key"]: 300}, 0), id="as it should be"),
        pytest.param([], ({}, 0), id="none"),
        pytest.param(
            [LIMIT, {"key": "a"}, {"key": "b", "value": "many"}, 7, {"value": 1}],
            ({LIMIT["key"]: 300}, 4),
            id="some have another form",
        ),
        pytest.param({"key": "a"}, None, id="no list"),
        pytest.param("many", None, id="text"),
    ],
)
def test_limits_are_read_one_by_one(
    entities: object, found: tuple[dict[str, int], int] | None
) -> None:
    body = answered({"entities": entities})
    with (
        serving(lambda visitor: visitor.answer_all(body)) as server,
        organisation(server.port) as asked,
    ):
        if found is None:
            with pytest.raises(RemoteError, match="platform.api did not answer what it should"):
                asked.limits("platform.api")
        else:
            assert asked.limits("platform.api") == found

    assert b" /api/v2/organizations/limits/namespaces/platform.api " in server.requests[0]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"id": "i", "name": "Web", "status": "Active"}, Shown("Web", "Active", id="i")),
        ({"id": "i", "createStatus": "Initiated"}, Shown(made="Initiated", id="i")),
        ({"name": ["?"], "status": None}, Shown()),
    ],
)
def test_what_an_id_stands_for(body: dict[str, Any], shown: Shown) -> None:
    with (
        serving(lambda visitor: visitor.answer_all(answered(body))) as server,
        organisation(server.port) as asked,
    ):
        assert asked.show(ROUTES["open_integration"], {"integration_id": "a/b"}) == shown

    assert b"/integrations/open/a%2Fb " in server.requests[0]


def test_those_that_are_there_are_listed_by_name_and_id() -> None:
    entities = [{"id": "i-1", "name": "Web"}, {"id": "i-2"}, {"name": "no id"}, 7]
    body = answered({"entities": entities})
    with (
        serving(lambda visitor: visitor.answer_all(body)) as server,
        organisation(server.port) as asked,
    ):
        found = asked.listed(ROUTES["open_integration"])

    assert found == ["Web i-1", "no name i-2"]
    assert b" /api/v2/conversations/messaging/integrations/open " in server.requests[0]


def test_a_refusal_has_its_code_and_names_what_is_missing() -> None:
    body = answered(LACKING, "403 Forbidden")
    with (
        serving(lambda visitor: visitor.answer_all(body)) as server,
        organisation(server.port) as asked,
        pytest.raises(RemoteError) as refused,
    ):
        asked.show(ROUTES["open_integration"], {"integration_id": "i"})

    assert refused.value.code == "403 missing.permissions"
    said = "asked for open integration.*It lacks messaging:integration:view.$"
    assert re.search(said, str(refused.value))
