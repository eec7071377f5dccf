"""What a generator says of its own run, read from what it printed: requests and failures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests that a generator counted, and those that were not answered as they should be."""

    requests: int
    failures: int


def tally_of_wrk(output: str) -> Tally:
    """Read wrk's report; answers other than 2xx and socket errors count as failures."""
    requests = _number(output, r"^\s*(\d+) requests in ")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: (.+)", output)
    failures = int(refused[1]) if refused else 0
    if broken:
        failures += sum(int(count) for count in re.findall(r"\d+", broken[1]))
    return Tally(requests, failures)


def tally_of_hey(output: str) -> Tally:
    """Read hey's summary; answers other than 2xx and errors count as failures."""
    by_status = {
        int(status): int(count)
        for status, count in re.findall(r"^\s*\[(\d{3})\]\s+(\d+) responses", output, re.MULTILINE)
    }
    if not by_status:
        raise BenchError(f"hey's summary has no status codes: {output!r}")
    refused = sum(count for status, count in by_status.items() if not 200 <= status < 300)
    broken = output.partition("Error distribution:")[2]
    errors = sum(int(count) for count in re.findall(r"^\s*\[(\d+)\]", broken, re.MULTILINE))
    return Tally(sum(by_status.values()) + errors, refused + errors)


def tally_of_locust(statistics: str) -> Tally:
    """Read what Locust writes for `--json-file`."""
    rows: list[dict[str, Any]] = json.loads(statistics)
    return Tally(
        sum(int(row["num_requests"]) for row in rows), sum(int(row["num_failures"]) for row in rows)
    )


def tally_of_convoy(summary: Mapping[str, Any]) -> Tally:
    """Read `summary.json`; what was scheduled and not accepted counts as a failure."""
    totals = summary["totals"]
    return Tally(int(totals["scheduled"]), int(totals["scheduled"]) - int(totals["accepted"]))


def _number(text: str, pattern: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise BenchError(f"there is no {pattern!r} in this report: {text!r}")
    return int(found[1])
