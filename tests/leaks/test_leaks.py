"""No secret is in a file, page, stream or message of a run, whoever echoes it and however."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
import requests

from convoy.secrets import STARS
from tests.convoy_command import convoy
from tests.leaks.careless_server import ANSWERS, CarelessServer, careless_server
from tests.leaks.secrets_planted import (
    CLIENT_ID,
    CLIENT_SECRET,
    HEADER_OF_FILE,
    HEADER_OF_VARIABLE,
    PROXY_LOGIN,
    REFRESH_TOKEN,
    files_of,
    leaks_in,
    told_of,
)
from tests.leaks.tapped_channel import tapped_channel
from tests.locust_process import LocustProcess, free_port, run_locust, wait_until
from tests.simulator_process import OWN_SEED

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
MESSAGES = 96
HEADERS = {"X-Gateway": {"env": "GATEWAY_KEY"}, "X-Plain": "nightly"}
LOGS = (".log", ".txt")
ARTEFACTS = ["--csv", "out", "--html", "out.html", "--json-file", "out", "--logfile", "out.log"]


@pytest.fixture
def server() -> Iterator[CarelessServer]:
    with careless_server() as started:
        yield started


def kept_apart(folder: Path) -> Path:
    """A folder beside that of the run, with the files that hold the secrets."""
    kept = folder.parent / f"{folder.name}-kept"
    kept.mkdir(exist_ok=True)
    (kept / "secret").write_text(CLIENT_SECRET + "\n")
    (kept / "header").write_text(HEADER_OF_FILE + "\n")
    return kept


def environment(folder: Path) -> dict[str, str]:
    return {
        "CONVOY_CLIENT_ID": CLIENT_ID,
        "CONVOY_CLIENT_SECRET_FILE": str(kept_apart(folder) / "secret"),
        "CONVOY_REFRESH_TOKEN": REFRESH_TOKEN,
        "GATEWAY_KEY": HEADER_OF_VARIABLE,
        "CONVOY_LABELS": f"team={HEADER_OF_FILE}",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(folder / "step.md"),
    }


def settings(folder: Path, **more: object) -> list[str]:
    given: dict[str, object] = {
        "scenarios": ["careless"],
        "scenario.careless": {"payloads": {"conversation/text": 1}},
        "headers": HEADERS | {"X-File": {"file": str(kept_apart(folder) / "header")}},
        "record_messages": "on",
        "late_after_ms": 4000,
        "warm_up_s": 0,
        "limits": [],
        "samples": "full",
        **more,
    }
    return [f"--set={name}={json.dumps(value)}" for name, value in given.items()]


def shape(server: CarelessServer) -> list[str]:
    return ["-f", str(LOCUSTFILE), "-H", server.url, "-u", "4", "-t", "3s", "--rate", "32"]


def found_in(files: dict[str, bytes]) -> dict[str, set[str]]:
    return {name: leaks for name, data in files.items() if (leaks := leaks_in(data))}


def assert_whole(files: dict[str, bytes], server: CarelessServer) -> None:
    """The run went its way, and said what it says: else there was nothing to be searched.

    How many messages it sends is the machine's matter; each careless answer was among theirs.
    """
    names = {Path(name).name for name in files}
    assert {"summary.json", "report.html", "junit.xml", "metrics.txt", "settings.yaml"} <= names
    assert {"messages.jsonl.gz", "result.journal", "out.html", "step.md"} <= names
    [summary] = [json.loads(data) for name, data in files.items() if name.endswith("summary.json")]
    assert summary["totals"]["scheduled"] == MESSAGES
    assert server.answered == set(range(ANSWERS))
    assert len(summary["error_samples"]) >= 6
    assert any(b"RuntimeError" in data for name, data in files.items() if name.endswith(LOGS))
    assert b"leaks/locustfile.py" in files["out_exceptions.csv"]


def test_a_run_by_itself_leaks_nothing(tmp_path: Path, server: CarelessServer) -> None:
    options = [*shape(server), *settings(tmp_path), *ARTEFACTS]
    with LocustProcess(tmp_path, "--headless", *options, environment=environment(tmp_path)) as one:
        one.end()

    files = files_of(tmp_path)
    assert_whole(files, server)
    assert found_in(files) == {}
    assert {each["x-gateway"] for each in server.asked if "/api/" in each["path"]} == {
        HEADER_OF_VARIABLE
    }
    assert all("x-file" not in each for each in server.asked if each["path"] == "/oauth/token")


def test_a_run_with_two_workers_leaks_nothing_to_a_file_or_to_the_channel(
    tmp_path: Path, server: CarelessServer
) -> None:
    port, around = free_port(), environment(tmp_path)
    options = [*shape(server), *settings(tmp_path), *ARTEFACTS, "--expect-workers", "2"]
    options += ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
    with tapped_channel(port) as (relay, said_by_workers), ExitStack() as stack:
        master = stack.enter_context(
            LocustProcess(tmp_path, "--headless", *options, environment=around)
        )
        way = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(relay)]
        way += ["-H", server.url, *settings(tmp_path)]  # or the secrets would not go there
        workers = [
            stack.enter_context(
                LocustProcess(
                    tmp_path / name, "-f", str(LOCUSTFILE), *way, environment=environment(tmp_path)
                )
            )
            for name in ("one", "two")
        ]
        for process in (master, *workers):
            process.end()

    files = files_of(tmp_path)
    assert_whole(files, server)
    assert found_in(files) == {}
    assert len(said_by_workers) == 2
    for said in said_by_workers:
        assert b"stats" in said and b"exception" in said
        assert leaks_in(bytes(said)) == set()


PAGES = [
    "/",
    "/stats/requests",
    "/stats/requests/csv",
    "/stats/requests_full_history/csv",
    "/stats/failures/csv",
    "/stats/report",
    "/exceptions",
    "/exceptions/csv",
    "/logs",
    "/tasks",
    "/convoy/state",
]


def test_no_page_of_the_web_ui_leaks_anything(tmp_path: Path, server: CarelessServer) -> None:
    port = str(free_port())
    options = ["-f", str(LOCUSTFILE), "-H", server.url, *settings(tmp_path)]
    options += ["--web-host", "127.0.0.1", "--web-port", port]
    pages: dict[str, bytes] = {}
    with LocustProcess(tmp_path, *options, environment=environment(tmp_path)) as process:
        url = process.web_ui()

        def take_all(when: str) -> None:
            for page in PAGES:
                answer = requests.get(url + page, timeout=30)
                pages[f"{when}{page}"] = answer.content + repr(answer.headers).encode()

        form = {"user_count": "4", "spawn_rate": "4", "run_time": "3s", "rate": "32"}
        refused = requests.post(f"{url}/swarm", data={**form, "target": CLIENT_SECRET}, timeout=60)
        pages["refused"] = refused.content
        requests.post(f"{url}/swarm", data=form, timeout=60).raise_for_status()

        def sent() -> bool:
            figures: Any = requests.get(f"{url}/stats/requests", timeout=30).json()
            return len(figures["errors"]) >= 8

        wait_until(sent, process.output)
        take_all("during")

        def over() -> bool:
            return bool(requests.get(f"{url}/convoy/state", timeout=30).json()["report_of"])

        wait_until(over, process.output)
        take_all("after")
        for name in ("summary.json", "report.html", "settings.yaml", "messages.jsonl.gz"):
            pages[name] = requests.get(f"{url}/convoy/record/{name}", timeout=30).content

    assert b"leaks/locustfile.py" in pages["during/exceptions"]
    assert b"careless" in pages["after/stats/report"] and b"RuntimeError" in pages["after/logs"]
    assert found_in(pages) == {}
    assert found_in(files_of(tmp_path)) == {}


@pytest.mark.parametrize(
    ("command", "refuses"),
    [("preflight", False), ("preflight", True), ("plan", False), ("send", True)],
    ids=["preflight", "refused preflight", "plan", "refused send"],
)
def test_no_command_leaks_anything(
    command: str, refuses: bool, tmp_path: Path, server: CarelessServer
) -> None:
    server.refuses_canaries = refuses
    only_shipped = {"scenarios": ["conversation_messages"], "scenario.careless": None}
    given = [each for each in settings(tmp_path, **only_shipped) if "careless" not in each]

    said = convoy(command, "-H", server.url, *given, **environment(tmp_path))

    assert "conversation-1" in said.stdout, said.stderr
    assert leaks_in(f"{said.stdout}{said.stderr}".encode()) == set()


def test_no_secret_that_a_run_would_have_is_in_an_explanation(tmp_path: Path) -> None:
    known = (CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, HEADER_OF_VARIABLE, HEADER_OF_FILE)
    told = " ".join((*known, PROXY_LOGIN))
    (tmp_path / "answer.json").write_text(json.dumps({"code": "bad.request", "message": told}))
    proxy = f"http://{quote(PROXY_LOGIN, safe=':')}@127.0.0.1:1"
    headers = json.dumps(HEADERS | {"X-File": {"file": str(kept_apart(tmp_path) / "header")}})
    around = {"CONVOY_SET": f"headers={headers}", "CONVOY_TARGET": "genesys-cloud"}

    said = convoy(
        *("explain", str(tmp_path / "answer.json")),
        **environment(tmp_path) | around | {"HTTPS_PROXY": proxy, "https_proxy": proxy},
    )

    assert "bad.request" in said.stdout and STARS in said.stdout, said.stderr
    assert leaks_in(f"{said.stdout}{said.stderr}".encode()) == set()


OPTIONS = {
    "an unknown option": ["plan", "--client-secret", CLIENT_SECRET],
    "no number": ["explain", "-", "--status", CLIENT_SECRET],
    "no choice": ["judge", "x", "--criteria", "y", "--on-not-judged", CLIENT_SECRET],
    "no command": [CLIENT_SECRET],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_secret_in_a_wrong_option_is_hidden(options: list[str], tmp_path: Path) -> None:
    said = convoy(*options, **environment(tmp_path))

    assert said.returncode == 2 and STARS in said.stderr
    assert leaks_in(f"{said.stdout}{said.stderr}".encode()) == set()


@pytest.mark.parametrize(
    ("options", "around"),
    [(["-u", CLIENT_SECRET], {}), ([], {"LOCUST_USERS": CLIENT_SECRET})],
    ids=["an option", "a variable"],
)
def test_a_secret_in_a_wrong_option_of_locust_is_hidden(
    options: list[str], around: dict[str, str], tmp_path: Path
) -> None:
    ended = run_locust(tmp_path, *options, environment=environment(tmp_path) | around)

    assert ended.exit_code == 2 and STARS in ended.output
    assert leaks_in(ended.output.encode()) == set()


class _Proxy(BaseHTTPRequestHandler):
    """Refuses every tunnel, and says to whom."""

    def do_CONNECT(self) -> None:
        self.send_response(407, self.headers["Proxy-Authorization"])
        self.send_header("Proxy-Authenticate", quote(told_of(PROXY_LOGIN)))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy's address, with a login in it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        user, _, password = PROXY_LOGIN.partition(":")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        yield f"http://{login}@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", ["preflight", "plan", "send"])
def test_the_login_of_a_proxy_is_in_nothing_that_is_said(
    command: str, proxy: str, tmp_path: Path
) -> None:
    url = "https://api.example.invalid"
    approval = {"ticket": "T", "organisation_id": str(OWN_SEED), "highest_rate": 1_000}
    target = {"name": "far", "api_url": url, "login_url": url, "approval": approval}
    (tmp_path / "far.yaml").write_text(json.dumps({"target": target}))
    around = {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": ""}

    said = convoy(
        *(command, "--target", str(tmp_path / "far.yaml"), "--set=request_timeout_s=3"),
        CONVOY_CLIENT_ID=CLIENT_ID,
        CONVOY_CLIENT_SECRET=CLIENT_SECRET,
        **around,
    )

    assert "407" in said.stdout + said.stderr
    assert leaks_in(f"{said.stdout}{said.stderr}".encode()) == set()


def test_an_address_that_is_no_proxy_is_told_without_its_login(tmp_path: Path) -> None:
    login = quote(PROXY_LOGIN, safe=":")
    around = {"HTTPS_PROXY": f"socks5://{login}@127.0.0.1:1", "NO_PROXY": "", "no_proxy": ""}

    said = convoy("send", "-H", "https://api.example.invalid", **around)

    assert said.returncode in (2, 4)
    assert leaks_in(f"{said.stdout}{said.stderr}".encode()) == set()


def test_headers_whose_values_are_not_there_are_named_and_no_value_is_shown() -> None:
    headers = {
        "X-A": ({"env": "NOT_THERE"}, "the variable 'NOT_THERE' is not set, or empty"),
        "X-B": (
            {"env": "GATEWAY_KEY"},
            "the variable 'GATEWAY_KEY' should be printable ASCII on one line",
        ),
        "X-C": ({"file": "not-there"}, "the file that it names cannot be read: No such file"),
    }
    given = json.dumps({name: header for name, (header, _) in headers.items()})

    said = convoy("preflight", f"--set=headers={given}", GATEWAY_KEY="käse-5544")

    assert said.returncode == 2
    for name, (_, problem) in headers.items():
        assert f"headers.{name}" in said.stdout and problem in said.stdout
    assert "5544" not in said.stdout + said.stderr
