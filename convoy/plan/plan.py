"""The plan of one scenario: message `k` wholly decided by `(seed, scenario, k)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from convoy.plan.conversations import ConversationPool, RandomPick
from convoy.plan.lanes import LANES, even_arrivals
from convoy.plan.payloads import PayloadChoice, PayloadTemplate
from convoy.plan.rates import RateCurve


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One message of the plan, before it has a run: where it goes and what it says."""

    k: int
    conversation_id: str
    template_name: str
    text: str


@dataclass(frozen=True, slots=True)
class ScenarioInputs:
    """What a scenario's plan is made of; equal inputs make equal plans, on any machine.

    `templates` maps template names to their sources, `weights` the same names to their weights.
    """

    scenario: str
    seed: int
    curve: RateCurve
    conversation_ids: tuple[str, ...]
    templates: Mapping[str, str]
    weights: Mapping[str, float]


class ScenarioPlan:
    """When the messages of one scenario are due, to whom they go and what they say."""

    def __init__(self, inputs: ScenarioInputs) -> None:
        self.scenario = inputs.scenario
        self.curve = inputs.curve
        self._inputs = inputs
        self._pool = ConversationPool(inputs.conversation_ids)
        self._pick = RandomPick(self._pool, inputs.seed, inputs.scenario)
        self._choice = PayloadChoice(inputs.weights, inputs.seed, inputs.scenario)
        self._templates = {
            name: PayloadTemplate(name, source) for name, source in inputs.templates.items()
        }

    def message(self, k: int) -> PlannedMessage:
        """Return message `k`, counted from 0."""
        return PlannedMessage(
            k,
            self._pick.conversation_id(k),
            self._choice.template_name(k),
            self._choice.text(k),
        )

    def render(self, message: PlannedMessage, run_id: str) -> bytes:
        """Return the body to send as UTF-8 JSON; raises PayloadError."""
        return self._templates[message.template_name].render(self._variables(message, run_id))

    def check_templates(self) -> None:
        """Render message 0 through every template; raises PayloadError unless each is usable."""
        first = self.message(0)
        for name in self._templates:
            message = PlannedMessage(0, first.conversation_id, name, first.text)
            self._templates[name].check(self._variables(message, "check"))

    def lane(self, lane: int, from_k: int = 0) -> Iterator[tuple[float, int]]:
        """Yield `(due_s, k)` of one lane in order, from message number `from_k` on."""
        return even_arrivals(self.curve, lane, from_k)

    def lanes(self) -> range:
        return range(LANES)

    @property
    def hash(self) -> str:
        """A fingerprint of everything that decides the messages; equal plans, equal hashes."""
        parts = (
            self.scenario,
            str(self._inputs.seed),
            repr(self.curve.stages),
            self._pool.hash,
            repr(sorted(self._inputs.templates.items())),
            repr(sorted(self._inputs.weights.items())),
        )
        return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def _variables(self, message: PlannedMessage, run_id: str) -> dict[str, object]:
        actor = message.k % LANES
        return {
            "conversation_id": message.conversation_id,
            "marker": marker(run_id, self.scenario, message.k),
            "k": message.k,
            "text": message.text,
            "actor_name": f"Load Test Guest {actor}",
            "actor_address": f"guest-{actor}@load-test.invalid",
        }


def marker(run_id: str, scenario: str, k: int) -> str:
    """Return the text by which both sides account for a message."""
    return f"[convoy:{run_id}:{scenario}:{k}]"
