"""What the documents promise is there: every path, command, option, setting and exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convoy.errors import ExitCode
from convoy.settings import VARIABLES, Settings

README = "README.md"
PAGES = [
    README,
    *(
        f"docs/{name}.md"
        for name in (
            "criteria",
            "engine",
            "faults",
            "glossary",
            "locust-options",
            "read-a-run",
            "shape-a-run",
            "verdict",
            "write-a-scenario",
        )
    ),
]


def test_every_folder_of_the_table_exists_and_every_folder_is_in_it(repository: Path) -> None:
    named = set(re.findall(r"^\| `([\w./]+)`", text_of(repository), re.MULTILINE))
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {f"{path.split('/')[0]}/" for path in tracked if "/" in path}

    assert {name for name in named if not (repository / name).exists()} <= {"runs/"}
    assert {folder for folder in folders if not folder.startswith(".")} <= named


@pytest.mark.parametrize("target", ["load", "ui", "test", "faults", "check", "bench", "help"])
def test_every_make_target_is_listed_by_make_help(repository: Path, target: str) -> None:
    said = subprocess.run(
        ["make", "help"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout

    assert re.search(rf"^ +make {target} +\w", said, re.MULTILINE)


def test_every_exit_code_has_its_row(repository: Path) -> None:
    rows = re.findall(r"^\| (\d) \|", text_of(repository), re.MULTILINE)

    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_only_variables_that_exist(repository: Path, page: str) -> None:
    named = set(re.findall(r"CONVOY_\w+", text_of(repository, page)))

    assert named <= set(VARIABLES)


def test_every_variable_is_explained(repository: Path) -> None:
    named = set(re.findall(r"CONVOY_\w+", text_of(repository, "docs/shape-a-run.md")))

    assert named == set(VARIABLES)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(repository: Path, page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text_of(repository, page))

    assert [link for link in links if not (repository / page).parent.joinpath(link).exists()] == []


def test_every_setting_stands_with_its_meaning_in_the_defaults(repository: Path) -> None:
    lines = (repository / "config" / "default.yaml").read_text("utf-8").splitlines()
    written = [line.split(":")[0] for line in lines if re.match(r"\w+:", line)]
    explained = [
        line.split(":")[0]
        for before, line in zip(lines, lines[1:], strict=False)
        if re.match(r"\w+:", line) and before.startswith("#")
    ]

    elsewhere = {"profile", "target", "stages"}
    assert set(written) == set(Settings.model_fields) - elsewhere
    assert written == explained


@pytest.mark.parametrize("profile", ["load", "smoke", "soak", "spike", "stress"])
def test_every_profile_says_in_its_first_line_what_it_is_for(
    repository: Path, profile: str
) -> None:
    text = (repository / "config" / "profiles" / f"{profile}.yaml").read_text("utf-8")

    assert text.startswith("# ") and isinstance(yaml.safe_load(text), dict)


def test_every_fault_of_the_suite_has_its_row(repository: Path) -> None:
    collecting = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/faults"]
    listed = subprocess.run(
        collecting, cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    case = re.compile(r"^tests/faults/test_(\w+)\.py::test_(\w+)(?:\[(.+)\])?$", re.MULTILINE)
    row = re.compile(r"^\| (?!what happens)([^|-][^|]*) \|", re.MULTILINE)
    _, *sections = text_of(repository, "docs/faults.md").split("\n## ")

    rows = [
        (words(section.partition("\n")[0]), words(found))
        for section in sections
        for found in row.findall(section)
    ]
    tested = [(words(module), words(each or test)) for module, test, each in case.findall(listed)]
    assert sorted(rows) == sorted(tested)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def text_of(repository: Path, page: str = README) -> str:
    return (repository / page).read_text("utf-8")
