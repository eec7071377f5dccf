"""Error samples: the first few failures of each code as they went over the wire, redacted.

A worker keeps its own and sends them once; the master chooses the earliest of all workers'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from operator import attrgetter
from typing import Any

import msgspec

from convoy.results.outcome import Outcome

LONGEST_BODY = 2_048
"""Characters kept of a request or an answer."""
_LONGEST_NAME = 128
_LONGEST_SECRET = 4_096
_LONGEST_CHARACTER = 4
_CUT = "…"
_STARS = "**********"
_AUTHORIZATION = re.compile(r"(?i)\b(Bearer|Basic)(\s+)[\w.~+/=-]{16,}")


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """One failed message; `at_s` is seconds into the run, `request` and `answer` are bodies."""

    code: str
    scenario: str
    k: int
    at_s: float
    status: int
    correlation_id: str
    conversation_id: str
    request: str
    answer: str


@dataclass(slots=True)
class _Seen:
    """When a code was seen, in seconds into the run, and the samples kept of it."""

    first_s: float = inf
    last_s: float = -inf
    samples: list[ErrorSample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Report:
    """What a worker tells: samples it has not told before, and first and last time by code."""

    samples: list[ErrorSample]
    seen: dict[str, tuple[float, float]]


class SampleKeeper:
    """A worker's samples: the first `per_code` of at most `most_codes` codes.

    `redact` is applied to whatever is kept. `offer` costs one lookup once a code has its samples.
    """

    def __init__(
        self, redact: Callable[[str], str], *, per_code: int = 3, most_codes: int = 50
    ) -> None:
        self._redact = redact
        self._per_code = per_code
        self._most_codes = most_codes
        self._seen: dict[str, _Seen] = {}
        self._untold: list[ErrorSample] = []

    def offer(self, outcome: Outcome, at_s: float, request: bytes, answer: bytes) -> None:
        """Take note of a failure `at_s` seconds into the run; keep it if it is an early one."""
        code = outcome.failure
        seen = self._seen.get(code)
        if seen is None:
            if len(self._seen) >= self._most_codes:
                return
            seen = self._seen[code] = _Seen(first_s=at_s)
        seen.last_s = at_s
        if len(seen.samples) < self._per_code:
            sample = self._sample(outcome, at_s, request, answer)
            seen.samples.append(sample)
            self._untold.append(sample)

    def take(self) -> dict[str, Any]:
        """Return plain values for `SampleBook.absorb`; each sample is handed out once."""
        samples, self._untold = self._untold, []
        seen = {code: (each.first_s, each.last_s) for code, each in self._seen.items()}
        plain: dict[str, Any] = msgspec.to_builtins(_Report(samples, seen))
        return plain

    def _sample(self, outcome: Outcome, at_s: float, request: bytes, answer: bytes) -> ErrorSample:
        return ErrorSample(
            code=outcome.failure,
            scenario=outcome.scenario,
            k=outcome.k,
            at_s=at_s,
            status=outcome.status,
            correlation_id=self._name(outcome.correlation_id),
            conversation_id=self._name(outcome.conversation_id),
            request=_readable(request, self._redact),
            answer=_readable(answer, self._redact),
        )

    def _name(self, text: str) -> str:
        return self._redact(text[:_LONGEST_NAME])


class SampleBook:
    """The whole run's samples: of each code the earliest `per_code`, whichever worker saw them."""

    def __init__(self, *, per_code: int = 3, most_codes: int = 100) -> None:
        self._per_code = per_code
        self._most_codes = most_codes
        self._seen: dict[str, _Seen] = {}

    def absorb(self, plain: object) -> None:
        """Take in what a worker's `SampleKeeper.take` returned; anything else is left out."""
        try:
            report = msgspec.convert(plain, type=_Report)
        except msgspec.ValidationError:
            return
        for code, (first_s, last_s) in report.seen.items():
            seen = self._entry(code)
            if seen is not None and isfinite(first_s) and isfinite(last_s):
                seen.first_s = min(seen.first_s, first_s)
                seen.last_s = max(seen.last_s, last_s)
        for sample in report.samples:
            seen = self._entry(sample.code)
            if seen is not None and isfinite(sample.at_s):
                seen.samples.append(_bounded(sample))
                seen.samples.sort(key=attrgetter("at_s", "scenario", "k"))
                del seen.samples[self._per_code :]

    def to_plain(self, codes: Iterable[str], meaning: Callable[[str], str]) -> dict[str, Any]:
        """Return `error_samples` of `summary.json` for the codes that the run has counted.

        `{code: {"hint", "first_s", "last_s", "samples": [{…}]}}`; a code that no worker has told
        anything about has neither times nor samples. `meaning` gives the sentence on a code.
        """
        return {code: _plain(self._seen.get(code, _Seen()), meaning(code)) for code in codes}

    def _entry(self, code: str) -> _Seen | None:
        """Return where a code is noted, None where it has no room."""
        seen = self._seen.get(code)
        if seen is None and len(self._seen) < self._most_codes and len(code) <= _LONGEST_NAME:
            seen = self._seen[code] = _Seen()
        return seen


def _plain(seen: _Seen, hint: str) -> dict[str, Any]:
    is_seen = isfinite(seen.first_s)
    samples: list[Mapping[str, Any]] = msgspec.to_builtins(seen.samples)
    return {
        "hint": hint,
        "first_s": round(seen.first_s, 3) if is_seen else None,
        "last_s": round(seen.last_s, 3) if is_seen else None,
        "samples": [{**sample, "at_s": round(sample["at_s"], 3)} for sample in samples],
    }


def _readable(body: bytes, redact: Callable[[str], str]) -> str:
    """Return a body as text, without secrets and at most `LONGEST_BODY` characters long.

    Only its beginning is looked through. A secret at the end of that part may be there in half,
    where nothing finds it, so as much as the longest secret is left out again.
    """
    looked_at = LONGEST_BODY + _LONGEST_SECRET
    text = body[: looked_at * _LONGEST_CHARACTER].decode("utf-8", "replace")
    clean = _AUTHORIZATION.sub(rf"\1\2{_STARS}", redact(text[:looked_at]))
    if len(text) > looked_at or len(body) > looked_at * _LONGEST_CHARACTER:
        clean = clean[:-_LONGEST_SECRET] + _CUT
    return _cut(clean, LONGEST_BODY)


def _bounded(sample: ErrorSample) -> ErrorSample:
    """Return a sample that came over the wire with every text cut to its bound."""
    return ErrorSample(
        code=sample.code,
        scenario=_cut(sample.scenario, _LONGEST_NAME),
        k=sample.k,
        at_s=sample.at_s,
        status=sample.status,
        correlation_id=_cut(sample.correlation_id, _LONGEST_NAME),
        conversation_id=_cut(sample.conversation_id, _LONGEST_NAME),
        request=_cut(sample.request, LONGEST_BODY),
        answer=_cut(sample.answer, LONGEST_BODY),
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT
