"""What one user may send, by the number of his tokens, against the plan of who writes as him."""

from __future__ import annotations

import re

import pytest

from convoy.prepare.user_limit import user_shortfall
from convoy.settings.resolution import resolve

NAMES = ("agent_reply", "open_messaging")
TYPING = "scenario.agent_reply.steps=[typing]"
HALF = "scenarios=[agent_reply, open_messaging]"


@pytest.mark.parametrize(
    ("rate", "more", "has_one_token", "told"),
    [
        pytest.param(50, [], False, "", id="just so much"),
        pytest.param(51, [], False, "51 requests a second.*user may make 3,000", id="more"),
        pytest.param(26, [TYPING], False, "52 requests a second", id="steps"),
        pytest.param(100, [HALF], False, "", id="half of it is others'"),
        pytest.param(102, [HALF], False, "agent_reply would make 51 requests", id="half"),
        pytest.param(200, ["run_time_s=14", "warm_up_s=0"], False, "", id="a short run"),
        pytest.param(5, [], True, "", id="one token"),
        pytest.param(6, [], True, "CONVOY_USER_TOKEN may make 300 in 60 s", id="more than one"),
        pytest.param(51, [], True, "all tokens of a user may make 3,000", id="more than anybody"),
        pytest.param(500, ["arrivals=closed"], False, "", id="nothing is due"),
    ],
)
def test_the_requests_of_a_user_are_compared_with_what_he_may(
    rate: float, more: list[str], has_one_token: bool, told: str
) -> None:
    given = ["scenarios=[agent_reply]", "run_time_s=600", *more]
    options = {"rate": rate, "set": given}
    settings = resolve(command_line=options, environ={}, known_scenarios=NAMES)

    found = user_shortfall(settings, ["agent_reply"], has_one_token=has_one_token)

    assert (found is None) == (told == "")
    if found is not None:
        assert re.search(told, found[0]), found


def test_without_a_scenario_of_a_user_nothing_is_compared() -> None:
    settings = resolve(command_line={"rate": 500}, environ={}, known_scenarios=NAMES)

    assert user_shortfall(settings, [], has_one_token=True) is None


def test_scenarios_with_rates_of_their_own_count_with_the_others() -> None:
    given = ["scenarios=[agent_reply, open_messaging]", "scenario.agent_reply.rate=10"]
    given += ["stages=[{rate: 20, for_s: 300}, {to: 61, for_s: 300}]", "run_time_s=600"]
    settings = resolve(command_line={"set": given}, environ={}, known_scenarios=NAMES)

    found = user_shortfall(settings, NAMES, has_one_token=False)

    assert found is not None and "would make 61 requests a second" in found[0]
