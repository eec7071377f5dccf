"""The outlook: what a prepared run would send, said before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from convoy.plan.plan import ScenarioInputs, ScenarioPlan
from convoy.safety.guard import highest_rate
from convoy.safety.preflight import PreparedRun
from convoy.settings import Settings


def outlook(prepared: PreparedRun, messages: int) -> str:
    """Return lines on the run's rate, tokens and the first `messages` of each scenario."""
    return "\n".join(_lines(prepared, messages))


def tokens_needed(settings: Settings) -> int:
    """Return how many tokens the highest rate needs so that none goes over its limits."""
    rate = highest_rate(settings)
    return max((ceil(rate * limit.per_s / limit.count) for limit in settings.limits), default=1)


def _lines(prepared: PreparedRun, messages: int) -> Iterator[str]:
    settings = prepared.settings
    yield prepared.description
    yield from prepared.notices
    yield (
        f"seed {settings.seed}; {tokens_needed(settings)} tokens needed for "
        f"{highest_rate(settings):g} messages per second, {settings.users} users with one each"
    )
    for name, inputs in prepared.inputs.items():
        yield ""
        yield name
        yield from _scenario_lines(ScenarioPlan(inputs), inputs, messages)


def _scenario_lines(plan: ScenarioPlan, inputs: ScenarioInputs, messages: int) -> Iterator[str]:
    curve = plan.curve
    yield f"  plan          {plan.hash}"
    yield f"  messages      {curve.count:,}"
    yield f"  conversations {len(inputs.conversation_ids):,}"
    starts_s = 0.0
    for stage in curve.stages:
        yield (
            f"  rate          {stage.rate_from:g} to {stage.rate_to:g} per second "
            f"from {starts_s:g} s to {starts_s + stage.for_s:g} s"
        )
        starts_s += stage.for_s
    for k in range(min(messages, curve.count)):
        message = plan.message(k)
        yield f"  k {k} at {curve.due_s(k):.3f} s to {message.conversation_id}"
        yield f"    {plan.render(message, '<run id>').decode()}".replace("\n", "\n    ")
