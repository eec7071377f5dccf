"""The inputs of a run: the same in every worker, and a fingerprint of the code that uses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from convoy.errors import ConvoyError
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.swarm.run_inputs import RunInputs, code_hash, plan_hash
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID


def test_inputs_make_the_same_plan_after_they_went_over_the_wire() -> None:
    scenario = replace(INPUTS, curve=RateCurve([Stage(20.0, 20.0, 30.0)]))
    inputs = RunInputs(RUN_ID, settings_of(), {"conversation_messages": scenario})

    again = RunInputs.from_bytes(inputs.to_bytes())

    assert (again.run_id, again.settings) == (RUN_ID, inputs.settings)
    assert plan_hash(again.plans()) == plan_hash(inputs.plans())


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\x83\xa1\xff\xa1x", b"\x83\xa6run_id\xa1x\xa8settings\xa2{}\xa9scenarios\x80"],
)
def test_inputs_of_another_make_are_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ConvoyError, match="the run's inputs cannot be read"):
        RunInputs.from_bytes(data)


def test_another_scenario_file_is_other_code(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("a")
    two.write_text("b")
    before = code_hash([one, two])

    assert code_hash([two, one, one]) == before
    two.write_text("c")
    assert code_hash([one, two]) != before
    assert code_hash([one]) != before
