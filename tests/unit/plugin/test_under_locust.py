"""Runs the tests of `under_locust` in a process that imports Locust first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fork_server import ROOT

FILES = sorted((Path(__file__).parent / "under_locust").glob("[!_]*.py"))


def test_what_needs_locust_passes_in_a_process_of_its_own() -> None:
    plugins = ["-p", "no:locust", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options = ["-q", *plugins, "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    command = [sys.executable, "-m", "tests.unit.plugin.under_locust", *options, *FILES]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)

    assert ended.returncode == 0, ended.stdout + ended.stderr
