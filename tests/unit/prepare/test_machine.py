"""What this machine allows is compared with what the users of a run need."""

from __future__ import annotations

import os
import subprocess
from math import inf
from pathlib import Path

import pytest

from convoy.prepare.checklist import Checklist, Status
from convoy.prepare.machine import (
    check_machine,
    files_allowed,
    files_per_user,
    local_ports,
    versions,
)
from tests.unit.settings.configuration import settings_of


def findings(users: int, processes: int, files: float, ports: float) -> list[str]:
    checklist = Checklist()
    check_machine(users, processes, checklist, files=files, ports=ports)
    return [f"{each.status}: {each}" for each in checklist.findings]


@pytest.mark.parametrize(
    ("users", "processes", "files", "ports"),
    [(450, 1, 1000, 450), (900, 2, 1000, 900), (100_000, 1, inf, inf), (100_000, 0, 1, 1)],
    ids=["just enough", "shared by two", "no limit", "users elsewhere"],
)
def test_enough_is_enough(users: int, processes: int, files: float, ports: float) -> None:
    assert not [each for each in findings(users, processes, files, ports) if "failure" in each]


def test_too_few_open_files_are_refused_with_the_number_to_set() -> None:
    [found] = findings(451, 1, 1000, inf)

    assert found == (
        "failure: open files: 451 users in a process may need 1,002 open files, and 1,000 are "
        "allowed (`ulimit -n 1002`, more processes, or fewer users)"
    )


@pytest.mark.parametrize(
    ("scenarios", "steps", "files"),
    [
        (["guest_chat"], ["typing"], 1),
        (["guest_chat"], ["typing", "history"], 2),
        (["guest_chat", "open_messaging"], [], 2),
    ],
    ids=["guests write over a socket each", "and read over HTTP", "others log in"],
)
def test_a_user_may_need_so_many_files(scenarios: list[str], steps: list[str], files: int) -> None:
    settings = settings_of(f"scenarios={scenarios}", f"scenario.guest_chat.steps={steps}")

    assert files_per_user(settings, {"guest_chat"}) == files


def test_too_few_ports_are_refused_however_many_processes_share_them() -> None:
    [found] = findings(28_233, 4, inf, 28_232)

    assert found.startswith(f"{Status.FAILURE}: local ports: 28,233 users need a local port each")


def test_this_machine_tells_its_limits() -> None:
    assert files_allowed() > 0
    assert local_ports() > 0


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Anybody", "-c", "user.email=anybody@example.com"]
    asked = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("as it was")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "mark"),
    [
        pytest.param("file", "as it was", "", id="as it was"),
        pytest.param("file", "changed", "+", id="changed"),
        pytest.param("new", "a file of one's own", "", id="unknown to git"),
    ],
)
def test_the_commit_is_told_with_a_mark_where_files_differ_and_nothing_is_written(
    checkout: Path, name: str, text: str, mark: str
) -> None:
    (checkout / name).write_text(text)
    os.utime(checkout / name, (0, 0))  # the index says otherwise, and git would mend that
    index = (checkout / ".git" / "index").read_bytes()

    found = versions(os.environ, checkout)

    assert found["commit"] == git(checkout, "rev-parse", "HEAD")[:12] + mark
    # One whose git is interrupted at that leaves the lock of the index behind.
    assert (checkout / ".git" / "index").read_bytes() == index


def test_without_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    before = versions(os.environ, tmp_path)
    git(tmp_path, "init", "--quiet")

    assert "commit" not in before | versions(os.environ, tmp_path)
