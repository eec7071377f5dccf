"""The results file and the tables that are printed from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.reach import Reach, reach_lines
from bench.results import (
    comparison_lines,
    disturbance_lines,
    read_results,
    with_part,
    write_results,
)

MACHINE = {"cores": 2, "processor": "a processor"}
SPREAD = {"median": 5.5, "min": 5.0, "max": 6.0}
THROUGHPUT: dict[str, Any] = {
    "messages_per_s": {"convoy": SPREAD, "fast_http_user": SPREAD, "hey": None},
    "messages_per_cpu_s": {"convoy": SPREAD, "fast_http_user": SPREAD, "hey": None},
    "ratio_to": {"fast_http_user": SPREAD, "hey": None},
    "cpu_ratio_to": {"fast_http_user": SPREAD, "hey": None},
}


def test_the_ratios_stand_at_the_top() -> None:
    results = with_part({}, "throughput", THROUGHPUT, MACHINE)

    assert results["ratio_to_fast_http_user"] == 5.5
    assert results["ratio_to_hey"] is None
    assert results["ratio_to_fast_http_user_tls"] is None


def test_a_part_measured_again_replaces_itself_and_leaves_the_others() -> None:
    results = with_part({}, "throughput", THROUGHPUT, MACHINE)
    results = with_part(results, "memory", {"growth": 1.2}, MACHINE)

    results = with_part(results, "memory", {"growth": 1.0}, MACHINE)

    assert results["memory"] == {"growth": 1.0}
    assert results["ratio_to_fast_http_user"] == 5.5


def test_results_of_this_machine_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "results" / "latest.json"
    results = with_part({}, "throughput", THROUGHPUT, MACHINE)

    write_results(path, results)

    assert read_results(path, MACHINE) == results


def test_results_of_another_machine_are_not_mixed_with_ours(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    write_results(path, with_part({}, "throughput", THROUGHPUT, MACHINE))

    assert read_results(path, MACHINE | {"cores": 8}) == {}


@pytest.mark.parametrize("text", ["", "{", "[]"], ids=["empty", "half", "a list"])
def test_a_broken_results_file_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "latest.json"
    path.write_text(text)

    assert read_results(path, MACHINE) == {}


def test_the_tables_name_every_generator_and_what_is_missing() -> None:
    results = with_part({}, "throughput", THROUGHPUT, MACHINE)

    table = "\n".join(comparison_lines(results))

    assert "fast_http_user" in table and "5.50 ×" in table
    assert "not installed" in table


@pytest.mark.parametrize(
    ("value", "state"),
    [(7.0, "goal"), (6.99, "floor"), (4.99, "BELOW FLOOR"), (None, "not measured")],
)
def test_a_figure_is_put_beside_goal_and_floor(value: float | None, state: str) -> None:
    reach = Reach("what", ("part",), goal=7, floor=5)

    assert reach.state(value) == state


@pytest.mark.parametrize(("value", "state"), [(0.5, "goal"), (2, "floor"), (2.1, "BELOW FLOOR")])
def test_of_some_figures_less_is_better(value: float, state: str) -> None:
    reach = Reach("what", ("part",), goal=0.5, floor=2, is_less_better=True)

    assert reach.state(value) == state


def test_only_parts_that_were_measured_have_rows() -> None:
    lines = list(reach_lines({"memory": {"growth": 1.0}}))

    assert len(lines) == 2
    assert lines[1].split()[-1] == "goal"


@pytest.mark.parametrize(("share", "warnings"), [(0.02, 0), (0.4, 1)], ids=["quiet", "shared"])
def test_a_part_measured_on_a_shared_core_is_warned_of(share: float, warnings: int) -> None:
    shares = {"median": share, "min": 0.0, "max": share}

    lines = list(disturbance_lines({"tls": {"others_on_the_core": shares}, "memory": {}}))

    assert len(lines) == warnings
    assert all("40%" in line for line in lines)
