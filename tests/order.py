"""The order of the tests, in which the longest begin first and none is waited for at the end.

Tests that wait for processes take nearly all of the time, and those that compute nearly all of the
number. So each worker of pytest-xdist begins with its part of the former, long ones first, and goes
on with the latter, of which a worker without any takes half of another's (`--dist worksteal`).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

import pytest

SECONDS = {
    "tests/browser/test_report.py": 2,
    "tests/browser/": 8,
    "tests/contract/": 0,
    "tests/faults/test_exclusive_pools.py": 30,
    "tests/faults/": 12,
    "tests/simulator/test_official_sdk.py": 5,
    "tests/simulator/": 0,
    "tests/test_architecture.py": 1,
    "tests/test_guide.py::test_messages_are_accepted": 32,
    "tests/test_real_organisation.py": 60,
    "tests/unit/plugin/test_under_locust.py": 40,
    "tests/unit/": 0,
    "tests/": 5,
}
"""About how long a test waits, by the first beginning of its name that is here."""
TOGETHER = ("tests/test_architecture.py",)
"""Files whose tests share what is remembered between them."""
T = TypeVar("T")


def seconds_of(name: str) -> int:
    return next((seconds for start, seconds in SECONDS.items() if name.startswith(start)), 0)


def arranged(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same tests in the order for so many workers; what tests share is made once."""
    short: list[pytest.Item] = []
    long: dict[object, list[pytest.Item]] = {}
    for item in items:
        if seconds_of(item.nodeid) == 0:
            short.append(item)
        else:
            long.setdefault(shared_by(item), []).append(item)
    groups = [(sum(seconds_of(item.nodeid) for item in group), group) for group in long.values()]
    return dealt(groups, short, workers)


def shared_by(item: pytest.Item) -> object:
    """What stands for the tests that one worker is to run because they share something."""
    if item.nodeid.startswith(TOGETHER):
        return item.path
    fixtures = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]  # nothing public
    shared = sorted(name for name, found in fixtures.items() if found[-1].scope == "module")
    return (item.path, *shared) if shared else item.nodeid


def dealt(long: Sequence[tuple[int, list[T]]], short: Sequence[T], workers: int) -> list[T]:
    """Deal groups, each with its seconds, to equal sums; fill up with what takes no time.

    The parts stand one after the other, and are as large as those that xdist cuts it into.
    """
    total = sum(len(group) for _, group in long) + len(short)
    sizes = [(total + number) // workers for number in range(workers)]
    parts: list[list[T]] = [[] for _ in sizes]
    with_room = [(0, number) for number in range(workers)]
    for seconds, group in sorted(long, key=lambda each: -each[0]):
        taken, number = heapq.heappop(with_room)
        parts[number] += group
        if len(parts[number]) < sizes[number]:
            heapq.heappush(with_room, (taken + seconds, number))
    rest = iter(short)
    for part, size in zip(parts, sizes, strict=True):
        part += islice(rest, max(0, size - len(part)))
    return [each for part in parts for each in part]
