"""What this machine allows is compared with what the users of a run need."""

from __future__ import annotations

from math import inf

import pytest

from convoy.prepare.checklist import Checklist, Status
from convoy.prepare.machine import check_machine, files_allowed, files_per_user, local_ports
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
