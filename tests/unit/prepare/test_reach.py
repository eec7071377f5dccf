"""The way to a target: how far a question comes is said step by step."""

from __future__ import annotations

import ssl
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from convoy.prepare.checklist import Checklist, CheckResult, Status
from convoy.prepare.reach import check_way, check_way_of_guests
from convoy.remote.connections import Connections
from convoy.remote.dialling import Dialler
from convoy.remote.oauth import Credentials
from convoy.routes.catalogue import CLIENT
from convoy.secrets import Secret
from tests.locust_process import free_port
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import LONG_S, dialler_without_names
from tests.unit.remote.guests_of_a_test import SHORT_S, guests_at
from tests.unit.remote.misbehaving_server import (
    Behaviour,
    Visitor,
    answer,
    sends,
    serving,
    silent,
)
from tests.unit.remote.proxy_server import (
    ESTABLISHED,
    answers_connect,
    name_proxy_at,
    tunnels,
)
from tests.unit.remote.websocket_peer import Peer, Script, plays
from tests.unit.settings.configuration import settings_of

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0


def findings(
    url: str,
    ca_file: str | None = None,
    now_s: float = NOW_S,
    timeout_s: float = 5.0,
    dialler: Dialler | None = None,
) -> list[CheckResult]:
    """What is found on the way to an address, by this wall clock."""
    given = () if ca_file is None else (f"target.ca_file={ca_file}",)
    settings = settings_of(*given, command_line={"host": url})
    demo = Credentials(Secret("demo"), Secret("demo"))
    checklist = Checklist()
    connections = Connections(settings, {CLIENT: demo}, lambda token: None)
    connections.dialler = dialler or connections.dialler
    check_way(url, connections, timeout_s, checklist, wall_clock=lambda: now_s)
    return checklist.findings


def statuses(found: list[CheckResult]) -> list[tuple[str, str]]:
    return [(each.check, each.status.value) for each in found]


def answering(*headers: str) -> Behaviour:
    return lambda visitor: visitor.answer_all(answer("404 Not Found", b"", *headers))


@pytest.mark.parametrize(
    ("ahead_s", "status", "words"),
    [
        (0, "ok", "agree"),
        (4, "ok", "agree"),
        (-90, "warning", "90 s behind"),
        (3600, "warning", "3600 s ahead of"),
    ],
    ids=["same time", "within tolerance", "behind", "ahead"],
)
def test_clock_that_differs_from_the_targets_is_a_warning(
    ahead_s: float, status: str, words: str
) -> None:
    date = f"Date: {formatdate(NOW_S - ahead_s, usegmt=True)}"

    with serving(answering(date)) as server:
        *way, clock = findings(f"http://127.0.0.1:{server.port}")

    assert statuses(way) == [("DNS", "ok"), ("TCP", "ok"), ("HTTP", "ok")]
    assert clock.status == status
    assert words in clock.told


@pytest.mark.parametrize("headers", [(), ("Date: yesterday",)], ids=["no date", "no real date"])
def test_target_that_does_not_tell_its_time_is_no_problem(headers: tuple[str, ...]) -> None:
    with serving(answering(*headers)) as server:
        found = findings(f"http://127.0.0.1:{server.port}")

    assert all(each.status is Status.OK for each in found)


def test_port_that_nobody_listens_at_fails_where_connections_begin() -> None:
    found = findings(f"http://127.0.0.1:{free_port()}")

    assert statuses(found) == [("DNS", "ok"), ("TCP", "failure")]
    assert "connection refused" in found[-1].told
    assert found[-1].fix


def test_name_that_nobody_knows_fails_at_its_lookup() -> None:
    found = findings("http://nowhere.invalid:8080", dialler=dialler_without_names())

    assert statuses(found) == [("DNS", "failure")]


def test_answer_that_does_not_come_is_a_warning_since_it_may_come_the_next_time() -> None:
    def breaks_off(visitor: Visitor) -> None:
        visitor.read_request()
        visitor.reset()

    with serving(breaks_off) as server:
        found = findings(f"http://127.0.0.1:{server.port}")

    assert statuses(found) == [("DNS", "ok"), ("TCP", "ok"), ("HTTP", "warning")]


def test_certificate_that_nobody_vouches_for_fails_after_the_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    with serving(answering(), tls=authority.self_signed_context()) as server:
        found = findings(f"https://localhost:{server.port}", authority.ca_file)

    assert statuses(found) == [("DNS", "ok"), ("TCP", "ok"), ("TLS", "failure")]


def test_certificate_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ends_s = ssl.cert_time_to_seconds("Dec 31 23:59:59 2099 GMT")

    with serving(answering(), tls=authority.server_context("localhost")) as server:
        url = f"https://localhost:{server.port}"
        now, soon = findings(url, authority.ca_file, time.time()), ends_s - DAY_S
        near_the_end = findings(url, authority.ca_file, soon)

    passed = [("DNS", "ok"), ("TCP", "ok"), ("TLS", "ok"), ("HTTP", "ok"), ("clock", "ok")]
    assert statuses(now) == passed
    assert ("TLS", "warning") in statuses(near_the_end)


def test_behind_a_proxy_the_targets_name_and_address_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    tls = authority.server_context("nowhere.invalid")
    with serving(answering(), tls=tls) as server, serving(tunnels) as proxy:
        name_proxy_at(monkeypatch, proxy.port)

        url = f"https://nowhere.invalid:{server.port}"
        found = findings(url, authority.ca_file, time.time())

    passed = [("proxy", "ok"), ("TLS", "ok"), ("HTTP", "ok"), ("clock", "ok")]
    assert statuses(found) == passed


def test_a_proxy_that_is_not_there_is_where_the_way_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    name_proxy_at(monkeypatch, free_port())

    found = findings("https://nowhere.invalid")

    assert statuses(found) == [("proxy", "failure")]
    assert "HTTPS_PROXY" in found[0].fix


def test_a_tunnel_that_leads_to_no_tls_fails_behind_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(answers_connect(ESTABLISHED, b"")) as proxy:
        name_proxy_at(monkeypatch, proxy.port)

        found = findings("https://nowhere.invalid", timeout_s=0.3)

    assert statuses(found) == [("proxy", "ok"), ("TLS", "failure")]


def configures(peer: Peer) -> None:
    peer.configure()
    peer.close_code()


def refuses(code: int) -> Script:
    def play(peer: Peer) -> None:
        peer.hear()
        peer.say("string", "no", code)
        peer.hear()

    return play


OF_GUESTS: dict[str, tuple[Behaviour, Status, str]] = {
    "let in": (plays(configures), Status.OK, "deployment d 1 at http://127.0.0.1"),
    "refused": (sends(answer("403 Forbidden")), Status.FAILURE, "guest upgrade 403"),
    "no such deployment": (plays(refuses(404)), Status.FAILURE, "guest 404: no"),
    "busy": (sends(answer("503 Busy")), Status.WARNING, "503"),
    "a limit": (plays(refuses(4029)), Status.WARNING, "guest 4029"),
    "silent": (silent, Status.WARNING, "timeout"),
}


@pytest.mark.parametrize(("behaviour", "status", "told"), OF_GUESTS.values(), ids=OF_GUESTS)
def test_a_guest_comes_and_leaves_before_load(
    behaviour: Behaviour, status: Status, told: str
) -> None:
    checklist, timeout_s = Checklist(), SHORT_S if behaviour is silent else LONG_S
    with serving(behaviour) as server:
        check_way_of_guests(guests_at(server.port, timeout_s=timeout_s), checklist)

        assert server.connections == 1
    [found] = checklist.findings
    assert (found.check, found.status) == ("guests", status)
    assert told in found.told
