"""What is asked of an organisation follows from routes and variables, and what its answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from convoy.errors import RefusedError, RemoteError
from convoy.prepare.checklist import Checklist, Status
from convoy.prepare.organisation_questions import (
    NAMESPACES,
    ask,
    check_deployments,
    limits_of,
    most_questions,
    state_of,
)
from convoy.remote.organisation import OwnToken, Shown
from convoy.routes.catalogue import ROUTES, Route
from convoy.settings import Settings
from convoy.settings.model import Approval, Limit
from tests.unit.settings.configuration import settings_of

CHAT, GUEST = "conversation_messages", "guest_messages"
Asked = tuple[Settings, dict[str, Route]]
OPEN, THREAD = ROUTES["open_message"], ROUTES["conversation"]
CLIENT = frozenset({"client credentials"})


def refusal(code: str) -> RemoteError:
    error = RemoteError(f"answered {code}")
    error.code = code
    return error


class Told:
    """An organisation that answers these things, or refuses them."""

    def __init__(
        self, own: Any = None, limits: Any = None, shown: Any = None, listed: Any = ()
    ) -> None:
        self._listed = listed
        self._own = own or OwnToken("o-1", "Acme")
        self._limits = limits or {"platform.api": ({"token.rate.per.minute": 300}, 0)}
        self._shown = shown or Shown("Web", "Active", "Completed")
        self.asked: list[str] = []

    def own_token(self) -> Any:
        return self._answer("own token", self._own)

    def limits(self, namespace: str) -> Any:
        told = self._limits
        if isinstance(told, dict):
            told = told.get(namespace, refusal("400 invalid.value"))
        return self._answer(namespace, told)

    def show(self, route: Route, variables: dict[str, str]) -> Any:
        return self._answer(f"{route.name} {variables}", self._shown)

    def listed(self, route: Route) -> Any:
        return self._answer(f"all of {route.name}", self._listed)

    def _answer(self, what: str, told: Any) -> Any:
        self.asked.append(what)
        if isinstance(told, RemoteError):
            raise told
        return told


def questions(
    *sets: str, has_approval: bool = False, chat: Route = OPEN, guest: Route = OPEN
) -> Asked:
    settings = settings_of(f"scenarios=[{CHAT}, {GUEST}]", *sets)
    if has_approval:
        approval = Approval(ticket="T-1", organisation_id="o-1", highest_rate=50)
        target = settings.target.model_copy(update={"approval": approval})
        settings = settings.model_copy(update={"target": target})
    return settings, {CHAT: chat, GUEST: guest}


def one_named(value: str = "i-1") -> Asked:
    return questions(f"scenario.{CHAT}.variables.integration_id={value}")


def told_by(organisation: Any, asked: Asked) -> dict[str, tuple[Status, str, str]]:
    checklist = Checklist()
    ask(*asked, organisation, checklist)
    first_wins = reversed(checklist.findings)
    return {each.check: (each.status, each.told, each.fix) for each in first_wins}


@pytest.mark.parametrize(
    ("sets", "routes", "named", "requests"),
    [
        pytest.param((), {}, [], 5, id="no variables"),
        pytest.param(
            (f"scenario.{CHAT}.variables.integration_id=i",),
            {},
            ["open_integration {'integration_id': 'i'}"],
            6,
            id="an integration",
        ),
        pytest.param(
            (
                f"scenario.{CHAT}.variables.integration_id=i",
                f"scenario.{GUEST}.variables.integration_id=i",
                f"scenario.{GUEST}.variables.queue_id=q",
                f"scenario.{GUEST}.variables.customers=c",
            ),
            {},
            ["open_integration {'integration_id': 'i'}", "queue {'queue_id': 'q'}"],
            7,
            id="the same one twice, and a queue",
        ),
        pytest.param(
            (f"scenario.{CHAT}.variables.integration_id=i",),
            {"chat": THREAD, "guest": ROUTES["guest"]},
            [],
            0,
            id="the thread's dialect",
        ),
        pytest.param(
            (f"scenario.{CHAT}.variables.integration_id=i",), {"chat": THREAD}, [], 5, id="both"
        ),
        pytest.param(
            (), {"chat": THREAD, "guest": THREAD, "has_approval": True}, [], 1, id="approved"
        ),
        pytest.param((), {"has_approval": True}, [], 5, id="approved and published"),
    ],
)
def test_routes_and_variables_say_what_to_ask(
    sets: tuple[str, ...], routes: dict[str, Any], named: list[Any], requests: int
) -> None:
    asked, organisation = questions(*sets, **routes), Told()

    told_by(organisation, asked)

    assert [each for each in organisation.asked if "{" in each] == named
    of_the_guard = routes.get("has_approval", False)  # it asks for the token itself
    assert most_questions(*asked) == len(organisation.asked) + of_the_guard == requests


def test_an_organisation_is_asked_in_this_order() -> None:
    organisation = Told()

    told_by(organisation, one_named())

    assert organisation.asked == [
        *("own token", *NAMESPACES, "open_integration {'integration_id': 'i-1'}")
    ]


def test_in_the_threads_dialect_nothing_is_asked() -> None:
    organisation = Told(*(refusal("404 not.found") for _ in range(3)))

    assert told_by(organisation, questions(chat=THREAD, guest=THREAD)) == {}
    assert organisation.asked == []


def test_with_an_approval_the_token_has_been_asked_for_already() -> None:
    organisation = Told()

    told_by(organisation, questions(has_approval=True))

    assert "own token" not in organisation.asked


@pytest.mark.parametrize(
    ("organisation", "check", "status", "said"),
    [
        pytest.param(Told(), "organisation", "ok", "the token is of o-1 (Acme)", id="whose"),
        pytest.param(
            Told(own=refusal("403 missing.permissions")),
            *("organisation", "warning", "answered 403 missing.permissions"),
            id="whose, without permission",
        ),
        pytest.param(
            Told(own=refusal("other")), "organisation", "warning", "answered other", id="whose, odd"
        ),
        pytest.param(
            Told(),
            *("limits in force", "ok", "platform.api: token.rate.per.minute 300"),
            id="limits",
        ),
        pytest.param(
            Told(limits=refusal("403 missing.permissions")),
            *("limits in force", "warning", "answered 403"),
            id="limits, without permission",
        ),
        pytest.param(
            Told(limits={"messaging": ({"a": 1}, 2), "conversation": ({}, 1)}),
            *("limits in force", "warning", "3 of the limits have another form"),
            id="limits of an odd form",
        ),
        pytest.param(
            Told(limits=refusal("429 too.many.requests.retry.after")),
            *("limits in force", "warning", "answered 429"),
            id="limits, too often",
        ),
        pytest.param(
            Told(), "integration_id", "ok", "'i-1' (Web) is there and active", id="integration"
        ),
        pytest.param(
            Told(shown=refusal("404 not.found")),
            *("integration_id", "failure", "integration_id 'i-1' is not there: answered 404"),
            id="integration unknown",
        ),
        pytest.param(
            Told(shown=refusal("400 bad.request")),
            *("integration_id", "failure", "is not there: answered 400 bad.request"),
            id="integration that is no id",
        ),
        pytest.param(
            Told(shown=Shown("Web", "Inactive")),
            *("integration_id", "failure", "(Web) is there, but not active (Inactive)"),
            id="integration inactive",
        ),
        pytest.param(
            Told(shown=refusal("403 missing.permissions")),
            *("integration_id", "warning", "could not be looked at"),
            id="integration, without permission",
        ),
        pytest.param(
            Told(shown=refusal("503 service.unavailable")),
            *("integration_id", "warning", "could not be looked at"),
            id="integration, no answer",
        ),
        pytest.param(
            Told(shown=refusal("4xx other")),
            *("integration_id", "ok", "is not looked at: the target cannot show it"),
            id="a gateway that has no such operation",
        ),
    ],
)
def test_each_answer_has_its_line(organisation: Told, check: str, status: str, said: str) -> None:
    found = told_by(organisation, one_named())

    assert found[check][0] == status
    assert said in found[check][1]
    assert bool(found[check][2]) == (status != "ok")


def test_the_permission_that_would_let_a_thing_be_looked_at_is_named() -> None:
    found = told_by(Told(shown=refusal("403 missing.permissions")), one_named())

    assert found["integration_id"][2].startswith("messaging:integration:view in a role")


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        pytest.param(["Web i-2", "App i-3"], "; there are: Web i-2, App i-3", id="some"),
        pytest.param(list("abcdefg"), "; there are: a, b, c, d, e, …", id="many"),
        pytest.param([], "", id="none"),
        pytest.param(refusal("403 missing.permissions"), "", id="not told"),
    ],
)
def test_where_an_id_is_not_there_those_that_are_there_are_named(listed: Any, said: str) -> None:
    found = told_by(Told(shown=refusal("404 not.found"), listed=listed), one_named())

    where = f"write one of this organisation's into scenario.{CHAT}.variables"
    assert found["integration_id"][2] == where + said


def test_a_gateway_for_messages_alone_gets_no_warning() -> None:
    asked = Told(*(refusal("4xx other") for _ in range(3)))

    found = told_by(asked, one_named())

    assert {status for status, _, _ in found.values()} == {Status.OK}
    assert found.keys() == {"integration_id"}


def test_after_the_first_namespace_that_is_refused_no_other_is_asked_for() -> None:
    organisation = Told(limits=refusal("403 missing.permissions"))

    told_by(organisation, questions())

    assert organisation.asked == ["own token", NAMESPACES[0]]


@pytest.mark.parametrize(
    ("shown", "status", "said"),
    [
        (Shown("a", "Active", "Completed"), "ok", "is there and active"),
        (Shown("a", "active"), "ok", "is there and active"),
        (Shown("a"), "ok", "is there"),
        (Shown("a", "", "Completed"), "ok", "is there"),
        (Shown("a", "Inactive", "Completed"), "failure", "not active (Inactive)"),
        (Shown("a", "Active", "Error"), "failure", "could not be made"),
        (Shown("a", "", "Error"), "failure", "could not be made"),
        (Shown("a", "", "Initiated"), "warning", "still being made"),
        (Shown("a", "Paused"), "warning", "its status is 'Paused'"),
    ],
    ids=str,
)
def test_the_state_of_a_thing_says_whether_it_takes_messages(
    shown: Shown, status: str, said: str
) -> None:
    found, told = state_of(shown)

    assert found == status and said in told


@pytest.mark.parametrize(
    ("in_force", "kinds", "found"),
    [
        pytest.param({}, CLIENT, [], id="none"),
        pytest.param(
            {"token.rate.per.minute": 300, "client.credentials.token.rate.per.minute": 180},
            CLIENT,
            [("token", 180)],
            id="a client's token",
        ),
        pytest.param(
            {"token.rate.per.minute": 300, "client.credentials.token.rate.per.minute": 180},
            frozenset({"user"}),
            [("token", 300)],
            id="a user's token",
        ),
        pytest.param(
            {"org.app.user.rate.per.minute": 3000}, CLIENT, [("client", 3000)], id="client"
        ),
        pytest.param({"request.bytes.max": 512_000}, CLIENT, [], id="no rate"),
        pytest.param({"org.app.user.rate.per.minute": 0}, CLIENT, [], id="zero"),
        pytest.param({"org.app.user.rate.per.minute": -1}, CLIENT, [], id="below zero"),
        pytest.param({"org.app.user.rate.per.minute": 10**12}, CLIENT, [], id="beyond all"),
    ],
)
def test_limits_on_requests_are_told_from_the_others(
    in_force: dict[str, int], kinds: frozenset[str], found: list[Any]
) -> None:
    expected = [Limit(scope=scope, count=count, per_s=60.0) for scope, count in found]

    assert list(limits_of(in_force, kinds)) == expected


CLIENT_OF_NOBODY: Any = None
GUESTS = ("scenarios=[guest_chat]", "scenario.guest_chat.variables={deployment_id: e1}")


def found_by_approval(
    monkeypatch: pytest.MonkeyPatch, shown: Any, *, sets: tuple[str, ...] = GUESTS
) -> tuple[str, list[str]]:
    settings = settings_of(*sets)
    approval = Approval(ticket="T-1", organisation_id="o-1", highest_rate=5)
    target = settings.target.model_copy(update={"approval": approval})
    told = Told(shown=shown)
    monkeypatch.setattr("convoy.prepare.organisation_questions.Organisation", lambda *given: told)
    approved = settings.model_copy(update={"target": target})
    return check_deployments(approved, CLIENT_OF_NOBODY), told.asked


def test_guests_write_to_deployments_that_the_token_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_by_approval(monkeypatch, Shown("Web", "Active", id="E1"))

    assert found == ("deployment e1 (Web)", ["deployment {'deployment_id': 'e1'}"])
    assert found_by_approval(monkeypatch, Shown(), sets=()) == ("", [])
    assert check_deployments(settings_of(*GUESTS), CLIENT_OF_NOBODY) == ""


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        pytest.param(refusal("404 not.found"), "answered 404 not.found", id="another's"),
        pytest.param(refusal("403 missing.permissions"), "403 missing", id="may not be seen"),
        pytest.param(refusal("503 service.unavailable"), "answered 503", id="nobody says"),
        pytest.param(Shown("Web", id="e2"), "another one is shown", id="another one is shown"),
    ],
)
def test_no_guest_comes_to_a_deployment_that_the_token_does_not_see(
    monkeypatch: pytest.MonkeyPatch, shown: Any, told: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        found_by_approval(monkeypatch, shown)

    assert told in str(caught.value)
    assert "deployment 'e1', which the token does not see in organisation 'o-1'" in str(
        caught.value
    )
