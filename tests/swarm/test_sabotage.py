"""Sabotages of the bench that nothing but a whole run can show: none of them passes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from bench import processes
from bench.sabotage.table import SABOTAGES
from bench.sabotage.trials import State, attempt
from tests.fork_server import Program
from tests.locust_process import clean_environment

BY_NAME = {sabotage.name: sabotage for sabotage in SABOTAGES}
ON_THE_WAY = ("html-page", "cached-answer", "swallowed", "doubled", "other-conversation")
OF_OUR_OWN = ("scenario-sleeps-50-ms", "values-doubled", "due-times-forgotten", "no-health-watch")


def forked(command: Sequence[str], *, preexec_fn: object, **how: Any) -> Program:
    """Start what the bench would execute on a core of its own, which it has not beside tests."""
    at = command.index(sys.executable)
    variables = dict(each.split("=", 1) for each in command[1:at])
    module, *arguments = command[at + 2 :]
    surroundings = clean_environment() if module == "locust" else os.environ
    return Program(module, *arguments, env=surroundings | variables, **how)


@pytest.mark.parametrize("name", (*ON_THE_WAY, *OF_OUR_OWN))
def test_a_sabotaged_run_does_not_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = SimpleNamespace(**vars(subprocess) | {"Popen": forked})
    monkeypatch.setattr(processes, "subprocess", starts)

    trial = attempt(BY_NAME[name], processes.choose_cores(), print)

    # Beside other tests a run may say that its generator was too slow: it does not pass, either.
    assert trial.state in (State.AS_DECLARED, State.DISTURBED), trial
    assert trial.verdict in ("fail", "invalid")
    assert all(trial.effects.values())
