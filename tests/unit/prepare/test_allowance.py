"""The allowance: what the limits let a run send, compared with all that it will send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.prepare.allowance import (
    allowance_line,
    beyond,
    check_allowance,
    check_user,
    shortfall,
)
from convoy.prepare.checklist import Checklist
from convoy.routes.catalogue import ROUTES
from convoy.settings import Settings
from convoy.settings.model import Limit
from convoy.settings.resolution import resolve
from tests.unit.settings.configuration import settings_of

GUESTS = "scenarios=[guest_messages]"
TYPED = "scenario.guest_messages.steps=[typing]"
LIMITED = ("limits=[{scope: token, count: 300, per_s: 60}]", "users=1", "run_time_s=300")


@pytest.mark.parametrize(
    ("settings", "requests_before", "needed"),
    [
        pytest.param(("rate=4", "warm_up_s=0"), 0, None, id="below"),
        pytest.param(("rate=4.9", "warm_up_s=0"), 0, None, id="just below"),
        pytest.param(("rate=5", "warm_up_s=0"), 0, 2, id="a window lasts a little longer"),
        pytest.param(("rate=4.8", "warm_up_s=0"), 10, 2, id="canaries before"),
        pytest.param(("rate=5", "run_time_s=50", "warm_up_s=0"), 40, None, id="shorter than one"),
        pytest.param(("rate=5", "run_time_s=50", "warm_up_s=20"), 0, 2, id="warm-up"),
        pytest.param(("rate=4.6", "warm_up_s=0", "arrivals=poisson"), 0, 2, id="Poisson"),
        pytest.param(("rate=12", "users=2", "warm_up_s=0"), 0, 3, id="two are too few"),
        pytest.param(("rate=12", "users=3", "warm_up_s=0"), 0, None, id="three are enough"),
        pytest.param(("rate=900", "users=100", "limits=[]"), 0, None, id="without limits"),
        pytest.param(
            ("rate=900", "oauth.tokens=per_worker"), 0, None, id="tokens are not known yet"
        ),
        pytest.param(("arrivals=closed", "users=100"), 0, None, id="nothing is due"),
    ],
)
def test_all_that_is_sent_in_one_window_counts(
    settings: tuple[str, ...], requests_before: int, needed: int | None
) -> None:
    found = shortfall(settings_of(*LIMITED, *settings), requests_before)

    assert (found is None) is (needed is None)
    assert found is None or found[1].startswith(f"write -u {needed}")


def test_a_limit_that_tokens_share_is_not_mended_by_more_of_them() -> None:
    limits = "limits=[{scope: org, count: 300, per_s: 60}]"

    found = shortfall(settings_of(*LIMITED, limits, "rate=10"))

    assert found is not None and found[1] == "write --rate 4.91"
    assert found[0].startswith("10 requests/s by all tokens together: the limit of 300 per 60 s")


@pytest.mark.parametrize(
    ("scenarios", "steps", "tokens"),
    [
        pytest.param("guest_messages", "[]", 4, id="none"),
        pytest.param("guest_messages", "[typing]", 8, id="one"),
        pytest.param("guest_messages", "[typing, notification, receipt]", 16, id="three"),
        pytest.param("guest_messages, conversation_messages", "[typing]", 6, id="of every other"),
    ],
)
def test_each_step_of_a_message_is_a_request_of_its_own(
    scenarios: str, steps: str, tokens: int
) -> None:
    with_steps = (
        *("rate=20", f"scenarios=[{scenarios}]"),
        f"scenario.guest_messages.steps={steps}",
    )
    few, enough = (
        settings_of(*LIMITED, *with_steps, f"users={users}") for users in (tokens - 1, tokens + 1)
    )

    steps = " (20 messages with their steps)" * (tokens > 4)
    rate = f"{5 * tokens} requests/s{steps}"
    assert allowance_line(few).startswith(f"{rate} need {tokens} tokens, you have {tokens - 1}, ")
    assert shortfall(few) is not None
    assert shortfall(enough) is None


@pytest.mark.parametrize(
    ("settings", "told", "fix"),
    [
        pytest.param(
            ("rate=25", "users=2"),
            "25 requests/s need 5 tokens, you have 2: the limit of 300 per 60 s by token allows",
            "write -u 6 or --rate 9.83",
            id="users",
        ),
        pytest.param(
            ("rate=25", "users=9", "oauth.tokens=2"),
            "25 requests/s need 5 tokens, you have 2: ",
            "write --set oauth.tokens=6 or --rate 9.83",
            id="tokens",
        ),
        pytest.param(
            ("rate=5", "users=1"),
            "5 requests/s are too close to what 1 token may send: ",
            "write -u 2 or --rate 4.91",
            id="hardly",
        ),
        pytest.param(
            ("rate=25", "users=100", "limits=[{scope: client, count: 1200, per_s: 60}]"),
            "25 requests/s by all tokens together: the limit of 1,200 per 60 s by client allows",
            "write --rate 19.67",
            id="client",
        ),
        pytest.param(
            ("stages=[{to: 50, for_s: 300}]", "users=2"),
            "50 requests/s need 10 tokens, you have 2: ",
            "write -u 11",
            id="stages have no single rate",
        ),
        pytest.param(
            ("rate=2", "limits=[{scope: client, count: 60, per_s: 60}]"),
            "2 requests/s by all tokens together: ",
            "write --rate 0.98",
            id="less than one a second",
        ),
        pytest.param(
            ("rate=5", "arrivals=poisson"),
            "5 requests/s are too close to what 1 token may send: ",
            "write -u 2 or --rate 3.9",
            id="Poisson",
        ),
        pytest.param(
            ("rate=1.88", "arrivals=poisson", GUESTS, TYPED),
            "3.76 requests/s (1.88 messages with their steps) are too close",
            "write -u 2 or --rate 1.77",
            id="Poisson with steps",
        ),
        pytest.param(
            ("rate=max",),
            "the limits will hold rate: max back, and a run that waited for them is invalid",
            "--set limits=[] takes them away",
            id="flat out",
        ),
    ],
)
def test_what_is_missing_is_told_in_words_with_the_number_to_write(
    settings: tuple[str, ...], told: str, fix: str
) -> None:
    found = shortfall(settings_of(*LIMITED, "warm_up_s=0", *settings))

    assert found is not None
    assert found[0].startswith(told) and found[1] == fix


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        pytest.param(
            ("rate=20", "users=3"),
            "20 requests/s need 4 tokens, you have 3, which may send 15 a second",
            id="one of each user",
        ),
        pytest.param(
            ("rate=20", "oauth.tokens=per_worker"),
            "20 requests/s need 4 tokens, each worker has one token, which may send 5 a second",
            id="one of each worker",
        ),
        pytest.param(
            ("rate=max",),
            "no rate is asked for, you have 1 token, which may send 5 a second",
            id="flat out",
        ),
        pytest.param(
            ("rate=4", "on_limit=count"),
            "4 requests/s need 1 token, you have 1, which may send as much as they can",
            id="not obeyed",
        ),
    ],
)
def test_the_line_says_what_tokens_are_needed_and_may(settings: tuple[str, ...], line: str) -> None:
    assert allowance_line(settings_of(*LIMITED, *settings)) == line


@pytest.mark.parametrize(
    ("rate", "users", "told"),
    [
        pytest.param(4, 1, ["ok"], id="enough"),
        pytest.param(12, 1, ["warning"], id="too few tokens"),
        pytest.param(200, 90, ["ok", "warning"], id="too much for a user"),
    ],
)
def test_what_limits_mean_for_a_run_is_in_the_list_of_checks(
    rate: float, users: int, told: list[str]
) -> None:
    settings = settings_of(*LIMITED, "warm_up_s=0", f"rate={rate}", f"users={users}")
    checklist = Checklist()

    check_allowance(settings, (), 0, checklist)
    routes = {"conversation_messages": ROUTES["agent_reply"]}
    check_user(settings, routes, checklist, has_one_token=False)

    assert [each.status for each in checklist.findings] == told


@given(
    rate=st.floats(0.1, 1_000),
    users=st.integers(1, 50),
    arrivals=st.sampled_from(["even", "poisson"]),
    steps=st.integers(0, 3),
    before=st.integers(0, 20),
)
def test_the_numbers_that_are_named_suffice(
    rate: float, users: int, arrivals: str, steps: int, before: int
) -> None:
    settings = settings_of(*LIMITED, f"rate={rate!r}", f"users={users}", f"arrivals={arrivals}")
    section = settings.scenario["conversation_messages"]
    section = section.model_copy(update={"steps": tuple("abc"[:steps])})
    settings = settings.model_copy(update={"scenario": {"conversation_messages": section}})

    found = shortfall(settings, before)

    if found is not None:
        numbers = re.fullmatch(r"write -u (\d+)(?: or --rate ([0-9.]+))?", found[1])
        assert numbers is not None, found
        assert shortfall(settings.model_copy(update={"users": int(numbers[1])}), before) is None
        if numbers[2]:
            slower = settings.model_copy(update={"rate": float(numbers[2])})
            assert shortfall(slower, before) is None


def limit(scope: Literal["token", "client"], count: int) -> Limit:
    return Limit(scope=scope, count=count, per_s=60.0)


@pytest.mark.parametrize(
    ("settings", "in_force", "told"),
    [
        pytest.param(("rate=4",), [limit("token", 300)], [], id="the same"),
        pytest.param(("rate=4",), [limit("token", 600)], [], id="the organisation allows more"),
        pytest.param(
            ("rate=2",), [limit("token", 180)], ["300 per 60 s by token is above"], id="it has less"
        ),
        pytest.param(
            ("rate=4",),
            [limit("token", 180)],
            ["is above the organisation's own of 180", "4 requests/s need 2 tokens, you have 1"],
            id="it has less than the plan",
        ),
        pytest.param(("rate=4",), [limit("client", 3000)], [], id="of the client, and enough"),
        pytest.param(
            ("rate=60", "users=20"),
            [limit("client", 3000)],
            ["60 requests/s by all tokens together: the limit of 3,000 per 60 s by client"],
            id="of the client, and too little",
        ),
        pytest.param(("limits=[]", "rate=4"), [limit("token", 300)], [], id="none are set"),
        pytest.param(("rate=max",), [limit("client", 300)], [], id="flat out"),
    ],
)
def test_limits_of_the_organisation_are_told_where_they_are_the_lower_ones(
    settings: tuple[str, ...], in_force: list[Limit], told: list[str]
) -> None:
    found = beyond(settings_of(*LIMITED, "warm_up_s=0", *settings), in_force)

    assert len(found) == len(told), found
    assert all(part in each for part, (each, _) in zip(told, found, strict=True))


def test_a_lower_limit_is_written_beside_the_others() -> None:
    both = "limits=[{scope: token, count: 300, per_s: 60}, {scope: org, count: 9000, per_s: 60}]"

    [(_, fix)] = beyond(settings_of(*LIMITED, both, "rate=1"), [limit("token", 180)])

    assert fix == (
        "write --set 'limits=[{scope: org, count: 9000, per_s: 60}, "
        "{scope: token, count: 180, per_s: 60}]'"
    )


def test_limits_of_guests_are_none_of_tokens() -> None:
    guests = (
        "limits=[{scope: session, count: 1, per_s: 60}, {scope: connection, count: 1, per_s: 60}]"
    )

    assert shortfall(settings_of(guests, "rate=50", "users=1")) is None
    assert "as much as they can" in allowance_line(settings_of(guests, "rate=50", "users=1"))


NAMES = ("agent_reply", "open_messaging")


def told_of_a_user(settings: Settings, names: Sequence[str], *, has_one_token: bool) -> str:
    """Return what is wrong with the tokens of a user for these scenarios, "" for nothing."""
    checklist = Checklist()
    routes = dict.fromkeys(names, ROUTES["agent_reply"])
    check_user(settings, routes, checklist, has_one_token=has_one_token)
    return " ".join(each.told for each in checklist.findings)


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

    found = told_of_a_user(settings, ["agent_reply"], has_one_token=has_one_token)

    assert bool(found) == bool(told) and re.search(told, found), found


def test_without_a_scenario_of_a_user_nothing_is_compared() -> None:
    settings = resolve(command_line={"rate": 500}, environ={}, known_scenarios=NAMES)

    assert told_of_a_user(settings, [], has_one_token=True) == ""


def test_scenarios_with_rates_of_their_own_count_with_the_others() -> None:
    given = ["scenarios=[agent_reply, open_messaging]", "scenario.agent_reply.rate=10"]
    given += ["stages=[{rate: 20, for_s: 300}, {to: 61, for_s: 300}]", "run_time_s=600"]
    settings = resolve(command_line={"set": given}, environ={}, known_scenarios=NAMES)

    found = told_of_a_user(settings, NAMES, has_one_token=False)

    assert "would make 61 requests a second" in found
