"""Which folder a command on a record works on, and what a stranger's record can do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from convoy.cli.records import folder_of, judge_record, report_record, run_lines
from convoy.errors import SettingsError
from convoy.results.journal import JournalWriter
from convoy.results.record import JOURNAL, write_reports
from convoy.results.result import RunFacts, RunResult
from convoy.results.summary import summarise
from convoy.results.verdict import judge
from tests.unit.results import RESULT, counts_of, run_of

RUN = run_of(counts_of(accepted=10))


def test_latest_is_one_run_for_the_whole_command_also_where_another_begins(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "latest").symlink_to("run-1")

    by_id = folder_of("latest", tmp_path)
    by_path = folder_of(str(tmp_path / "latest"), Path("nowhere"))

    assert (by_id, by_path) == (tmp_path / "run-1", tmp_path / "run-1")


def recorded(folder: Path, result: RunResult) -> str:
    """Write what the record of a run is read from; return its folder."""
    (folder / JOURNAL).write_bytes(JournalWriter().entry(result))
    return str(folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param("a: &a [x]\nb: [*a, *a]", "cannot be read: line 2: aliases", id="aliases"),
        pytest.param("a: " + "[" * 200_000, "cannot be read: .*nested deeper", id="depth"),
        pytest.param("[1]", "cannot be read: holds no names", id="a list"),
        pytest.param("target: x", "holds what no run writes", id="target"),
        pytest.param("rate: x", "holds what no run writes", id="rate"),
        pytest.param("rate: 1" + "0" * 900, "holds what no run writes", id="large rate"),
        pytest.param("stages: [{rate: x}]", "holds what no run writes", id="stages"),
        pytest.param("criteria: [1]", "holds what no run writes", id="criteria"),
    ],
)
def test_settings_in_a_record_that_do_harm_are_refused_in_a_sentence(
    tmp_path: Path, settings: str, said: str
) -> None:
    run = recorded(tmp_path, replace(RUN, facts=RunFacts(settings)))

    with pytest.raises(SettingsError, match=f"{JOURNAL}: .*{said}"):
        report_record(run, Path("nowhere"))


def test_a_number_of_thousands_of_digits_in_them_is_no_fault(tmp_path: Path) -> None:
    run = recorded(tmp_path, replace(RUN, facts=RunFacts("other: " + "9" * 5_000)))

    summary, _ = report_record(run, Path("nowhere"))

    assert summary.run_id == RUN.run_id


def test_a_run_that_was_cut_short_without_a_series_is_refused_in_a_sentence(tmp_path: Path) -> None:
    run = recorded(tmp_path, replace(RUN, series={}, is_over=False))
    (tmp_path / "criteria.yaml").write_text("- count(sent) > 0\n")

    with pytest.raises(SettingsError, match="holds what no run writes .KeyError: 'messages'"):
        report_record(run, Path("nowhere"))
    with pytest.raises(SettingsError, match="holds what no run writes .KeyError: 'messages'"):
        judge_record(run, str(tmp_path / "criteria.yaml"), "fail", Path("nowhere"))


def test_a_criterion_with_a_secret_is_not_read(tmp_path: Path) -> None:
    run, criteria = recorded(tmp_path, RUN), tmp_path / "criteria.yaml"
    criteria.write_text("- p95(response_time) < head~tail\n")

    with pytest.raises(SettingsError, match="^--criteria: holds a secret") as caught:
        judge_record(
            run, str(criteria), "fail", tmp_path, lambda text: text.replace("head~tail", "*")
        )

    assert "tail" not in str(caught.value)


@pytest.mark.parametrize(
    ("result", "figures"),
    [
        pytest.param(run_of(counts_of(rejected=3)), ["1.0 s", "3.0/s", "–", "3"], id="none"),
        pytest.param(
            run_of(counts_of(accepted=1), times_s=[[0.1]], duration_s=2.0),
            ["2.0 s", "0.5/s", "100.0 ms", "0"],
            id="times",
        ),
    ],
)
def test_a_record_has_its_main_figures_in_its_line(
    tmp_path: Path, result: RunResult, figures: list[str]
) -> None:
    folder = tmp_path / "20260101-000000-abcdef"
    folder.mkdir()
    write_reports(folder, summarise(result, judge(result)), result)

    _, line = run_lines(tmp_path)

    cells = re.split(" {2,}", line)
    assert cells[2:6] == figures
    assert cells[6] == "messages: smoke against simulator"


def test_a_record_is_one_line_among_those_there_are(tmp_path: Path) -> None:
    result = replace(RESULT, facts=RunFacts(labels={"a": "b\n\u202e20260101-000000-abcdef  pass"}))
    folder = tmp_path / "20260101-000000-abcdef"
    folder.mkdir()
    write_reports(folder, summarise(result, judge(result)), result)

    _, line = run_lines(tmp_path)

    assert line.endswith("a=b ?20260101-000000-abcdef  pass")
