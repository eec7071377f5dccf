"""What `preflight` tells a program, whatever the checks came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from convoy.cli.preflight import check_readiness
from convoy.errors import ConvoyError, Fault, RefusedError, SettingsError
from convoy.prepare.checklist import Checklist
from convoy.settings import Settings
from tests.unit.settings.configuration import settings_of

SECRET = "hunter22hunter22"


class Redactor:
    def redact(self, text: str) -> str:
        return text.replace(SECRET, "***")

    def redact_all(self, value: Any) -> Any:
        return json.loads(self.redact(json.dumps(value)))


class Ready:
    """A setup whose settings are these, or this fault, and whose checks end with an error."""

    redactor = Redactor()

    def __init__(
        self, settings: Settings | SettingsError, error: ConvoyError | None = None
    ) -> None:
        self._settings, self._error = settings, error

    def resolve(self, options: Mapping[str, object]) -> Settings:
        if isinstance(self._settings, SettingsError):
            raise self._settings
        return self._settings

    def prepare(
        self, options: Mapping[str, object], spawn_rate: float | None, *, checklist: Checklist
    ) -> None:
        checklist.ok("login", f"https://a gave {SECRET}")
        checklist.warn("limits", "too few", "write -u 6")
        if self._error is not None:
            raise self._error


def found(*sets: str, error: ConvoyError | None = None) -> dict[str, Any]:
    setup: Any = Ready(settings_of("run_time_s=10", *sets), error)
    readiness = check_readiness(setup, {})
    told: dict[str, Any] = json.loads(readiness.as_json(setup.redactor.redact_all))
    assert told["exit_code"] == readiness.exit_code
    return told


def test_a_run_that_may_begin_is_ready_with_its_checks_and_plan() -> None:
    told = found("rate=25", "users=2")

    assert told["verdict"] == "ready" and told["exit_code"] == 0
    assert told["checks"] == [
        {"name": "login", "state": "ok", "told": "https://a gave ***", "fix": ""},
        {"name": "limits", "state": "warning", "told": "too few", "fix": "write -u 6"},
    ]


@pytest.mark.parametrize(
    ("sets", "plan"),
    [
        pytest.param(("rate=25", "users=2"), (250, 250, 25, 25, 5, 2), id="even"),
        pytest.param(
            ("rate=20", "scenario.conversation_messages.steps=[a, b]"),
            (200, 600, 20, 60, 12, 10),
            id="with steps",
        ),
        pytest.param(("stages=[{to: 20, for_s: 10}]",), (100, 100, 20, 20, 4, 10), id="stages"),
        pytest.param(("rate=max",), (None, None, None, None, None, 10), id="flat out"),
        pytest.param(
            ("rate=25", "oauth.tokens=per_worker"), (250, 250, 25, 25, 5, None), id="per worker"
        ),
    ],
)
def test_the_plan_is_told_in_numbers_where_they_are_known(
    sets: tuple[str, ...], plan: tuple[float | None, ...]
) -> None:
    names = ("messages", "requests", "rate_per_s", "requests_per_s", "tokens_needed", "tokens")

    assert found(*sets)["plan"] == dict(zip(names, plan, strict=True))


def test_an_error_that_no_check_has_entered_is_one_all_the_same() -> None:
    told = found(error=RefusedError(f"the file runs/STOP is there {SECRET}"))

    assert (told["verdict"], told["exit_code"]) == ("not ready", 4)
    assert told["checks"][-1] == {
        "name": "preflight",
        "state": "failure",
        "told": "the file runs/STOP is there ***",
        "fix": "",
    }


def test_settings_that_are_wrong_have_no_plan() -> None:
    error = SettingsError([Fault("rate", "is -3")])
    setup: Any = Ready(error, error)

    told = json.loads(check_readiness(setup, {}).as_json(setup.redactor.redact_all))

    assert told["plan"] is None and told["exit_code"] == 2
