"""The preflight: what is refused before anything leaves, and what asks to be asked again."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import pytest

from convoy.afterwards.recorded_run import opened_before
from convoy.errors import LoginError, RefusedError, RemoteError, SettingsError
from convoy.prepare import preflight
from convoy.prepare.checklist import Checklist
from convoy.prepare.organisation_lock import OrganisationLock
from convoy.prepare.preflight import Preflight
from convoy.prepare.prepared_run import PreparedRun
from convoy.prepare.scenarios import KnownScenario, Opening
from convoy.remote.connections import Connections
from convoy.remote.oauth import Credentials, Token
from convoy.routes.catalogue import CLIENT, ROUTES, USER
from convoy.secrets import Secret
from convoy.settings.model import Approval
from tests.simulator_process import SimulatorProcess
from tests.unit.remote.misbehaving_server import answers_all, serving
from tests.unit.settings.configuration import settings_of

NOTHING: Any = None
ROOT = Path(__file__).resolve().parents[3]


class Remote:
    """A session that is refused a login with these errors, and then has a token."""

    def __init__(self, *refusals: RemoteError) -> None:
        self._refusals = iter(refusals)

    def open(self) -> str:
        for refusal in self._refusals:
            raise refusal
        return "a token"


def refusal(retry_after_s: float | None) -> LoginError:
    return LoginError("429 x", "come back later", refused=False, retry_after_s=retry_after_s)


def preflight_of(prepare_timeout_s: float) -> Preflight:
    settings = settings_of(f"prepare_timeout_s={prepare_timeout_s}")
    run = PreparedRun(settings, {}, (), None, Checklist(), "", "run-1")
    return Preflight(run, NOTHING, NOTHING, {}, OrganisationLock())


def test_what_asks_to_come_back_is_asked_again_after_that_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept_s: list[float] = []
    monkeypatch.setattr(preflight.gevent, "sleep", slept_s.append)
    remote: Any = Remote(refusal(7), refusal(0))

    assert preflight_of(60)._logged_in(remote) == "a token"
    assert slept_s == [7, preflight._SHORTEST_PAUSE_S]


@pytest.mark.parametrize("retry_after_s", [None, 61])
def test_it_is_not_asked_again_where_that_is_too_late_or_not_asked_for(
    retry_after_s: float | None,
) -> None:
    remote: Any = Remote(refusal(retry_after_s))

    with pytest.raises(LoginError, match="come back later"):
        preflight_of(60)._logged_in(remote)


def no_conversation(session: object, opening: Opening) -> str:
    raise RemoteError(f"conversation {opening.number} was opened, and should not be")


OPEN, REPLY = "open_messaging", "agent_reply"
SCENARIOS = {
    name: KnownScenario(
        ROUTES[route],
        (),
        {},
        (),
        lambda connections, settings: connections.open_session(CLIENT),
        no_conversation,
    )
    for name, route in ((OPEN, "open_message"), (REPLY, "agent_reply"))
}
PUBLIC = Credentials(Secret("public"), Secret("public"))
USERS = Token(Secret("public-user"), inf)


def prepare(
    url: str, *sets: str, scenario: str = REPLY, target: dict[str, Any] | None = None
) -> list[str]:
    """Prepare a run, and return the conversations that it opened; raises as that does."""
    settings = settings_of(
        "target.login_url=" + url,
        *sets,
        command_line={"host": url, "scenarios": scenario},
    )
    settings = settings.model_copy(
        update={"target": settings.target.model_copy(update=target or {})}
    )
    kinds = {CLIENT: PUBLIC} | ({USER: USERS} if REPLY in scenario else {})
    connections = Connections(settings, kinds, lambda secret: None)
    checklist = Checklist()
    run = PreparedRun(settings, {}, (), None, checklist, "", "run-1")
    preflight = Preflight(run, connections, ROOT / "payloads", SCENARIOS, OrganisationLock())
    preflight.prepare(sends=True)
    assert (" cleanup run-1 closes them" in checklist.as_text()) == bool(preflight.opened)
    return preflight.opened


AN_APPROVAL = Approval(ticket="T-1", organisation_id="o-1", highest_rate=20, highest_total=50)


@pytest.mark.parametrize(
    ("sets", "problem"),
    [
        (["rate=0.001"], "is so low that no message of agent_reply is due"),
        (["rate=10"], "50 messages at most in a run"),
        (
            [f"scenario.{REPLY}.conversations={{source: file, path: none.csv, count: null}}"],
            "the file .*none.csv",
        ),
    ],
)
def test_what_the_plan_alone_shows_is_refused_before_any_request(
    sets: list[str], problem: str
) -> None:
    with serving(answers_all) as server:
        with pytest.raises((SettingsError, RefusedError), match=problem):
            prepare(f"http://127.0.0.1:{server.port}", *sets, target={"approval": AN_APPROVAL})

        assert server.connections == 0


def test_nothing_is_opened_where_the_target_shows_that_no_run_can_begin(
    simulator: SimulatorProcess,
) -> None:
    other = f"scenario.{OPEN}.variables.integration_id=5c0d0000-0000-4000-8000-000000000001"

    with pytest.raises(RefusedError, match="integration_id .*000001. is not there"):
        prepare(simulator.url, other, scenario=f"{REPLY},{OPEN}")


def test_conversations_that_canary_messages_open_are_noted_for_the_cleanup(
    simulator: SimulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    opened = prepare(simulator.url, scenario=OPEN)

    assert len(opened) == 1
    assert opened_before(tmp_path / "runs" / "run-1") == opened
