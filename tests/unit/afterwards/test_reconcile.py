"""What is asked of a ledger before messages are compared with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from convoy.afterwards import reconcile
from convoy.errors import RefusedError
from convoy.remote.connections import Connections
from convoy.results.far_side import Ledger
from convoy.results.message_log import LoggedMessage
from convoy.results.outcome import ACCEPTED
from tests.unit.results import RESULT, counts_of, result_of
from tests.unit.settings import configuration


@pytest.mark.parametrize("since", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00"])
def test_a_ledger_that_does_not_say_since_when_it_counts_is_refused(
    monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    def read(*asked: Any, **options: Any) -> Ledger:
        return Ledger(accepted=1, duplicates=0, by_conversation={}, since=since)

    monkeypatch.setattr(reconcile, "read_ledger", read)
    connections = cast(Connections, SimpleNamespace(admission=None))

    with pytest.raises(RefusedError, match="does not say since when it counts"):
        reconcile._ledger(configuration.settings_of(), connections, RESULT)


def test_a_number_that_a_marker_may_have_is_one_of_the_plan_or_of_the_log() -> None:
    result = result_of(chat=counts_of(accepted=3))
    logged = [
        LoggedMessage(scenario, k, ACCEPTED, "", "m", "c")
        for scenario, k in [("chat", 7), ("chat", 0), ("another", 5)]
    ]

    assert reconcile._numbers(result, []) == {"chat": 3}
    assert reconcile._numbers(result, logged) == {"chat": 8}
