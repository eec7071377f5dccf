"""Which folder a command on a record works on."""

from __future__ import annotations

from pathlib import Path

from convoy.cli.records import folder_of


def test_latest_is_one_run_for_the_whole_command_also_where_another_begins(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "latest").symlink_to("run-1")

    by_id = folder_of("latest", tmp_path)
    by_path = folder_of(str(tmp_path / "latest"), Path("nowhere"))

    assert (by_id, by_path) == (tmp_path / "run-1", tmp_path / "run-1")
