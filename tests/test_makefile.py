"""The set-up by `make`: what stands in its way is a sentence, and nothing is left half made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYTHONS = {
    "none": (None, "there is no "),
    "too old": (
        f'[ "$1" = -V ] && echo Python 3.9.2 || {sys.executable} -c '
        '"import sys; sys.version_info = (3, 9, 2); $2"',
        "is Python 3.9.2 and Convoy needs 3.11",
    ),
    "no venv module": ('case "$2" in *ensurepip*) exit 1;; esac', "has no venv module"),
}
WITHOUT_NETWORK = """
case "$*" in
  *" venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
  *" pip install "*" -r {}") echo no route >&2; exit 1;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, repository: Path) -> Path:
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(repository / name, tmp_path)
    return tmp_path


def make(folder: Path, python: str | None = None) -> str:
    """Run `make install` by a Python that is this shell script; return what it complained of."""
    path = folder / "python-for-make"
    if python is not None:
        path.write_text(f"#!/bin/sh\n{python}\n")
        path.chmod(0o755)
    command = ["make", "install", f"PYTHON={path}"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 2, ended.stdout
    return ended.stderr


@pytest.mark.parametrize(("python", "said"), PYTHONS.values(), ids=PYTHONS)
def test_a_python_that_does_not_do_is_refused_before_anything_is_made(
    folder: Path, python: str | None, said: str
) -> None:
    complaint = make(folder, python)

    assert complaint.startswith("convoy: ") and said in complaint
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("what", [".venv/pip.lock", "requirements.lock"])
def test_an_environment_without_its_packages_is_not_taken_as_complete(
    folder: Path, what: str
) -> None:
    complaints = [make(folder, WITHOUT_NETWORK.format(what)) for _ in range(2)]

    for complaint in complaints:
        assert (
            "no route\nconvoy: not everything in requirements.lock could be installed" in complaint
        )
    assert (folder / ".venv" / "bin" / "python").exists()


def test_an_environment_that_was_moved_is_refused_with_the_way_out(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text('VIRTUAL_ENV="/before/.venv"\n')
    (folder / ".venv" / ".runtime").touch()

    complaint = make(folder)

    assert "was made as /before/.venv" in complaint and "make clean install" in complaint


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("load", ".venv/bin/python -m locust --headless --load-profile smoke --given more"),
        ("ui", ".venv/bin/python -m locust --web-host 127.0.0.1 --web-port 8089 --given more"),
        ("test", ".venv/bin/python -m pytest -q -n 12 --dist worksteal --given more"),
        (
            "faults",
            ".venv/bin/python -m pytest -q -n 12 --dist worksteal tests/faults --given more",
        ),
        ("bench", ".venv/bin/python -m bench --given more"),
    ],
)
def test_a_target_hands_its_arguments_on(repository: Path, target: str, command: str) -> None:
    asked = ["make", "--no-print-directory", "--dry-run", target, "ARGS=--given more"]

    said = subprocess.run(asked, cwd=repository, capture_output=True, text=True)

    assert said.stdout.splitlines()[-1] == command
