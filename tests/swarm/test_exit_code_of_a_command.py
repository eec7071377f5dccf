"""Exit code 1 of a command means that a message was not accepted, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.locust_process import ROOT, clean_environment

CRASHES = """
import locust, os, sys
from convoy.cli import commands
from convoy.secrets import Secret

def crash(setup, _):
    setup.redactor.register(Secret("hunter22"))
    raise KeyError("hunter22")

commands._COMMANDS = {"scenarios": crash}
sys.exit(commands.main(["scenarios"], os.environ))
"""

SCENARIOS = f"""
import locust, os, sys
sys.path.append({str(ROOT)!r})  # behind the present folder, whose locustfile is imported
from convoy.cli.commands import main

sys.exit(main(["scenarios"], os.environ))
"""


def ended(folder: Path, *command: str, **streams: int) -> tuple[int, str]:
    """Run a Python command to its end; return its exit code and what it complained of."""
    found = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": ""},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        **streams,
    )
    return found.returncode, found.stderr


def test_a_crash_is_shown_without_secrets_and_ends_as_invalid() -> None:
    exit_code, said = ended(ROOT, "-c", CRASHES)

    assert exit_code == 5
    assert "KeyError" in said and "hunter22" not in said


def test_output_that_cannot_be_written_is_a_sentence_and_ends_as_invalid() -> None:
    with Path("/dev/full").open("wb") as full:
        exit_code, said = ended(ROOT, "-m", "convoy", "scenarios", stdout=full.fileno())

    assert (exit_code, said) == (5, "convoy: [Errno 28] No space left on device\n")


def test_another_folder_than_convoys_is_a_sentence(tmp_path: Path) -> None:
    for name in ("convoy", "scenarios", "config"):
        (tmp_path / name).symlink_to(ROOT / name)

    exit_code, said = ended(tmp_path, "-m", "convoy", "scenarios")

    assert exit_code == 2
    assert said.startswith(f"convoy: locustfile.py: there is none in {tmp_path}; start from ")


def test_what_a_locustfile_of_convoys_own_refuses_is_said_as_it_is(tmp_path: Path) -> None:
    refusal = "from convoy.errors import RefusedError\nraise RefusedError('not now')\n"
    (tmp_path / "locustfile.py").write_text(refusal)

    assert ended(tmp_path, "-c", SCENARIOS) == (4, "convoy: not now\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("def broken(:\n", "SyntaxError: invalid syntax (", id="no Python"),
        pytest.param(
            "import nothing_of_that_name\n", "ModuleNotFoundError: No module", id="import"
        ),
        pytest.param("value = 1\nvalue.nothing\n", "locustfile.py, line 2)", id="an error in it"),
    ],
)
def test_a_locustfile_that_cannot_be_imported_is_one_sentence(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "locustfile.py").write_text(content)

    exit_code, complaint = ended(tmp_path, "-c", SCENARIOS)

    [line] = complaint.splitlines()
    assert exit_code == 2
    assert line.startswith("convoy: locustfile.py: ") and said in line
