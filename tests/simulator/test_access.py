"""Who may do what by the public routes, and who is spoken to in which dialect."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from simulator.answering import Answering
from simulator.calls import Call
from simulator.model.access import CLIENT_ONLY, USER_ONLY, Access
from simulator.model.clients import CLIENTS, PERMISSIONS, PUBLIC, SCOPES, Client
from simulator.model.rejection import Rejection
from simulator.public_routes import PUBLIC_ROUTES
from simulator.routes import OWN_ROUTES, THREAD_ROUTES, Route, RouteTable
from tests.simulator.in_process import MESSAGES, Organisation, inbound, open_message

ANY = Access((), ("a:b:c", "d:e:f"))
ALL = Access((), ("a:b:c", "d:e:f"), needs_all=True)
SCOPED = Access(("conversations", "conversations:readonly"))
MISSING = "Unable to perform the requested action. You are missing the following permission(s): "

_VIEW = "conversation:message:view | conversation:webmessaging:view"
_REPLY = "conversation:message:create | conversation:webmessaging:create"
_END = "conversation:communication:disconnect"
_RECEIVE = ("conversations", "conversation:message:receive", "client")
_LIMITS = ("organization", "", "")
ASKED_BY_THE_DEFINITION = {
    "GET tokens/me": ("user-basic-info", "", ""),
    "HEAD tokens/me": ("user-basic-info", "", ""),
    "DELETE tokens/me": ("user-basic-info", "", ""),
    "GET organizations/limits/docs": _LIMITS,
    "GET organizations/limits/namespaces": _LIMITS,
    "GET organizations/limits/namespaces/{}": _LIMITS,
    "GET organizations/limits/namespaces/{}/defaults": _LIMITS,
    "GET conversations/messaging/integrations/open": (
        "messaging",
        "messaging:integration:view",
        "",
    ),
    "GET conversations/messaging/integrations/open/{}": (
        "messaging",
        "messaging:integration:view",
        "",
    ),
    "GET routing/queues": ("routing", "routing:queue:view", ""),
    "GET routing/queues/{}": ("routing", "routing:queue:view", ""),
    "GET webdeployments/deployments/{}": ("webdeployments", "webDeployments:deployment:view", ""),
    "POST conversations/messages/{}/inbound/open/message": _RECEIVE,
    "POST conversations/messages/{}/inbound/open/structured/response": _RECEIVE,
    "POST conversations/messages/{}/inbound/open/event": _RECEIVE,
    "POST conversations/messages/{}/inbound/open/receipt": _RECEIVE,
    "POST conversations/messages": ("conversations", "conversation:message:create", "user"),
    "POST conversations/messages/agentless": (
        "conversations",
        "conversation:message:create",
        "client",
    ),
    "POST conversations/messages/{}/communications/{}/messages": ("conversations", _REPLY, "user"),
    "POST conversations/messages/{}/communications/{}/typing": ("conversations", _REPLY, "user"),
    "GET conversations": ("conversations", "", ""),
    "GET conversations/messages": ("conversations", "", ""),
    "GET conversations/{}": ("conversations", "conversation:communication:view", ""),
    "GET conversations/messages/{}": ("conversations", "", ""),
    "PATCH conversations/messages/{}": (
        "conversations",
        f"{_END} | conversation:message:park",
        "",
    ),
    "DELETE conversations/{}": ("conversations", _END, "user"),
    "POST conversations/{}/disconnect": ("conversations", _END, ""),
    "PATCH conversations/messages/{}/participants/{}": (
        "conversations",
        f"conversation:participant:wrapup | conversation:call:record | {_END}",
        "",
    ),
    "PATCH conversations/messages/{}/participants/{}/attributes": ("conversations", "", ""),
    "PATCH conversations/messages/{}/participants/{}/communications/{}": ("conversations", "", ""),
    "GET conversations/messages/{}/details": ("conversations", _VIEW, ""),
    "GET conversations/messages/{}/messages/{}": ("conversations", _VIEW, ""),
    "POST conversations/messages/{}/messages/bulk": ("conversations", _VIEW, ""),
    "POST analytics/conversations/details/query": (
        "analytics",
        "analytics:conversationDetail:view | analytics:agentConversationDetail:view",
        "",
    ),
}
"""Scope, permissions (all of `a & b`, any of `a | b`) and context of each operation."""


def client(*permissions: str, scopes: tuple[str, ...] = (), is_user: bool = False) -> Client:
    return Client(
        "c",
        "c",
        PUBLIC,
        is_user_grant=is_user,
        permissions=frozenset(permissions),
        scopes=frozenset(scopes),
    )


@pytest.mark.parametrize(
    ("access", "who", "code"),
    [
        pytest.param(ANY, client("d:e:f"), "", id="any: one"),
        pytest.param(ANY, client("x:y:z"), "missing.any.permissions", id="any: none"),
        pytest.param(ALL, client("a:b:c", "d:e:f"), "", id="all: all"),
        pytest.param(ALL, client("a:b:c"), "missing.permissions", id="all: one"),
        pytest.param(Access(), client(), "", id="none asked for"),
        pytest.param(SCOPED, client(), "", id="scopes: not for client credentials"),
        pytest.param(SCOPED, client(scopes=("conversations:readonly",), is_user=True), "", id="s"),
        pytest.param(SCOPED, client(is_user=True), "app.not.authorized.for.scope", id="no scope"),
        pytest.param(Access(context=CLIENT_ONLY), client(is_user=True), "not.a.client", id="user"),
        pytest.param(Access(context=CLIENT_ONLY), client(), "", id="client"),
        pytest.param(Access(context=USER_ONLY), client(), "not.a.user", id="no user"),
        pytest.param(Access(context=USER_ONLY), client(is_user=True), "", id="a user"),
    ],
)
def test_a_token_is_let_in_or_refused_by_code(access: Access, who: Client, code: str) -> None:
    try:
        access.check(who)
        refused_with = ""
    except Rejection as refused:
        refused_with = refused.code

    assert refused_with == code


@pytest.mark.parametrize(
    ("access", "who", "sentence"),
    [
        (ALL, client("a:b:c"), MISSING + "[d:e:f]"),
        (ALL, client(), MISSING + "[a:b:c, d:e:f]"),
        (
            ANY,
            client(),
            "Unable to perform the requested action. You must have at least one of the following "
            "permissions assigned: [a:b:c, d:e:f]",
        ),
        (SCOPED, client(is_user=True), "App not authorized to use scope [conversations]"),
    ],
)
def test_a_refusal_names_what_is_missing(access: Access, who: Client, sentence: str) -> None:
    with pytest.raises(Rejection) as refused:
        access.check(who)

    assert refused.value.message == sentence


def test_the_routes_ask_for_what_the_definition_says() -> None:
    asked = {
        f"{route.method} {route.path.removeprefix('/api/v2/')}": (
            route.access.scopes[0],
            " & ".join(route.access.permissions)
            if route.access.needs_all
            else " | ".join(route.access.permissions),
            route.access.context,
        )
        for route in PUBLIC_ROUTES
        if route.access
    }

    assert asked == ASKED_BY_THE_DEFINITION


@pytest.mark.parametrize("route", PUBLIC_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_refuses_what_it_must_and_lets_in_what_it_may(route: Route) -> None:
    organisation = Organisation()
    path = route.path.replace("{}", "00000000-0000-4000-8000-000000000000")
    access = route.access
    assert access is not None

    refused = {
        who: organisation.ask(route.method, path, {}, client=who).code
        for who in ("public", "public-user", "public-no-permission", "public-no-scope")
    }

    permission = "missing.permissions" if access.needs_all else "missing.any.permissions"
    assert (refused["public-no-permission"] == permission) == bool(access.permissions)
    assert refused["public-no-scope"] == "app.not.authorized.for.scope"
    assert (refused["public-user"] == "not.a.client") == (access.context == CLIENT_ONLY)
    assert (refused["public"] == "not.a.user") == (access.context == USER_ONLY)
    assert not refused["public"].startswith("missing")
    assert not refused["public-user"].startswith(("missing", "app"))


@pytest.mark.parametrize("route", PUBLIC_ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize(("token", "code"), [("", "authentication.required"), ("x", "bad.cred")])
def test_every_route_asks_for_a_token(route: Route, token: str, code: str) -> None:
    path = route.path.replace("{}", "00000000-0000-4000-8000-000000000000")

    answer = Organisation().ask(route.method, path, {}, token=token)

    assert answer.status == 401
    assert answer.code.startswith(code)


@pytest.mark.parametrize("route", PUBLIC_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_refuses_an_expired_token(route: Route) -> None:
    organisation = Organisation("--token-lifetime-s", "60")
    token = organisation.token("public-user")
    organisation.now_s += 60.0

    answer = organisation.ask(route.method, route.path.replace("{}", "x"), {}, token=token)

    assert (answer.status, answer.code) == (401, "bad.credentials")


def test_the_clients_born_hold_all_permissions_and_scopes_that_routes_ask_for() -> None:
    accesses = [route.access for route in PUBLIC_ROUTES if route.access]

    assert all(PERMISSIONS & {*each.permissions} for each in accesses if each.permissions)
    assert all(SCOPES & {*each.scopes} for each in accesses)


def test_a_client_can_be_given_other_permissions() -> None:
    organisation = Organisation(
        "--permissions", "public=conversation:message:view, routing:queue:view"
    )

    answer = organisation.ask("POST", inbound(), open_message())

    assert answer.status == 403
    assert json.loads(answer.body)["message"] == MISSING + "[conversation:message:receive]"
    assert organisation.ask("GET", "/api/v2/routing/queues").status == 200


def test_the_token_s_client_decides_in_which_dialect_it_is_spoken_to() -> None:
    organisation = Organisation("--conversations", "3")

    thread = organisation.get("/api/v2/conversations", client="demo")
    public = organisation.get("/api/v2/conversations", client="public")

    assert thread["total"] == 3
    assert public["total"] == 0
    assert organisation.code("POST", MESSAGES, {}, "demo") == "400 invalid_payload"
    assert organisation.code("POST", MESSAGES, {}, "public-user") == "400 constraint.validation"
    assert organisation.code("GET", MESSAGES, client="demo") == "405 method.not.allowed"
    assert organisation.code("GET", "/api/v2/conversations/x", client="demo").endswith("not.found")


def test_a_token_is_good_until_its_lifetime_is_over_and_a_refreshed_one_after() -> None:
    organisation = Organisation("--token-lifetime-s", "600")
    first = login(organisation, grant_type="refresh_token", refresh_token="public-user")
    listing = "/api/v2/conversations"
    before = organisation.ask("GET", listing, token=first["access_token"]).status
    organisation.now_s += 600.0

    expired = organisation.ask("GET", listing, token=first["access_token"])
    again = login(organisation, grant_type="refresh_token", refresh_token=first["refresh_token"])
    after = organisation.ask("GET", listing, token=again["access_token"]).status

    assert (before, expired.status, expired.code, after) == (200, 401, "bad.credentials", 200)


def test_an_authorization_code_is_good_for_one_login_of_its_client() -> None:
    organisation = Organisation()
    code = new_code(organisation, "public-user")

    of_another = login(
        organisation, who="public-no-scope", grant_type="authorization_code", code=code
    )
    first = login(organisation, grant_type="authorization_code", code=code)
    second = login(organisation, grant_type="authorization_code", code=code)
    refreshed = login(
        organisation, grant_type="refresh_token", refresh_token=first["refresh_token"]
    )

    assert of_another["error"] == second["error"] == "invalid_grant"
    assert first["expires_in"] == 86_400
    assert organisation.ask("GET", MESSAGES, token=refreshed["access_token"]).status == 200


@pytest.mark.parametrize(
    ("options", "is_good"), [((), True), (("--rotate-refresh-tokens",), False)]
)
def test_whether_a_refresh_token_outlives_its_use_is_an_option(
    options: tuple[str, ...], is_good: bool
) -> None:
    organisation = Organisation(*options)
    first = login(organisation, grant_type="refresh_token", refresh_token="public-user")

    again = login(organisation, grant_type="refresh_token", refresh_token="public-user")
    renewed = login(organisation, grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert ("access_token" in again) == is_good
    assert "access_token" in renewed


@pytest.mark.parametrize(
    ("who", "form", "error"),
    [
        ("public-user", {"grant_type": "client_credentials"}, "unauthorized_client"),
        ("public-user", {"grant_type": "refresh_token"}, "invalid_grant"),
        ("public-user", {"grant_type": "authorization_code", "code": "x"}, "invalid_grant"),
        (
            "public",
            {"grant_type": "refresh_token", "refresh_token": "public-user"},
            "invalid_grant",
        ),
        ("public-user", {"grant_type": "password"}, "unsupported_grant_type"),
        ("public-user", {}, "invalid_request"),
        ("nobody", {"grant_type": "client_credentials"}, "invalid_client"),
    ],
)
def test_a_login_that_may_not_be_is_refused_in_oauth_s_words(
    who: str, form: dict[str, str], error: str
) -> None:
    assert login(Organisation(), who=who, **form)["error"] == error


@pytest.mark.parametrize(
    "body", [{}, {"client_id": "public"}, {"client_id": "nobody"}, {"client_id": 1}, b"[", b""]
)
def test_a_code_is_for_clients_of_users_only(body: object) -> None:
    assert Organisation().ask("POST", "/simulator/oauth/codes", body).code == "bad.request"


@pytest.mark.parametrize(
    ("method", "path", "template", "varying"),
    [
        ("GET", "/api/v2/conversations/a", "/api/v2/conversations/{}", ("a",)),
        ("GET", f"{MESSAGES}/a", f"{MESSAGES}/{{}}", ("a",)),
        ("POST", f"{MESSAGES}/agentless", f"{MESSAGES}/agentless", ()),
        ("POST", f"{MESSAGES}/a/messages/bulk", f"{MESSAGES}/{{}}/messages/bulk", ("a",)),
        ("GET", f"{MESSAGES}/a/messages/b", f"{MESSAGES}/{{}}/messages/{{}}", ("a", "b")),
        ("GET", f"{MESSAGES}/a/b", None, ()),
        ("GET", "/", None, ()),
        ("GET", "/api/v2/conversations/messages/a/inbound/open", None, ()),
    ],
)
def test_a_path_finds_its_route_and_a_fixed_part_wins(
    method: str, path: str, template: str | None, varying: tuple[str, ...]
) -> None:
    methods, values = RouteTable(OWN_ROUTES + PUBLIC_ROUTES).find(path)
    route = methods.get(method)

    assert (route.path if route else None, values) == (template, varying)


def test_a_path_that_leads_nowhere_by_its_fixed_part_is_tried_as_a_varying_one() -> None:
    handle = THREAD_ROUTES[0].handle
    table = RouteTable((Route("GET", "/a/b/c", handle), Route("GET", "/{}/b/{}", handle)))
    nested = RouteTable((Route("GET", "/{}/x", handle), Route("GET", "/a/{}/y", handle)))

    assert table.find("/a/b/d")[1] == ("a", "d")
    assert nested.find("/a/x")[1] == ("a",)
    assert nested.find("/a/x/y")[1] == ("x",)


def test_no_two_routes_of_a_dialect_are_the_same() -> None:
    for routes in (OWN_ROUTES + PUBLIC_ROUTES, OWN_ROUTES + THREAD_ROUTES):
        assert len({(route.method, route.path) for route in routes}) == len(routes)


def test_the_thread_s_clients_use_the_definition_s_routes_where_the_thread_has_none() -> None:
    organisation = Organisation()
    answers = {
        who: organisation.ask("POST", inbound(), open_message(), client=who)
        for who in ("demo", "no-scope", "user")
    }
    code_by_client = {who: f"{each.status} {each.code}" for who, each in answers.items()}

    assert {each.id for each in CLIENTS.values() if each.dialect != PUBLIC} == {*code_by_client}
    assert code_by_client == {
        "demo": "200 ",
        "no-scope": "403 missing.permissions",
        "user": "400 not.a.client",
    }


def login(organisation: Organisation, who: str = "public-user", **form: str) -> dict[str, Any]:
    basic = base64.b64encode(f"{who}:{who}".encode())
    answer = Answering(organisation.world).answer(
        Call(
            method="POST",
            path="/oauth/token",
            query=b"",
            headers={b"authorization": b"Basic " + basic},
            body=urlencode(form).encode(),
            correlation_id="c",
        )
    )
    content: dict[str, Any] = json.loads(answer.body)
    return content


def new_code(organisation: Organisation, client_id: str) -> str:
    code: str = organisation.post("/simulator/oauth/codes", {"client_id": client_id})["code"]
    return code
