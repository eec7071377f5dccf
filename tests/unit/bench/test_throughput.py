"""Rates and ratios of runs next to each other."""

from __future__ import annotations

from bench.runs import Reading
from bench.throughput import Pair, figures_of

SLOW = Reading(messages_per_s=600, messages_per_cpu_s=1200, others_share=0.5)
FAST = Reading(messages_per_s=1000, messages_per_cpu_s=1000, others_share=0)
OTHER = Reading(messages_per_s=200, messages_per_cpu_s=400, others_share=0.5)


def test_ratios_are_medians_of_the_pairs_ratios() -> None:
    pairs = {"other": [Pair(SLOW, OTHER), Pair(FAST, OTHER), Pair(FAST, OTHER)]}

    figures = figures_of(pairs)

    assert figures["ratio_to"]["other"] == {"median": 5.0, "min": 3.0, "max": 5.0}
    assert figures["cpu_ratio_to"]["other"] == {"median": 2.5, "min": 2.5, "max": 3.0}
    assert figures["messages_per_s"]["other"] == {"median": 200, "min": 200, "max": 200}


def test_a_run_of_ours_next_to_two_others_counts_once() -> None:
    pairs = {"before": [Pair(SLOW, OTHER)], "after": [Pair(SLOW, OTHER)]}

    figures = figures_of(pairs | {"elsewhere": [Pair(FAST, OTHER), Pair(FAST, OTHER)]})

    assert figures["messages_per_s"]["convoy"] == {"median": 800, "min": 600, "max": 1000}


def test_what_is_not_installed_has_no_figures() -> None:
    figures = figures_of({"other": [Pair(FAST, OTHER)], "missing": []})

    assert figures["messages_per_s"]["missing"] is None
    assert figures["ratio_to"]["missing"] is None


def test_it_is_told_how_much_of_the_core_others_used() -> None:
    figures = figures_of({"other": [Pair(FAST, OTHER)]})

    assert figures["others_on_the_core"] == {"median": 0.25, "min": 0.0, "max": 0.5}
