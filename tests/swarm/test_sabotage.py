"""Sabotages of the bench that nothing but a whole run can show: none of them passes."""

from __future__ import annotations

import pytest

from bench.processes import choose_cores
from bench.sabotage.table import SABOTAGES
from bench.sabotage.trials import State, attempt
from tests.locust_process import ROOT

BY_NAME = {sabotage.name: sabotage for sabotage in SABOTAGES}
ON_THE_WAY = ("html-page", "cached-answer", "swallowed", "doubled", "other-conversation")
OF_OUR_OWN = ("scenario-sleeps-50-ms", "values-doubled", "due-times-forgotten", "no-health-watch")


@pytest.mark.parametrize("name", (*ON_THE_WAY, *OF_OUR_OWN))
def test_a_sabotaged_run_does_not_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the bench starts its programs in other folders

    trial = attempt(BY_NAME[name], choose_cores(), print)

    # Beside other tests a run may say that its generator was too slow: it does not pass, either.
    assert trial.state in (State.AS_DECLARED, State.DISTURBED), trial
    assert trial.verdict in ("fail", "invalid")
    assert all(trial.effects.values())
