"""The plan of one scenario: message `k` wholly decided by `(seed, scenario, k)`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from operator import ne

import msgspec

from convoy.errors import ConvoyError
from convoy.plan.arrivals import Arrivals, ClosedArrivals, EvenArrivals, PoissonArrivals
from convoy.plan.dialogue import AnyLine, Dialogue, LineTemplates
from convoy.plan.draws import draw, stream_key
from convoy.plan.lanes import LANES, numbers_between
from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadChoice, PayloadTemplate
from convoy.plan.picks import PickRule, make_pick
from convoy.plan.pool import ConversationPool
from convoy.plan.rate_curve import RateCurve
from convoy.plan.rendering import Bodies
from convoy.plan.texts import TextChoice, TextRule


class PoolExhausted(ConvoyError):
    """Every conversation of the pool has been used or retired, and none may be used again."""


@dataclass(frozen=True, slots=True)
class ArrivalRule:
    """How due times are spread: even, poisson or closed; `most` messages, None for no limit.

    `think_time_s` is the mean pause of an author between two messages of closed arrivals.
    """

    name: str = "even"
    most: int | None = None
    think_time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ScenarioInputs:
    """What a scenario's plan is made of; equal inputs make equal plans, on any machine.

    `templates` maps template names to their sources, `weights` the same names to their weights,
    `expected` the names of those that should be refused to the error code. `variables` holds the
    values of the scenario's own variables by name; `users` counts its authors in the whole run.
    `dialogues` maps the names of those templates to dialogues whose message is the first line.
    """

    scenario: str
    seed: int
    curve: RateCurve
    pool: ConversationPool
    templates: Mapping[str, str]
    weights: Mapping[str, float]
    users: int = 1
    pick: PickRule = field(default=PickRule())
    arrivals: ArrivalRule = field(default=ArrivalRule())
    texts: TextRule = field(default=TextRule())
    expected: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    dialogues: Mapping[str, Dialogue] = field(default_factory=dict)


class ScenarioPlan:
    """When the messages of one scenario are due, to whom they go and what they say."""

    def __init__(self, inputs: ScenarioInputs) -> None:
        self.scenario = inputs.scenario
        self.curve = inputs.curve
        self.pool = inputs.pool
        self.arrivals = _arrivals(inputs)
        self._inputs = inputs
        self._pick = make_pick(
            inputs.pick,
            len(inputs.pool),
            seed=inputs.seed,
            scenario=inputs.scenario,
            users=inputs.users,
        )
        self._conversation = inputs.pool.conversations.__getitem__
        self._expected = inputs.expected
        self._is_used_once = inputs.pick.on_exhausted == "fail"
        self._choice = PayloadChoice(inputs.weights, inputs.seed, inputs.scenario)
        self._texts = TextChoice(inputs.texts, inputs.seed, inputs.scenario)
        self._value_key = stream_key(inputs.seed, inputs.scenario, "value")
        self._pause_key = stream_key(inputs.seed, inputs.scenario, "pause")
        self._templates = {
            name: PayloadTemplate(name, source) for name, source in inputs.templates.items()
        }
        self._line_key = stream_key(inputs.seed, inputs.scenario, "line")
        self._lines = {
            name: LineTemplates(f"{name}.yaml", each) for name, each in inputs.dialogues.items()
        }

    def with_curve(self, curve: RateCurve) -> ScenarioPlan:
        """Return the plan of the same messages due by another curve; more or fewer of them."""
        changed = copy(self)
        changed.__dict__.pop("count", None)  # cached, and that of the curve before
        changed._inputs = replace(self._inputs, curve=curve)
        changed.curve = curve
        changed.arrivals = _arrivals(changed._inputs)
        return changed

    @property
    def groups(self) -> int:
        """How many parts the lanes are leased in (`plan.picks`)."""
        return self._pick.groups

    @property
    def is_scheduled(self) -> bool:
        """False for closed arrivals, where nothing is due and delivery is not judged."""
        return not isinstance(self.arrivals, ClosedArrivals)

    @property
    def is_exclusive(self) -> bool:
        """True when a conversation takes one message at a time."""
        return self._inputs.pick.is_exclusive

    @cached_property
    def count(self) -> int | None:
        """How many messages there are, None when only time ends the plan."""
        if not self.is_scheduled and self._inputs.arrivals.most is None:
            return None
        ends = ((lane, self.arrivals.lane_end(lane)) for lane in range(LANES))
        return sum(numbers_between(lane, 0, end) for lane, end in ends)

    @property
    def earliest_end_s(self) -> float:
        """The earliest moment at which the plan can end, in seconds from T0.

        It is 0 for a fixed number of messages without a schedule, which may be sent in no time.
        """
        is_counted = not self.is_scheduled and self.count is not None
        return 0.0 if is_counted else self.arrivals.duration_s

    def message(self, k: int, avoid: Collection[int] = ()) -> PlannedMessage:
        """Return message `k`, counted from 0, for a conversation whose index is not in `avoid`.

        Raises PoolExhausted when no conversation is left for it.
        """
        return self.messages((k,), avoid)[0]

    def messages(self, ks: Sequence[int], avoid: Collection[int] = ()) -> list[PlannedMessage]:
        """Return several messages as `message` does, in a fraction of the time."""
        if self._is_used_once and ks and max(ks) >= len(self.pool):
            raise PoolExhausted("every conversation of the pool was used once")
        planned = self._pick.indexes(ks)
        indexes = (
            [
                self._stand_in(k, avoid) if index in avoid else index
                for k, index in zip(ks, planned, strict=True)
            ]
            if avoid
            else planned
        )
        names = self._choice.template_names(ks)
        return list(
            map(
                PlannedMessage,
                ks,
                map(self._pick.author, ks),
                map(self._conversation, indexes),
                indexes,
                map(ne, indexes, planned),
                names,
                self._texts.texts(ks),
                [self._expected.get(name, "") for name in names],
            )
        )

    def conversation_ids(self, ks: Sequence[int]) -> list[str]:
        """Return where several messages go by the plan, whatever was retired meanwhile."""
        return [self._conversation(index).id for index in self._pick.indexes(ks)]

    def bodies(self, run_id: str, clock: Callable[[], float] = lambda: 0.0) -> Bodies:
        """Return what renders the messages of this plan in a run.

        `clock` returns Unix seconds; without one the time in a body is the beginning of 1970.
        """
        return Bodies(
            self._templates, self._value_key, self.scenario, run_id, self._inputs.variables, clock
        )

    @cached_property
    def dialogue_steps(self) -> tuple[str, ...]:
        """The names of the steps of all its dialogues."""
        steps = (step for each in self._inputs.dialogues.values() for step in each.steps)
        return tuple(dict.fromkeys(steps))

    def lines(
        self, run_id: str, clock: Callable[[], float] = lambda: 0.0
    ) -> Callable[[PlannedMessage], tuple[AnyLine, ...]]:
        """Return what gives the lines that come after a message, none where it is no dialogue's.

        `run_id` stands in their markers, `clock` is as for `bodies`. What is returned raises
        PayloadError.
        """
        key, variables = self._line_key, self._inputs.variables
        bodies = Bodies({}, key, self.scenario, run_id, variables, clock)

        def lines_after(message: PlannedMessage) -> tuple[AnyLine, ...]:
            templates = self._lines.get(message.template_name)
            if templates is None:
                return ()
            return templates.lines(bodies.variables(message), draw(key, message.k))

        return lines_after

    @property
    def has_pauses(self) -> bool:
        """True when an author pauses after each message."""
        return not self.is_scheduled and self._inputs.arrivals.think_time_s > 0

    def think_time_s(self, k: int) -> float:
        """Return the pause after message `k` under closed arrivals: the mean, give or take half."""
        mean_s = self._inputs.arrivals.think_time_s
        return mean_s * (0.5 + draw(self._pause_key, k) / 2**64)

    @property
    def hash(self) -> str:
        """A fingerprint of everything that decides the messages; equal plans, equal hashes.

        What is expected of their answers is not in it.
        """
        inputs = self._inputs
        parts = (
            self.scenario,
            str(inputs.seed),
            repr(self.curve.stages),
            inputs.pool.hash,
            repr(sorted(inputs.templates.items())),
            repr(sorted(inputs.weights.items())),
            repr((inputs.pick, inputs.arrivals)),
            "\n".join((inputs.texts.choice, *inputs.texts.texts)),
            str(inputs.users) if inputs.pick.binds_users else "",
            *(repr(each) for each in sorted(inputs.variables.items())),
            *(
                f"{name} {msgspec.json.encode(each).decode()}"
                for name, each in sorted(inputs.dialogues.items())
            ),
        )
        return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def _stand_in(self, k: int, avoid: Collection[int]) -> int:
        for index in self._pick.others(k):
            if index not in avoid:
                return index
        raise PoolExhausted("every conversation that this message may go to is retired")


def _arrivals(inputs: ScenarioInputs) -> Arrivals:
    rule, most = inputs.arrivals, inputs.arrivals.most
    if inputs.pick.on_exhausted == "stop":
        most = len(inputs.pool) if most is None else min(most, len(inputs.pool))
    if rule.name == "closed":
        return ClosedArrivals(inputs.curve.duration_s, most)
    if rule.name == "poisson":
        return PoissonArrivals(inputs.curve, inputs.seed, inputs.scenario, most)
    if rule.name == "even":
        return EvenArrivals(inputs.curve, most)
    raise ValueError(f"there are no arrivals {rule.name!r}")
