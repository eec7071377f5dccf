"""The settings of one run: frozen, and every value checked by itself; names carry their units."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from convoy.plan.draws import draw
from convoy.plan.rate_curve import RateCurve
from convoy.settings import values
from convoy.settings.rate_shares import expand_stages, share, split

_SLOW, _LOGGED = 300, 1_000
"""Messages per second, up to which a process has time to report by the second, and to log each."""
_MOST_TRIES = 1_024
"""Beyond so many their draws would be those of the next message; no message has time for them."""
_GROWS_UNTIL = 64
"""More doublings than that are beyond any longest pause, and in the end beyond floats."""
LOGINS_PER_S = 5.0
"""Where nobody says another rate, and the login is not on this machine."""


class _Section(BaseModel):
    # Without inputs in errors: a value may be a secret, and a traceback ends with such an error.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Stage(_Section):
    """A stretch of load: constant `{rate, for_s}`, or a ramp `{to, for_s}`, `{rate, to, for_s}`.

    Rates in messages per second. A ramp without `rate` starts where the stage before it ended.
    """

    rate: values.StageRate | None = None
    to: values.StageRate | None = None
    for_s: values.Duration

    @model_validator(mode="before")
    @classmethod
    def _has_a_rate(cls, stage: Any) -> Any:
        if isinstance(stage, dict) and stage.get("rate") is None and stage.get("to") is None:
            raise PydanticCustomError("stage", "should have a `rate`, or `to` for a ramp, or both")
        return stage


class Conversations(_Section):
    """Where the pool of conversations comes from and how one is picked for a message.

    `path` is the pool file of `source: file`, `ids` are those of `source: inline`; `state` and
    `type` filter what `source: api` lists (`any` for all), and `cache` names a file to keep it in.
    `count` conversations are opened before load by `source: opened`; with `source: none` users make
    their own, as so many customers.
    `exponent` belongs to the pick `zipf`; `on_exhausted` to `round_robin`.
    """

    source: Literal["api", "file", "inline", "opened", "none"] = "api"
    path: values.Text | None = None
    ids: Annotated[tuple[values.Text, ...], Field(max_length=100_000)] = ()
    count: Annotated[int, Field(gt=0, le=100_000)] | None = None
    state: values.Text = "connected"
    type: values.Text = "webchat"
    cache: values.Text | None = None
    pick: Literal["random", "round_robin", "zipf", "exclusive", "sticky"] = "random"
    exponent: Annotated[float, Field(ge=0, le=10)] = 1.0
    on_exhausted: Literal["recycle", "stop", "fail"] = "recycle"


class Texts(_Section):
    """What the variable `text` is drawn from: the lines of the file `corpus`, or built-in texts."""

    corpus: values.Text | None = None
    choice: Literal["random", "sequence"] = "random"


class Reconnect(_Section):
    """How guests of `reconnect_storm` lose their connection, and when they try to come back.

    `drop: cut` ends it by a reset of TCP, `closed` by a close frame. A pause is `wait_s`, after
    each failed try `factor` times as long up to `longest_s`, give or take its `jitter`, a share.
    """

    drop: Literal["cut", "closed"] = "cut"
    wait_s: Annotated[values.Duration, Field(ge=0.1)] = 5
    jitter: Annotated[float, Field(ge=0, le=1)] = 0
    factor: Annotated[float, Field(ge=1, le=100)] = 1
    longest_s: values.Duration = 60

    def pause_s(self, key: int, k: int, tries: int) -> float:
        """Return the pause before a try to come back after the drop that message `k` is.

        `tries` counts from 0, `key` is that of a stream of draws.
        """
        mean_s = min(self.wait_s * self.factor ** min(tries, _GROWS_UNTIL), self.longest_s)
        drawn = draw(key, k * _MOST_TRIES + tries % _MOST_TRIES) / 2**64
        return mean_s * (1 + self.jitter * (2 * drawn - 1))


class LongestDialogue(_Section):
    """The most that a dialogue does after its message, and how long it takes at least.

    `messages` count by the limits of a session, `requests` by those of a connection.
    """

    messages: Annotated[int, Field(ge=0)]
    requests: Annotated[int, Field(ge=0)]
    lasts_s: Annotated[float, Field(ge=0)]


class ScenarioSettings(_Section):
    """What one scenario has of its own; `rate` in messages per second, else a share by `weight`.

    `variables` are what its route's path and its templates may name besides the built-in ones.
    `expect` holds the fields of an accepting answer by status, in place of those of the catalogue.
    `steps` chooses among the optional steps of the scenario's user class; `reconnect` belongs to
    `reconnect_storm`. `dialogues` take the place of `payloads`; the `longest_dialogue`
    is found when their files are read.
    """

    weight: values.Weight = 1
    rate: values.Rate | None = None
    payloads: values.PayloadWeights = Field(default_factory=lambda: {"conversation/text": 1.0})
    variables: values.Variables = Field(default_factory=dict)
    expect: values.Expect = Field(default_factory=dict)
    steps: Annotated[tuple[values.Text, ...], Field(max_length=100)] = ()
    dialogues: values.Dialogues = Field(default_factory=dict)
    longest_dialogue: LongestDialogue | None = None
    texts: Texts = Texts()
    conversations: Conversations = Conversations()
    reconnect: Reconnect | None = None


class OAuth(_Section):
    """How tokens are held; they are refreshed `refresh_before_s` ahead of their expiry.

    `tokens` may be a number: so many for the whole run. `logins_per_s` is for the whole run, too.
    """

    tokens: values.Tokens = "per_user"
    refresh_before_s: values.Pause = 300
    logins_per_s: values.Rate | None = None


class Limit(_Section):
    """A budget the remote enforces: `count` requests in each window of `per_s` seconds.

    `session` is for the messages of a guest, `connection` for all that it sends over one,
    `deployment` for the connections of all guests.
    """

    scope: Literal["token", "client", "org", "deployment", "session", "connection"]
    count: Annotated[int, Field(gt=0, le=1_000_000_000)]
    per_s: values.Duration


# Made by a call, because `from` is a keyword; Pydantic reads its configuration from an attribute.
Window = TypedDict("Window", {"from": values.Moment, "to": values.Moment, "zone": values.Zone})
"""When load may run: from and to, as in 2026-11-26 22:00, by the clocks of a time zone."""
Window.__pydantic_config__ = _Section.model_config  # type: ignore[attr-defined]


class Approval(_Section):
    """The vendor's permission to load a target; `highest_rate` in messages per second.

    `highest_total` is of messages in one run; logins are held to `logins_per_s`, and so are the
    connections of guests.
    """

    ticket: values.Text
    organisation_id: values.Text
    region: values.Text | None = None
    highest_rate: values.Rate
    highest_users: Annotated[int, Field(gt=0)] | None = None
    highest_total: Annotated[int, Field(gt=0)] | None = None
    logins_per_s: values.Rate | None = None
    window: Window | None = None

    @property
    def most_per_s(self) -> int:
        """How many messages may leave in any second."""
        return ceil(self.highest_rate)

    @property
    def most_logins_per_s(self) -> float:
        return self.logins_per_s or LOGINS_PER_S


class Target(_Section):
    """Where the load goes. `api_url` and `login_url` hold scheme, host, port, a gateway's path.

    So does `messaging_url`, where guests write over WebSocket; None means the API's address.
    `ca_file` is a PEM file of authorities to trust instead of the system's.
    """

    name: values.Text
    api_url: values.Url
    login_url: values.Url
    messaging_url: values.Url | None = None
    embedded_simulator: bool = False
    ca_file: values.Text | None = None
    approval: Approval | None = None

    @property
    def addresses(self) -> tuple[str, str, str]:
        """Those of the API, of logins and of guests."""
        return self.api_url, self.login_url, self.messaging_url or self.api_url

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address that it has, each once."""
        return tuple(dict.fromkeys(self.addresses))


class Settings(_Section):
    """Everything a run is made of, resolved; holds no secrets, so it may be sent and recorded.

    `rate` (messages per second, or `max` for flat out) and `stages` exclude each other. Lengths are
    in seconds where the name ends in `_s`, in milliseconds where it ends in `_ms`. `criteria` are
    lines as they were written; the preflight parses them.
    """

    profile: values.Text
    target: Target
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    scenarios: Annotated[tuple[values.Text, ...], values.NOT_EMPTY]
    scenario: dict[values.Text, ScenarioSettings]
    rate: values.RateOrMax | None = None
    stages: Annotated[tuple[Stage, ...], Field(max_length=10_000), values.NOT_EMPTY] | None = None
    arrivals: Literal["even", "poisson", "closed"]
    think_time_s: values.Pause
    messages: Annotated[int, Field(gt=0, le=10**12)] | None
    users: Annotated[int, Field(gt=0, le=values.MOST_USERS)]
    run_time_s: values.Duration
    warm_up_s: values.Pause
    prepare_timeout_s: Annotated[values.Duration, Field(le=3600)]
    request_timeout_s: Annotated[values.Duration, Field(le=600)]
    connection_max_age_s: values.Duration
    stop_timeout_s: values.Pause
    late_after_ms: Annotated[float, Field(ge=0, le=60_000)]
    max_lateness_s: values.Pause
    oauth: OAuth
    limits: tuple[Limit, ...]
    on_limit: Literal["obey", "count", "stop"]
    on_worker_lost: Literal["invalid", "degrade"]
    headers: dict[values.HeaderName, values.HeaderValue]
    canary: bool
    cleanup: bool
    labels: values.Labels
    record_messages: values.OnOff
    samples: Literal["masked", "none", "full"]
    runs_kept: Annotated[int, Field(ge=1, le=1_000_000)]
    criteria: tuple[str, ...]
    on_not_judged: Literal["fail", "pass"]

    @property
    def curve(self) -> RateCurve:
        """The rate of the whole run, in messages per second, until `run_time_s` is over.

        With `rate: max` it is 1, which only serves to share the users among scenarios.
        """
        if self.stages is None:
            rate = 1.0 if self.rate == "max" else self.rate or 0.0
            return RateCurve([(rate, rate, self.run_time_s)])
        written = ((stage.rate, stage.to, stage.for_s) for stage in self.stages)
        return RateCurve(RateCurve(expand_stages(written)).between(0.0, self.run_time_s))

    def curves(self) -> dict[str, RateCurve]:
        """Return the rate of every scenario that runs; at any moment they add up to the whole."""
        weights = {name: self.scenario[name].weight for name in self.scenarios}
        return share(self.curve, self.own_rates(), weights)

    def permits_by_scenario(self) -> dict[str, range]:
        """Return which of the messages that the approval allows in a second are each scenario's.

        They are numbered from 0, and belong to lanes as the messages of a plan do; there are none
        without an approval. The scenarios share them by their highest rates.
        """
        approval = self.target.approval
        highest = {name: curve.highest_rate for name, curve in self.curves().items()}
        permits, first = {}, 0
        for name, count in split(approval.most_per_s if approval else 0, highest).items():
            permits[name] = range(first, first + count)
            first += count
        return permits

    def own_rates(self) -> dict[str, float | None]:
        """Return the rate that each scenario that runs has of its own, None where it has none."""
        return {name: self.scenario[name].rate for name in self.scenarios}

    @property
    def logins_per_s(self) -> float | None:
        """How many logins a second all processes may make together, None for no bound.

        With an approval there is one, whoever wrote the other settings.
        """
        own, approval = self.oauth.logins_per_s, self.target.approval
        if approval is None:
            return own
        return min(own or approval.most_logins_per_s, approval.most_logins_per_s)

    @property
    def is_flat_out(self) -> bool:
        """True with `rate: max`: a user sends again as soon as its answer is there."""
        return self.rate == "max"

    @property
    def is_scheduled(self) -> bool:
        """False with closed arrivals, flat out among them: no message is due before it is sent."""
        return self.arrivals != "closed"

    @property
    def is_slow(self) -> bool:
        """True up to 300 messages per second: a process has the time to report by the second."""
        return self._has_at_most(_SLOW)

    def _has_at_most(self, rate: float) -> bool:
        if self.is_scheduled:
            return self.highest_rate <= rate
        return not self.is_flat_out and self.users <= rate * self.think_time_s

    @property
    def records_messages(self) -> bool:
        """True where the record is to hold every message."""
        if self.record_messages == "auto":
            return self._has_at_most(_LOGGED)
        return self.record_messages == "on"

    @property
    def duration_s(self) -> float:
        """The length of the measured part: the shorter of `run_time_s` and the stages."""
        return self.curve.duration_s

    @property
    def highest_rate(self) -> float:
        """The highest rate of the whole run, in messages per second."""
        return self.curve.highest_rate

    def requests_each(self, scenario: str) -> int:
        """Return how many requests a message makes at most with its steps and its dialogue.

        With a drop there is one more afterwards, for the history.
        """
        rule = self.scenario[scenario]
        longest = rule.longest_dialogue
        after = (rule.reconnect is not None) + (longest.requests if longest else 0)
        return 1 + len(rule.steps) + after

    @property
    def request_curve(self) -> RateCurve:
        """The rate of the whole run in requests per second: with what steps send."""
        by_scenario = {name: each.stages for name, each in self.curves().items()}

        def rate(number: int, end: Literal[0, 1]) -> float:
            # A rate of a scenario's own is one stage over the whole run.
            return sum(
                self.requests_each(name) * stages[min(number, len(stages) - 1)][end]
                for name, stages in by_scenario.items()
            )

        return RateCurve(
            (rate(number, 0), rate(number, 1), stage.for_s)
            for number, stage in enumerate(self.curve.stages)
        )

    @property
    def highest_request_rate(self) -> float:
        """The highest rate of the whole run with what steps send, in requests per second."""
        return self.request_curve.highest_rate

    @property
    def requests_per_message(self) -> float:
        """How many requests a message makes with its steps, on average where rates are highest."""
        return self.highest_request_rate / (self.highest_rate or 1.0) or 1.0
