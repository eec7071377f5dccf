"""The journal of a run: its result so far, entered again and again, each time what is new.

Whatever ends the process, the entries before remain, and `replay` makes the result of them. Each is
a gzip member of its own that holds one JSON object.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import inf
from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from convoy.files import most_unpacked, unpacked
from convoy.results.account import Durations, StepResult, step_name, timing_name
from convoy.results.histograms import BucketCounts, Histogram
from convoy.results.result import RunFacts, RunResult
from convoy.results.series import MOST_STEPS_READ, Series

K = TypeVar("K")
V = TypeVar("V")

_GZIP = 31
"""zlib's number for a gzip member."""
_LEVEL = 1
"""Three times as fast as the usual one, and in a local run messages wait meanwhile."""
_MOST_BYTES = 2**28
"""Of one entry, unpacked. The last one holds all histograms again."""
_ENOUGH = 60
"""While a run goes on, steps are compared with the last entry from the newest on, and no further
than so many on end that are the same: to compare all would take longer each second of a run of
hours. A change in an older step is in the last entry, which compares all."""
_NOTHING = Series()


class _Entry(msgspec.Struct, frozen=True):
    schema: Literal[1]
    result: RunResult


class JournalWriter:
    """Makes the entries of one run; what an entry holds does not come again in the next."""

    def __init__(self) -> None:
        self._last: RunResult | None = None
        self._packed_bytes = self._unpacked_bytes = 0

    def entry(self, result: RunResult) -> bytes:
        """Return what is new in a result since the last one; of a run that `is_over`, the whole.

        Histograms as such are in the last entry alone, because the series has their parts. Raises
        ValueError where `replay` would not read it: it holds what any worker has reported.
        """
        last, self._last = self._last, result
        new = result if last is None else _since(result, last)
        if not result.is_over:
            new = _with_durations(new, lambda part: Durations.of(Histogram))
        entry = msgspec.json.encode(_Entry(1, new), enc_hook=_pairs)
        msgspec.json.decode(entry, type=_Entry, dec_hook=_histogram)
        packed = gzip.compress(entry, _LEVEL)
        self._packed_bytes += len(packed)
        self._unpacked_bytes += len(entry)
        if self._unpacked_bytes > most_unpacked(self._packed_bytes):
            raise ValueError("what workers reported repeats itself more than figures do")
        return packed


def replay(content: bytes) -> RunResult:
    """Return the last result that a journal holds; of a run that is not over, up to that moment.

    An entry that is not whole ends it. Raises ValueError where there is no result that a run can
    have, and FileError where entries unpack to much more than they are.
    """
    result: RunResult | None = None
    for entry in _entries(content):
        new = msgspec.json.decode(entry, type=_Entry, dec_hook=_histogram).result
        result = new if result is None else _with(result, new)
    if result is None:
        raise ValueError("there is no whole entry in it")
    _check(result)
    if result.is_over:
        return result
    series = result.series
    return _with_durations(result, lambda part: merged(series.get(part, _NOTHING).reports.values()))


def _check(result: RunResult) -> None:
    """Raise ValueError for a result that no run has, as reports would be as long as it says."""
    _ = result.t0_s
    if len({(each.step_s, each.report_steps) for each in result.series.values()}) > 1:
        raise ValueError("its series have steps of different lengths")
    step_s = max((each.step_s for each in result.series.values()), default=1)
    if result.duration_s > MOST_STEPS_READ * step_s:
        raise ValueError(f"{result.duration_s:,.0f} s are longer than {MOST_STEPS_READ:,} steps")


def _entries(content: bytes) -> Iterator[bytes]:
    rest, left_bytes = memoryview(content), most_unpacked(len(content))
    while rest:
        try:
            entry, length = unpacked(rest, min(left_bytes, _MOST_BYTES), _GZIP)
        except (zlib.error, EOFError):
            return
        yield entry
        rest, left_bytes = rest[length:], left_bytes - len(entry)


def _since(result: RunResult, last: RunResult) -> RunResult:
    """Return a result without what another one, from a moment before, held already."""
    enough = inf if result.is_over else _ENOUGH
    return replace(
        result,
        facts=RunFacts(),
        samples=_other(result.samples, last.samples),
        generator=_other(result.generator, last.generator),
        series={
            name: replace(
                each,
                steps=_other(each.steps, last.series.get(name, _NOTHING).steps, enough),
                reports=_other(each.reports, last.series.get(name, _NOTHING).reports, enough),
                # It has thousands of numbers, which change with the rate.
                due=() if each.due is last.series.get(name, _NOTHING).due else each.due,
            )
            for name, each in result.series.items()
        },
    )


def _with(result: RunResult, new: RunResult) -> RunResult:
    """Return a result with what came after it."""
    return replace(
        new,
        facts=result.facts,
        samples={**result.samples, **new.samples},
        generator={**result.generator, **new.generator},
        series={
            name: replace(
                each,
                steps={**result.series.get(name, _NOTHING).steps, **each.steps},
                reports={**result.series.get(name, _NOTHING).reports, **each.reports},
                due=each.due or result.series.get(name, _NOTHING).due,
            )
            for name, each in new.series.items()
        },
    )


def _other(values: dict[K, V], before: dict[K, V], enough: float = inf) -> dict[K, V]:
    """Return the values that are other objects than before; a result's are never changed.

    From the newest on, it stops when `enough` on end are the same.
    """
    other: dict[K, V] = {}
    same = 0
    for key in reversed(values):
        if before.get(key) is values[key]:
            same += 1
            if same >= enough:
                break
        else:
            other[key] = values[key]
            same = 0
    return other


def _with_durations(
    result: RunResult, durations_of: Callable[[str], Durations[Histogram]]
) -> RunResult:
    """Return a result with other durations of its scenarios, steps and timings, each by name."""

    def others(parts: Mapping[str, StepResult], full_name: Callable[[str], str]) -> dict[str, Any]:
        return {
            name: replace(each, durations=durations_of(full_name(name)))
            for name, each in parts.items()
        }

    scenarios = {
        name: replace(
            each,
            steps=others(each.steps, partial(step_name, name)),
            timings=others(each.timings, partial(timing_name, name)),
        )
        for name, each in result.scenarios.items()
    }
    return replace(result, scenarios=others(scenarios, str))


def merged(reports: Iterable[Iterable[Durations[BucketCounts]]]) -> Durations[Histogram]:
    """Return the durations of all stretches of a series together."""
    whole = Durations.of(Histogram)
    for stretch in reports:
        for durations in stretch:
            for name in whole.__struct_fields__:
                getattr(whole, name).add(getattr(durations, name))
            whole.response.add_censored(durations.censored)
    return whole


def _pairs(value: object) -> tuple[BucketCounts, BucketCounts]:
    if isinstance(value, Histogram):
        return value.pairs()
    raise NotImplementedError(type(value).__name__)


def _histogram(kind: type[Histogram], pairs: object) -> Histogram:
    known, censored = msgspec.convert(pairs, tuple[BucketCounts, BucketCounts])
    histogram = kind()
    histogram.add(known)
    histogram.add_censored(censored)
    return histogram
