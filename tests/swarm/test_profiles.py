"""The profiles that come with Convoy, run to their end: a minute is a second, four messages one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.locust_process import ROOT, run_locust
from tests.simulator_process import SimulatorProcess

SECONDS_FOR_ONE = 60
MESSAGES_FOR_ONE = 4
LONGEST_S = 11.0


@pytest.mark.parametrize("name", ["smoke", "load", "stress", "spike", "soak"])
def test_every_profile_passes_with_all_its_stages(
    tmp_path: Path, simulator: SimulatorProcess, name: str
) -> None:
    profile = yaml.safe_load((ROOT / "config" / "profiles" / f"{name}.yaml").read_text("utf-8"))
    for stage in profile.get("stages", ()):
        stage["for_s"] /= SECONDS_FOR_ONE
        for name in stage.keys() & {"rate", "to"}:
            stage[name] /= MESSAGES_FOR_ONE
    profile["run_time_s"] = min(profile["run_time_s"] / SECONDS_FOR_ONE, LONGEST_S)
    # Windows as long as a run of this length allows, and times for a machine that is busy.
    windows = [re.sub(r"(over|for) \d+s", r"\1 6s", each) for each in profile["criteria"]]
    profile["criteria"] = [re.sub(r"< [\d.]+m?s\b", "< 20s", each) for each in windows]
    quick = profile | {"warm_up_s": 0.5, "late_after_ms": 20_000, "max_lateness_s": 30}
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(quick), "utf-8")

    ended = run_locust(tmp_path, "-H", simulator.url, "--load-profile", "quick.yaml")

    assert ended.exit_code == 0, ended.output
    assert (ended.run["verdict"], ended.run["duration_s"]) == ("pass", profile["run_time_s"])
    assert {each["verdict"] for each in ended.run["criteria"]} == {"pass"}
    assert len(ended.run["criteria"]) > 2
    figures = ended.scenario
    assert figures["scheduled"] == figures["accepted"] > 0
    assert simulator.ledger(ended.run["run_id"])["accepted"] == figures["accepted"]
