"""The members of `summary.json` and the exit codes are those of the golden files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.runs import CASES, MEMBERS, end_of, members_of


@pytest.mark.parametrize("name", [name for name in CASES if name not in MEMBERS])
def test_a_case_ends_with_the_golden_exit_code(name: str, tmp_path: Path) -> None:
    ended = end_of(CASES[name], tmp_path)

    assert ended.exit_code == CASES[name]["exit_code"], ended.output


@pytest.mark.parametrize("name", MEMBERS)
def test_a_run_ends_with_the_golden_exit_code_and_members(name: str, tmp_path: Path) -> None:
    ended = end_of(CASES[name], tmp_path)

    assert ended.exit_code == CASES[name]["exit_code"], ended.output
    assert members_of(ended) == MEMBERS[name]
