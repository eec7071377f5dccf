"""What a preflight asks: token, limits, integrations, queues; and the limits that are kept."""

from __future__ import annotations

import json

import pytest

from simulator.model.organisation import DEPLOYMENTS
from tests.simulator.in_process import (
    ACTIVE,
    INACTIVE,
    QUEUE,
    QUEUE_WITHOUT_ADDRESS,
    Organisation,
)

LIMITS = "/api/v2/organizations/limits"
INTEGRATIONS = "/api/v2/conversations/messaging/integrations/open"
QUEUES = "/api/v2/routing/queues"
SHOWN = {"Convoy web": "Active", "Convoy disabled": "Inactive"}
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("client", "grant_type", "has_scopes"),
    [("public", "CLIENT-CREDENTIALS", False), ("public-user", "CODE", True)],
)
def test_a_token_tells_whose_it_is(client: str, grant_type: str, has_scopes: bool) -> None:
    found = Organisation("--token-lifetime-s", "600").get("/api/v2/tokens/me", client=client)

    assert found["organization"] == found["homeOrganization"]
    assert found["OAuthClient"]["id"] == client
    assert found["OAuthClient"]["authorizedGrantType"] == grant_type
    assert ("conversations" in found["authorizedScope"]) == has_scopes
    assert found["dateTokenIdles"].endswith("Z")


def test_a_token_is_probed_and_revoked() -> None:
    organisation = Organisation()
    token = organisation.token()

    answers = [
        organisation.ask(method, "/api/v2/tokens/me", token=token)
        for method in ("HEAD", "DELETE", "HEAD")
    ]

    assert [each.status for each in answers] == [200, 200, 401]
    assert answers[0].body == b""


def test_limits_in_force_follow_the_options_and_defaults_do_not() -> None:
    organisation = Organisation(
        *("--token-rate-per-minute", "7", "--app-user-rate-per-minute", "8"),
        *("--organisation-rate-per-minute", "9", "--outbound-text-max", "10"),
    )

    def limits(path: str) -> dict[str, int]:
        return {each["key"]: each["value"] for each in organisation.get(path)["entities"]}

    in_force = limits(f"{LIMITS}/namespaces/platform.api")
    default = limits(f"{LIMITS}/namespaces/platform.api/defaults")
    messaging = limits(f"{LIMITS}/namespaces/messaging")

    assert in_force["token.rate.per.minute"] == 7
    assert in_force["client.credentials.token.rate.per.minute"] == 7
    assert in_force["org.app.user.rate.per.minute"] == 8
    assert in_force["org.rate.per.minute"] == 9
    assert default["token.rate.per.minute"] == 300
    assert default["org.app.user.rate.per.minute"] == 3_000
    assert messaging["outbound.webmessaging.and.open.messaging.characters.max"] == 10


def test_limits_are_listed_by_namespace() -> None:
    organisation = Organisation()

    names = organisation.get(f"{LIMITS}/namespaces")["entities"]
    docs = organisation.get(f"{LIMITS}/docs")["namespaces"]

    assert names == ["platform.api", "messaging", "web.messaging"]
    assert [each["name"] for each in docs] == names


@pytest.mark.parametrize("tail", ["", "/defaults"])
def test_an_unknown_namespace_is_refused(tail: str) -> None:
    code = Organisation().code("GET", f"{LIMITS}/namespaces/nothing{tail}")

    assert code == "400 invalid.value"


def test_integrations_are_listed_and_shown_with_their_status() -> None:
    organisation = Organisation()

    listing = organisation.get(f"{INTEGRATIONS}?pageSize=3")
    by_id = {each["id"]: each["status"] for each in listing["entities"]}

    assert (listing["total"], len(listing["entities"])) == (4, 3)
    assert (by_id[ACTIVE], by_id[INACTIVE]) == ("Active", "Inactive")
    assert organisation.get(f"{INTEGRATIONS}/{ACTIVE}") == listing["entities"][0]
    assert organisation.code("GET", f"{INTEGRATIONS}/{NOWHERE}") == "404 not.found"


def test_queues_are_found_by_name_and_tell_the_address_they_send_from() -> None:
    organisation = Organisation()

    [found] = organisation.get(f"{QUEUES}?name=without%20ADDRESS")["entities"]
    with_address = organisation.get(f"{QUEUES}/{QUEUE}")

    recipient = with_address["outboundMessagingAddresses"]["openMessagingRecipient"]
    assert found["id"] == QUEUE_WITHOUT_ADDRESS
    assert "outboundMessagingAddresses" not in found
    assert recipient["id"] == ACTIVE
    assert organisation.code("GET", f"{QUEUES}/{NOWHERE}") == "404 not.found"


def test_a_deployment_is_shown_to_its_organisation() -> None:
    organisation, path = Organisation(), "/api/v2/webdeployments/deployments"

    shown = [
        organisation.get(f"{path}/{each.id}") for each in DEPLOYMENTS.values() if each.name in SHOWN
    ]

    assert [(each["name"], each["status"]) for each in shown] == list(SHOWN.items())
    assert organisation.code("GET", f"{path}/{NOWHERE}") == "404 not.found"


def test_all_tokens_share_the_organisation_s_limit_and_none_of_the_thread_s() -> None:
    organisation = Organisation("--organisation-rate-per-minute", "2")
    tokens = [organisation.token(), organisation.token("public-user")]

    answers = [
        organisation.ask("GET", "/api/v2/conversations", token=token) for token in tokens * 2
    ]
    of_the_thread = organisation.ask("GET", "/api/v2/conversations", client="demo")

    assert [each.status for each in answers] == [200, 200, 429, 429]
    assert json.loads(answers[2].body)["limit"] == {
        "key": "org.rate.per.minute",
        "namespace": "platform.api",
        "value": 2,
    }
    assert (b"Retry-After", b"60") in answers[2].headers
    assert of_the_thread.status == 200


def test_a_user_s_tokens_share_a_limit_for_each_client() -> None:
    organisation = Organisation("--app-user-rate-per-minute", "2")
    path = "/api/v2/tokens/me"

    answers = [organisation.ask("GET", path, client="public-user") for _ in range(3)]
    organisation.now_s += 60.0
    later = organisation.ask("GET", path, client="public-user")
    clients_own = [organisation.ask("GET", path).status for _ in range(3)]

    assert [each.status for each in answers] == [200, 200, 429]
    assert json.loads(answers[2].body)["limit"]["key"] == "org.app.user.rate.per.minute"
    assert later.status == 200
    assert clients_own == [200, 200, 200]


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("public", "client.credentials.token.rate.per.minute"),
        ("public-user", "token.rate.per.minute"),
    ],
)
def test_a_token_s_own_limit_is_named_by_its_kind(client: str, key: str) -> None:
    organisation = Organisation("--token-rate-per-minute", "1")
    token = organisation.token(client)
    organisation.ask("GET", "/api/v2/tokens/me", token=token)

    refused = organisation.ask("GET", "/api/v2/tokens/me", token=token)

    assert json.loads(refused.body)["limit"]["key"] == key
