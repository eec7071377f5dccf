"""The record of a run: whole files, and a link to the newest."""

from __future__ import annotations

import gzip
import json
import operator
import os
import resource
import stat
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from convoy.errors import RefusedError, SettingsError
from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.grammar import Known, parse
from convoy.results.journal import JournalWriter
from convoy.results.record import (
    JOURNAL,
    SERIES,
    Record,
    append,
    begin_record,
    check_folder,
    check_stop,
    clear_records,
    read_result,
    records,
    write_reports,
)
from convoy.results.reports import REPORTS
from convoy.results.result import RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from tests.unit.results import RESULT, counts_of, run_of

SETTINGS = "profile: smoke\nrate: 20.0\ntarget: {name: Grüße}\n"


def summary_named(run_id: str, **facts: Any) -> Summary:
    result = replace(RESULT, run_id=run_id, **facts)
    return summarise(result, judge(result))


def record(runs: Path, summary: Summary, result: RunResult = RESULT) -> Path:
    """Write the whole record of a run, as it begins and as it ends."""
    record = begin_record(runs, summary.run_id, SETTINGS)
    record.close(summary, result)
    return record.folder


def test_a_record_holds_summary_and_settings(tmp_path: Path) -> None:
    summary = summary_named("run-1")

    folder = record(tmp_path / "runs", summary)

    assert folder == tmp_path / "runs" / "run-1"
    assert Summary.read(folder / "summary.json") == summary
    assert (folder / "settings.yaml").read_text(encoding="utf-8") == SETTINGS


def test_nothing_but_the_record_is_left_behind(tmp_path: Path) -> None:
    folder = record(tmp_path, summary_named("run-1"))

    assert {path.name for path in folder.iterdir()} == {
        *REPORTS,
        "settings.yaml",
        "histograms",
        JOURNAL,
        SERIES,
    }
    assert {path.name for path in tmp_path.iterdir()} == {"run-1", "latest"}


def test_a_record_can_be_read_by_nobody_else(tmp_path: Path) -> None:
    folder = record(tmp_path, summary_named("run-1"), RUN)

    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder, folder / "histograms")} == {
        0o700
    }


def test_what_was_entered_stays_where_the_disk_is_full(tmp_path: Path) -> None:
    begun = begin_record(tmp_path, "run-1", SETTINGS)
    enter(begun, replace(RUN, is_over=False))
    before = (begun.folder / JOURNAL).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))

    try:
        with pytest.raises(OSError):
            enter(begun, replace(RUN, is_over=False))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (begun.folder / JOURNAL).read_bytes() == before
    assert read_result(begun.folder).series == RUN.series


def test_where_not_all_reports_can_be_written_none_says_how_the_run_ended(tmp_path: Path) -> None:
    begun = begin_record(tmp_path, "run-1", SETTINGS)
    (begun.folder / "histograms").write_text("in the way")

    with pytest.raises(OSError):
        begun.close(summary_named("run-1"), RESULT)

    assert {path.name for path in begun.folder.iterdir()} & {*REPORTS} == set()


def enter(begun: Record, result: RunResult) -> None:
    for _ in begun.enter(result):
        pass


def old_record(runs: Path, name: str, days: float) -> None:
    folder = begin_record(runs, name, SETTINGS).folder
    for path in (folder / "settings.yaml", folder):
        os.utime(path, (NOW_S - days * DAY_S,) * 2)


NOW_S, DAY_S = 1_800_000_000.0, 24 * 3600.0


def test_old_records_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    for number, days in enumerate((9, 8, 0.9, 7, 6)):
        old_record(tmp_path, f"20261101-00000{number}-abcdef", days)
    (tmp_path / "20261101-000000-a-copy").mkdir()
    (tmp_path / "notes.txt").write_text("mine")

    clear_records(tmp_path, 2, NOW_S)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20261101-000000-a-copy",
        "20261101-000002-abcdef",  # younger than a day
        "20261101-000003-abcdef",
        "20261101-000004-abcdef",
        "latest",
        "notes.txt",
    ]


def test_a_record_that_was_written_to_today_stays(tmp_path: Path) -> None:
    for number in range(2):
        old_record(tmp_path, f"20261101-00000{number}-abcdef", 9)
    series = tmp_path / "20261101-000000-abcdef" / SERIES
    series.write_text("{}")
    os.utime(series, (NOW_S - 60,) * 2)
    os.utime(series.parent, (NOW_S - 9 * DAY_S,) * 2)

    clear_records(tmp_path, 1, NOW_S)

    assert len(records(tmp_path)) == 2


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
        write_reports(folder, summary_named("run-1", seed=8), RESULT)
        read = being_read.read()

    assert read == summary_named("run-1").to_json()
    assert json.loads((tmp_path / "latest" / "summary.json").read_text())["seed"] == 8


def test_the_record_of_an_earlier_run_is_never_the_latest_ones(tmp_path: Path) -> None:
    record(tmp_path, summary_named("run-1"))

    second = begin_record(tmp_path, "run-2", SETTINGS)
    with pytest.raises(TypeError):
        second.close(summary_named("run-2", seed=object()), RESULT)

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


LOST = Counts()
LOST.lose(3)
GENERATOR = {"users": 1, "cpu_share": 0.1, "loop_lag_ms": 1.0}
WORKER = msgspec.to_builtins(RESULT.workers[0])
LINES = (
    "p95(response_time) < 400ms",
    "p95(response_time) < 400ms over 3s",
    "max(service_time) < 1s for 6s",
    "share(failures[*]) < 1%",
    "share(errors[4??]) < 1% over 2s",
    "achieved_rate >= 99% over 3s",
    "achieved_rate >= 9/s",
    "max(unknown_time) < 1s",
)
RUN = run_of(
    counts_of(accepted=10),
    counts_of(accepted=8, rejected=2),
    counts_of(accepted=7, unknown=3),
    *[counts_of(accepted=10)] * 3,
    times_s=[[0.1] * 25, [0.2] * 30],
    censored_s=[[30.0] * 3],
)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(RUN, id="a run with failures"),
        pytest.param(
            replace(RUN, aborted=CriterionResult(LINES[3], 20.0, 1.0, "fail", "%", aborted=True)),
            id="ended early",
        ),
        pytest.param(replace(RUN, problems=("interrupted: Ctrl-C",)), id="interrupted"),
        pytest.param(run_of(LOST, due=[3]), id="a lost worker"),
        pytest.param(run_of(), id="nothing sent"),
    ],
)
def test_a_run_is_judged_by_its_record_as_it_was_at_its_end(
    tmp_path: Path, result: RunResult
) -> None:
    criteria = parse(LINES, Known(result.scenarios, duration_s=6))

    folder = record(tmp_path, summary_named("run-1"), result)

    assert judge(read_result(folder), criteria) == judge(result, criteria)
    assert read_result(folder).series == result.series


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "No such file", id="no file"),
        pytest.param(b"", "no whole entry", id="nothing"),
        pytest.param(b"{}", "no whole entry", id="no gzip"),
        pytest.param(gzip.compress(b"{}" * 999)[:20], "no whole entry", id="half of it"),
        pytest.param(gzip.compress(b"{"), "is no result of a run", id="no JSON"),
        pytest.param(gzip.compress(b"\xff"), "is no result of a run", id="no text"),
        pytest.param(gzip.compress(b'{"schema": 2}'), "`$.schema`", id="another schema"),
        pytest.param(gzip.compress(b"[" * 10**5), "is no result of a run", id="depth"),
    ],
)
def test_a_record_without_a_result_is_refused_by_name(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / JOURNAL).write_bytes(content)

    with pytest.raises(SettingsError) as refused:
        read_result(tmp_path)

    assert str(tmp_path / JOURNAL) in str(refused.value) and said in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("duration_s", 1e15, id="a run of millions of years"),
        pytest.param("duration_s", 1e6, id="more steps than there can be"),
        pytest.param("duration_s", -1.0, id="less than no time"),
        pytest.param("series.messages.step_s", 0, id="steps of no time"),
        pytest.param("series.messages.report_steps", 0, id="reports of no time"),
        pytest.param("series.messages.report_steps", 10**6, id="endless reports"),
        pytest.param("series.messages.steps", {"1000000000000": {}}, id="far step"),
        pytest.param("series.messages.reports", {"1000000000000": []}, id="far report"),
        pytest.param("series.messages.due", [10**400], id="due"),
        pytest.param("series.messages.until_s", 1e18, id="until"),
        pytest.param("series.another", {"step_s": 2}, id="steps of two lengths"),
        pytest.param("generator", {"10000000000": GENERATOR}, id="far step of the generator"),
        pytest.param("generator", {"0": GENERATOR | {"users": 10**400}}, id="users"),
        pytest.param("scenarios.messages.counts.sent", 10**400, id="sent"),
        pytest.param("scenarios.messages.counts.errors", {"timeout": 10**400}, id="errors"),
        pytest.param("scenarios.messages.planned", 10**400, id="planned"),
        pytest.param("workers", [WORKER | {"sent": 10**400}], id="sent by a worker"),
        pytest.param("started_at", "x", id="no moment"),
        pytest.param("started_at", "0001-01-01", id="a moment before all time"),
    ],
)
def test_a_record_with_what_no_run_has_is_refused_by_name(
    tmp_path: Path, path: str, value: object
) -> None:
    entry = json.loads(gzip.decompress(JournalWriter().entry(RUN)))
    *names, last = path.split(".")
    within = reduce(operator.getitem, names, entry["result"])
    within[last] = value
    (tmp_path / JOURNAL).write_bytes(gzip.compress(json.dumps(entry).encode()))

    with pytest.raises(SettingsError, match=f"{JOURNAL}: is no result of a run"):
        read_result(tmp_path)


def test_a_record_of_more_scenarios_than_there_can_be_is_refused_by_name(tmp_path: Path) -> None:
    entry = json.loads(gzip.decompress(JournalWriter().entry(RUN)))
    scenarios = entry["result"]["scenarios"]
    scenarios |= {str(number): scenarios["messages"] for number in range(1_000)}
    (tmp_path / JOURNAL).write_bytes(gzip.compress(json.dumps(entry).encode()))

    with pytest.raises(SettingsError, match=f"{JOURNAL}: is no result of a run .*<= 1000"):
        read_result(tmp_path)


def test_a_journal_made_to_harm_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    entry = json.loads(gzip.decompress(JournalWriter().entry(RUN)))
    entry["result"]["problems"] = ["@"]
    text = json.dumps(entry).replace('"@"', ",".join(['""'] * 10**6))
    (tmp_path / JOURNAL).write_bytes(gzip.compress(text.encode()))

    with pytest.raises(SettingsError, match=f"{JOURNAL}: unpacks to more than 1,"):
        read_result(tmp_path)


def test_many_entries_together_unpack_to_no_more(tmp_path: Path) -> None:
    entry = gzip.compress(gzip.decompress(JournalWriter().entry(RUN)) + b" " * 900_000)
    (tmp_path / JOURNAL).write_bytes(entry * 20)

    with pytest.raises(SettingsError, match=f"{JOURNAL}: unpacks to more than "):
        read_result(tmp_path)


def test_what_a_link_leads_to_is_left_alone_when_the_folder_is_tried(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".trial").symlink_to(tmp_path / "mine.txt")

    check_folder(tmp_path / "runs")

    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".trial"]


def test_while_the_kill_switch_is_on_no_folder_does(tmp_path: Path) -> None:
    check_folder(tmp_path)
    (tmp_path / "STOP").touch()

    with pytest.raises(RefusedError, match="STOP is there, which stops every run; remove it"):
        check_folder(tmp_path)


def test_a_link_to_nowhere_stops_as_well(tmp_path: Path) -> None:
    (tmp_path / "STOP").symlink_to(tmp_path / "nowhere")

    with pytest.raises(RefusedError, match="STOP is there, which stops every run; remove it"):
        check_stop(tmp_path)


def test_where_nobody_can_look_for_it_no_run_starts(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(tmp_path / "runs")

    with pytest.raises(RefusedError, match=r"runs/STOP cannot be looked for \(.*\), which stops"):
        check_stop(tmp_path / "runs")


def test_no_reports_are_written_where_a_link_stands_for_their_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "run-1", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "histograms").symlink_to(elsewhere)

    with pytest.raises(OSError, match="is a link, through which nothing is written"):
        write_reports(folder, summary_named("run-1"), RUN)

    assert [*elsewhere.iterdir()] == []
    assert [path.name for path in folder.iterdir()] == ["histograms"]


def test_nothing_is_written_through_a_link_in_a_record(tmp_path: Path) -> None:
    (tmp_path / "discrepancies.jsonl").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        append(tmp_path / "discrepancies.jsonl", b"{}\n")

    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_written_into_a_pipe_in_a_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "discrepancies.jsonl")
    os.mkfifo(tmp_path / f".summary.json.{os.getpid()}")

    with pytest.raises(OSError, match="No such device or address"):
        append(tmp_path / "discrepancies.jsonl", b"{}\n")
    write_reports(tmp_path, summary_named("run-1"), RUN)

    assert '"run_id": "run-1"' in (tmp_path / "summary.json").read_text()
