"""Convoy in Locust's web UI: what the form asks for, and the rows of the tab with the verdict."""

from __future__ import annotations

import pytest

from convoy.errors import SettingsError
from convoy.plugin.webui import _read_form, verdict_rows
from convoy.results.summary import summarise
from convoy.results.verdict import judge
from tests.unit.results import counts_of, result_of

ELSEWHERE = "http://127.0.0.1:9"
SHOWN = {
    "user_count": "10",
    "spawn_rate": "10.0",
    "profile": "",
    "host": "http://127.0.0.1:8080",
    "target": "simulator",
}
AS_SHOWN = {"user_count": "10", "spawn_rate": "10", "host": SHOWN["host"], "target": "simulator"}


@pytest.mark.parametrize(
    ("changes", "asked", "spawn_rate"),
    [
        pytest.param({}, {"host": SHOWN["host"]}, None, id="nothing changed"),
        pytest.param({"user_count": "25"}, {"users": 25}, None, id="users"),
        pytest.param({"spawn_rate": "2.5"}, {}, 2.5, id="spawn rate"),
        pytest.param({"run_time": "1m30s"}, {"run_time_s": 90}, None, id="run time"),
        pytest.param({"host": ELSEWHERE}, {"host": ELSEWHERE}, None, id="host"),
        pytest.param(
            {"target": "mine.yaml", "host": ELSEWHERE},
            {"host": ELSEWHERE},
            None,
            id="host and target",
        ),
    ],
)
def test_what_the_form_holds_is_asked_for(
    changes: dict[str, str], asked: dict[str, object], spawn_rate: float | None
) -> None:
    form = _read_form(AS_SHOWN | changes, SHOWN)

    assert form.asked == {"host": SHOWN["host"]} | asked
    assert form.spawn_rate == spawn_rate
    assert form.options == AS_SHOWN | changes


def test_beside_another_target_the_address_that_was_shown_is_not_asked_for() -> None:
    assert _read_form(AS_SHOWN | {"target": "mine.yaml"}, SHOWN).asked == {}


def test_every_field_that_cannot_be_read_is_named() -> None:
    wrong = {"user_count": "many", "spawn_rate": "inf", "run_time": "soon", "profile": "stress"}

    with pytest.raises(SettingsError) as refused:
        _read_form(AS_SHOWN | wrong, SHOWN)

    assert [fault.path for fault in refused.value.faults] == [
        "users",
        "spawn rate",
        "run time",
        "profile",
    ]


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
