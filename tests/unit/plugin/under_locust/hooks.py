"""The hooks of a process: what is checked when Locust has parsed its options, and when not."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments

from convoy.errors import ExitCode
from convoy.plugin.hooks import _Hooks


def parsed(*options: str) -> Namespace:
    """Parse options as Locust does, with Convoy's hook in it."""
    parser = get_empty_argument_parser()
    setup_parser_arguments(parser)
    _Hooks({}).add_options(parser)
    found: Namespace = parser.parse_args(list(options))
    return found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--rate", "fast"], "rate (--rate): is 'fast'", id="a setting"),
        pytest.param(["--target", "nowhere"], "--target: there is no 'nowhere'", id="a target"),
        pytest.param(["--tags", "slow"], "--tags: ", id="an option of Locust's"),
        pytest.param(["NoSuchUser"], "scenarios", id="a user class"),
    ],
)
def test_what_cannot_run_ends_the_process_in_sentences_before_anything_starts(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--web-port", "0", *options)

    complaint = capsys.readouterr().err
    assert ended.value.code == ExitCode.USAGE
    assert complaint.startswith("convoy: ") and said in complaint


@pytest.mark.parametrize("option", ["--list", "--show-task-ratio"])
def test_where_nothing_runs_nothing_is_prepared(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    parsed(option, "--target", "nowhere")

    assert list(tmp_path.iterdir()) == []


def test_a_worker_leaves_the_checks_to_its_master(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert parsed("--worker", "--target", "nowhere").worker
    assert list(tmp_path.iterdir()) == []
