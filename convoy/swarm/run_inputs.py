"""The inputs of a run: all that a worker needs for it, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.settings import Settings

_Columns = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RunInputs:
    """A run's id, its settings, and what the plan of each scenario is made of."""

    run_id: str
    settings: Settings
    scenarios: Mapping[str, ScenarioInputs]

    def plans(self) -> dict[str, ScenarioPlan]:
        """Return the plan of each scenario; with a large pool each takes tenths of a second."""
        return {name: ScenarioPlan(inputs) for name, inputs in self.scenarios.items()}

    def to_message(self) -> dict[str, Any]:
        """Return the inputs as the plain values of a message; `from_message` reads them.

        The scenarios are packed into bytes here, so that a million ids are packed once and not for
        each worker.
        """
        scenarios = msgspec.msgpack.encode(dict(self.scenarios), enc_hook=_stages_of)
        settings = self.settings.to_json()
        return {"run_id": self.run_id, "settings": settings, "scenarios": scenarios}

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> RunInputs:
        scenarios = msgspec.msgpack.decode(
            data["scenarios"], type=dict[str, ScenarioInputs], dec_hook=_curve_of
        )
        return cls(str(data["run_id"]), Settings.from_json(data["settings"]), scenarios)


def worker_share(settings: Settings, number: int, workers: int) -> tuple[int | None, float]:
    """Return the tokens (None: one for each user) and the share of limits of a worker.

    `number` counts from 0 over the `workers` that there are at first.
    """
    share, tokens = 1 / workers, settings.oauth.tokens
    if tokens == "per_user":
        return None, share
    if tokens == "per_worker":
        return 1, share
    whole, rest = divmod(int(tokens), workers)
    return max(1, whole + (number < rest)), share


def plan_hash(plans: Mapping[str, ScenarioPlan]) -> str:
    """Return one fingerprint for the plans of all scenarios."""
    text = "\n".join(f"{name} {plan.hash}" for name, plan in sorted(plans.items()))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _stages_of(curve: RateCurve) -> tuple[Stage, ...]:
    return curve.stages


def _curve_of(kind: type[RateCurve], stages: object) -> RateCurve:
    return kind(msgspec.convert(stages, list[Stage]))
