"""Error samples: the first few failures of each code with request and answer, redacted.

A worker keeps its own samples, cut to their bounds, and sends each once; the master keeps the
earliest of all workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from convoy.results.masking import masking
from convoy.results.outcome import LONGEST_NAME, Name, Outcome, Seconds
from convoy.untrusted_text import MARGIN, cut, decoded, printable_lines, shortened, told

LONGEST_BODY = 2_048
"""Characters kept of a request or an answer."""
Kept = Literal["masked", "none", "full"]
"""What is kept of bodies: without people's data, nothing at all, or everything but secrets."""
_MOST_READ_BYTES = 4 * (LONGEST_BODY + MARGIN + 1)
"""More than `shortened` looks at, of characters of up to four bytes."""
_MOST_S = 1.0
_PER_CODE = 3
_MOST_CODES_OF_A_WORKER = 50
_MOST_CODES = 100

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

    `kept` says how much of bodies is kept, and `redact` hides secrets in all that is kept. Once a
    code has its samples, `offer` costs one look-up. No more are kept when to clean them has taken a
    second of the `clock`, because messages wait meanwhile, and answers may be made to be slow to
    read.
    """

    def __init__(
        self,
        redact: Callable[[str], str],
        kept: Kept = "masked",
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clock, self._left_s = clock, _MOST_S
        self._clean = masking(redact) if kept == "masked" else redact
        self._kept = kept
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
        if seen.kept < _PER_CODE and self._kept != "none" and self._left_s > 0:
            began_s = self._clock()
            seen.kept += 1
            seen.untold.append(self._sample(outcome, at_s, request))
            self._left_s -= self._clock() - began_s

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
            scenario=cut(outcome.scenario, LONGEST_NAME),
            k=outcome.k,
            at_s=round(at_s, 3),
            status=attempt.status,
            correlation_id=self._name(attempt.correlation_id),
            conversation_id=self._name(outcome.conversation_id),
            request=self._readable(request),
            answer=self._readable(attempt.body),
        )

    def _name(self, text: str) -> str:
        return told(text, self._clean, LONGEST_NAME)

    def _readable(self, body: bytes) -> str:
        """Return a body as text that can be printed, at most `LONGEST_BODY` characters long."""
        text = decoded(body, _MOST_READ_BYTES)
        if self._kept == "masked" and len(text) > LONGEST_BODY + MARGIN:
            # It would be cut, and what is no whole JSON is masked as a whole: this says its length.
            return f"<text, {len(body)} bytes>"
        return printable_lines(shortened(text, LONGEST_BODY, self._clean))


class SampleBook:
    """The whole run's samples: of each code the earliest few, whichever worker saw them.

    They are redacted again, because an answer may hold what only the master knows as a secret, and
    `name_code` gives the name to show for a code.
    """

    def __init__(
        self, redact: Callable[[str], str] = str, name_code: Callable[[str], str] = str
    ) -> None:
        self._redact = redact
        self._name_code = name_code
        self._codes: dict[str, CodeSamples] = {}

    def absorb(self, report: SamplesReport) -> None:
        """Take in the next report of a worker; codes beyond a limited number are left out."""
        for reported, new in report.items():
            code = self._name_code(reported)
            if code not in self._codes and len(self._codes) >= _MOST_CODES:
                continue
            known = self._codes.get(code, CodeSamples(new.first_s, new.last_s))
            samples = (*known.samples, *map(self._redacted, new.samples))
            self._codes[code] = CodeSamples(
                min(known.first_s, new.first_s),
                max(known.last_s, new.last_s),
                tuple(sorted(samples, key=attrgetter("at_s", "scenario", "k"))[:_PER_CODE]),
            )

    def redact(self) -> None:
        """Hide what was registered as a secret since."""
        codes, self._codes = self._codes, {}
        self.absorb(codes)

    def _redacted(self, sample: ErrorSample) -> ErrorSample:
        request, answer = (
            shortened(body, LONGEST_BODY, self._redact) for body in (sample.request, sample.answer)
        )
        correlation_id, conversation_id = (
            told(id, self._redact, LONGEST_NAME)
            for id in (sample.correlation_id, sample.conversation_id)
        )
        return replace(
            sample,
            code=self._name_code(sample.code),
            request=request,
            answer=answer,
            correlation_id=correlation_id,
            conversation_id=conversation_id,
        )

    def by_code(self) -> dict[str, CodeSamples]:
        return dict(self._codes)
