"""What the documents promise is there: every path, command, option, setting and exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from convoy.errors import ExitCode
from convoy.results.outcome import Cause
from convoy.results.result import RunResult
from convoy.results.verdict import judge
from convoy.settings import Settings
from convoy.settings.environment import VARIABLES
from tests.convoy_command import convoy
from tests.unit.results import counts_of, result_of

README = "README.md"
PAGES = [
    README,
    *(
        f"docs/{name}.md"
        for name in (
            "ci",
            "criteria",
            "engine",
            "faults",
            "glossary",
            "guests",
            "locust-options",
            "read-a-run",
            "real-organisation",
            "reconcile",
            "safety",
            "scenarios",
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


def test_every_make_target_is_listed_by_make_help(repository: Path) -> None:
    targets = {"install", "load", "ui", "test", "faults", "check", "lock", "bench", "help"}
    said = subprocess.run(
        ["make", "help"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout

    assert targets <= {*re.findall(r"^ +make (\w+) +\w", said, re.MULTILINE)}


def test_every_exit_code_has_its_row(repository: Path) -> None:
    rows = re.findall(r"^\| (\d) \|", text_of(repository), re.MULTILINE)

    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


@pytest.mark.parametrize(
    ("result", "begin"),
    [
        pytest.param(result_of(messages=counts_of(accepted=5)), "pass$", id="all accepted"),
        pytest.param(
            result_of(messages=counts_of(accepted=5, rejected=1)),
            "not judged: some message was not accepted",
            id="one rejected",
        ),
        pytest.param(
            result_of(messages=counts_of(not_sent={Cause.TARGET: 5})), "fail: ", id="none taken"
        ),
        pytest.param(
            result_of(messages=counts_of(not_sent={Cause.GENERATOR: 9})), "invalid: ", id="our own"
        ),
    ],
)
def test_the_row_of_an_exit_code_says_its_verdict(
    result: RunResult, begin: str, repository: Path
) -> None:
    judged = judge(result)
    rows = dict(re.findall(r"^\| (\d) \| (.*) \|$", text_of(repository), re.MULTILINE))

    assert begin.startswith(judged.verdict)
    assert re.match(begin, rows[str(int(judged.exit_code))])


def test_pages_name_only_variables_that_exist(repository: Path) -> None:
    named = {page: set(re.findall(r"CONVOY_\w+", text_of(repository, page))) for page in PAGES}

    assert {page: found for page, each in named.items() if (found := each - {*VARIABLES})} == {}


def test_every_variable_is_explained(repository: Path) -> None:
    named = set(re.findall(r"CONVOY_\w+", text_of(repository, "docs/shape-a-run.md")))

    assert named == set(VARIABLES)


def test_every_link_of_a_page_leads_somewhere(repository: Path) -> None:
    links = [
        (page, link)
        for page in (*PAGES, "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
        for link in re.findall(r"\]\(([^)#:]+)\)", text_of(repository, page))
    ]

    assert links
    assert [
        each for each in links if not (repository / each[0]).parent.joinpath(each[1]).exists()
    ] == []


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


@pytest.mark.parametrize(
    "profile", ["load", "mixed_day", "smoke", "soak", "spike", "storm", "stress"]
)
def test_every_profile_says_in_its_first_sentence_what_it_is_for(
    repository: Path, profile: str
) -> None:
    text = (repository / "config" / "profiles" / f"{profile}.yaml").read_text("utf-8")

    assert re.match(r"# yaml-language-server: .*\n# \w.*\?", text)
    assert isinstance(yaml.safe_load(text), dict)


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


ASK = """
import json, shlex, sys

from convoy.cli.commands import parse
from convoy.settings.options import VARIABLE_BY_OPTION

for line in json.load(sys.stdin):
    print(line, file=sys.stderr)
    parse(shlex.split(line))
print(json.dumps(list(VARIABLE_BY_OPTION)))
"""
"""Parses commands, the last one said on stderr, and prints the names of Convoy's options."""
COMMAND = re.compile(r"^\.venv/bin/python -m convoy (\w+.*?)(?:  +#.*)?$", re.MULTILINE)
SUBCOMMANDS = (
    *("plan", "preflight", "send", "explain", "judge", "report"),
    *("reconcile", "cleanup", "runs", "scenarios"),
)


def asked(lines: list[str]) -> list[str]:
    """Return the names of Convoy's options to `locust`; fails unless all commands are good."""
    ended = subprocess.run(
        [sys.executable, "-c", ASK], input=json.dumps(lines), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    names: list[str] = json.loads(ended.stdout)
    return names


def test_commands_can_be_copied_and_options_are_listed(repository: Path) -> None:
    texts = {page: text_of(repository, page) for page in (*PAGES, "CONTRIBUTING.md")}
    commands = {page: COMMAND.findall(text) for page, text in texts.items()}
    listed = re.findall(r"^\| `--([\w-]+)` \|", texts[README], re.MULTILINE)

    names = asked([line for lines in commands.values() for line in lines])

    assert len(commands[README]) >= 5
    assert listed == [name.replace("_", "-") for name in names]


def test_commands_name_this_folders_python_and_files_that_are_there(repository: Path) -> None:
    for page in (*PAGES, "bench/README.md", "simulator/README.md"):
        text = text_of(repository, page)
        blocks = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
        told = "\n".join(line for line in text.splitlines() if line.startswith("`config/"))

        named = re.findall(r"(?<=[ =])[\w./-]+\.(?:yaml|json)\b", re.sub("#.*|> .*", "", blocks))
        missing = {name for name in named if not (repository / name).exists()}
        assert {name for name in missing if name not in told} == set(), page
        assert not re.search(r"^python3? -m", blocks, re.MULTILINE), page


def test_every_help_ends_with_an_example_that_can_be_copied(repository: Path) -> None:
    said = [convoy(name, "--help", COLUMNS="40") for name in SUBCOMMANDS]
    every = re.search(r"\{([\w,]+)\}", convoy("--help").stdout)

    assert every and every[1].split(",") == list(SUBCOMMANDS)
    assert {each.returncode for each in said} == {0}
    helps = [each.stdout for each in said]
    examples = [COMMAND.findall(text.replace("example: ", ""))[-1] for text in helps]
    assert [line.split()[0] for line in examples] == list(SUBCOMMANDS)
    for text, line in zip(helps, examples, strict=True):
        assert text.endswith(f"\n\nexample: .venv/bin/python -m convoy {line}\n")
        assert all((repository / each).exists() for each in line.split() if "." in each)
    asked(examples)


def test_pages_name_only_make_targets_that_exist(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(repository, "Makefile"), re.MULTILINE))
    pages = (*PAGES, "CONTRIBUTING.md", "bench/README.md", "simulator/README.md")

    for page in pages:
        named = set(
            re.findall(r"(?:^|`|&& )make ([a-z]+)", text_of(repository, page), re.MULTILINE)
        )
        assert named <= targets, page


def test_the_license_is_the_one_that_the_readme_names(repository: Path) -> None:
    text = text_of(repository, "LICENSE")

    assert "the MIT license" in text_of(repository)
    assert text.startswith("MIT License\n\nCopyright (c) ")
    assert "Permission is hereby granted, free of charge" in text
    assert 'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND' in text


def test_the_changelog_begins_with_what_is_not_released_and_goes_back_in_time(
    repository: Path,
) -> None:
    text = text_of(repository, "CHANGELOG.md")
    first, *released = re.findall(r"^## (.*)$", text, re.MULTILINE)
    dated = [re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", each) for each in released]

    assert first == "[Unreleased]"
    assert released and all(dated)
    dates = [each[1] for each in dated if each]
    assert dates == sorted(dates, reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds


def test_it_is_explained_why_locusts_figures_differ(repository: Path) -> None:
    text = text_of(repository, "docs/read-a-run.md")
    section = text.partition("\n## Why Locust's figures differ\n")[2].partition("\n## ")[0]

    assert re.findall(r"^- \*\*(.*)\.\*\*", section, re.MULTILINE) == [
        "Requests per second",
        "Which messages",
        "Digits",
        "Lower bounds",
    ]
    assert "percentile" in section and "Aggregated" in section


OWN = (
    *(".env", ".env.production", "deploy/.env", "key.pem", "certs/client.pem", "certs/client.key"),
    *("conversations.csv", "pool.jsonl", "pool.csv.gz", "pools/mine.txt"),
    *("config/profiles/conversations.csv", "config/profiles/pool.jsonl.gz", "config/ids.txt"),
    *("config/targets/mine.yaml", "config/targets/pools/mine.csv"),
    *(
        "runs/20261126-120000-abcdef/summary.json",
        "bench/results/quick.json",
        "bench/results/quick-guests.json",
    ),
)
SHIPPED = (
    *("config/targets/simulator.yaml", "config/targets/genesys-cloud.yaml"),
    *("config/profiles/mine.yaml", "config/criteria/mine.yaml", "bench/results/latest.json"),
    *("payloads/mine/text.json", "scenarios/mine.py"),
)


def test_what_is_ones_own_is_not_committed(repository: Path) -> None:
    asked = ["git", "check-ignore", "--no-index", *OWN, *SHIPPED]
    said = subprocess.run(asked, cwd=repository, capture_output=True, text=True)

    assert said.stdout.splitlines() == list(OWN)


def test_the_version_is_one(repository: Path) -> None:
    project = tomllib.loads(text_of(repository, "pyproject.toml"))["project"]
    said = convoy("--version")

    assert said.stdout.startswith(f"convoy {project['version']}, locust ")
    assert f"\n## [{project['version']}] - " in text_of(repository, "CHANGELOG.md")
