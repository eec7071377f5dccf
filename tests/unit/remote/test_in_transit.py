"""What has left and may not have arrived: who is asked when, and what is discarded."""

from __future__ import annotations

import pytest

from convoy.remote.in_transit import InTransit
from tests.unit.remote.held import Held


@pytest.mark.parametrize(
    ("keeps_for_s", "looks_s", "held"),
    [
        pytest.param(9.0, [0.49], [0], id="it has just left"),
        pytest.param(9.0, [0.5], [1], id="half a second is long"),
        pytest.param(9.0, [0.5, 0.51, 3.0], [1, 1, 1], id="as long as it is held"),
        pytest.param(2.0, [1.0, 2.0, 3.0], [1, 0, 0], id="it arrives at last"),
        pytest.param(
            1.025, [1.0, 1.02, 1.03, 1.04], [1, 1, 1, 0], id="not asked for twice in 20 ms"
        ),
        pytest.param(0.4, [0.5, 9.0], [0, 0], id="it arrived in time"),
    ],
)
def test_what_is_not_received_in_half_a_second_is_held_until_it_is(
    keeps_for_s: float, looks_s: list[float], held: list[int]
) -> None:
    transit, connection, seen = InTransit(), Held(), []
    transit.add(0.0, connection, 1)

    for now_s in looks_s:
        connection.keeps = now_s < keeps_for_s
        transit.look(now_s)
        seen.append(transit.held)

    assert seen == held


def test_what_arrives_after_it_was_held_is_told_once_with_what_left_since() -> None:
    transit, old, newer, newest, later = InTransit(), Held(), Held(), Held(), Held()
    transit.add(0.0, old, 1)
    told = [transit.look(1.0)]
    transit.add(1.9, newer, 1)
    transit.add(1.9, newest, 1)
    old.keeps = newer.keeps = False

    told += [transit.look(2.0), transit.look(2.1)]
    newest.keeps = False
    transit.add(2.2, later, 1)
    told += [transit.look(2.3), transit.look(3.0)]

    assert told == [0, 2, 0, 1, 0]
    assert transit.held == 1


def test_only_what_has_not_arrived_is_discarded() -> None:
    transit = InTransit()
    held, arrived, just_left, just_arrived = connections = [Held() for _ in range(4)]
    for each in connections[:2]:
        transit.add(0.0, each, 1)
    transit.look(1.0)
    for each in connections[2:]:
        transit.add(1.0, each, 1)
    arrived.keeps = just_arrived.keeps = False

    transit.discard()

    assert [each.is_reset for each in connections] == [True, False, True, False]
    assert (held.is_reset, just_left.is_reset) == (True, True)
