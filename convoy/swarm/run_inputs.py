"""The inputs of a run: all that a worker needs to know of it, none of it secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from convoy.plan.pool import ConversationPool
from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, PickRule, ScenarioInputs, ScenarioPlan
from convoy.plan.texts import TextRule
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
        """Return the inputs as plain values that can travel; `from_message` takes them back.

        A pool travels as one run of bytes: a million ids are packed once, not for each worker.
        """
        return {
            "run_id": self.run_id,
            "settings": self.settings.to_json(),
            "scenarios": {name: _to_plain(inputs) for name, inputs in self.scenarios.items()},
        }

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> RunInputs:
        scenarios = {name: _from_plain(plain) for name, plain in data["scenarios"].items()}
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


def _to_plain(inputs: ScenarioInputs) -> dict[str, Any]:
    return {
        "scenario": inputs.scenario,
        "seed": inputs.seed,
        "stages": [asdict(stage) for stage in inputs.curve.stages],
        "pool": msgspec.msgpack.encode(_columns(inputs.pool)),
        "templates": dict(inputs.templates),
        "weights": dict(inputs.weights),
        "users": inputs.users,
        "pick": asdict(inputs.pick),
        "arrivals": asdict(inputs.arrivals),
        "texts": {"texts": list(inputs.texts.texts), "choice": inputs.texts.choice},
        "expected": dict(inputs.expected),
        "variables": dict(inputs.variables),
    }


def _from_plain(plain: Mapping[str, Any]) -> ScenarioInputs:
    return ScenarioInputs(
        scenario=plain["scenario"],
        seed=plain["seed"],
        curve=RateCurve([Stage(**stage) for stage in plain["stages"]]),
        pool=ConversationPool(*msgspec.msgpack.decode(plain["pool"], type=_Columns)),
        templates=plain["templates"],
        weights=plain["weights"],
        users=plain["users"],
        pick=PickRule(**plain["pick"]),
        arrivals=ArrivalRule(**plain["arrivals"]),
        texts=TextRule(**plain["texts"]),
        expected=plain["expected"],
        variables=plain["variables"],
    )


def _columns(pool: ConversationPool) -> _Columns:
    return tuple(pool.ids), tuple(pool.customer_ids), tuple(pool.agent_ids)
