"""Histograms for other programs: logs of HdrHistogram, version 1.3, with values in nanoseconds.

https://github.com/HdrHistogram/HdrHistogram, its HistogramLogWriter and AbstractHistogram
(encoding V2), read 2026-11-26. One line is one interval; a reader adds them up.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from struct import pack

from convoy.results.histograms import Histogram
from convoy.results.journal import merged
from convoy.results.result import RunResult
from convoy.results.series import Series

_KINDS = {"response": "response_time", "service": "service_time"}
_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_DIGITS = 3
_HALF_BITS = 10
"""A binary order of magnitude has 2**10 counters, by which three digits are exact."""
_HIGHEST_NS = 2**47
"""39 hours; no duration of a run lasts longer."""
_PLAIN = re.compile(r"[^\w-]+")


def histogram_logs(result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield name and content of the logs of each scenario, step and timing.

    Of a message there are response and service times, of the others there is one time.
    """
    for part in result.parts:
        series = result.series.get(part)
        if series is None:
            continue
        for kind, word in _KINDS.items():
            if kind == "response" or part in result.scenarios:
                name = _PLAIN.sub("-", part).strip("-")
                yield f"{name}.{word}.hlog", _log(result, series, kind)


def _log(result: RunResult, series: Series, kind: str) -> str:
    t0_s = result.t0_s
    lines = [
        "#[Values are nanoseconds]",
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {t0_s:.3f} (seconds since epoch), {result.started_at}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for stretch, reports in sorted(series.reports.items()):
        histogram: Histogram = getattr(merged([reports]), kind)
        if histogram.count:
            at_s, longest_ms = stretch * series.report_s, histogram.max.ms
            encoded = encode(histogram)
            lines.append(f"{t0_s + at_s:.3f},{series.report_s:.3f},{longest_ms:.3f},{encoded}")
    return "\n".join(lines) + "\n"


def encode(histogram: Histogram) -> str:
    """Return a histogram as HdrHistogram's base64; a longer duration counts as the longest."""
    counts: Counter[int] = Counter()
    for duration_s, count in histogram.durations():
        counts[_index(min(round(duration_s * 1e9), _HIGHEST_NS))] += count
    payload = b"".join(_counters(counts))
    # Cookie, length, by how much the counters are shifted, digits, lowest and highest value, and
    # what a value of 1 stands for.
    header = pack(">iiiiqqd", _COOKIE, len(payload), 0, _DIGITS, 1, _HIGHEST_NS, 1.0)
    packed = zlib.compress(header + payload)
    return base64.b64encode(pack(">ii", _COMPRESSED_COOKIE, len(packed)) + packed).decode()


def _index(value: int) -> int:
    """Return the number of the counter of a value.

    The first 2**11 values have one each; then every doubling has 2**10.
    """
    magnitude = max(0, value.bit_length() - _HALF_BITS - 1)
    return (magnitude << _HALF_BITS) + (value >> magnitude)


def _counters(counts: Mapping[int, int]) -> Iterable[bytes]:
    """Yield the counters in order; a negative number is a stretch of so many that are 0."""
    at = 0
    for index, count in sorted(counts.items()):
        if index > at:
            yield _zigzag(at - index)
        yield _zigzag(count)
        at = index + 1


def _zigzag(number: int) -> bytes:
    """Return a signed number in ZigZag LEB128, the ninth byte whole."""
    value = (number << 1) ^ (number >> 63)
    written = bytearray()
    for _ in range(8):
        if value < 0x80:
            return bytes((*written, value))
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*written, value))
