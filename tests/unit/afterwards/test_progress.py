"""Progress that is kept in a file: another process goes on from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from convoy.afterwards.progress import StepsDone
from convoy.errors import SettingsError


class Step(msgspec.Struct, frozen=True):
    number: int
    name: str = ""


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


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[]\n", id="another kind"),
        pytest.param(b'{"number": 1, "name": "\xff"}\n', id="no text"),
        pytest.param(b'{"other": ' + b"[" * 10**5 + b"\n", id="depth"),
    ],
)
def test_a_file_with_other_things_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "steps.jsonl"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"steps.jsonl: cannot be gone on with"):
        StepsDone(path, Step)


@pytest.mark.parametrize("content", [None, "one line without an end", '{"number": 1}\n'])
def test_what_a_link_leads_to_is_left_alone(tmp_path: Path, content: str | None) -> None:
    path, elsewhere = tmp_path / "steps.jsonl", tmp_path / "elsewhere"
    if content is not None:
        elsewhere.write_text(content)
    path.symlink_to(elsewhere)

    with pytest.raises(SettingsError, match=r"steps.jsonl: is a link"):
        StepsDone(path, Step)

    assert elsewhere.exists() == (content is not None)
    assert content is None or elsewhere.read_text() == content
