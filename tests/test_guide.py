"""The guide to writing a scenario: built from its own code blocks, checked, and run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fork_server import run as run_forked
from tests.locust_process import Ended, clean_environment, run_locust
from tests.simulator_process import SimulatorProcess

GUIDE = "docs/write-a-scenario.md"
LISTED_IN = "locustfile.py"
COPIED = ("config", "convoy", "payloads", "scenarios", LISTED_IN, "pyproject.toml")
DEADLINE_S = 600
LIKE_THE_GUIDE = ["--set", "late_after_ms=4000"]
A_LITTLE = 8
SHORT = ["-t", "4s", "--set", "late_after_ms=4000", "--set", "warm_up_s=0"]
CLOSED = "400 conversation.closed"
UNAVAILABLE = "503 service.unavailable"

FILE = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def built(repository: Path, tmp_path: Path) -> Path:
    """A copy of what the guide adds to, with it followed to its end."""
    for name in set(COPIED) - {"convoy"}:  # beside which programs are forked
        copy = shutil.copytree if (repository / name).is_dir() else shutil.copyfile
        copy(repository / name, tmp_path / name)
    for name, block in files(repository).items():
        path = tmp_path / name
        if name == LISTED_IN:
            block = with_line_added(path.read_text("utf-8"), block)
        else:
            assert not path.exists(), f"the guide would overwrite {name}"
        path.write_text(block, "utf-8")
    return tmp_path


def test_the_scenario_takes_less_than_40_lines(repository: Path) -> None:
    blocks = files(repository)

    assert {Path(name).suffix for name in blocks} == {".json", ".py", ".yaml"}
    assert len(blocks[LISTED_IN].splitlines()) == 1
    assert sum(len(block.splitlines()) for block in blocks.values()) < 40


def test_the_code_passes_formatter_and_linter(repository: Path, built: Path) -> None:
    # Imports of what is there are sorted as those of this tree.
    (built / "convoy").symlink_to(repository / "convoy")
    for arguments in (["format", "--check"], ["check"]):
        checked = run(built, "ruff", *arguments, "--no-cache", "scenarios", LISTED_IN)

        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_scenario_is_listed(built: Path) -> None:
    listed = run_convoy(built, "scenarios")

    assert re.search(r"^order_questions +Asks about", listed.stdout, re.MULTILINE), listed.stderr


def test_one_message_can_be_sent(
    repository: Path, built: Path, simulator: SimulatorProcess
) -> None:
    sent = run_convoy(built, *options(repository, "convoy"), "-H", simulator.url)

    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "Where is my order no. 0?" in sent.stdout
    assert simulator.ledger()["accepted"] == 1


def test_messages_are_accepted_and_closed_conversations_expected(
    repository: Path, built: Path, simulator: SimulatorProcess
) -> None:
    ended = run_scenario(repository, built, simulator, as_long=LIKE_THE_GUIDE)

    figures = ended.run["scenarios"]["order_questions"]
    assert ended.exit_code == 0, ended.output
    for name, shown in printed(repository).items():
        found = sum(figures["pool"][name].values()) if name == "retired" else figures[name]
        assert found == pytest.approx(shown, abs=A_LITTLE), name
    assert figures["accepted"] == simulator.ledger(ended.run["run_id"])["accepted"]
    assert figures["errors"] == {CLOSED: figures["rejected"]}
    assert figures["pool"]["retired"].keys() == {CLOSED}
    for line in said_at_the_end(repository):
        shape = re.sub(r"\d+", r"\\d+", re.sub(r"(?:\\ )+", r" +", re.escape(line)))
        assert re.search(f"^{shape}$", ended.output, re.MULTILINE), line


def test_failures_nobody_expects_are_tagged_by_their_code(repository: Path, built: Path) -> None:
    with SimulatorProcess(*options(repository, "simulator")) as simulator:
        ended = run_scenario(repository, built, simulator)

    errors = ended.run["scenarios"]["order_questions"]["errors"]
    assert ended.exit_code == 3, ended.output
    assert errors.keys() == {CLOSED, UNAVAILABLE}
    assert re.search(rf"^{errors[UNAVAILABLE]} .*{UNAVAILABLE}", ended.output, re.MULTILINE)


def printed(repository: Path) -> dict[str, int]:
    """The numbers that the guide shows of the end of its run."""
    text = (repository / GUIDE).read_text("utf-8")
    rows = re.findall(r"^  (scheduled|accepted|rejected|retired) +(\d+)", text, re.MULTILINE)
    return {name: int(number) for name, number in rows}


def said_at_the_end(repository: Path) -> list[str]:
    """The lines that the guide shows of the end of its run."""
    text = (repository / GUIDE).read_text("utf-8")
    shown = re.search(r"^```\n(  verdict .*?)^```", text, re.MULTILINE | re.DOTALL)
    assert shown is not None
    return [line for line in shown[1].splitlines() if line]


def run_scenario(
    repository: Path, built: Path, simulator: SimulatorProcess, as_long: Sequence[str] = ()
) -> Ended:
    """Run the guide's own command, shortened unless it is `as_long`, against this simulator."""
    given = [option for option in options(repository, "locust") if option != "--headless"]
    locustfile = ["-f", str(built / LISTED_IN)]
    given += ["-H", simulator.url, *(as_long or SHORT)]
    return run_locust(built, *locustfile, *given, environment=payloads_of(built))


def payloads_of(folder: Path) -> dict[str, str]:
    """The variable that stands for the folder's own `convoy`, which would find them beside it."""
    return {"CONVOY_PAYLOADS_DIR": str(folder / "payloads")}


def run_convoy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | payloads_of(folder)
    return run_forked("convoy", *arguments, cwd=folder, env=environment, text=True)


def run(
    folder: Path, module: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def files(repository: Path) -> dict[str, str]:
    """The guide's blocks that are files, by the name that stands before each."""
    return dict(FILE.findall((repository / GUIDE).read_text("utf-8")))


def options(repository: Path, program: str) -> list[str]:
    """What the guide gives to `locust`, or to the module that `python -m` starts."""
    text = "".join(COMMANDS.findall((repository / GUIDE).read_text("utf-8")))
    found = re.search(rf"^\.venv/bin/(?:python -m )?{program} (.*)$", text, re.MULTILINE)
    assert found is not None, f"the guide starts no {program}"
    return shlex.split(found[1])


def with_line_added(locustfile: str, line: str) -> str:
    """The locustfile with a line where it belongs among the imports of scenarios."""
    imports = list(re.finditer(r"^from scenarios\..*\n", locustfile, re.MULTILINE))
    place = next((each.start() for each in imports if each[0] > line), imports[-1].end())
    return locustfile[:place] + line + locustfile[place:]
