"""Locust's rows say the same whether messages enter them one by one or in bulk."""

from __future__ import annotations

from typing import Any

import pytest
from locust.env import Environment
from locust.stats import StatsEntry

from convoy.plugin.rows import Rows

TIMES_MS = (0.2, 0.7, 1.49, 3.5, 99.6, 104.9, 105.1, 999.0, 12_345.6)
TYPES = {"journey": "POST", "messages": "POST"}
FIGURES = (
    "num_requests",
    "num_none_requests",
    "num_failures",
    "total_response_time",
    "min_response_time",
    "max_response_time",
    "response_times",
    "total_content_length",
)


@pytest.fixture
def environment() -> Environment:
    environment = Environment()
    environment.create_local_runner()
    return environment


def figures(entry: StatsEntry) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in FIGURES}
    values["total_response_time"] = pytest.approx(entry.total_response_time)
    return values | {"sent": sum(entry.num_reqs_per_sec.values())}


def all_figures(environment: Environment) -> list[dict[str, Any]]:
    stats = environment.stats
    return [figures(stats.total), *(figures(stats.entries[key]) for key in sorted(stats.entries))]


def test_rows_filled_in_bulk_are_those_that_locust_would_have_made(
    environment: Environment,
) -> None:
    other = Environment()
    other.create_local_runner()
    rows = Rows(environment, TYPES)

    for turn in range(3):
        for number, time_ms in enumerate(TIMES_MS):
            name = ("journey", "journey/connect")[number % 2]
            rows.gather(name, [time_ms / 1000], number)
            other.events.request.fire(
                request_type="STEP" if "/" in name else "POST",
                name=name,
                response_time=time_ms,
                response_length=number,
                exception=None,
                context={},
            )
        if turn:
            rows.flush()

    assert all_figures(environment) == all_figures(other)


def test_message_is_in_no_row_before_the_flush_and_in_one_after_it(
    environment: Environment,
) -> None:
    rows = Rows(environment, TYPES)
    rows.gather("messages", [0.0015], 10)

    before = environment.stats.total.num_requests
    rows.flush()
    rows.flush()

    assert (before, environment.stats.total.num_requests) == (0, 1)


def test_failure_is_there_at_once_with_its_code(environment: Environment) -> None:
    rows = Rows(environment, TYPES)

    rows.add("messages", None, 0, "dns")

    [error] = environment.stats.errors.values()
    assert (error.occurrences, repr(error.error)) == (1, "dns")
    assert environment.stats.total.num_none_requests == 1


def test_others_hear_of_every_message_with_all_that_locust_says_of_it(
    environment: Environment,
) -> None:
    heard: list[dict[str, Any]] = []
    rows = Rows(environment, TYPES)
    rows.gather("messages", [0.001], 10)

    environment.events.request.add_listener(lambda **arguments: heard.append(arguments))
    rows.add("messages", 2.0, 20)
    rows.flush()

    assert heard == [
        {
            "request_type": "POST",
            "name": "messages",
            "response_time": 2.0,
            "response_length": 20,
            "exception": None,
            "context": {},
        }
    ]
    assert figures(environment.stats.total)["total_response_time"] == 3.0
    assert environment.stats.total.num_requests == 2


def test_who_listened_before_locust_hears_of_every_message() -> None:
    heard: list[float] = []
    environment = Environment()
    environment.events.request.add_listener(lambda response_time, **_: heard.append(response_time))
    environment.create_local_runner()
    rows = Rows(environment, TYPES)

    rows.add("messages", 2.0, 20)

    assert heard == [2.0]
    assert environment.stats.total.num_requests == 1
