"""The record of a run: whole files, and a link to the newest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from convoy.results.record import write_record
from convoy.results.reports import REPORTS
from convoy.results.summary import Summary
from tests.unit.results import ACCEPTED, summary_of

SETTINGS = {"profile": "smoke", "rate": 20.0, "target": {"name": "Grüße"}}


def summary_named(run_id: str) -> Summary:
    return summary_of(ACCEPTED, run_id=run_id)


def test_a_record_holds_summary_and_settings(tmp_path: Path) -> None:
    summary = summary_named("run-1")

    folder = write_record(tmp_path / "runs", summary, SETTINGS)

    assert folder == tmp_path / "runs" / "run-1"
    assert Summary.read(folder / "summary.json") == summary
    assert yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8")) == SETTINGS


def test_nothing_but_the_record_is_left_behind(tmp_path: Path) -> None:
    folder = write_record(tmp_path, summary_named("run-1"), SETTINGS)

    assert {path.name for path in folder.iterdir()} == {*REPORTS, "settings.yaml"}
    assert {path.name for path in tmp_path.iterdir()} == {"run-1", "latest"}


def test_latest_moves_to_the_newest_record(tmp_path: Path) -> None:
    latest = tmp_path / "latest"

    write_record(tmp_path, summary_named("run-1"), SETTINGS)
    first = latest.resolve()
    write_record(tmp_path, summary_named("run-2"), SETTINGS)

    assert (first.name, latest.resolve().name) == ("run-1", "run-2")
    assert latest.is_symlink()
    assert (tmp_path / "run-1" / "summary.json").exists()


def test_latest_still_points_there_when_the_folder_of_runs_is_moved(tmp_path: Path) -> None:
    write_record(tmp_path / "runs", summary_named("run-1"), SETTINGS)

    (tmp_path / "runs").rename(tmp_path / "moved")

    assert (tmp_path / "moved" / "latest" / "summary.json").exists()


def test_who_reads_a_file_while_it_is_written_anew_reads_a_whole_one(tmp_path: Path) -> None:
    write_record(tmp_path, summary_named("run-1"), SETTINGS)

    with (tmp_path / "run-1" / "summary.json").open(encoding="utf-8") as being_read:
        write_record(tmp_path, summary_of(ACCEPTED, run_id="run-1", seed=8), SETTINGS)
        read = being_read.read()

    assert read == summary_named("run-1").to_json()
    assert json.loads((tmp_path / "latest" / "summary.json").read_text())["seed"] == 8


def test_a_record_that_cannot_be_written_leaves_latest_where_it_was(tmp_path: Path) -> None:
    write_record(tmp_path, summary_named("run-1"), SETTINGS)

    with pytest.raises(TypeError):
        write_record(tmp_path, summary_of(ACCEPTED, run_id="run-2", seed=object()), SETTINGS)

    assert (tmp_path / "latest").resolve().name == "run-1"
    assert not (tmp_path / "run-2" / "summary.json").exists()


def test_a_place_that_is_no_folder_is_an_error_of_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(OSError):
        write_record(tmp_path / "runs", summary_named("run-1"), SETTINGS)
