"""The policy of guests who come back."""

from __future__ import annotations

import pytest

from convoy.settings.model import Reconnect

KEY = 7


@pytest.mark.parametrize(
    ("rule", "pauses_s"),
    [
        pytest.param(Reconnect(wait_s=5), [5, 5, 5, 5], id="fixed, as Genesys' mobile client does"),
        pytest.param(Reconnect(wait_s=1, factor=2, longest_s=5), [1, 2, 4, 5], id="exponential"),
        pytest.param(Reconnect(wait_s=1, factor=100), [1, 60, 60, 60], id="capped"),
    ],
)
def test_pauses_follow_the_rule(rule: Reconnect, pauses_s: list[float]) -> None:
    assert [rule.pause_s(KEY, 0, tries) for tries in range(4)] == pauses_s
    assert rule.pause_s(KEY, 10**9, 10**6) == pauses_s[-1]


def test_jittered_pauses_fill_the_width_around_the_rule() -> None:
    rule = Reconnect(wait_s=4, jitter=0.5, factor=2)

    first, second = (sorted(rule.pause_s(KEY, k, tries) for k in range(400)) for tries in (0, 1))

    assert 2 <= first[0] < 2.1 and 5.9 < first[-1] <= 6
    assert 4 <= second[0] < 4.2 and 11.8 < second[-1] <= 12


def test_a_pause_is_decided_by_message_and_try() -> None:
    rule = Reconnect(wait_s=4, jitter=1)

    drawn = [rule.pause_s(KEY, k, tries) for k in range(20) for tries in range(20)]

    assert len(set(drawn)) == len(drawn)
    assert drawn == [rule.pause_s(KEY, k, tries) for k in range(20) for tries in range(20)]
    assert drawn[0] != rule.pause_s(KEY + 1, 0, 0)
