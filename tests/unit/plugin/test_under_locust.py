"""Runs the tests of `under_locust`, each file in a process that imports Locust first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((Path(__file__).parent / "under_locust").glob("[!_]*.py"))
AFTER_LOCUST = "import locust, pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_needs_locust_passes_in_a_process_of_its_own(path: Path) -> None:
    plugins = ["-p", "no:locust", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options = ["-q", *plugins, "-W", "ignore::pytest.PytestAssertRewriteWarning"]

    ended = subprocess.run(
        [sys.executable, "-c", AFTER_LOCUST, *options, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
