"""A worker's lease: when it ends, and what time it is for the master."""

from __future__ import annotations

from math import inf

import pytest

from convoy.swarm.lease_clock import CLOCKS_APART_S, MASTER_LOST_S, LeaseClock


@pytest.mark.parametrize(
    ("answers", "ends_s", "ahead_s"),
    [
        pytest.param([(10.0, 500.0, 10.0)], 12.5, -490.0, id="at once"),
        pytest.param([(10.0, 500.1, 10.2)], 12.5, -490.0, id="there and back alike"),
        pytest.param([(10.0, 500.0, 14.0)], 12.5, -488.0, id="too late to be of use"),
        pytest.param(
            [(10.0, 500.1, 10.2), (11.0, 503.0, 13.0)], 13.5, -490.0, id="the quickest tells"
        ),
        pytest.param(
            [(11.0, 501.0, 11.0), (10.0, 500.0, 12.0)], 13.5, -490.0, id="an older one comes later"
        ),
        pytest.param(
            [(10.0, 500.0, 14.0), (15.0, 505.1, 15.2)], 17.5, -490.0, id="a quicker one comes later"
        ),
    ],
)
def test_a_lease_counts_from_when_it_was_asked_for(
    answers: list[tuple[float, float, float]], ends_s: float, ahead_s: float
) -> None:
    lease = LeaseClock(2.5, 9.0)

    for asked_s, master_s, now_s in answers:
        lease.renew(asked_s, master_s, now_s)

    assert lease.ends_s == pytest.approx(ends_s - CLOCKS_APART_S)
    assert lease.own_s(500.0) == pytest.approx(500.0 + ahead_s)
    assert lease.leased_s == max(master_s for _, master_s, _ in answers)


def test_the_masters_clock_is_known_as_well_as_the_quickest_answer_was_quick() -> None:
    lease = LeaseClock(2.5, 0.0)
    before_s = lease.unsure_s(100.0)

    lease.renew(1.0, 501.0, 1.2)
    lease.renew(2.0, 502.0, 2.6)

    assert before_s == inf
    assert lease.unsure_s(1.2) == pytest.approx(0.1)
    assert LeaseClock(None, 0.0).unsure_s(100.0) == 0.0


@pytest.mark.parametrize(
    ("after_s", "unsure_s", "ahead_s"),
    [
        pytest.param(100.0, 0.12, -499.9, id="the quicker one tells"),
        pytest.param(500.0, 0.2, -500.3, id="in 500 s clocks drift more than an answer takes"),
    ],
)
def test_clocks_drift_apart_so_that_a_new_answer_may_tell_more(
    after_s: float, unsure_s: float, ahead_s: float
) -> None:
    lease = LeaseClock(2.5, 0.0)
    lease.renew(1.0, 501.0, 1.2)

    now_s = 1.2 + after_s
    before_s = lease.unsure_s(now_s)
    lease.renew(now_s - 0.4, now_s + 500.1, now_s)

    assert before_s == pytest.approx(0.1 + after_s * 2e-4)
    assert lease.unsure_s(now_s) == pytest.approx(unsure_s)
    assert lease.own_s(0.0) == pytest.approx(ahead_s)


def test_without_an_answer_nothing_may_be_sent() -> None:
    assert LeaseClock(2.5, 0.0).ends_s < 0


def test_a_master_is_lost_when_nothing_was_heard_for_long() -> None:
    lease = LeaseClock(2.5, 0.0)

    lease.renew(1.0, 501.0, 1.0)

    assert not lease.is_master_lost(1.0 + MASTER_LOST_S)
    assert lease.is_master_lost(1.1 + MASTER_LOST_S)


def test_a_master_that_says_nothing_from_the_beginning_is_lost_as_late() -> None:
    lease = LeaseClock(2.5, 100.0)

    assert not lease.is_master_lost(100.0 + MASTER_LOST_S)
    assert lease.is_master_lost(100.1 + MASTER_LOST_S)


def test_any_word_of_the_master_shows_that_it_is_there_and_is_no_lease() -> None:
    lease = LeaseClock(2.5, 0.0)

    lease.hear(5.0)

    assert not lease.is_master_lost(5.0 + MASTER_LOST_S)
    assert lease.ends_s < 0


def test_a_worker_in_the_masters_process_has_its_clock_and_no_end() -> None:
    lease = LeaseClock(None, 0.0)

    assert lease.own_s(7.0) == 7.0
    assert lease.ends_s > 1e9
    assert not lease.is_master_lost(1e9)
