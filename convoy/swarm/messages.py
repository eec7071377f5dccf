"""The messages between the master of a run and its workers, and the channel they travel on.

A worker's reports are sent another way, but in order: a message sent after one arrives after it.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Protocol, TypeVar

import msgspec

from convoy.errors import ConvoyError
from convoy.plan.lanes import LANES
from convoy.plan.rate_curve import Stage
from convoy.remote.connections import WorkerShare
from convoy.results.account import ScenarioReport
from convoy.results.health import HealthReport
from convoy.results.message_log import MOST_BYTES
from convoy.results.outcome import Name, Number, Seconds
from convoy.results.samples import SamplesReport
from convoy.swarm.value_count import check_values
from convoy.untrusted_text import UNREADABLE

VERSION = 15
"""Raised with every change of these messages: master and workers of two versions part at once."""

T = TypeVar("T")
_Number = Annotated[int, msgspec.Meta(ge=0)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_MOST_VALUES, _MOST_ENTRIES = 500_000, 100_000
"""Of a report: ten scenarios with ten steps each have some 20,000 values. Two of them can be a
second, which takes 20 us to read."""
_MOST_REPORTED = 2**23
"""Bytes of a report without its part of the log: that of many scenarios with many steps."""
_Lane = Annotated[int, msgspec.Meta(ge=0, lt=LANES)]
Lanes = dict[str, dict[_Lane, _Number]]
"""A message number by scenario and lane: the first one that falls to the next owner."""


class Hello(msgspec.Struct, frozen=True):
    """A worker announces itself: the version of its messages, and `code` that makes the load's.

    It is older than any version of the other messages, so it stays as it is.
    """

    version: int
    code: Name

    def misfit(self, code: str) -> str:
        """Return why such a worker can take no part in a run of this version and `code`, or ""."""
        if self.version != VERSION:
            return f"it speaks version {self.version} of Convoy's messages, this is {VERSION}"
        if self.code != code:
            return "its scenarios, or the code of plan and routes, are not those of the master"
        return ""


class _OfRun(msgspec.Struct, frozen=True, tag=True):
    """A message about the run with this id."""

    run_id: Name


class Missed(_OfRun, frozen=True):
    """Who says this has `received` so many of the other's numbered messages, and there are more."""

    received: _Number


class Numbered(_OfRun, frozen=True, kw_only=True):
    """A message that is said once, the one of this `number` from its sender to here; 0 for none."""

    number: _Number = 0


class Ask(_OfRun, frozen=True):
    """A worker asks for its lease at `asked_s` of its own clock.

    `leased_s` says when, by the master's clock, the master gave the lease that it has; 0 for none.
    `turns` counts the turns to log in that it has wanted in the run, `starts` those for the first
    request of a guest's connection, `beyond` the messages beyond its plan that it has wanted of an
    approved total. It uses a turn up to `unsure_s` before or after its moment, because it does not
    know the master's clock better. From when it knows T0 on, that may be off by `t0_unsure_s`. So
    many numbered messages it has `said` before, and `received`.
    """

    asked_s: Seconds
    leased_s: Seconds
    turns: _Number = 0
    starts: _Number = 0
    beyond: _Number = 0
    unsure_s: Seconds = 0.0
    t0_unsure_s: Seconds | None = None
    said: _Number = 0
    received: _Number = 0


class Ready(Numbered, frozen=True):
    """A worker takes part with so many `users` by scenario; `problem` is why more are not ready."""

    plan_hash: Name
    users: dict[str, Number]
    problem: _Text = ""


class Refusal(_OfRun, frozen=True):
    """A worker can take no part."""

    reason: _Text


class Released(Numbered, frozen=True):
    """A worker gave up these lanes, each from a number on."""

    lanes: Lanes


class Leaving(Numbered, frozen=True):
    """A worker ends: it gave up these lanes, its last ones, and takes no more."""

    lanes: Lanes


class Drained(Numbered, frozen=True):
    """The messages of all lanes granted up to `epoch` have ended, and are in the last report.

    `lanes` are those of scenarios without a schedule: their numbers count the messages. It is said
    `after_stop` where the worker was told to stop: then they are all that it had.
    """

    epoch: int
    lanes: Lanes
    after_stop: bool = False


class LateChange(Numbered, frozen=True):
    """A worker received a change of the plan `late_s` after its moment."""

    late_s: Seconds


class Enough(Numbered, frozen=True):
    """A worker asks that the run end now."""

    reason: _Text


class Prepare(Numbered, frozen=True):
    """A worker is to take part in a run: `inputs` are those of `RunInputs.from_bytes`.

    It may use this `share` of tokens and limits. Its lease lasts for `lease_s` from when it asks;
    None where the worker is in the master's own process.
    """

    inputs: bytes
    share: WorkerShare
    lease_s: float | None


class Lease(Numbered, frozen=True):
    """The answer to the `Ask` of that moment, given at `now_s` of the master's clock.

    `turns` are moments of that clock at which the worker may log in, one time each, `starts` those
    at which the first request of a guest's connection may leave. It may send so many messages more
    `beyond` its plan; there are no more to give where the total `is_used_up`. Once the run
    `has_load`, only who was granted lanes may send. So many numbered messages were `said` before.
    """

    asked_s: Seconds
    now_s: Seconds
    turns: list[Seconds] = []
    starts: list[Seconds] = []
    beyond: _Number = 0
    is_used_up: bool = False
    has_load: bool = False
    said: _Number = 0


class Grant(Numbered, frozen=True):
    """Lanes from a number on, T0 in seconds of the master's clock.

    Of their warm-up only what is due from `warm_up_from_s` on, in seconds from T0: another worker
    may have sent the rest of it.
    """

    epoch: int
    t0_s: Seconds
    lanes: Lanes
    warm_up_from_s: float = -inf


class Release(Numbered, frozen=True):
    """A worker is to give up these lanes, by scenario."""

    lanes: dict[str, list[_Lane]]


class Change(Numbered, frozen=True):
    """Another curve by scenario from `at_s` on, in seconds from T0; the past stays as it was."""

    epoch: int
    at_s: float
    stages: dict[str, list[Stage]]


class Farewell(Numbered, frozen=True):
    """The master has heard that a worker is leaving, and grants it nothing more."""


class Stop(_OfRun, frozen=True):
    """A worker is to send nothing more, and to report when what is in flight has ended.

    From then on it is the answer to whatever the worker asks.
    """


class Over(_OfRun, frozen=True):
    """The run is over, and its result known: nothing of it is to leave or to be reported."""


ToMaster = Ask | Ready | Refusal | Released | Leaving | Drained | LateChange | Enough | Missed
ToWorker = Prepare | Lease | Grant | Release | Change | Farewell | Stop | Over | Missed


class WorkerReport(msgspec.Struct, frozen=True):
    """A worker's report on a run, `number` counting its reports on it from 1.

    Counts are totals since the run began; histograms, seconds, samples and retired conversations
    cover the time since the last report. `at_s` is when the report was made, in seconds since T0, 0
    before. `messages` is a part of the log of messages, packed.
    """

    run_id: str
    number: int
    at_s: Seconds
    scenarios: dict[str, ScenarioReport]
    samples: SamplesReport
    health: HealthReport
    messages: Annotated[bytes, msgspec.Meta(max_length=MOST_BYTES)] = b""

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> WorkerReport:
        """Return the report that a worker sent; raises ConvoyError."""
        size = len(data) - len(_decoded(_LOGS, data, "a report").messages)
        if size > _MOST_REPORTED:
            raise ConvoyError(f"it has {size:,} bytes; {_MOST_REPORTED:,} are read")
        try:
            check_values(data, _MOST_VALUES, _MOST_ENTRIES)
        except (OverflowError, ValueError) as error:
            raise ConvoyError(f"it is no report that can be read: {error}") from error
        return _decoded(_REPORTS, data, "a report")


class _Log(msgspec.Struct):
    """The log of a report, without reading anything else of it."""

    messages: msgspec.Raw = msgspec.Raw()


def read_hello(data: object) -> Hello:
    """Return a worker's hello, of version 0 where it has not the form of one."""
    try:
        return msgspec.convert(data, Hello)
    except msgspec.ValidationError:
        return Hello(0, "")


def encode(message: ToMaster | ToWorker) -> bytes:
    return _ENCODER.encode(message)


def decode_to_master(data: bytes) -> ToMaster:
    """Return a worker's message; raises ConvoyError."""
    return _decoded(_TO_MASTER, data, "a message to the master")


def decode_to_worker(data: bytes) -> ToWorker:
    """Return a message of the master; raises ConvoyError."""
    return _decoded(_TO_WORKER, data, "a message to a worker")


class Channel(Protocol):
    """One end of the channel; a message is received after the listener of the one before it."""

    def to_master(self, message: Hello | ToMaster) -> None: ...

    def to_worker(self, worker: str, message: ToWorker) -> None: ...


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes, what: str) -> T:
    try:
        return decoder.decode(data)
    # A TypeError for what is not bytes: a message of Locust's may hold anything.
    except (TypeError, *UNREADABLE) as error:
        raise ConvoyError(f"it does not have the form of {what}: {error}") from error


_ENCODER = msgspec.msgpack.Encoder()
_LOGS = msgspec.msgpack.Decoder(_Log)
_REPORTS = msgspec.msgpack.Decoder(WorkerReport)
_TO_MASTER: msgspec.msgpack.Decoder[ToMaster] = msgspec.msgpack.Decoder(ToMaster)
_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
