"""The members of `summary.json` and the exit codes are those of the golden files.

What pipelines read of each run, test cases and metrics, agrees with its exit code.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from junitparser import JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.golden.runs import CASES, MEMBERS, end_of, members_of
from tests.locust_process import Ended


@pytest.mark.parametrize("name", [name for name in CASES if name not in MEMBERS])
def test_a_case_ends_with_the_golden_exit_code(name: str, tmp_path: Path) -> None:
    ended = end_of(CASES[name], tmp_path)

    assert ended.exit_code == CASES[name]["exit_code"], ended.output
    if ended.summary is not None:
        assert_pipelines_agree(ended, tmp_path / "runs" / "latest")


@pytest.mark.parametrize("name", MEMBERS)
def test_a_run_ends_with_the_golden_exit_code_and_members(name: str, tmp_path: Path) -> None:
    ended = end_of(CASES[name], tmp_path)

    assert ended.exit_code == CASES[name]["exit_code"], ended.output
    assert members_of(ended) == MEMBERS[name]
    assert_pipelines_agree(ended, tmp_path / "runs" / "latest")


def assert_pipelines_agree(ended: Ended, record: Path) -> None:
    [suite] = JUnitXml.fromfile(str(record / "junit.xml"))
    assert (suite.failures + suite.errors > 0) == (ended.exit_code != 0), ended.output
    assert (suite.errors == 1) == (ended.exit_code == 5)
    assert suite.tests == len(list(suite)) == 3 + len(ended.run["criteria"])
    found = metrics(record)
    assert found["convoy_exit_code"] == ended.exit_code
    assert found["convoy_messages_total"] == ended.run["totals"]["sent"]
    assert found.get("convoy_errors_total", 0) == sum(ended.run["totals"]["errors"].values())


def metrics(record: Path) -> dict[str, float]:
    """Return the sum of the samples of each name."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families((record / "metrics.txt").read_text("utf-8")):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums
