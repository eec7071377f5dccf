"""Open arrivals by arithmetic: response times that can be told without a simulation."""

from __future__ import annotations

import pytest

from bench.open_arrivals import response_times_s

NO_FREEZE = {"frozen_from_s": 0.0, "frozen_for_s": 0.0}
PATIENT_S = 1000.0


def test_without_a_freeze_every_message_takes_as_long_as_its_service() -> None:
    found = response_times_s(200, 60, 50, 0.02, max_lateness_s=5, **NO_FREEZE)

    assert found == pytest.approx([0.02] * 12_000)


def test_messages_due_at_the_end_or_after_it_are_no_part_of_the_run() -> None:
    assert len(response_times_s(1, 2.4, 5, 0, max_lateness_s=5, **NO_FREEZE)) == 2
    assert len(response_times_s(1, 2.5, 5, 0, max_lateness_s=5, **NO_FREEZE)) == 2
    assert len(response_times_s(1, 2.6, 5, 0, max_lateness_s=5, **NO_FREEZE)) == 3


def test_with_a_user_for_every_message_each_waits_for_the_thaw() -> None:
    found = response_times_s(
        10, 10, 100, 0.02, frozen_from_s=4, frozen_for_s=3, max_lateness_s=PATIENT_S
    )

    due_s = [(k + 0.5) / 10 for k in range(100)]
    expected = [7 - due + 0.02 if 4 <= due < 7 else 0.02 for due in due_s]
    assert found == pytest.approx(expected)


def test_a_message_on_its_way_as_the_target_freezes_loses_only_the_freeze() -> None:
    found = response_times_s(
        1, 1, 5, 0.4, frozen_from_s=0.6, frozen_for_s=3, max_lateness_s=PATIENT_S
    )

    assert found == pytest.approx([3.4])


def test_too_few_users_for_the_rate_fall_behind_message_by_message() -> None:
    found = response_times_s(10, 5, 1, 0.15, max_lateness_s=PATIENT_S, **NO_FREEZE)

    assert found == pytest.approx([0.15 + 0.05 * k for k in range(50)])


def test_the_message_that_was_due_first_is_sent_first() -> None:
    found = response_times_s(
        100, 20, 4, 0.03, frozen_from_s=5, frozen_for_s=2, max_lateness_s=PATIENT_S
    )

    done_s = [(k + 0.5) / 100 + response_s for k, response_s in enumerate(found)]
    assert done_s == sorted(done_s)


def test_what_nobody_could_take_in_time_counts_as_its_lateness() -> None:
    found = response_times_s(10, 10, 1, 0.01, frozen_from_s=2, frozen_for_s=5, max_lateness_s=1)

    not_sent = [k for k, response_s in enumerate(found) if response_s == 1]
    assert not_sent == list(range(21, 60))
    assert found[20] == pytest.approx(7.01 - 2.05)
    assert max(found[60:]) < 1.02


def test_answers_come_no_closer_together_than_their_spacing() -> None:
    found = response_times_s(100, 10, 100, 0.001, 5, 0.5, max_lateness_s=PATIENT_S, spacing_s=0.005)

    done_s = sorted((k + 0.5) / 100 + response_s for k, response_s in enumerate(found))
    gaps_s = [after - before for before, after in zip(done_s, done_s[1:], strict=False)]
    assert min(gaps_s) == pytest.approx(0.005)
    assert sum(gap_s < 0.0051 for gap_s in gaps_s) == pytest.approx(100, abs=2)


def test_five_frozen_seconds_show_in_the_percentiles_of_a_minute() -> None:
    found = sorted(
        response_times_s(200, 60, 50, 0.001, frozen_from_s=20, frozen_for_s=5, max_lateness_s=5)
    )

    p95_s, p99_s, p999_s = (found[round(12_000 * share) - 1] for share in (0.95, 0.99, 0.999))
    # A thousand messages of twelve thousand fell due in the freeze, evenly spread over its 5 s.
    assert p95_s == pytest.approx(2.0, rel=0.01)
    assert p99_s == pytest.approx(4.4, rel=0.01)
    assert p999_s == pytest.approx(4.94, rel=0.01)
