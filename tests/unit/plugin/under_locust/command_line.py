"""What the options of a process and the forms of its web UI ask for, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments

from convoy.plugin.command_line import CommandLine
from convoy.plugin.github_step import GitHubStep
from convoy.prepare.prepared_run import PreparedRun
from convoy.prepare.setup import Setup
from scenarios.guest_messages import GuestMessages
from tests.unit.plugin.web_client import Page
from tests.unit.settings.configuration import KNOWN

TYPED = "http://127.0.0.1:9"
OTHER = "http://127.0.0.1:9"
SIMULATOR = "http://127.0.0.1:8080"


class Asked(Setup):
    """Prepares nothing, and keeps what it was last asked for."""

    def __init__(self, environ: dict[str, str]) -> None:
        super().__init__(environ, lambda: dict.fromkeys(KNOWN))  # type: ignore[arg-type]
        self.options: dict[str, Any] = {}
        self.how: dict[str, object] = {}

    def prepare(self, command_line: Any, spawn_rate: float | None = None, **how: Any) -> Any:
        self.options = dict(command_line)
        self.how = {"spawn_rate": spawn_rate, **how}
        return cast(PreparedRun, SimpleNamespace())

    def value(self, name: str) -> object:
        """What a setting of the run would be, or how fast its users begin."""
        if name in self.how:
            return self.how[name]
        settings = self.resolve(self.options)
        return getattr(settings.target if name.endswith("_url") else settings, name)


class Process:
    """A process with these options and this environment: its command line, and its web UI."""

    def __init__(self, *options: str, environ: dict[str, str]) -> None:
        self.setup = Asked(environ)
        self.command = CommandLine(environ, self.setup, GitHubStep({}, str))
        parser = get_empty_argument_parser()
        setup_parser_arguments(parser)
        self.command.add_to(parser)
        self.options = parser.parse_args(["--web-port", "0", *options])
        self._page: Page | None = None

    def page(self) -> dict[str, str]:
        """The fields of the form as the page shows them now."""
        if self._page is None:
            self._page = Page(parsed=self.options, prepare=self.command.prepare_from_form)
            self._page.environment.host = self.setup.resolve(self.command._asked).target.api_url
        web_ui = self._page.web_ui
        web_ui.update_template_args()
        args = web_ui.template_args
        return {
            "user_count": str(args["num_users"]),
            "spawn_rate": f"{args['spawn_rate']:g}",
            "run_time": str(args["run_time"] or ""),
            "host": args["host"],
            "profile": "",
            **{name: field["default_value"] for name, field in args["extra_options"].items()},
        }

    def start(self, **changes: str) -> None:
        """Send the form as it stands, with some fields changed."""
        form = self.page() | changes
        assert self._page is not None
        answer = self._page.client().post("/swarm", data=form)
        assert answer.json["success"], answer.json
        self._page.environment.host = cast(str, self.setup.value("api_url"))


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Process]:
    for name in [name for name in os.environ if name.startswith(("LOCUST_", "CONVOY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def begin(*options: str, **environ: str) -> Process:
        monkeypatch.setattr(sys, "argv", ["locust", *options])
        return Process(*options, environ=environ)

    return begin


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (["--headless"], "stop_timeout_s", 35),
        (["--headless", "-s", "7"], "stop_timeout_s", 7),
        (["--headless", "-s", "0"], "stop_timeout_s", 0),
        (["--headless", "-t", "1m30s"], "run_time_s", 90),
        (["--headless", "-u", "25"], "users", 25),
        (["--headless"], "spawn_rate", None),
        (["--headless", "-r", "2.5"], "spawn_rate", 2.5),
        (["--headless", "-H", TYPED], "api_url", TYPED),
        (["--headless", "GuestMessages"], "scenarios", ("guest_messages",)),
        (["--headless"], "processes", 1),
        (["--headless", "--processes", "2"], "processes", 2),
        (["--headless", "--processes", "-1"], "processes", os.cpu_count()),
        (["--headless", "--master"], "processes", 0),
        (["--autostart", "-t", "5s"], "run_time_s", 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_locusts_options_are_asked_for_as_settings(
    process: Callable[..., Process], options: list[str], name: str, value: object
) -> None:
    assert GuestMessages.scenario in KNOWN

    found = process("--master-bind-port", "0", *options).setup.value(name)

    assert found == value


@pytest.mark.parametrize(
    ("options", "starts"),
    [
        ([], False),
        (["--headless"], True),
        (["--autostart"], True),
        (["--autostart", "--autoquit", "3"], True),
        (["--headless", "--autostart"], True),
        (["--headless", "--headful"], False),
        (["--headless", "--headful", "--autostart"], True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_run_begins_by_itself_headless_and_where_that_is_asked_for(
    process: Callable[..., Process], options: list[str], starts: bool
) -> None:
    command = process(*options).command

    assert command.starts_by_itself is (command.first is not None) is starts


FORMS: dict[str, tuple[list[str], dict[str, str], list[dict[str, str]], dict[str, object]]] = {
    "as it was": ([], {}, [{}], {"users": 10, "run_time_s": 30, "rate": 20, "spawn_rate": None}),
    "as it was beside a profile": ([], {}, [{"load_profile": "load"}], {"users": 40}),
    "each field": (
        [],
        {},
        [{"user_count": "25", "run_time": "1m", "rate": "7", "spawn_rate": "5", "seed": "3"}],
        {"users": 25, "run_time_s": 60, "rate": 7, "spawn_rate": 5, "seed": 3},
    ),
    "options as they were": (
        ["-u", "7", "-r", "3", "-t", "9s", "--rate", "4", "-H", TYPED],
        {},
        [{}],
        {"users": 7, "spawn_rate": 3, "run_time_s": 9, "rate": 4, "api_url": TYPED},
    ),
    "user classes as they were": (["GuestMessages"], {}, [{}], {"scenarios": ("guest_messages",)}),
    "the run time of a run that began by itself": (
        ["--autostart", "-t", "9s"],
        {},
        [{}],
        {"run_time_s": 9},
    ),
    "a rate that is cleared": (["--rate", "4"], {}, [{"rate": ""}], {"rate": 20}),
    "a variable's rate that is cleared": ([], {"CONVOY_RATE": "4"}, [{"rate": ""}], {"rate": 20}),
    "a run time that is cleared": (["-t", "9s"], {}, [{"run_time": ""}], {"run_time_s": 30}),
    "a host that is cleared": (["-H", TYPED], {}, [{"host": ""}], {"api_url": SIMULATOR}),
    "beside a setting of the same name": (
        ["--set", "users=5", "--set", "rate=3", "--set", "run_time_s=4", "--set", "seed=2"],
        {},
        [{"user_count": "6", "rate": "7", "run_time": "8", "seed": "9"}],
        {"users": 6, "rate": 7, "run_time_s": 8, "seed": 9},
    ),
    "settings as they were": (
        ["--set", "users=5", "--set", "rate=3", "--set", "run_time_s=4"],
        {},
        [{}],
        {"users": 5, "rate": 3, "run_time_s": 4},
    ),
    "other addresses as they were": (
        [
            "-H",
            TYPED,
            "--set",
            f"target.messaging_url={OTHER}",
            "--set",
            f"target.login_url={OTHER}",
        ],
        {},
        [{}, {"rate": "7"}],
        {"api_url": TYPED, "messaging_url": OTHER, "login_url": OTHER, "rate": 7},
    ),
    "other addresses of the target's own host": (
        ["--set", f"target.messaging_url={OTHER}"],
        {},
        [{}],
        {"api_url": SIMULATOR, "messaging_url": OTHER},
    ),
    "a host beside a setting of an address": (
        ["--set", f"target.api_url={TYPED}", "--set", f"target.login_url={TYPED}"],
        {},
        [{"host": "http://127.0.0.1:7"}],
        {"api_url": "http://127.0.0.1:7"},
    ),
    "again": (
        [],
        {},
        [{"user_count": "25", "run_time": "1m", "rate": "7", "spawn_rate": "5"}, {}],
        {"users": 25, "run_time_s": 60, "rate": 7, "spawn_rate": 5},
    ),
    "nothing of an earlier form": (
        [],
        {},
        [
            {"run_time": "1m", "rate": "7", "seed": "3", "host": TYPED},
            {"run_time": "", "rate": "", "seed": "", "host": SIMULATOR},
            {},
        ],
        {"run_time_s": 30, "rate": 20, "seed": 20261122, "api_url": SIMULATOR},
    ),
    "back to what it was at first, beside a profile": (
        [],
        {},
        [
            {"user_count": "25", "spawn_rate": "5"},
            {"user_count": "10", "spawn_rate": "10", "load_profile": "load"},
        ],
        {"users": 10, "spawn_rate": 10},
    ),
}


@pytest.mark.parametrize(("options", "environ", "forms", "values"), FORMS.values(), ids=FORMS)
def test_what_the_form_holds_is_what_is_done(
    process: Callable[..., Process],
    options: list[str],
    environ: dict[str, str],
    forms: list[dict[str, str]],
    values: dict[str, object],
) -> None:
    begun = process(*options, **environ)

    for changes in forms:
        begun.start(**changes)

    assert {name: begun.setup.value(name) for name in values} == values


@pytest.mark.parametrize("target", ["", "simulator"], ids=["no target", "chosen in the form"])
@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("shown", ["http://127.0.0.1:4321", "http://127.0.0.1:5432"])
def test_where_the_embedded_simulator_was_is_no_host_that_somebody_typed(
    process: Callable[..., Process], target: str, typed: bool, shown: str
) -> None:
    begun = process()
    begun.page()
    assert begun._page is not None
    begun._page.environment.host = shown
    begun.setup.simulator.urls = {"http://127.0.0.1:4321", "http://127.0.0.1:5432"}

    begun.start(**({"target": target} if target else {}), **({"host": TYPED} if typed else {}))

    asked = begun.setup.resolve(begun.setup.options).target
    assert (asked.api_url, asked.embedded_simulator) == (
        (TYPED, False) if typed else (SIMULATOR, True)
    )
