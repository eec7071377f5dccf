"""The terminal: what cannot be printed has a stand-in, and Ctrl-C ends in a sentence at once."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from convoy import terminal

ENCODINGS = {
    "ascii": b"p50 >= 1 ... <= 2, \\udcff \\u6f22",
    "cp1252": b"p50 >= 1 \x85 <= 2, \\udcff \\u6f22",
    "latin-1": b"p50 >= 1 ... <= 2, \\udcff \\u6f22",
    "utf-8": "p50 ≥ 1 … ≤ 2, \\udcff 漢".encode(),
}


@pytest.mark.parametrize(("encoding", "written"), ENCODINGS.items(), ids=ENCODINGS)
def test_what_an_encoding_does_not_have_has_a_stand_in(encoding: str, written: bytes) -> None:
    raw = BytesIO()
    stream = TextIOWrapper(raw, encoding=encoding)

    terminal.print_anything(stream, None)
    print("p50 ≥ 1 … ≤ 2, \udcff 漢", end="", file=stream, flush=True)

    assert raw.getvalue() == written


ENTRIES = {
    "locust": "import locust, runpy; runpy.run_path('locustfile.py')",
    "python -m convoy": "import runpy, sys; sys.argv = ['convoy', 'plan']; "
    "runpy.run_module('convoy', run_name='__main__', alter_sys=True)",
}
INTERRUPTS = """
import os, signal, sys

interrupting = sys.argv[1]

class Interrupts:
    def find_spec(self, name, *_):
        if name == interrupting:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
"""
"""Sends this process a Ctrl-C when it imports the module that is named on its command line."""


@pytest.mark.parametrize(
    ("entry", "module"),
    [
        *((entry, module) for entry in ENTRIES for module in ("convoy.errors", "pydantic")),
        # gevent imports it while it replaces the locks that imports hold.
        ("python -m convoy", "concurrent.futures.thread"),
    ],
)
def test_an_interrupt_while_convoy_is_imported_is_one_sentence(
    entry: str, module: str, repository: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTS + ENTRIES[entry], module],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.stderr == "convoy: interrupted; this process has begun no run\n"
    assert ended.returncode == 5


@pytest.mark.parametrize(
    ("program", "package", "who"),
    [("convoy", "greenlet", "Convoy"), ("simulator", "msgspec", "the simulator")],
)
def test_a_python_without_the_packages_is_told_which_one_has_them(
    program: str, package: str, who: str, repository: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-S", "-m", program], cwd=repository, capture_output=True, text=True
    )

    assert ended.stderr == (
        f"{program}: {sys.executable} has no package {package}, which {who} needs; "
        "make install sets up .venv, and .venv/bin/python has it\n"
    )
    assert ended.returncode == 2


PERSON = {"TERM": "xterm-256color"}


class Stream(TextIOWrapper):
    """A stream that is a terminal, or none."""

    def __init__(self, is_terminal: bool = True, encoding: str = "utf-8") -> None:
        super().__init__(BytesIO(), encoding=encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("environ", "streams", "shows"),
    [
        pytest.param(PERSON, [Stream(), Stream(encoding="UTF8")], True, id="a person's terminal"),
        pytest.param(PERSON | {"NO_COLOR": "", "CI": ""}, [Stream()], True, id="set to nothing"),
        pytest.param(PERSON | {"NO_COLOR": "1"}, [Stream()], False, id="NO_COLOR"),
        pytest.param(PERSON | {"CI": "true"}, [Stream()], False, id="CI"),
        pytest.param({"TERM": "dumb"}, [Stream()], False, id="a terminal without sequences"),
        pytest.param({"TERM": ""}, [Stream()], False, id="a terminal of no kind"),
        pytest.param({}, [Stream()], False, id="a terminal of an unknown kind"),
        pytest.param(PERSON, [Stream(), Stream(False)], False, id="standard error in a file"),
        pytest.param(PERSON, [Stream(), None], False, id="standard error closed"),
        pytest.param(PERSON, [Stream(encoding="ascii")], False, id="a terminal for ASCII"),
    ],
)
def test_a_view_is_shown_only_to_a_person_that_did_not_refuse_it(
    environ: dict[str, str], streams: list[TextIOWrapper | None], shows: bool
) -> None:
    assert terminal.shows_views(environ, *streams) is shows


@pytest.mark.parametrize(
    ("environ", "breaks"),
    [
        (PERSON, True),
        (PERSON | {"XTERM_VERSION": "XTerm(379)"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "screen.xterm-256color"}, False),
        ({"TERM": "screen", "TMUX": "/tmp/tmux-0/default,1,0", "XTERM_VERSION": "379"}, True),
        ({"TERM": "tmux-256color"}, True),
    ],
)
def test_it_is_known_which_terminals_break_lines_anew(
    environ: dict[str, str], breaks: bool
) -> None:
    assert terminal.breaks_anew(environ) is breaks


@pytest.mark.parametrize(("columns", "used"), [(40, 40), (120, 120), (300, 120), (0, 120)])
def test_lines_are_as_long_as_the_terminal_is_wide_up_to_a_limit(columns: int, used: int) -> None:
    window, opened = pty.openpty()
    termios.tcsetwinsize(opened, (24, columns))

    with os.fdopen(opened, "w") as stream:
        assert terminal.columns(stream, 120) == used
    os.close(window)


def test_without_a_terminal_lines_are_as_long_as_they_may_be(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert terminal.columns(file, 120) == 120
    assert terminal.columns(TextIOWrapper(BytesIO()), 120) == 120


def test_a_link_holds_the_whole_address_and_shows_the_path_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "with space;\x1b]"
    folder.mkdir()
    monkeypatch.chdir(folder)

    link = terminal.link(Path("runs/report.html"))

    address = f"file://{tmp_path}/with%20space%3B%1B%5D/runs/report.html"
    assert link == f"\x1b]8;;{address}\x1b\\runs/report.html\x1b]8;;\x1b\\"
