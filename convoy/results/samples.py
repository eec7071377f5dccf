"""Error samples: the first few failures of each code with request and answer, redacted.

A worker keeps its own samples, cut to their bounds, and sends each once; the master keeps the
earliest of all workers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated

import msgspec

from convoy.results.outcome import LONGEST_NAME, Name, Outcome, Seconds

LONGEST_BODY = 2_048
"""Characters kept of a request or an answer."""
_LONGEST_SECRET = 4_096
_LONGEST_CHARACTER = 4
_PER_CODE = 3
_MOST_CODES_OF_A_WORKER = 50
_MOST_CODES = 100
_CUT = "…"
_STARS = "**********"
_AUTHORIZATION = re.compile(r"(?i)\b(Bearer|Basic)(\s+)[\w.~+/=-]{16,}")

_Body = Annotated[str, msgspec.Meta(max_length=LONGEST_BODY)]


class ErrorSample(msgspec.Struct, frozen=True):
    """One failed message; `at_s` is seconds into the run, `request` and `answer` are bodies."""

    code: Name
    scenario: Name
    k: int
    at_s: Seconds
    status: int
    correlation_id: Name
    conversation_id: Name
    request: _Body
    answer: _Body


class CodeSamples(msgspec.Struct, frozen=True):
    """When a code was seen first and last, in seconds into the run, and its earliest samples."""

    first_s: Seconds
    last_s: Seconds
    samples: Annotated[tuple[ErrorSample, ...], msgspec.Meta(max_length=_PER_CODE)] = ()


SamplesReport = Annotated[dict[Name, CodeSamples], msgspec.Meta(max_length=_MOST_CODES_OF_A_WORKER)]
"""A worker's report by code: first and last seen, and the samples not reported before."""


@dataclass(slots=True)
class _Seen:
    first_s: float
    last_s: float
    kept: int = 0
    untold: list[ErrorSample] = field(default_factory=list)


class SampleKeeper:
    """A worker's samples: the first few of a limited number of codes.

    `redact` is applied to whatever is kept. `offer` costs one lookup once a code has its samples.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._seen: dict[str, _Seen] = {}

    def offer(self, outcome: Outcome, at_s: float, request: bytes) -> None:
        """Note a failure `at_s` seconds into the run; keep it if it is one of the first few."""
        code = outcome.failure
        seen = self._seen.get(code)
        if seen is None:
            if len(self._seen) >= _MOST_CODES_OF_A_WORKER:
                return
            seen = self._seen[code] = _Seen(at_s, at_s)
        seen.last_s = at_s
        if seen.kept < _PER_CODE:
            seen.kept += 1
            seen.untold.append(self._sample(outcome, at_s, request))

    def report(self) -> SamplesReport:
        """Return what the master has to absorb; each sample is handed out once."""
        report = {}
        for code, seen in self._seen.items():
            first_s, last_s = round(seen.first_s, 3), round(seen.last_s, 3)
            report[code] = CodeSamples(first_s, last_s, tuple(seen.untold))
            seen.untold.clear()
        return report

    def _sample(self, outcome: Outcome, at_s: float, request: bytes) -> ErrorSample:
        attempt = outcome.attempt
        return ErrorSample(
            code=outcome.failure,
            scenario=_cut(outcome.scenario, LONGEST_NAME),
            k=outcome.k,
            at_s=round(at_s, 3),
            status=attempt.status,
            correlation_id=self._name(attempt.correlation_id),
            conversation_id=self._name(outcome.conversation_id),
            request=_readable(request, self._redact),
            answer=_readable(attempt.body, self._redact),
        )

    def _name(self, text: str) -> str:
        # Cut again, because the stars can be longer than the secret that they replace.
        return _cut(self._redact(text[:LONGEST_NAME]), LONGEST_NAME)


class SampleBook:
    """The whole run's samples: of each code the earliest few, whichever worker saw them."""

    def __init__(self) -> None:
        self._codes: dict[str, CodeSamples] = {}

    def absorb(self, report: SamplesReport) -> None:
        """Take in the next report of a worker; codes beyond a limited number are left out."""
        for code, new in report.items():
            if code not in self._codes and len(self._codes) >= _MOST_CODES:
                continue
            known = self._codes.get(code, CodeSamples(new.first_s, new.last_s))
            samples = (*known.samples, *new.samples)
            self._codes[code] = CodeSamples(
                min(known.first_s, new.first_s),
                max(known.last_s, new.last_s),
                tuple(sorted(samples, key=attrgetter("at_s", "scenario", "k"))[:_PER_CODE]),
            )

    def by_code(self) -> dict[str, CodeSamples]:
        return dict(self._codes)


def _readable(body: bytes, redact: Callable[[str], str]) -> str:
    """Return a body as text, without secrets and at most `LONGEST_BODY` characters long.

    Only its beginning is searched for secrets. A secret that the end of that part cuts would not be
    found, so the last `_LONGEST_SECRET` characters are left out again.
    """
    looked_at = LONGEST_BODY + _LONGEST_SECRET
    text = body[: looked_at * _LONGEST_CHARACTER].decode("utf-8", "replace")
    clean = _AUTHORIZATION.sub(rf"\1\2{_STARS}", redact(text[:looked_at]))
    if len(text) > looked_at or len(body) > looked_at * _LONGEST_CHARACTER:
        clean = clean[:-_LONGEST_SECRET] + _CUT
    return _cut(clean, LONGEST_BODY)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT
