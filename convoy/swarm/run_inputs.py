"""The inputs of a run: all that a worker needs for it, without secrets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import msgspec

from convoy.errors import ConvoyError
from convoy.files import most_unpacked, unpacked
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.remote.connections import WorkerShare
from convoy.settings import Settings
from convoy.untrusted_text import UNREADABLE

_MOST_KEPT = 100_000
"""Conversations in the pools of a run whose inputs its record keeps: some ten megabytes."""
_MOST_UNPACKED = 2**28
"""Of these inputs; the files of dialogues are among them."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """A run's id, its settings, and what the plan of each scenario is made of."""

    run_id: str
    settings: Settings
    scenarios: Mapping[str, ScenarioInputs]

    def plans(self) -> dict[str, ScenarioPlan]:
        """Return the plan of each scenario; with a large pool each takes tenths of a second."""
        return {name: ScenarioPlan(inputs) for name, inputs in self.scenarios.items()}

    def to_bytes(self) -> bytes:
        """Return the inputs as the bytes that `from_bytes` reads."""
        return msgspec.msgpack.encode(self, enc_hook=_plain)

    @classmethod
    def from_bytes(cls, data: bytes) -> RunInputs:
        """Return the inputs that a master packed; raises ConvoyError where it is another's."""
        try:
            return msgspec.msgpack.decode(data, type=cls, dec_hook=_from_plain)
        except UNREADABLE as error:
            raise ConvoyError(f"the run's inputs cannot be read: {error}") from error


class RecordedInputs(msgspec.Struct, frozen=True):
    """What a record keeps of a run's inputs, so that one knows later what each message said.

    `code` is the hash of the code that makes messages. The settings stand beside it in the record.
    """

    code: str
    run_id: str
    scenarios: dict[str, ScenarioInputs]


def pack_for_record(inputs: RunInputs, code: str, redact: Callable[[str], str] = str) -> bytes:
    """Return the `RecordedInputs` of a run, packed.

    b"" where no message is logged, for larger pools than are worth it, and where `redact` finds a
    secret in what messages are made of.
    """
    size = sum(len(each.pool) for each in inputs.scenarios.values())
    if not inputs.settings.records_messages or size > _MOST_KEPT:
        return b""
    kept = RecordedInputs(code, inputs.run_id, dict(inputs.scenarios))
    plain = msgspec.to_builtins(kept, str_keys=True, enc_hook=_plain)
    if any(redact(text) != text for text in _texts_in(plain)):
        return b""
    return zlib.compress(msgspec.msgpack.encode(kept, enc_hook=_plain), level=1)


def read_from_record(data: bytes, code: str) -> RecordedInputs:
    """Return what `pack_for_record` packed; raises ConvoyError, also where the code is another."""
    try:
        most_bytes = min(most_unpacked(len(data)), _MOST_UNPACKED)
        plain, _ = unpacked(data, most_bytes, zlib.MAX_WBITS)
        kept = msgspec.msgpack.decode(plain, type=RecordedInputs, dec_hook=_from_plain)
    except (zlib.error, EOFError, *UNREADABLE) as error:
        raise ConvoyError(f"the run's inputs cannot be read: {error}") from error
    if kept.code != code:
        raise ConvoyError(
            "the code that makes messages, plans, routes and scenarios, has changed since the run"
        )
    return kept


def _texts_in(value: object) -> Iterator[str]:
    """Yield all texts of a plain value, keys among them; bytes are base64 there."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts_in([*value, *value.values()])
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts_in(each)


def worker_share(settings: Settings, number: int, workers: int, *, is_led: bool) -> WorkerShare:
    """Return what a worker may use; `number` counts from 0 over the `workers` there are at first.

    One that comes later has no permits before it has lanes, because the whole approved rate is
    divided among those at first.
    """
    tokens: int | None
    if settings.oauth.tokens == "per_user":
        tokens = None
    elif settings.oauth.tokens == "per_worker":
        tokens = 1
    else:
        whole, rest = divmod(settings.oauth.tokens, workers)
        tokens = max(1, whole + (number < rest))
    approval = settings.target.approval
    permits = approval.most_per_s // workers if approval and number < workers else 0
    return WorkerShare(tokens, 1 / workers, permits, is_led, is_after_another=True, number=number)


def plan_hash(plans: Mapping[str, ScenarioPlan]) -> str:
    """Return one fingerprint for the plans of all scenarios."""
    text = "\n".join(f"{name} {plan.hash}" for name, plan in sorted(plans.items()))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def code_hash(scenarios: Iterable[Path]) -> str:
    """Return one fingerprint for the code that makes messages: plan, routes, these scenario files.

    What a message says is decided in each worker, so all of them have to run the same code.
    """
    package = Path(__file__).parents[1]
    own = [
        path
        for folder in ("plan", "routes")
        for path in package.joinpath(folder).rglob("*")
        if path.suffix in (".py", ".json", ".yaml")
    ]
    digest = blake2b(digest_size=8)
    for path in sorted(own) + sorted(set(scenarios)):
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def _plain(value: object) -> object:
    return value.stages if isinstance(value, RateCurve) else cast(Settings, value).model_dump_json()


def _from_plain(kind: type, value: Any) -> object:
    if kind is RateCurve:
        return RateCurve(msgspec.convert(value, list[Stage]))
    return Settings.model_validate_json(value)
