"""The outlook: what a prepared run would send, said before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice

from convoy.plan.lanes import LANES
from convoy.plan.pool import NO_CONVERSATION
from convoy.plan.rate_curve import RateCurve
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.prepare.allowance import allowance_line
from convoy.prepare.guest_limit import guest_line
from convoy.prepare.prepared_run import PreparedRun
from convoy.settings import Settings
from convoy.untrusted_text import told

_RUN_ID = "<run id>"


def outlook(prepared: PreparedRun, messages: int, redact: Callable[[str], str]) -> str:
    """Return lines on the run's tokens, criteria and the first `messages` of each scenario.

    `redact` hides secrets in what is cut, which are ids.
    """
    return "\n".join(_lines(prepared, messages, redact))


def _lines(prepared: PreparedRun, messages: int, redact: Callable[[str], str]) -> Iterator[str]:
    settings = prepared.settings
    yield prepared.description
    yield from prepared.checklist.warnings
    yield f"seed {settings.seed}"
    if len(prepared.guests) < len(settings.scenarios):
        yield allowance_line(settings)
    if prepared.guests:
        yield guest_line(settings, prepared.guests)
    yield from (f"criterion {each.text}" for each in prepared.criteria)
    for name, inputs in prepared.inputs.items():
        yield ""
        yield name
        plan = ScenarioPlan(inputs)
        yield from _scenario_lines(plan, inputs)
        yield from _rate_lines(settings, inputs.curve)
        yield from _message_lines(plan, messages, redact)


def _scenario_lines(plan: ScenarioPlan, inputs: ScenarioInputs) -> Iterator[str]:
    yield f"  plan          {plan.hash}"
    yield f"  messages      {'until time is up' if plan.count is None else f'{plan.count:,}'}"
    if inputs.dialogues:
        weights = (f"{name} {inputs.weights[name]:g}" for name in inputs.dialogues)
        yield f"  dialogues     {', '.join(weights)}"
    if inputs.pool == NO_CONVERSATION:
        yield "  conversations none; users make their own"
        return
    made = "" if inputs.pool.has_ids else ", each made by a customer of its own"
    yield f"  conversations {len(inputs.pool):,}{made} (pool {inputs.pool.hash})"
    yield f"  pick          {inputs.pick.name}"


def _rate_lines(settings: Settings, curve: RateCurve) -> Iterator[str]:
    if not settings.is_scheduled:
        yield f"  rate          each user sends again {settings.think_time_s:g} s after its answer"
        return
    starts_s = 0.0
    for stage in curve.stages:
        rate = f"{stage.rate_from:g}"
        if stage.rate_to != stage.rate_from:
            rate += f" to {stage.rate_to:g}"
        ends_s = starts_s + stage.for_s
        yield f"  rate          {rate} per second from {starts_s:g} s to {ends_s:g} s"
        starts_s += stage.for_s


def _message_lines(
    plan: ScenarioPlan, messages: int, redact: Callable[[str], str]
) -> Iterator[str]:
    bodies, lines = plan.bodies(_RUN_ID), plan.lines(f"{_RUN_ID}-steps")
    firsts = (islice(plan.arrivals.lane(lane), messages) for lane in range(LANES))
    for due_s, k in sorted(chain.from_iterable(firsts))[:messages]:
        message = plan.message(k)
        when = f"at {due_s:.3f} s" if plan.is_scheduled else "when its turn comes"
        to = message.conversation.id or "a conversation of its own"
        yield f"  k {k} {when} to {told(to, redact)}"
        # Jinja2's `tojson` escapes what HTML would take for a tag.
        body = bodies.render(message).decode().replace(r"\u003crun id\u003e", _RUN_ID)
        yield f"    {body}".replace("\n", "\n    ")
        yield from (f"    {line}".replace("\n", "\n    ") for line in lines(message))
