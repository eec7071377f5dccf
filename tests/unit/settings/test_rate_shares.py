"""One global rate becomes the stages of each scenario."""

from __future__ import annotations

import pytest

from convoy.plan.rate_curve import RateCurve
from convoy.settings.rate_shares import expand_stages, share
from tests.unit.settings.configuration import settings_of


def test_a_constant_rate_is_one_stage() -> None:
    settings = settings_of("rate=8", "run_time_s=12")

    assert settings.curve.stages == ((8, 8, 12),)
    assert settings.duration_s == 12


@pytest.mark.parametrize("given", ["option", "variable", "set"])
def test_flat_out_is_the_whole_run_without_a_schedule(given: str) -> None:
    settings = settings_of(
        *(["rate=max"] if given == "set" else []),
        command_line={"load_profile": "spike"} | ({"rate": "max"} if given == "option" else {}),
        environ={"CONVOY_RATE": " max "} if given == "variable" else {},
    )

    assert settings.is_flat_out and not settings.is_scheduled
    assert (settings.arrivals, settings.think_time_s, settings.warm_up_s) == ("closed", 0, 0)
    assert settings.stages is None
    assert settings.duration_s == settings.run_time_s


def test_closed_arrivals_keep_their_pauses_and_have_no_warm_up() -> None:
    settings = settings_of("arrivals=closed", "think_time_s=0.5", "warm_up_s=3")

    assert not settings.is_scheduled and not settings.is_flat_out
    assert (settings.think_time_s, settings.warm_up_s) == (0.5, 0)


def test_flat_out_scenarios_share_by_weight() -> None:
    settings = settings_of(
        "rate=max",
        "scenarios=[conversation_messages, guest_journey]",
        "scenario.guest_journey.weight=3",
    )

    shares = {name: each.highest_rate for name, each in settings.curves().items()}

    assert shares == {"conversation_messages": 0.25, "guest_journey": 0.75}


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        pytest.param([(5, None, 3)], ((5, 5, 3),), id="constant"),
        pytest.param([(None, 5, 3)], ((0, 5, 3),), id="ramp from nothing"),
        pytest.param([(5, None, 1), (None, 9, 3)], ((5, 5, 1), (5, 9, 3)), id="ramp onwards"),
        pytest.param([(9, 2, 1), (None, 0, 1)], ((9, 2, 1), (2, 0, 1)), id="ramp down"),
        pytest.param([(9, None, 1), (1, 4, 2)], ((9, 9, 1), (1, 4, 2)), id="jump and ramp"),
    ],
)
def test_stages_are_constant_or_ramps(
    written: list[tuple[float | None, float | None, float]],
    expanded: tuple[tuple[float, float, float], ...],
) -> None:
    assert tuple(expand_stages(written)) == expanded


@pytest.mark.parametrize(
    ("run_time_s", "kept"),
    [
        (40, ((0, 10, 10), (10, 10, 20))),
        (30, ((0, 10, 10), (10, 10, 20))),
        (15, ((0, 10, 10), (10, 10, 5))),
        (10, ((0, 10, 10),)),
        (4, ((0, 4, 4),)),
    ],
)
def test_the_shorter_of_run_time_and_stages_counts(
    run_time_s: float, kept: tuple[tuple[float, float, float], ...]
) -> None:
    settings = settings_of(
        "stages=[{to: 10, for_s: 10}, {rate: 10, for_s: 20}]", f"run_time_s={run_time_s}"
    )

    assert settings.curve.stages == kept


def test_weights_share_what_own_rates_leave() -> None:
    whole = RateCurve([(10.0, 20.0, 30.0), (20.0, 20.0, 5.0)])

    shares = share(whole, {"a": None, "b": 4.0, "c": None}, {"a": 2, "b": 1, "c": 1})

    assert {name: each.stages for name, each in shares.items()} == {
        "a": ((4, pytest.approx(16 * 2 / 3), 30), (pytest.approx(16 * 2 / 3),) * 2 + (5,)),
        "b": ((4, 4, 35),),
        "c": ((2, pytest.approx(16 / 3), 30), (pytest.approx(16 / 3),) * 2 + (5,)),
    }


def test_the_stages_of_all_scenarios_add_up_to_the_whole() -> None:
    settings = settings_of(
        "scenarios=[conversation_messages, guest_journey]",
        "scenario.guest_journey.rate=3",
        "stages=[{rate: 5, for_s: 10}, {to: 50, for_s: 60}]",
        "run_time_s=40",
    )

    curves = settings.curves()

    whole = settings.curve.messages
    assert sum(each.messages for each in curves.values()) == pytest.approx(whole)
    assert settings.duration_s == 40
    assert curves["guest_journey"].stages == ((3, 3, 40),)
