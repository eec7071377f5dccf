"""What the form of the web UI may hold, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from convoy.errors import RefusedError, SettingsError
from convoy.plugin.runs import RunController
from convoy.plugin.web_form import KEPT, check_fields, edit, read_form
from convoy.swarm.changes import Changes

ELSEWHERE = "http://127.0.0.1:9"
SHOWN = {
    "user_count": "10",
    "spawn_rate": "10.0",
    "run_time": "",
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
        pytest.param({"host": ""}, {"host": ""}, None, id="no host"),
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
    form = read_form(AS_SHOWN | changes, SHOWN)

    assert form.asked == {"host": SHOWN["host"]} | asked
    assert form.spawn_rate == spawn_rate
    assert form.options == AS_SHOWN | changes


def test_a_field_that_showed_nothing_at_first_counts_whatever_it_holds() -> None:
    shown = {name: SHOWN[name] for name in ("profile", "host", "target")}

    form = read_form(AS_SHOWN, shown)

    assert form.asked == {"host": SHOWN["host"], "users": 10, "run_time_s": None}
    assert form.spawn_rate == 10
    assert [*form.changed] == ["user_count", "run_time", "spawn_rate"]
    assert [*read_form(AS_SHOWN, SHOWN).changed] == []


def test_beside_another_target_the_address_that_was_shown_is_not_asked_for() -> None:
    assert read_form(AS_SHOWN | {"target": "mine.yaml"}, SHOWN).asked == {}


def test_every_field_that_cannot_be_read_is_named() -> None:
    wrong = {"user_count": "many", "spawn_rate": "inf", "run_time": "soon", "profile": "stress"}

    with pytest.raises(SettingsError) as refused:
        read_form(AS_SHOWN | wrong, SHOWN)

    assert [fault.path for fault in refused.value.faults] == [
        "users",
        "spawn rate",
        "run time",
        "profile",
    ]


ABSURD = [
    pytest.param({"user_count": "1000000000"}, "users: ", id="a thousand million users"),
    pytest.param({"user_count": "1e3"}, "users: ", id="users as Locust cannot read them"),
    pytest.param({"user_count": "-5"}, "users: ", id="fewer than no users"),
    pytest.param({"user_count": "0"}, "users: ", id="no users"),
    pytest.param({"user_count": ""}, "users: ", id="users left out"),
    pytest.param({"user_count": "9" * 900}, "users: ", id="users of 900 digits"),
    pytest.param({"spawn_rate": "nan"}, "spawn rate: ", id="a spawn rate that is no number"),
    pytest.param({"spawn_rate": "inf"}, "spawn rate: ", id="an endless spawn rate"),
    pytest.param({"spawn_rate": "-1"}, "spawn rate: ", id="a spawn rate below 0"),
    pytest.param({"spawn_rate": "0"}, "spawn rate: ", id="a spawn rate of 0"),
    pytest.param({"spawn_rate": "1e300"}, "spawn rate: ", id="a spawn rate beyond any machine"),
    pytest.param({"run_time": "999999999999h"}, "run time: ", id="longer than a time can be"),
    pytest.param({"run_time": "9999999h"}, "run time: ", id="a thousand years"),
    pytest.param({"run_time": "0s"}, "run time: ", id="no time"),
]


@pytest.mark.parametrize(("absurd", "complaint"), ABSURD)
def test_an_absurd_value_is_refused_in_a_short_sentence(
    absurd: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{complaint}.*(should be|is no)") as refused:
        read_form(AS_SHOWN | absurd, SHOWN)

    assert len(str(refused.value)) < 200


class GoingOn:
    """A run that goes on at 20 messages per second, and what it was told."""

    present_rate = 20.0

    def __init__(self) -> None:
        self.told: list[float] = []

    def check_users(self, users: int) -> None:
        pass

    def change(self, make: Callable[[Changes, float], None]) -> None:
        changes = SimpleNamespace(
            set_rate=lambda at_s, rate: self.told.append(rate),
            held_back=lambda users: f"{users} users are too few",
        )
        make(cast(Changes, changes), 0.0)


@pytest.mark.parametrize(("absurd", "complaint"), ABSURD[:-3])
def test_an_edit_with_an_absurd_value_is_refused_before_its_rate_counts(
    absurd: dict[str, str], complaint: str
) -> None:
    run = GoingOn()

    with pytest.raises(SettingsError, match=f"^{complaint}"):
        edit(cast(RunController, run), AS_SHOWN | {"rate": "40"} | absurd, AS_SHOWN)

    assert run.told == []


@pytest.mark.parametrize(
    ("rate", "told"), [("", []), ("20.0", []), ("20", []), ("40", [40.0])], ids=str
)
def test_an_edit_changes_the_rate_that_it_names(rate: str, told: list[float]) -> None:
    run = GoingOn()

    held_back = edit(cast(RunController, run), AS_SHOWN | {"rate": rate}, AS_SHOWN)

    assert run.told == told
    assert held_back == (f"{AS_SHOWN['user_count']} users are too few" if told else "")


def test_an_edit_that_clears_the_rate_is_refused() -> None:
    run = GoingOn()

    with pytest.raises(SettingsError, match="^rate: is cleared; write a number"):
        edit(cast(RunController, run), AS_SHOWN | {"rate": ""}, AS_SHOWN | {"rate": "40"})

    assert run.told == []


@pytest.mark.parametrize("field", KEPT)
def test_an_edit_of_what_a_run_keeps_is_refused_before_its_rate_counts(field: str) -> None:
    run = GoingOn()

    with pytest.raises(RefusedError, match=f"^{field} cannot be changed while a run is going on"):
        edit(cast(RunController, run), AS_SHOWN | {"rate": "40", field: "other"}, AS_SHOWN)

    assert run.told == []


CHOICES = {"target": {"simulator", "staging", "/given/at/the/start.yaml"}}


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        pytest.param("html_file", "/tmp/x", "is no field of the form", id="a file to write"),
        pytest.param("stop_timeout", "0", "is no field of the form", id="another option"),
        pytest.param("set", "users=5", "is no field of the form", id="any setting"),
        pytest.param("x" * 5000, "1", "is no field of the form", id="a name without end"),
        pytest.param("target", "/etc/shadow", "'/etc/shadow' is no name in", id="a path"),
        pytest.param("target", "../x.yaml", "'../x.yaml' is no name in", id="a way out"),
        pytest.param("target", "staging.yaml", "is no name in", id="a file that is not by name"),
        pytest.param("host", "x" * 1_001, "has 1,001 characters", id="a text without end"),
    ],
)
def test_what_the_form_does_not_have_is_refused_by_name(
    field: str, value: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint) as refused:
        check_fields({"host": "", field: value}, {"host", "target", "rate"}, CHOICES)

    assert str(refused.value).startswith(field if len(field) <= 60 else "a text of 5,000")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("target", ["", *CHOICES["target"]])
def test_names_of_files_and_what_was_given_at_the_start_are_taken(target: str) -> None:
    check_fields({"target": target, "host": "x" * 1_000}, {"host", "target"}, CHOICES)
