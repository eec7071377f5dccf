"""Starting and stopping: what is printed, and with which exit code it ends."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.model.clients import CLIENTS
from simulator.model.organisation import DEPLOYMENTS, INTEGRATIONS, QUEUES, USER
from tests.fork_server import Program, run
from tests.simulator.api import MESSAGES, basic, bearer, call
from tests.simulator_process import DEADLINE_S, ROOT, SimulatorProcess


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


def run_to_the_end(*options: str) -> subprocess.CompletedProcess[str]:
    return run("simulator", *options, cwd=ROOT, env=os.environ, text=True, timeout=DEADLINE_S)


def test_it_names_itself_once_it_listens() -> None:
    with SimulatorProcess("--seed", "7", "--conversations", "3") as simulator:
        reply = call(simulator, "GET", "/simulator")

    assert reply.status == 200
    assert reply.json["simulator"] == "convoy"
    assert reply.json["started_by"] == "a person"
    assert reply.json["seed"] == 7
    assert reply.json["conversations"] == 3


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "65536"),
        ("--port", "http"),
        ("--seed", "-1"),
        ("--conversations", "many"),
        ("--token-rate-per-minute", "0"),
        ("--fault", "latency=soon"),
        ("--fault", "error=503:1.5"),
        ("--fault", "error=599:0.5"),
        ("--fault", "lose=1.5"),
        ("--permissions", "public"),
        ("--permissions", "nobody=conversation:message:receive"),
        ("--accepted-status", "201"),
        ("--threading-window-minutes", "4321"),
        ("--messages-kept", "0"),
        ("--bot", "/no such script"),
        ("--bot-delay", "soon"),
        ("--guest-text-bytes-max", "0"),
        ("--fault", "ws-drop=0.01"),
        ("--ledger-file", "/"),
        ("--ledger-file", "/dev/full"),
        ("--host", "no such host"),
        ("--no-such-option",),
    ],
    ids=" ".join,
)
def test_a_bad_option_is_one_sentence_and_exit_code_2(options: tuple[str, ...]) -> None:
    ended = run_to_the_end("--port", "0", *options)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("simulator: ")


def test_the_readme_lists_every_option_client_and_id(repository: Path) -> None:
    readme = (repository / "simulator" / "README.md").read_text("utf-8")
    options = set(re.findall(r"--[a-z-]+", run_to_the_end("--help").stdout)) - {"--help"}

    assert len(options) > 20
    assert options <= set(re.findall(r"--[a-z-]+", readme))
    assert all(f"| `{client}` |" in readme for client in CLIENTS)
    for each in (*DEPLOYMENTS.values(), *INTEGRATIONS.values(), *QUEUES.values(), USER):
        assert f"*{each.name}*" in readme and each.id[-12:] in readme


def test_a_busy_port_is_one_sentence_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        ended = run_to_the_end("--port", str(port))

    assert ended.returncode == 1
    assert ended.stderr == f"simulator: cannot listen at 127.0.0.1:{port}: Address already in use\n"


def test_sigterm_ends_it_with_exit_code_0_even_with_a_connection_kept_alive() -> None:
    with (
        SimulatorProcess() as simulator,
        socket.create_connection(("127.0.0.1", simulator.port), DEADLINE_S) as connection,
    ):
        connection.sendall(b"GET /simulator HTTP/1.1\r\nHost: simulator\r\n\r\n")
        connection.recv(65536)

        exit_code = simulator.stop()

    assert exit_code == 0


def test_sigterm_ends_it_while_an_answer_is_stalled_and_makes_none_up() -> None:
    with (
        SimulatorProcess("--fault", "stall=3600s@0s") as simulator,
        socket.create_connection(("127.0.0.1", simulator.port), DEADLINE_S) as connection,
    ):
        connection.sendall(b"GET /api/v2/conversations HTTP/1.1\r\nHost: simulator\r\n\r\n")
        call(simulator, "GET", "/simulator")

        exit_code = simulator.stop()
        answer = connection.recv(65536)

    assert exit_code == 0
    assert answer == b""


def test_login_works_while_the_api_is_stalled() -> None:
    with SimulatorProcess("--fault", "stall=3600s@0s") as simulator:
        form = b"grant_type=client_credentials"

        reply = call(simulator, "POST", "/oauth/token", form, basic("demo", "demo"))

    assert reply.status == 200


def test_who_lets_other_machines_in_is_told_so() -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with Program(
        *("simulator", "--host", "0.0.0.0", "--port", "0"), cwd=ROOT, env=os.environ, **streams
    ) as simulator:
        assert simulator.stdout is not None
        assert simulator.stdout.readline().startswith("listening on http://0.0.0.0:")
        simulator.terminate()
        said = simulator.communicate(timeout=DEADLINE_S)[1]

    assert "any machine that reaches 0.0.0.0:" in said
    assert "--host 127.0.0.1" in said


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        pytest.param({}, False, id="no browser"),
        pytest.param({"Origin": "http://127.0.0.1:{port}"}, False, id="a page of its own"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, False, id="of the same origin"),
        pytest.param({"Sec-Fetch-Site": "none"}, False, id="typed into the address bar"),
        pytest.param({"Origin": "http://example.org"}, True, id="another page"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, True, id="another port"),
        pytest.param({"Origin": "null"}, True, id="a page of no origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, True, id="a picture or a link elsewhere"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, True, id="a page of another port"),
        pytest.param({"Host": "simulator:{port}"}, True, id="by another name, as any browser"),
        pytest.param({"Host": ""}, True, id="by no name"),
        pytest.param({"Host": "[::1]:{port}"}, False, id="by an address"),
        pytest.param(
            {"Host": "evil.test:{port}", "Origin": "http://evil.test:{port}"},
            True,
            id="a page whose name was pointed here",
        ),
        pytest.param(
            {"Host": "evil.test:{port}", "User-Agent": "Mozilla/5.0"}, True, id="it only reads"
        ),
        pytest.param(
            {"Host": "localhost:{port}", "User-Agent": "Mozilla/5.0"}, False, id="a person looks"
        ),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/simulator", 200),
        ("GET", "/simulator/ledger", 200),
        ("DELETE", "/simulator/faults", 204),
        ("GET", "/simulator/nothing", 404),
    ],
)
def test_a_page_of_another_origin_cannot_control_it(
    method: str,
    path: str,
    status: int,
    headers: dict[str, str],
    is_refused: bool,
    shared: SimulatorProcess,
) -> None:
    sent = {name: value.format(port=shared.port) for name, value in headers.items()}

    reply = call(shared, method, path, headers=sent)

    assert reply.status == (403 if is_refused else status)


LISTING = "/api/v2/conversations?pageSize=1"
FOREIGN_PAGES = [
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="a page elsewhere"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, id="a page of another port"),
    pytest.param({"Sec-Purpose": "prefetch", "Sec-Fetch-Site": "none"}, id="a prefetch"),
    pytest.param({"Host": "evil.test:80", "User-Agent": "Mozilla/5.0"}, id="a name pointed here"),
    pytest.param({"Host": "evil.test:80", "Sec-Fetch-Site": "same-origin"}, id="by any agent"),
]


@pytest.mark.parametrize("headers", FOREIGN_PAGES)
@pytest.mark.parametrize("path", [LISTING, "/oauth/token", "/nothing"])
def test_a_page_from_elsewhere_cannot_use_the_api_either(
    path: str, headers: dict[str, str], shared: SimulatorProcess
) -> None:
    known = bearer(shared)

    assert call(shared, "GET", path, headers=known | headers).status == 403
    assert call(shared, "GET", path, headers=known).status != 403


def test_a_page_from_elsewhere_leaves_no_trace_and_draws_no_fault() -> None:
    page = {"Sec-Fetch-Site": "cross-site"}
    options = ("--seed", "7", "--fault", "error=503:0.5")
    with SimulatorProcess(*options) as alone, SimulatorProcess(*options) as visited:

        def statuses(simulator: SimulatorProcess) -> list[int]:
            known = bearer(simulator)
            return [call(simulator, "GET", LISTING, headers=known).status for _ in range(20)]

        for number in range(3):
            body = f"[convoy:20261127-101112-abcdef:conversation_messages:{number}]".encode()
            assert call(visited, "POST", MESSAGES, body, headers=page).status == 403

        assert statuses(visited) == statuses(alone)
        ledger = call(visited, "GET", "/simulator/ledger").json
        assert (ledger["runs"], ledger["rejected"]) == ([], {})


[ANY_SITE, *_] = DEPLOYMENTS
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize("headers", FOREIGN_PAGES)
def test_a_page_from_elsewhere_is_no_guest(
    headers: dict[str, str], shared: SimulatorProcess
) -> None:
    path = f"/v1?deploymentId={ANY_SITE}"

    assert call(shared, "GET", path, headers=UPGRADE | headers).status == 403


@pytest.mark.parametrize(
    ("origin", "status"), [("http://127.0.0.1:1", 403), ("null", 403), ("http://127.0.0.1:{}", 101)]
)
def test_for_a_websocket_a_browser_may_name_the_origin_of_its_page_alone(
    origin: str, status: int, shared: SimulatorProcess
) -> None:
    """As Chromium 150 does."""
    of_page = {"Origin": origin.format(shared.port), "User-Agent": "Mozilla/5.0"}
    path = f"/v1?deploymentId={ANY_SITE}"

    assert call(shared, "GET", path, headers=UPGRADE | of_page).status == status


def test_a_guest_may_say_which_site_it_writes_from(shared: SimulatorProcess) -> None:
    path, site = f"/v1?deploymentId={ANY_SITE}", {"Origin": "https://shop.example"}

    assert call(shared, "GET", path, headers=UPGRADE | site).status == 101
