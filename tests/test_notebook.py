"""The notebook, its code cells run in order by one fresh interpreter."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.locust_process import clean_environment

NOTEBOOK = "docs/notebook.ipynb"
DEADLINE_S = 600
# A Jupyter kernel and its client would add 105 MB of packages to run these few cells.
RUN_CELLS = """
import json
import sys

names = {"__name__": "__main__"}
with open(sys.argv[1], encoding="utf-8") as file:
    cells = json.load(file)["cells"]
for cell in cells:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
"""


@pytest.mark.parametrize("folder", ["docs", "."], ids=["in its own folder", "in the repository"])
def test_the_notebook_runs_from_top_to_bottom(repository: Path, folder: str) -> None:
    ended = run_notebook(repository, repository / folder)

    assert ended.returncode == 0, ended.stderr
    assert "200 accepted" in ended.stdout
    assert "400 rejected 400 invalid_payload" in ended.stdout
    assert "400 invalid_payload: the field `to.type` is wrong" in ended.stdout
    assert ended.stdout.endswith("200 accepted\n")
    # It leaves no simulator behind.
    port = re.search(r"simulator at http://127\.0\.0\.1:(\d+)", ended.stdout)
    assert port is not None, ended.stderr
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port[1]))) != 0


def test_the_notebook_says_at_its_end_that_locust_was_not_imported(repository: Path) -> None:
    last = cells(repository)[-1]

    assert 'assert "locust" not in sys.modules' in "".join(last["source"])


def test_the_notebook_is_kept_without_outputs(repository: Path) -> None:
    code = [cell for cell in cells(repository) if cell["cell_type"] == "code"]

    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def run_notebook(repository: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the code cells with `folder` as the working directory, as Jupyter would."""
    environment = clean_environment()
    del environment["PYTHONPATH"]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_CELLS, str(repository / NOTEBOOK)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def cells(repository: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((repository / NOTEBOOK).read_text("utf-8"))["cells"]
    return found
