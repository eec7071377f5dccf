"""The pipelines in `deploy/ci`: good by their systems' schemas, and their steps run as commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from junitparser import JUnitXml

from convoy.results.reports.junit import junit_report
from convoy.results.reports.metrics import metrics_report
from tests.locust_process import clean_environment
from tests.unit.results.pipelines import RUNS

COPIED = (
    "Makefile",
    "config",
    "convoy",
    "locustfile.py",
    "payloads",
    "pyproject.toml",
    "requirements.lock",
    "scenarios",
    "simulator",
)
SCHEMAS = {
    "github-actions.yaml": "vendor.github-workflows",
    "gitlab-ci.yaml": "vendor.gitlab-ci",
}
DEADLINE_S = 600
SHORT = "run_time_s=2\nwarm_up_s=0\nlate_after_ms=4000"
ENDS = {
    "pass": ("", 0),
    "fail": ("criteria=p50(response_time) < 0.001ms", 3),
    "a wrong setting": ("ratte=5", 2),
}
SECRETS = {"pass": {}, "fail": {"CONVOY_CLIENT_ID": "demo", "CONVOY_CLIENT_SECRET": "demo"}}
MODES = {"convoy": 0o700, "convoy/client-id": 0o600, "convoy/client-secret": 0o600}
OF_GITLAB = {
    "CI_COMMIT_REF_SLUG": "feature-a-b",
    "CI_COMMIT_SHA": "0123abc",
    "CI_PIPELINE_IID": "1234",
}
BRANCH = "feature/a, b=::error::c"


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has ended: the exit code that it failed with, else 0, and what it printed."""

    exit_code: int
    output: str


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A copy of what runs, in which `make install` finds everything installed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (repository / name).is_dir() else shutil.copyfile
        copy(repository / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    os.utime(folder / "requirements.lock", (0, 0))
    return folder


def read(repository: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((repository / "deploy" / "ci" / name).read_text("utf-8"))
    return found


def bash(folder: Path, script: str, environment: Mapping[str, str], *options: str) -> Done:
    ended = subprocess.run(
        ["bash", *options, "-c", script],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=DEADLINE_S,
    )
    return Done(ended.returncode, ended.stdout)


def surroundings(settings: str) -> dict[str, str]:
    own = {"CONVOY_SET": f"{SHORT}\n{settings}".strip()}
    environment = clean_environment() | own
    del environment["PYTHONPATH"]
    return environment


class Workflow:
    """The steps of the workflow that are commands, run as GitHub's runner does.

    `temporary` is its folder for the job; `summary` is what the steps wrote for the job's page.
    """

    def __init__(self, repository: Path, folder: Path, settings: str, secrets: Mapping[str, str]):
        self.steps = read(repository, "github-actions.yaml")["jobs"]["load"]["steps"]
        self.temporary = folder.parent / "temporary"
        self.temporary.mkdir()
        self.modes: dict[str, int] = {}
        self._folder = folder
        self._secrets = secrets
        self._summary = folder.parent / "summary.md"
        self._added = folder.parent / "env"
        self._environment = surroundings(settings) | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_ENV": str(self._added),
            "GITHUB_REF_NAME": BRANCH,
            "GITHUB_RUN_NUMBER": "1234",
            "GITHUB_SHA": "0123abc",
            "GITHUB_STEP_SUMMARY": str(self._summary),
            "RUNNER_TEMP": str(self.temporary),
        }

    @property
    def summary(self) -> str:
        return self._summary.read_text("utf-8")

    def run(self) -> Done:
        exit_code, output = 0, ""
        for step in self.steps:
            if "run" in step and (exit_code == 0 or step.get("if") == "always()"):
                done = bash(self._folder, step["run"], self._with(step.get("env", {})), "-e")
                exit_code, output = exit_code or done.exit_code, output + done.output
                self.modes |= {
                    str(path.relative_to(self.temporary)): stat.S_IMODE(path.stat().st_mode)
                    for path in self.temporary.rglob("*")
                }
        return Done(exit_code, output)

    def _with(self, of_step: Mapping[str, str]) -> dict[str, str]:
        added = self._added.read_text("utf-8").splitlines() if self._added.exists() else []
        secret = re.compile(r"\$\{\{ secrets\.(\w+) \}\}")
        shown = {
            name: secret.sub(lambda found: self._secrets.get(found[1], ""), value)
            for name, value in of_step.items()
        }
        return self._environment | dict(line.split("=", 1) for line in added) | shown


def test_the_page_names_only_metrics_and_cases_that_there_are(repository: Path) -> None:
    page = (repository / "docs" / "ci.md").read_text("utf-8")
    summary, result = RUNS["criterion broken"]
    metrics, junit = metrics_report(summary, result), junit_report(summary, result)

    named = set(re.findall(r"\bconvoy_\w+", page))
    cases = set(re.findall(r"^\| `(the [^`]+)` \|", page, re.MULTILINE))

    assert len(named) >= 6 and {each for each in named if each not in metrics} == set()
    assert cases == set(re.findall(r'name="(the [^"]+)"', junit))


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items(), ids=SCHEMAS)
def test_the_file_is_what_its_system_takes(repository: Path, name: str, schema: str) -> None:
    path = repository / "deploy" / "ci" / name
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]

    checked = subprocess.run(command, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout


def test_no_command_holds_what_github_would_put_into_it(repository: Path) -> None:
    [job] = read(repository, "github-actions.yaml")["jobs"].values()

    commands = [step["run"] for step in job["steps"] if "run" in step]

    assert len(commands) >= 4
    assert [each for each in commands if "${{" in each] == []


def the_record(checkout: Path, pattern: str) -> Path:
    """Return the one record that is kept, by the pattern of the pipeline's file."""
    [folder] = checkout.glob(pattern)
    assert not folder.is_symlink()
    return folder


@pytest.mark.parametrize("name", ["pass", "fail"])
def test_a_run_on_github_keeps_exit_code_summary_and_record(
    repository: Path, checkout: Path, name: str
) -> None:
    settings, exit_code = ENDS[name]
    workflow = Workflow(repository, checkout, settings, secrets=SECRETS[name])

    done = workflow.run()

    kept = next(step["with"] for step in workflow.steps if "artifact" in step.get("uses", ""))
    record = the_record(checkout, kept["path"])
    summary = json.loads((record / "summary.json").read_text("utf-8"))
    assert done.exit_code == summary["exit_code"] == exit_code, done.output
    assert workflow.summary.startswith(f"### Convoy: {name.upper()} (exit code {exit_code})\n")
    assert workflow.summary.count("###") == 1
    assert summary["labels"] == {
        "build": "1234",
        "commit": "0123abc",
        "branch": BRANCH.replace(",", " "),
    }
    [suite] = JUnitXml.fromfile(str(record / "junit.xml"))
    assert (suite.failures + suite.errors > 0) == (exit_code != 0)
    title = f"title=Convoy%3A FAIL%2C smoke against simulator%2C run {summary['run_id']}"
    assert [line for line in done.output.splitlines() if line.startswith("::error")] == [
        f"::error {title}::{reason}" for reason in summary["reasons"]
    ]
    assert len(summary["reasons"]) == (exit_code != 0)
    # Credentials are in files for this user, and gone at the end.
    assert workflow.modes == (MODES if SECRETS[name] else {})
    assert list(workflow.temporary.iterdir()) == []


def test_a_run_on_github_that_is_refused_says_why_and_keeps_its_exit_code(
    repository: Path, checkout: Path
) -> None:
    settings, exit_code = ENDS["a wrong setting"]

    done = Workflow(repository, checkout, settings, secrets={}).run()

    assert done.exit_code == exit_code, done.output
    assert re.search(r"^::error title=Convoy%3A exit code 2::.*ratte", done.output, re.MULTILINE)


@pytest.mark.parametrize("name", ["pass", "fail", "a wrong setting"])
def test_a_job_on_gitlab_keeps_exit_code_report_and_record(
    repository: Path, checkout: Path, name: str
) -> None:
    job = read(repository, "gitlab-ci.yaml")["load"]
    settings, exit_code = ENDS[name]
    environment = surroundings(settings) | OF_GITLAB
    # The simulator needs no credentials.
    named = () if name == "pass" else ("ID", "SECRET")
    files = [checkout.parent / f"CONVOY_CLIENT_{each}_FILE" for each in named]
    for path in files:
        path.write_text("demo")
        path.chmod(0o644)
        environment[path.name] = str(path)

    done = bash(checkout, "\n".join(job["script"]), environment, "-eo", "pipefail")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in files]
    after = bash(checkout, "\n".join(job["after_script"]), environment, "-eo", "pipefail")

    assert (done.exit_code, after.exit_code) == (exit_code, 0), done.output
    assert modes == [0o600 for _ in files] and not any(path.exists() for path in files)
    [pattern] = job["artifacts"]["paths"]
    if exit_code == 2:
        assert not list(checkout.glob(pattern))
        return
    record = the_record(checkout, pattern)
    summary = json.loads((record / "summary.json").read_text("utf-8"))
    assert summary["labels"] == {"build": "1234", "commit": "0123abc", "branch": "feature-a-b"}
    [report] = checkout.glob(job["artifacts"]["reports"]["junit"])
    assert report == record / "junit.xml"
    assert job["artifacts"]["when"] == "always"
    assert not re.search(r"^ *::|##\[", done.output, re.MULTILINE)
