"""What a process says in the step of a GitHub workflow, and that it says nothing elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from msgspec.structs import replace

from convoy.errors import RefusedError
from convoy.plugin.github_step import MOST_BYTES, GitHubStep
from convoy.results.reports.github import step_summary
from convoy.results.summary import Summary
from tests.unit.results.pipelines import RUNS

BROKEN, _ = RUNS["criterion broken"]
SECRET = "a%b_secret"
IN_A_WORKFLOW = {"GITHUB_ACTIONS": "true"}


def step(**environment: str) -> GitHubStep:
    return GitHubStep(environment, lambda text: text.replace(SECRET, "***"))


def printed(step: GitHubStep, summary: Summary | None) -> list[str]:
    """Return the lines of a process: its own commands, and one that something else printed."""
    stream = io.StringIO()
    step.stop_commands(stream)
    print("::error::from the API", file=stream)
    step.annotate(summary)
    return stream.getvalue().splitlines()


def test_commands_are_stopped_until_all_else_was_printed() -> None:
    stop, other, resume, annotation = printed(step(**IN_A_WORKFLOW), BROKEN)

    token = stop.removeprefix("::stop-commands::")
    assert len(token) == 32 and resume == f"::{token}::"
    assert other == "::error::from the API"
    assert annotation.startswith("::error title=Convoy%3A FAIL")


def test_the_word_that_resumes_commands_is_another_one_each_time() -> None:
    assert printed(step(**IN_A_WORKFLOW), None)[0] != printed(step(**IN_A_WORKFLOW), None)[0]


def test_commands_are_resumed_once(capsys: pytest.CaptureFixture[str]) -> None:
    of_workflow = step(**IN_A_WORKFLOW)

    lines = printed(of_workflow, None)
    of_workflow.resume_commands()

    assert len(lines) == 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("environment", [{}, {"GITHUB_ACTIONS": ""}], ids=["none", "empty"])
def test_outside_of_a_workflow_nothing_is_printed(environment: dict[str, str]) -> None:
    assert printed(step(**environment), BROKEN) == ["::error::from the API"]


def test_an_error_before_load_is_an_annotation_for_each_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    step(**IN_A_WORKFLOW).annotate(RefusedError("no approval\nno pool"))

    assert capsys.readouterr().out.splitlines() == [
        "::error title=Convoy%3A exit code 4::no approval",
        "::error title=Convoy%3A exit code 4::no pool",
    ]


def test_no_annotation_steers_what_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    step(**IN_A_WORKFLOW).annotate(RefusedError("worker A\u202eB\x1b[2J: no\u2066 pool"))

    assert capsys.readouterr().out == (
        "::error title=Convoy%3A exit code 4::worker A?B?[2J: no? pool\n"
    )


def test_the_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")

    step(GITHUB_STEP_SUMMARY=str(path)).write_summary(BROKEN)

    assert path.read_text("utf-8") == "before\n" + step_summary(BROKEN)


def test_without_a_run_the_summary_stays_as_it_is(tmp_path: Path) -> None:
    step(GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md")).write_summary(None)
    step().write_summary(BROKEN)

    assert list(tmp_path.iterdir()) == []


def test_a_summary_that_github_would_not_take_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (MOST_BYTES - 10))

    step(GITHUB_STEP_SUMMARY=str(path)).write_summary(BROKEN)

    assert path.stat().st_size == MOST_BYTES - 10
    assert f"it would have more than {MOST_BYTES:,} bytes" in caplog.text


@pytest.mark.parametrize("name", ["", "nowhere/summary.md"], ids=["a folder", "no folder"])
def test_a_summary_that_cannot_be_written_is_a_warning(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    step(GITHUB_STEP_SUMMARY=str(tmp_path / name)).write_summary(BROKEN)

    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "the summary of the step cannot be written" in caplog.text


def test_secrets_are_hidden_before_they_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    told = replace(BROKEN, reasons=(f"said {SECRET}",))
    of_workflow = step(GITHUB_STEP_SUMMARY=str(path), **IN_A_WORKFLOW)

    of_workflow.write_summary(told)

    assert printed(of_workflow, told)[-1].endswith("::said ***")
    assert "<code>said &#42;&#42;&#42;</code>" in path.read_text("utf-8")
