"""The order of the tests: long ones first in each worker's part, and none lost or doubled."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.order import SECONDS, TOGETHER, arranged, dealt

LONG = [(5, ["a"]), (60, ["b 1", "b 2"]), (5, ["c"]), (30, ["d"]), (30, ["e"])]


@pytest.mark.parametrize(
    ("workers", "short", "order"),
    [
        (1, 2, ["b 1", "b 2", "d", "e", "a", "c", 0, 1]),
        (2, 6, ["b 1", "b 2", "a", 0, 1, 2, "d", "e", "c", 3, 4, 5]),
        (3, 7, ["b 1", "b 2", 0, 1, "d", "a", 2, 3, "e", "c", 4, 5, 6]),
        (8, 2, ["b 1", "b 2", "d", "e", "a", "c", 0, 1]),
        (3, 0, ["b 1", "b 2", "d", "a", "e", "c"]),
    ],
    ids=["one worker", "two", "uneven parts", "more workers than tests", "only long ones"],
)
def test_each_worker_begins_with_its_long_tests(
    workers: int, short: int, order: list[object]
) -> None:
    assert dealt(LONG, list(range(short)), workers) == order


def test_no_part_is_larger_than_a_workers() -> None:
    long = [(60, ["a"]), *((5, [name]) for name in "bcdef")]

    assert dealt(long, [], 2) == ["a", "e", "f", "b", "c", "d"]


def a_test(name: str, file: str, scope: str) -> Any:
    """What is asked of a test that uses one fixture of this scope."""
    fixtures = SimpleNamespace(name2fixturedefs={"made": [SimpleNamespace(scope=scope)]})
    return SimpleNamespace(nodeid=f"{file}::{name}", path=file, _fixtureinfo=fixtures)


def test_tests_that_share_something_stay_together() -> None:
    swarm, unit, file = "tests/swarm/test_a.py", "tests/unit/test_b.py", TOGETHER[0]
    items = [a_test(name, swarm, "module") for name in ("a", "b")]
    items += [a_test(name, swarm, "function") for name in ("c", "d")]
    items += [a_test(name, unit, "module") for name in ("e", "f", "g", "h")]
    items += [a_test(name, file, "function") for name in ("i", "j")]

    order = [item.nodeid.partition("::")[2] for item in arranged(items, 3)]

    assert order == ["a", "b", "e", "c", "i", "j", "d", "f", "g", "h"]


def test_short_tests_stay_in_their_order() -> None:
    assert dealt([], list(range(7)), 3) == list(range(7))


def test_every_name_in_the_tables_is_that_of_tests(repository: Path) -> None:
    names = [start.partition("::")[::2] for start in (*SECONDS, *TOGETHER)]

    assert [file for file, _ in names if not (repository / file).exists()] == []
    assert [
        test for file, test in names if test and test not in (repository / file).read_text()
    ] == []
