"""The allowance: what the limits let a run send, compared with all that it will send."""

from __future__ import annotations

import pytest

from convoy.prepare.allowance import allowance_line, shortfall
from tests.unit.settings.configuration import settings_of

LIMITED = ("limits=[{scope: token, count: 300, per_s: 60}]", "users=1", "run_time_s=300")


@pytest.mark.parametrize(
    ("settings", "requests_before", "needed"),
    [
        pytest.param(("rate=4", "warm_up_s=0"), 0, None, id="below"),
        pytest.param(("rate=4.9", "warm_up_s=0"), 0, None, id="just below"),
        pytest.param(("rate=5", "warm_up_s=0"), 0, "2 tokens", id="a window lasts a little longer"),
        pytest.param(("rate=4.8", "warm_up_s=0"), 10, "2 tokens", id="canaries before"),
        pytest.param(("rate=5", "run_time_s=50", "warm_up_s=0"), 40, None, id="shorter than one"),
        pytest.param(("rate=5", "run_time_s=50", "warm_up_s=20"), 0, "2 tokens", id="warm-up"),
        pytest.param(("rate=4.6", "warm_up_s=0", "arrivals=poisson"), 0, "2 tokens", id="Poisson"),
        pytest.param(("rate=12", "users=2", "warm_up_s=0"), 0, "3 tokens", id="two are too few"),
        pytest.param(("rate=12", "users=3", "warm_up_s=0"), 0, None, id="three are enough"),
        pytest.param(("rate=900", "users=100", "limits=[]"), 0, None, id="without limits"),
    ],
)
def test_all_that_is_sent_in_one_window_counts(
    settings: tuple[str, ...], requests_before: int, needed: str | None
) -> None:
    found = shortfall(settings_of(*LIMITED, *settings), requests_before)

    assert (found is None) is (needed is None)
    assert found is None or found[1].startswith(f"{needed} (users) would do")


def test_a_limit_that_tokens_share_is_not_mended_by_more_of_them() -> None:
    limits = "limits=[{scope: org, count: 300, per_s: 60}]"

    found = shortfall(settings_of(*LIMITED, limits, "rate=10"))

    assert found is not None and found[1] == "lower the rate, or shorten warm_up_s"


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

    assert allowance_line(few).startswith(f"{tokens} tokens needed for 20 per second")
    assert shortfall(few) is not None
    assert shortfall(enough) is None


def test_limits_of_guests_are_none_of_tokens() -> None:
    guests = (
        "limits=[{scope: session, count: 1, per_s: 60}, {scope: connection, count: 1, per_s: 60}]"
    )

    assert shortfall(settings_of(guests, "rate=50", "users=1")) is None
    assert "as much as they can" in allowance_line(settings_of(guests, "rate=50", "users=1"))
