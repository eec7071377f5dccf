"""Progress that is kept in a file: another process goes on from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from convoy.afterwards.progress import StepsDone
from convoy.errors import SettingsError


class Step(msgspec.Struct, frozen=True):
    number: int


def test_the_next_one_goes_on_and_a_torn_line_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    first = StepsDone(path, Step)
    first.add(Step(1))
    first.add(Step(2))
    with path.open("ab") as file:
        file.write(b'{"num')

    second = StepsDone(path, Step)
    second.add(Step(3))

    assert StepsDone(path, Step).steps == [Step(1), Step(2), Step(3)]
    second.clear()
    assert StepsDone(path, Step).steps == []


def test_a_file_with_other_things_is_named(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_text("[]\n")

    with pytest.raises(SettingsError, match=r"steps.jsonl: cannot be gone on with"):
        StepsDone(path, Step)
