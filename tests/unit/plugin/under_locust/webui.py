"""Convoy in Locust's web UI: the rows of the tab with the verdict."""

from __future__ import annotations

from convoy.plugin.webui import verdict_rows
from convoy.results.summary import summarise
from convoy.results.verdict import judge
from tests.unit.results import counts_of, result_of


def test_the_tab_holds_the_verdict_before_any_criterion() -> None:
    result = result_of(conversation_messages=counts_of(accepted=5))
    summary = summarise(result, judge(result, (), "fail"))

    [so_far] = verdict_rows(summary, is_over=False)
    [final] = verdict_rows(summary, is_over=True)

    assert (so_far["criterion"], so_far["verdict"], final["verdict"]) == (
        "the run",
        "pass so far",
        "pass",
    )
    assert verdict_rows(None, is_over=True) == []
