"""The live view: what it shows of a run, how often, and what becomes of a run that it fails on."""

from __future__ import annotations

import os
import pty
import sys
import termios
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, TextIO

import gevent
import pytest
from gevent.os import make_nonblocking, nb_read
from msgspec.structs import replace

from convoy.plugin import live_view, screen
from convoy.plugin.live_view import LiveView, view_on_terminal
from convoy.plugin.screen import Relay
from convoy.results.progress import Progress
from convoy.results.result import RunResult
from tests.unit.results import counts_of, result_of
from tests.unit.settings.configuration import settings_of

PERSON = {"TERM": "xterm"}


class Terminal:
    """A terminal of 80 columns, and what was written there."""

    def __init__(self) -> None:
        self._window, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (30, 80))
        make_nonblocking(self._window)
        self.stream: TextIO = os.fdopen(terminal, "w", encoding="utf-8")
        self.written = ""
        self.is_read = True
        self._reading = gevent.spawn(self._read)

    def wait_for(self, words: str) -> None:
        timer = gevent.Timeout.start_new(20)
        try:
            while words not in self.written:
                gevent.sleep(0.005)
        except gevent.Timeout:
            raise AssertionError(f"{words!r} is not in {self.written!r}") from None
        finally:
            timer.close()

    def close(self) -> None:
        self._reading.kill()
        self.stream.close()
        os.close(self._window)

    def _read(self) -> None:
        with suppress(OSError):
            while True:
                while not self.is_read:
                    gevent.sleep(0.005)
                self.written += nb_read(self._window, 4096).decode()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


class Run:
    """A run that goes on, with what its master knows of it; each snapshot has a message more."""

    def __init__(self) -> None:
        self.is_over = False
        self.looks = 0
        self.share: float | None = 0.5
        self.snapshots = 0
        self.collected = 0
        self.prepared = SimpleNamespace(criteria=(), settings=settings_of())
        self.master: Any = SimpleNamespace(
            state="measuring", is_stopped=False, progress=self._progress, snapshot=self._snapshot
        )

    def snapshot(self) -> RunResult:
        self.collected += 1
        return self._snapshot()

    def _progress(self) -> Progress:
        return Progress("run run-1 to nowhere", f"{self.master.state} since then", self.share, "")

    def _snapshot(self) -> RunResult:
        self.snapshots += 1
        return replace(result_of(messages=counts_of(accepted=self.snapshots)), is_over=False)


def shown(run: Any, terminal: Terminal) -> tuple[LiveView, gevent.Greenlet]:
    view = LiveView(terminal.stream, breaks_anew=True)
    return view, gevent.spawn(view.show, run)


def end(run: Run, showing: gevent.Greenlet) -> None:
    run.is_over = True
    showing.join(20)
    assert showing.successful()


def test_a_new_look_is_taken_when_the_run_was_looked_at(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_DRAWN_EVERY_S", 0.0)
    run = Run()
    _, showing = shown(run, terminal)

    terminal.wait_for("1 sent")
    gevent.sleep(0.5)
    assert run.snapshots == 1
    run.looks += 1
    terminal.wait_for("2 sent")
    end(run, showing)

    assert (run.snapshots, run.collected) == (2, 0)


def test_a_run_that_was_stopped_is_looked_at_by_the_view_itself(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_DRAWN_EVERY_S", 0.0)
    run = Run()
    run.master.is_stopped = True
    _, showing = shown(run, terminal)

    terminal.wait_for("2 sent")
    end(run, showing)

    assert run.collected == run.snapshots


def test_another_phase_and_another_size_are_shown_at_once(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_DRAWN_EVERY_S", 1000.0)
    run = Run()
    _, showing = shown(run, terminal)

    terminal.wait_for("measuring since then")
    run.master.state = "draining"
    terminal.wait_for("draining since then")
    before = terminal.written.count("draining since then")
    termios.tcsetwinsize(terminal.stream.fileno(), (30, 60))
    with gevent.Timeout(20):
        while terminal.written.count("draining since then") == before:
            gevent.sleep(0.005)
    end(run, showing)


def test_a_run_that_cannot_be_shown_goes_on(
    terminal: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    run.prepared = None  # type: ignore[assignment]
    _, showing = shown(run, terminal)

    showing.join(20)

    assert showing.successful() and not run.is_over
    assert "the run cannot be shown any more, and goes on" in caplog.text


def test_the_next_run_waits_until_the_terminal_has_taken_the_last_one(terminal: Terminal) -> None:
    first, second = Run(), Run()
    second.master.state = "warming up"
    view, showing_first = shown(first, terminal)
    terminal.wait_for("measuring since then")
    terminal.is_read = False
    gevent.sleep(0.05)
    # More than a terminal keeps for somebody who does not read.
    for _ in range(2_000):
        print("a long line " * 10)
    print("the last line")
    first.is_over = True
    showing_second = gevent.spawn(view.show, second)
    waiting = gevent.spawn(view.wait)
    gevent.sleep(0.3)
    assert not showing_first.ready() and not waiting.ready()

    terminal.is_read = True
    terminal.wait_for("warming up since then")
    assert terminal.written.index("the last line") < terminal.written.index("warming up since")
    end(second, showing_second)
    waiting.join(20)
    assert waiting.ready()


def test_what_cannot_be_carried_to_the_master_is_on_the_terminal(terminal: Terminal) -> None:
    relay = Relay()
    relay.send(terminal.stream)
    try:
        # This process has no other end of it, as if the master had ended; gevent closes it late.
        gevent.sleep(0.01)
        print("a worker's line")
        terminal.wait_for("a worker's line\r\n")
    finally:
        relay.stop_sending()
    assert not sys.stdout.isatty()


def test_a_line_that_would_be_carried_in_part_is_on_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "PIPE_BUF", 10)
    relay = Relay()
    master = os.dup(relay._receiver)
    relay.send(terminal.stream)
    try:
        print("a line that is longer")
        terminal.wait_for("a line that is longer\r\n")
    finally:
        relay.stop_sending()
        os.close(master)


@pytest.mark.parametrize(
    ("environ", "options", "shows"),
    [
        pytest.param(PERSON, {}, True, id="a terminal"),
        pytest.param(PERSON, {"processes": 2}, True, id="workers on it"),
        pytest.param(PERSON, {"print_stats": True}, False, id="Locust's table"),
        pytest.param(PERSON | {"CI": "true"}, {}, False, id="a pipeline"),
    ],
)
def test_a_view_is_made_where_there_is_a_terminal_for_it(
    environ: dict[str, str],
    options: dict[str, object],
    shows: bool,
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    given = Namespace(**({"print_stats": None, "processes": None} | options))

    assert (view_on_terminal(environ, given) is not None) is shows
