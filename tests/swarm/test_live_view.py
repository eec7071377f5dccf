"""The live view of real runs on a real terminal, and the plain lines where none can be shown."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.locust_process import (
    UNHURRIED,
    free_port,
    swarm_ports,
    wait_until,
)
from tests.simulator_process import SimulatorProcess
from tests.terminal_process import TerminalProcess

CTRL_S, CTRL_Q = b"\x13", b"\x11"
MEASURING = r"measuring, \d+ of \d+ s, \d+ s left"
LOG_LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] \S+/[A-Z]+/\S+: ")
TABLE_OF_LOCUST = r"# reqs +# fails"
QUICK = (*UNHURRIED, "--set", "warm_up_s=0.5")
VIEW = ("verdict    pass so far", "rate    ", "messages  ", "generator  ", "criteria ")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a simulator for all runs, of which none counts what another one sent."""
    with SimulatorProcess() as simulator:
        yield simulator.url


def options(url: str, *more: str) -> tuple[str, ...]:
    return ("--headless", "-H", url, "--load-profile", "smoke", *QUICK, *more)


def summary_in(folder: Path) -> dict[str, Any] | None:
    path = folder / "runs" / "latest" / "summary.json"
    return json.loads(path.read_text()) if path.exists() else None


def assert_readable(terminal: TerminalProcess) -> None:
    """The process has left a terminal as it should be: with a cursor, and nothing of the view."""
    assert not terminal.screen.cursor.hidden
    assert not [line for line in terminal.scrolled() if line.startswith(VIEW)]
    assert terminal.written().count("\x1b[?25h") == terminal.written().count("\x1b[?25l") > 0


@pytest.mark.parametrize(("columns", "lines"), [(120, 40), (40, 20)])
def test_a_run_is_shown_while_it_goes_on_and_ends_in_its_report(
    tmp_path: Path, url: str, columns: int, lines: int
) -> None:
    with TerminalProcess(
        tmp_path, *options(url, "-t", "4s"), columns=columns, lines=lines
    ) as terminal:
        terminal.wait_for(r"warming up|preparing")
        terminal.wait_for(MEASURING)
        terminal.wait_for(r"rate       20\.0/s configured, ")
        for word in VIEW[: 5 if columns > 40 else 4]:
            terminal.wait_for(word)
        report = (tmp_path / "runs" / "latest").resolve() / "report.html"
        report.touch()
        assert terminal.end() == 0
        assert_readable(terminal)
        whole = terminal.scrolled()
        written = terminal.written()

    figures = summary_in(tmp_path)
    assert figures is not None and figures["verdict"] == "pass"
    end = "\n".join(whole).partition("\nRun ")[2]
    order = [
        "verdict         PASS",
        "criteria    ",
        "scheduled       80",
        "generator   ",
        "record   ",
    ]
    assert [part for part in order if part not in end] == []
    assert sorted(order, key=end.index) == order
    assert f"\x1b]8;;{report.as_uri()}\x1b\\" in written
    # Locust prints its table once, at the end.
    assert len(re.findall(TABLE_OF_LOCUST, written)) == 1
    assert not re.search(r"run \S+ to http\S+: measuring", written)


def test_lines_of_the_log_stay_whole_above_the_view(tmp_path: Path, url: str) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(SPEAKING)
    swarm = ["--processes", "2", *swarm_ports()]
    with TerminalProcess(
        tmp_path,
        *options(url, "-t", "4s", "-f", str(locustfile), *swarm),
        columns=120,
        lines=30,
    ) as terminal:
        terminal.wait_for(r"criteria +observed")
        assert terminal.end() == 0
        assert_readable(terminal)
        whole = terminal.scrolled()

    said = spoken(whole)
    assert len(said) == 2 * 3, "logged and printed, by the master and each worker"
    for numbers in said.values():
        assert numbers == list(range(len(numbers))) and len(numbers) > 20


def spoken(lines: list[str]) -> dict[tuple[str, str], list[int]]:
    """Return the numbers of the lines that `SPEAKING` logged and printed, by way and process."""
    said: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        if found := re.search(r"(logged|printed) by (\d+), number (\d+)$", line):
            way, process, number = found.groups()
            # Lines that are printed have nothing before them, and others what Locust begins with.
            begin = line[: found.start()]
            assert LOG_LINE.fullmatch(begin) if way == "logged" else begin == "", line
            said.setdefault((way, process), []).append(int(number))
    return said


SPEAKING = """
import locust
import logging, os
import gevent
from convoy.plugin import hooks
from scenarios.conversation_messages import ConversationMessages

hooks.install(os.environ)

def speak():
    for number in range(10_000):
        gevent.sleep(0.05)
        logging.getLogger("anybody").info("logged by %d, number %d", os.getpid(), number)
        print(f"printed by {os.getpid()}, number {number}", flush=True)

locust.events.test_start.add_listener(lambda **_: gevent.spawn(speak))
"""
"""A locustfile of somebody who prints and logs a lot in mid-run."""


def test_a_terminal_of_another_size_shows_the_view_anew(tmp_path: Path, url: str) -> None:
    # What draws the terminal here cuts lines off, as this kind of terminal does.
    cuts_off = {"TERM": "linux"}
    with TerminalProcess(tmp_path, *options(url, "-t", "8s"), environment=cuts_off) as terminal:
        terminal.wait_for(r"criteria +observed")
        above = [line for line in terminal.shown() if LOG_LINE.match(line)]
        assert above
        terminal.resize(120, 40)
        terminal.wait_for(r"(?m)^measuring, .{85,}\]$")
        terminal.resize(60, 40)
        terminal.wait_for(r"(?m)^measuring, .{20,48}\]$")
        kept = [line[:60].rstrip() for line in above]

        def is_whole() -> bool:
            shown = terminal.shown()
            logged = [line for line in shown if LOG_LINE.match(line)]
            return logged == kept and sum(line.startswith("measuring") for line in shown) == 1

        wait_until(is_whole, lambda: "\n".join(terminal.shown()))
        assert terminal.end() == 0
        assert not terminal.screen.cursor.hidden


def test_who_wants_no_view_gets_lines(tmp_path: Path, url: str) -> None:
    with TerminalProcess(
        tmp_path, *options(url, "-t", "2s"), columns=120, environment={"NO_COLOR": "1"}
    ) as terminal:
        assert terminal.end() == 0
        written = terminal.written()

    assert re.search(r"run \S+ to http\S+: measuring, 0 of 2 s", written)
    assert "\x1b" not in written
    # Locust prints its table once, at the end.
    assert len(re.findall(TABLE_OF_LOCUST, written)) == 1


def test_a_log_in_a_file_has_the_lines_too(tmp_path: Path, url: str) -> None:
    log = tmp_path / "log.txt"
    with TerminalProcess(tmp_path, *options(url, "-t", "2s", "--logfile", str(log))) as terminal:
        terminal.wait_for(MEASURING)
        assert terminal.end() == 0
        assert_readable(terminal)

    assert re.search(r"run \S+ to http\S+: measuring, 0 of 2 s", log.read_text())
    assert "\x1b" not in log.read_text()


def test_who_wants_locust_s_table_gets_it_in_place_of_the_view(tmp_path: Path, url: str) -> None:
    with TerminalProcess(
        tmp_path, *options(url, "-t", "2s", "--print-stats"), columns=120
    ) as terminal:
        assert terminal.end() == 0
        written = terminal.written()

    assert len(re.findall(TABLE_OF_LOCUST, written)) > 1
    assert "so far" not in written


def test_ctrl_c_ends_in_a_readable_terminal(tmp_path: Path, url: str) -> None:
    with TerminalProcess(tmp_path, *options(url, "-t", "60s")) as terminal:
        terminal.wait_for(r"criteria +observed")
        terminal.press(b"\x03")
        assert terminal.end() == 5
        assert_readable(terminal)
        whole = "\n".join(terminal.scrolled())

    assert "Ctrl-C: ending" in whole and "INVALID (exit code 5)" in whole


def test_a_signal_ends_in_a_readable_terminal(tmp_path: Path, url: str) -> None:
    with TerminalProcess(tmp_path, *options(url, "-t", "60s")) as terminal:
        terminal.wait_for(r"criteria +observed")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 5
        assert_readable(terminal)
        whole = "\n".join(terminal.scrolled())

    assert "Got SIGTERM signal" in whole and "INVALID (exit code 5)" in whole


def test_a_paused_terminal_does_not_stop_the_load(tmp_path: Path, url: str) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(SPEAKING)
    with TerminalProcess(
        tmp_path, *options(url, "-t", "6s", "-f", str(locustfile)), columns=120
    ) as terminal:
        terminal.wait_for(MEASURING)
        terminal.press(CTRL_S)
        series = tmp_path / "runs" / "latest" / "series.jsonl"
        wait_until(lambda: series.exists() and series.read_text().count("\n") > 1, terminal.written)
        assert "PASS" not in terminal.written()
        terminal.press(CTRL_Q)
        terminal.read_no_more()
        figures = wait_until(lambda: summary_in(tmp_path), terminal.written)
        assert "PASS" not in terminal.written()
        terminal.read_on()
        assert terminal.end() == 0
        lines = terminal.text().split("\n")
        assert_readable(terminal)

    assert figures["verdict"] == "pass"
    [scenario] = figures["scenarios"].values()
    assert scenario["sent"] == scenario["scheduled"] == 120
    assert scenario["send_error_ms"]["max"] < 1_000
    for numbers in spoken(lines).values():
        assert numbers == list(range(len(numbers)))


def test_a_window_that_was_closed_ends_the_run_as_before(tmp_path: Path, url: str) -> None:
    with TerminalProcess(tmp_path, *options(url, "-t", "60s")) as terminal:
        terminal.wait_for(r"criteria +observed")
        os.kill(terminal.process.pid, signal.SIGHUP)
        assert terminal.end() == -signal.SIGHUP
        assert not terminal.screen.cursor.hidden


def test_the_runs_of_the_web_ui_are_shown_too(tmp_path: Path, url: str) -> None:
    place = ("--web-host", "127.0.0.1", "--web-port", str(free_port()))
    with TerminalProcess(
        tmp_path,
        "-H",
        url,
        "--autostart",
        "-t",
        "3s",
        *QUICK,
        *place,
        columns=120,
        lines=40,
    ) as terminal:
        terminal.wait_for(MEASURING)
        terminal.wait_for(r"verdict         PASS")
        wait_until(
            lambda: not [line for line in terminal.shown() if line.startswith(VIEW)],
            terminal.written,
        )
        terminal.press(b"\x03")
        assert terminal.end() == 0
        assert_readable(terminal)
