"""The screen: lines above a view, on a terminal that may be small, slow, paused or gone."""

from __future__ import annotations

import logging
import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import gevent
import pyte
import pytest
from gevent.os import make_nonblocking, nb_read

from convoy.plugin import screen as screen_module
from convoy.plugin.screen import Screen

COLUMNS, LINES = 40, 10


class Terminal:
    """A terminal, the stream that a process writes to, and what a person sees on it."""

    def __init__(self) -> None:
        self._window, terminal = pty.openpty()
        make_nonblocking(self._window)
        self.stream: TextIO = os.fdopen(terminal, "w", encoding="utf-8")
        self._shown = pyte.HistoryScreen(COLUMNS, LINES, history=10**6, ratio=0.5)
        self._drawing = pyte.ByteStream(self._shown)
        self.written = b""
        self.is_read = True
        self.resize(COLUMNS, LINES)
        self._reading = gevent.spawn(self._read)

    def resize(self, columns: int, lines: int) -> None:
        termios.tcsetwinsize(self.stream.fileno(), (lines, columns))
        self._shown.resize(lines, columns)

    def lines(self) -> list[str]:
        """Everything that is or was shown, without what is empty at its end."""
        columns = range(self._shown.columns)
        above = ["".join(line[at].data for at in columns) for line in self._shown.history.top]
        lines = [line.rstrip() for line in [*above, *self._shown.display]]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def wait_for(self, *lines: str) -> None:
        """Wait until exactly this is shown."""
        timer = gevent.Timeout.start_new(20)
        try:
            while self.lines() != list(lines):
                gevent.sleep(0.005)
        except gevent.Timeout:
            raise AssertionError(f"it shows {self.lines()}, not {lines}") from None
        finally:
            timer.close()

    @property
    def has_cursor(self) -> bool:
        return not self._shown.cursor.hidden

    def leave(self) -> None:
        """Close the window."""
        self._reading.kill()
        with suppress(OSError):
            os.close(self._window)

    def _read(self) -> None:
        with suppress(OSError):
            while True:
                while not self.is_read:
                    gevent.sleep(0.005)
                data = nb_read(self._window, 1024)
                self.written += data
                self._drawing.feed(data)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.leave()
    with suppress(OSError):
        made.stream.close()


def view(*lines: str) -> list[tuple[str, int]]:
    return [(f"\x1b[1m{line}\x1b[0m", len(line)) for line in lines]


def test_a_view_takes_the_place_of_the_last_one_and_lines_stay_above_it(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        screen.draw(view("one", "two", "three"))
        terminal.wait_for("one", "two", "three")
        screen.add("a line")
        terminal.wait_for("a line", "one", "two", "three")
        screen.draw(view("four"))
        screen.add("another")
        terminal.wait_for("a line", "another", "four")
        assert terminal.has_cursor

    terminal.wait_for("a line", "another")
    assert terminal.has_cursor


def test_lines_scroll_away_whole_above_a_view_as_high_as_the_terminal(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    lines = [f"line {number}" for number in range(50)]
    high = [f"view {number}" for number in range(LINES - 1)]

    with screen.receiving():
        for line in lines:
            screen.draw(view(*high))
            screen.add(line)
            gevent.sleep(0.001)
        terminal.wait_for(*lines, *high)

    terminal.wait_for(*lines)


def test_what_is_logged_and_printed_is_added_line_by_line(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    handler = logging.StreamHandler(terminal.stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger, printed_to = logging.getLogger(), sys.stdout
    logger.addHandler(handler)
    try:
        with screen.receiving():
            screen.draw(view("view"))
            logging.getLogger("anybody").warning("logged\nin two lines")
            print("printed", 1, flush=True)
            print("begun, ", end="")
            gevent.sleep(0.05)
            print("ended", file=sys.stderr)
            terminal.wait_for("WARNING logged", "in two lines", "printed 1", "begun, ended", "view")
            print("never ended", end="")
            assert sys.stdout.isatty() and sys.stdout.fileno() == terminal.stream.fileno()
        logging.getLogger("anybody").warning("after it")
        terminal.wait_for(
            "WARNING logged",
            "in two lines",
            "printed 1",
            "begun, ended",
            "never ended",
            "WARNING after it",
        )
    finally:
        logger.removeHandler(handler)
    assert sys.stdout is printed_to and handler.stream is terminal.stream


def test_who_has_kept_the_stream_still_reaches_the_terminal(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        handler = logging.StreamHandler()
    handler.emit(logging.makeLogRecord({"msg": "after it"}))

    terminal.wait_for("after it")


def test_the_screen_is_closed_where_its_block_fails(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)

    with pytest.raises(ZeroDivisionError), screen.receiving():
        screen.draw(view("view"))
        screen.add("a line")
        terminal.wait_for("a line", "view")
        raise ZeroDivisionError

    terminal.wait_for("a line")


def test_nobody_waits_for_a_terminal_that_is_not_read(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    # More than a terminal keeps for somebody who does not read.
    lines = [f"line {number:04}".ljust(COLUMNS, ".") for number in range(3_000)]
    with screen.receiving():
        terminal.is_read = False
        longest_s = 0.0
        for line in lines:
            began_s = gevent.get_hub().loop.now()
            screen.add(line)
            screen.draw(view(f"view after {line}"))
            gevent.sleep(0.0005)
            gevent.get_hub().loop.update_now()
            longest_s = max(longest_s, gevent.get_hub().loop.now() - began_s)
        assert longest_s < 1.0
        terminal.is_read = True
        terminal.wait_for(*lines, f"view after {lines[-1]}"[:COLUMNS], "." * 11)
    # Views that nobody would have seen were not written.
    assert terminal.written.count(b"view after") < 1_500


def test_of_too_many_lines_the_latest_are_kept_and_the_others_counted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen_module, "_MOST_LINES", 3)
    screen = Screen(terminal.stream)
    with screen.receiving():
        for number in range(10):
            screen.add(f"line {number}")
        terminal.wait_for(
            "7 lines are left out: the terminal was p",
            "aused",
            "line 7",
            "line 8",
            "line 9",
        )


def test_a_terminal_that_has_gone_stops_nobody(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    with gevent.Timeout(20), screen.receiving():
        screen.draw(view("view"))
        terminal.wait_for("view")
        terminal.leave()
        for number in range(100):
            screen.add(f"line {number}")
            screen.draw(view(f"view {number}"))
            gevent.sleep(0.001)


@pytest.mark.parametrize("size", [(40, 20), (60, 10), (30, 10)])
def test_after_another_size_the_view_is_there_once(
    terminal: Terminal, size: tuple[int, int]
) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        screen.add("a line")
        screen.draw(view("one", "two"))
        terminal.wait_for("a line", "one", "two")
        terminal.resize(*size)
        assert screen.size == size
        screen.draw(view("three", "four"))
        screen.add("another")
        terminal.wait_for("a line", "another", "three", "four")


@pytest.mark.parametrize("size", [(0, 0), (0, 24), (80, 0)])
def test_a_terminal_that_does_not_know_its_size_has_the_usual_one(
    terminal: Terminal, size: tuple[int, int]
) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        termios.tcsetwinsize(terminal.stream.fileno(), size[::-1])
        assert screen.size == (80, 24)


def test_a_view_that_the_terminal_has_broken_is_erased_whole(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        screen.draw(view("a" * 35, "b" * 12))
        terminal.wait_for("a" * 35, "b" * 12)
        terminal.resize(12, LINES)
        screen.draw(view("c"))
        with gevent.Timeout(20):
            while not terminal.written.endswith(b"c\x1b[0m\r\n\x1b[?25h"):
                gevent.sleep(0.005)

    # 35 columns are three lines of twelve, and the other line just fits.
    assert b"\x1b[4A\r\x1b[J" in terminal.written


def test_a_view_that_the_terminal_has_cut_off_is_erased_without_what_is_above(
    terminal: Terminal,
) -> None:
    screen = Screen(terminal.stream, breaks_anew=False)
    with screen.receiving():
        screen.add("a line")
        screen.draw(view("a" * 35, "b" * 12))
        terminal.wait_for("a line", "a" * 35, "b" * 12)
        terminal.resize(12, LINES)
        screen.draw(view("c"))
        terminal.wait_for("a line", "c")


def test_what_was_written_below_a_view_is_not_erased(terminal: Terminal) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        screen.draw(view("view"))
        terminal.wait_for("view")
        print("$ fg", file=terminal.stream, flush=True)
        screen.forget()
        screen.draw(view("another"))
        terminal.wait_for("view", "$ fg", "another")


def test_in_the_background_there_is_no_view(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(terminal.stream)
    with screen.receiving():
        screen.draw(view("view"))
        terminal.wait_for("view")
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
        screen.draw(view("another"))
        screen.add("a line")
        terminal.wait_for("view", "a line")
