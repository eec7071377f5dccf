"""The record of a run: whole files, and a link to the newest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from convoy.errors import RefusedError
from convoy.results.record import begin_record, write_record
from convoy.results.reports import REPORTS
from convoy.results.summary import Summary
from tests.unit.results import ACCEPTED, summary_of

SETTINGS = {"profile": "smoke", "rate": 20.0, "target": {"name": "Grüße"}}


def summary_named(run_id: str) -> Summary:
    return summary_of(ACCEPTED, run_id=run_id)


def record(runs: Path, summary: Summary) -> Path:
    """Write the whole record of a run, as it begins and as it ends."""
    folder = begin_record(runs, summary.run_id, SETTINGS)
    write_record(folder, summary)
    return folder


def test_a_record_holds_summary_and_settings(tmp_path: Path) -> None:
    summary = summary_named("run-1")

    folder = record(tmp_path / "runs", summary)

    assert folder == tmp_path / "runs" / "run-1"
    assert Summary.read(folder / "summary.json") == summary
    assert yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8")) == SETTINGS


def test_nothing_but_the_record_is_left_behind(tmp_path: Path) -> None:
    folder = record(tmp_path, summary_named("run-1"))

    assert {path.name for path in folder.iterdir()} == {*REPORTS, "settings.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == {"run-1", "latest"}


def test_latest_moves_to_the_newest_record(tmp_path: Path) -> None:
    latest = tmp_path / "latest"

    record(tmp_path, summary_named("run-1"))
    first = latest.resolve()
    record(tmp_path, summary_named("run-2"))

    assert (first.name, latest.resolve().name) == ("run-1", "run-2")
    assert latest.is_symlink()
    assert (tmp_path / "run-1" / "summary.json").exists()


def test_latest_still_points_there_when_the_folder_of_runs_is_moved(tmp_path: Path) -> None:
    record(tmp_path / "runs", summary_named("run-1"))

    (tmp_path / "runs").rename(tmp_path / "moved")

    assert (tmp_path / "moved" / "latest" / "summary.json").exists()


def test_who_reads_a_file_while_it_is_written_anew_reads_a_whole_one(tmp_path: Path) -> None:
    folder = record(tmp_path, summary_named("run-1"))

    with (folder / "summary.json").open(encoding="utf-8") as being_read:
        write_record(folder, summary_of(ACCEPTED, run_id="run-1", seed=8))
        read = being_read.read()

    assert read == summary_named("run-1").to_json()
    assert json.loads((tmp_path / "latest" / "summary.json").read_text())["seed"] == 8


def test_the_record_of_an_earlier_run_is_never_the_latest_ones(tmp_path: Path) -> None:
    record(tmp_path, summary_named("run-1"))

    folder = begin_record(tmp_path, "run-2", SETTINGS)
    with pytest.raises(TypeError):
        write_record(folder, summary_of(ACCEPTED, run_id="run-2", seed=object()))

    assert (tmp_path / "latest").resolve().name == "run-2"
    assert not (tmp_path / "latest" / "summary.json").exists()


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(RefusedError, match="cannot be written to .*/runs"):
        begin_record(tmp_path / "runs", "run-1", SETTINGS)


def test_a_link_that_cannot_move_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "latest").mkdir()

    folder = record(tmp_path, summary_named("run-1"))

    assert (folder / "summary.json").exists()
    assert "latest does not point to this run" in caplog.text
