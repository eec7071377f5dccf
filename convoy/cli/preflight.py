"""`python -m convoy preflight`: whether a run could begin, for a person or for a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from convoy.errors import ConvoyError, ExitCode, SettingsError
from convoy.prepare.allowance import tokens_needed, tokens_there
from convoy.prepare.checklist import Checklist, Status
from convoy.prepare.setup import Setup
from convoy.settings import Settings


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a preflight found; `settings` are None where they could not be resolved."""

    checklist: Checklist
    exit_code: ExitCode
    settings: Settings | None

    def as_json(self, redact_all: Callable[[Any], Any]) -> str:
        """Return it as one JSON object; `redact_all` hides secrets in plain values."""
        checks = [
            {"name": each.check, "state": each.status, "told": each.told, "fix": each.fix}
            for each in self.checklist.findings
        ]
        found = {
            "verdict": "ready" if self.exit_code is ExitCode.PASS else "not ready",
            "exit_code": int(self.exit_code),
            "checks": checks,
            "plan": None if self.settings is None else _plan(self.settings),
        }
        return json.dumps(redact_all(found), indent=2)


def check_readiness(
    setup: Setup, options: Mapping[str, object], spawn_rate: float | None = None
) -> Readiness:
    """Make all checks of a run by these options; an error that ends them is among the findings.

    `spawn_rate` is in users per second, None for all at once.
    """
    checklist = Checklist(redact=setup.redactor.redact)
    exit_code, settings = ExitCode.PASS, None
    try:
        setup.prepare(options, spawn_rate, checklist=checklist)
    except ConvoyError as error:
        exit_code = error.exit_code
        if not any(each.status is Status.FAILURE for each in checklist.findings):
            checklist.fail("preflight", str(error), "")
    with suppress(SettingsError):
        settings = setup.resolve(options)
    return Readiness(checklist, exit_code, settings)


def _plan(settings: Settings) -> dict[str, object]:
    """Return the plan in numbers, null where nobody knows them before the run."""
    messages = requests = rate = request_rate = needed = None
    if settings.is_scheduled:
        rate, request_rate = settings.highest_rate, settings.highest_request_rate
        needed = tokens_needed(settings)
        planned = {name: curve.count for name, curve in settings.curves().items()}
        messages = sum(planned.values())
        requests = sum(settings.requests_each(name) * planned[name] for name in planned)
    return {
        "messages": messages,
        "requests": requests,
        "rate_per_s": rate,
        "requests_per_s": request_rate,
        "tokens_needed": needed,
        "tokens": tokens_there(settings),
    }
