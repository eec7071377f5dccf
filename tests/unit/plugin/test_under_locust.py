"""Runs the tests of `under_locust`, each file in a process that imports Locust first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fork_server import UNDER_LOCUST, run

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((Path(__file__).parent / "under_locust").glob("[!_]*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_needs_locust_passes_in_a_process_of_its_own(path: Path) -> None:
    plugins = ["-p", "no:locust", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options = ["-q", *plugins, "-W", "ignore::pytest.PytestAssertRewriteWarning"]

    ended = run(
        *(UNDER_LOCUST, *options, str(path)), cwd=ROOT, env=os.environ, text=True, timeout=120
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
