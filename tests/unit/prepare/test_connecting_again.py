"""After a run its target passes the same guard, by the approval that the target file has today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from types import SimpleNamespace

import pytest

from convoy.errors import RefusedError, SettingsError
from convoy.prepare.organisation_lock import AFTER_A_RUN
from convoy.prepare.organisation_questions import check_deployments
from convoy.prepare.setup import Setup
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.remote.oauth import Credentials
from convoy.routes.catalogue import CLIENT, ROUTES
from convoy.secrets import STARS, Secret
from convoy.settings import Settings
from convoy.settings.model import OAuth, ScenarioSettings
from convoy.settings.values import HeaderSource
from simulator.ids import organisation_of
from tests.simulator_process import OWN_SEED, SimulatorProcess
from tests.unit.settings.configuration import KNOWN, settings_of

LOGIN = {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "demo"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--seed", str(OWN_SEED)) as simulator:
        yield simulator


def approved_at(url: str, folder: Path, organisation_id: str = "", window: str = "") -> Settings:
    """Write a target file with an approval; return the settings of a run by it."""
    approval = f"ticket: T-1, organisation_id: {organisation_id or organisation_of(OWN_SEED)}"
    path = folder / "approved.yaml"
    path.write_text(
        f"target: {{name: approved, api_url: '{url}', login_url: '{url}', approval: "
        f"{{{approval}, highest_rate: 5{window}}}}}\n"
    )
    return settings_of(command_line={"target": str(path)})


def connect(settings: Settings, target: Path | None, login: Mapping[str, str] = LOGIN) -> Settings:
    """Connect as for a record, by a target file that is named or none; return what is used."""
    one = SimpleNamespace(route=ROUTES["conversation"])
    setup = Setup(login, lambda: dict.fromkeys(KNOWN, one))  # type: ignore[arg-type]
    try:
        named = {"target": None if target is None else str(target)}
        used, _ = setup.connect_again(settings, named)
    finally:
        setup.lock.release(AFTER_A_RUN)
    return used


def test_the_approval_is_that_of_the_target_file_of_today(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    recorded = approved_at(simulator.url, tmp_path)
    newer = approved_at(simulator.url, tmp_path, window=", highest_users: 3")
    over = ", window: {from: 2026-01-01 22:00, to: 2026-01-01 23:00, zone: Europe/Berlin}"

    assert connect(recorded, tmp_path / "approved.yaml").target == newer.target
    approved_at(simulator.url, tmp_path, window=over)
    with pytest.raises(RefusedError, match="the window is over"):
        connect(recorded, tmp_path / "approved.yaml")
    approved_at(simulator.url, tmp_path, organisation_id="another")
    with pytest.raises(RefusedError, match="the token is of organisation"):
        connect(recorded, tmp_path / "approved.yaml")


def test_what_is_asked_then_is_no_message_and_keeps_to_the_limits(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    settings = approved_at(simulator.url, tmp_path, window=", highest_total: 1")
    one = SimpleNamespace(route=ROUTES["conversation"])
    setup = Setup(LOGIN, lambda: dict.fromkeys(KNOWN, one))  # type: ignore[arg-type]
    settings = settings.model_copy(update={"limits": (), "on_limit": "count"})
    try:
        _, connections = setup.connect_again(settings)
    finally:
        setup.lock.release(AFTER_A_RUN)

    assert connections.pace is not None
    for _ in range(3):
        connections.pace.wait(inf)
    session = connections.open_session()
    session.budget.rest(inf)
    assert session.ready_at(0.0) == inf


@pytest.mark.parametrize("logins_per_s", [None, 50.0])
def test_a_record_loosens_nothing_that_is_bounded_today(
    tmp_path: Path, simulator: SimulatorProcess, logins_per_s: float | None
) -> None:
    today = approved_at(simulator.url, tmp_path, window=", logins_per_s: 20")
    oauth = OAuth(logins_per_s=logins_per_s, refresh_before_s=3600)
    recorded = today.model_copy(
        update={"oauth": oauth, "limits": (), "on_limit": "count", "request_timeout_s": 600.0}
    )

    used = connect(recorded, tmp_path / "approved.yaml")

    assert used == today
    # Nor does anybody else's word on logins, whether it comes from a record or a master.
    assert recorded.logins_per_s == 20.0


def test_an_approval_that_only_a_record_has_is_none(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    recorded = approved_at(simulator.url, tmp_path)

    with pytest.raises(RefusedError, match=f"no target file has an approval for {simulator.url}"):
        connect(recorded, None)


def test_a_target_that_is_named_is_used_or_refused(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    open_to_all = settings_of(command_line={"host": simulator.url})
    named = tmp_path / "named.yaml"

    def name(url: str) -> None:
        named.write_text(f"target: {{name: named, api_url: '{url}', login_url: '{url}'}}\n")

    name(simulator.url)
    assert connect(open_to_all, named).target.name == "named"
    name("http://127.0.0.1:1")
    with pytest.raises(RefusedError, match=f"named.yaml is not for {simulator.url}"):
        connect(open_to_all, named)
    with pytest.raises(SettingsError, match="another.yaml: cannot be read"):
        connect(open_to_all, tmp_path / "another.yaml")


def test_a_header_that_only_the_record_names_is_hidden_and_not_sent(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    today = approved_at(simulator.url, tmp_path)
    headers = {
        "X-Gone": HeaderSource("env", "NOT_THERE"),
        "X-Key": HeaderSource("env", "GATEWAY_KEY"),
    }
    recorded = today.model_copy(update={"headers": headers})
    one = SimpleNamespace(route=ROUTES["conversation"])
    environ = LOGIN | {"GATEWAY_KEY": "of-the-gateway"}
    setup = Setup(environ, lambda: dict.fromkeys(KNOWN, one))  # type: ignore[arg-type]
    try:
        named = {"target": str(tmp_path / "approved.yaml")}
        used, connections = setup.connect_again(recorded, named)
    finally:
        setup.lock.release(AFTER_A_RUN)

    assert used.headers == connections.headers == {}
    assert setup.redactor.redact("no of-the-gateway") == f"no {STARS}"


def test_what_a_record_says_leads_no_secret_to_where_no_target_file_does(
    simulator: SimulatorProcess,
) -> None:
    recorded = settings_of(command_line={"host": simulator.url})
    own = {"CONVOY_CLIENT_ID": "real", "CONVOY_CLIENT_SECRET": "secret"}
    with_header = recorded.model_copy(
        update={"headers": {"X-A": HeaderSource("env", "OTHER_SECRET")}}
    )

    for settings, login in ((recorded, own), (with_header, LOGIN | {"OTHER_SECRET": "s3"})):
        with pytest.raises(RefusedError, match=f"no target file is for {simulator.url}"):
            connect(settings, None, login)


def test_without_an_approval_it_is_this_machine_or_nobody(simulator: SimulatorProcess) -> None:
    assert connect(settings_of(command_line={"host": simulator.url}), None).target.approval is None
    with pytest.raises(RefusedError, match="is neither this machine nor"):
        connect(settings_of(command_line={"host": "http://0.0.0.0"}), None)


def test_guests_write_to_a_deployment_of_the_organisation(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    approved = approved_at(simulator.url, tmp_path)
    demo = Credentials(Secret("public"), Secret("public"))
    connections = Connections(approved, {CLIENT: demo}, lambda token: None)

    def found(id: str) -> str:
        rule = ScenarioSettings(variables={"deployment_id": id})
        chat = {"scenarios": ("guest_chat",), "scenario": {"guest_chat": rule}}
        with ApiClient(connections.first_session(CLIENT), approved) as client:
            return check_deployments(approved.model_copy(update=chat), client)

    own = "5c0d0000-0000-4000-8000-0000000000e1"
    assert found(own) == f"deployment {own} (Convoy web)"
    with pytest.raises(RefusedError, match="404 not.found"):
        found("5c0d0000-0000-4000-8000-0000000000ff")
