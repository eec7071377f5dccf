"""The screen: lines that stay on a terminal, and below them a view that is drawn anew."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial
from io import TextIOBase
from math import ceil, inf
from select import PIPE_BUF
from typing import TextIO

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from gevent.os import make_nonblocking, nb_read
from gevent.threadpool import ThreadPool

_MOST_LINES = 10_000
_AT_ONCE = 65_536
"""Bytes that are read from the relay in one go: as much as a pipe of Linux holds."""
_USUAL_SIZE = os.terminal_size((80, 24))
"""That of a terminal which does not know its own, such as one that no window belongs to."""
_BUSY_S = 0.05
# The writer's thread has no event loop, and gevent's `sleep` would make one for it.
_sleep = get_original("time", "sleep")
# The cursor is hidden only while something is drawn, so that whatever ends the process leaves one.
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_UP, _ERASE_BELOW = "\x1b[{}A", "\r\x1b[J"


ViewLine = tuple[str, int]
"""A line of a view: its text with the sequences for colours, and how many columns it fills."""


class Screen:
    """Adds lines and draws views on the terminal that `stream` writes to, until it is closed.

    The load does not wait for the terminal, which may be paused with Ctrl-S, or read slowly: a
    thread writes to it. While that thread is busy, the latest 10,000 lines wait, and of the views
    only the newest.

    Before a view is drawn, the lines of the last one are erased. Where the terminal was made
    narrower in between and `breaks_anew` lines that are too long, the last view fills more lines
    than it did. On a terminal that cuts such lines off, erasing more would erase lines of the log.
    """

    def __init__(self, stream: TextIO, breaks_anew: bool = True) -> None:
        self._stream = stream
        self._breaks_anew = breaks_anew
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._left_out = 0
        self._view: Sequence[ViewLine] = ()
        self._drawn: Sequence[ViewLine] = ()
        self._is_closing = self._is_closed = False
        self._is_lost = False
        self._wake = Event()
        self._writer = ThreadPool(1)
        self._writing = gevent.spawn(self._write)

    @property
    def size(self) -> os.terminal_size:
        """The columns and lines of the terminal, which a person may change at any moment."""
        with suppress(OSError):  # it has gone
            size = os.get_terminal_size(self._stream.fileno())
            if size.columns and size.lines:
                return size
        return _USUAL_SIZE

    def add(self, line: str) -> None:
        """Add a line above the view."""
        if self._is_closed:  # by somebody who has kept the stream that stood in for the terminal's
            print(line, file=self._stream)
            return
        self._left_out += len(self._lines) == _MOST_LINES
        self._lines.append(line)
        self._wake.set()

    def draw(self, view: Sequence[ViewLine]) -> None:
        """Draw a view in place of the last one; it should be lower than the terminal."""
        self._view = view
        self._wake.set()

    def forget(self) -> None:
        """Leave what was drawn where it is: something else was written below it."""
        self._drawn = ()

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Have everything that this process logs and prints on the terminal added as lines.

        The screen is closed at the end, as soon as the terminal has taken everything.
        """
        lines = _Lines(self.add, self._stream)
        try:
            with _diverted(self._stream, lines):
                try:
                    yield
                finally:
                    lines.end_line()
                    self._close()
        finally:
            self._is_closed = True
            if not self._is_lost:  # these were added after the writer had ended
                self._stream.writelines(f"{line}\n" for line in self._lines)
            self._writer.kill()

    def _close(self) -> None:
        """Erase the view, and wait until everything is written."""
        self._view = ()
        self._is_closing = True
        self._wake.set()
        self._writing.join()

    def _write(self) -> None:
        while not (self._is_closing and not self._lines and not self._drawn):
            self._wake.wait()
            self._wake.clear()
            text = self._next()
            if text and not self._is_lost:
                encoded = text.encode(self._stream.encoding, self._stream.errors or "strict")
                written = self._writer.apply(_write_all, (self._stream.fileno(), encoded))
                self._is_lost = not written

    def _next(self) -> str:
        """Return what takes the terminal from what is drawn to what should be."""
        lines = [*self._lines]
        self._lines.clear()
        if self._left_out:
            lines.insert(0, f"{self._left_out} lines are left out: the terminal was paused")
            self._left_out = 0
        view = self._view
        if not self._is_in_front():
            view = self._drawn = ()
        if not lines and view == self._drawn:
            return ""
        columns = self.size.columns if self._breaks_anew else inf
        up = sum(max(1, ceil(filled / columns)) for _, filled in self._drawn)
        erased = _UP.format(up) + _ERASE_BELOW if up else ""
        self._drawn = view
        lines += [text for text, _ in view]
        return "".join((_HIDE, erased, *(f"{line}\n" for line in lines), _SHOW))

    def _is_in_front(self) -> bool:
        """Return False for a job in the background: the terminal is its shell's."""
        try:
            return os.tcgetpgrp(self._stream.fileno()) == os.getpgrp()
        except OSError:  # it is not the terminal of this session
            return True


def _write_all(descriptor: int, data: bytes) -> bool:
    """Write everything, in a thread without an event loop; return False if the terminal has gone.

    Nobody would see what is said about that.
    """
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another program has made the terminal's descriptor like this
            _sleep(_BUSY_S)
        except OSError:
            return False
    return True


class Relay:
    """Carries the lines of forked workers to their master, whose screen has the same terminal.

    It is made before the fork. What cannot be carried is written on the terminal.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = os.pipe()
        for end in (self._receiver, self._sender):
            make_nonblocking(end)
        self._diversion = ExitStack()

    def receive(self) -> None:
        """Print what the workers send, in the master."""
        # The end of the workers' lines is read once nobody has this end open any more.
        os.close(self._sender)
        gevent.spawn(self._receive)

    def send(self, stream: TextIO) -> None:
        """Send what this worker logs and prints on the terminal that `stream` writes to."""
        # With it open here, a write after the master's end would not fail, and lines would be lost.
        os.close(self._receiver)
        lines = _Lines(partial(self._send, stream), stream)
        self._diversion.enter_context(_diverted(stream, lines))

    def stop_sending(self) -> None:
        """Write on the terminal from here on: the worker ends, and perhaps its master first."""
        self._diversion.close()

    def _receive(self) -> None:
        begun = b""
        while data := nb_read(self._receiver, _AT_ONCE):
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                print(line.decode(errors="replace"), file=sys.stderr)

    def _send(self, stream: TextIO, line: str) -> None:
        data = f"{line}\n".encode(errors="backslashreplace")
        with suppress(OSError):  # the master has ended, or reads too slowly
            # More may be written in part only, and between the parts of another worker's line.
            if len(data) <= PIPE_BUF:
                os.write(self._sender, data)
                return
        print(line, file=stream)


@contextmanager
def _diverted(stream: TextIO, lines: _Lines) -> Iterator[None]:
    """Have what this process logs on a stream, and what it prints, written to another one."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream
    ]
    for handler in handlers:
        handler.setStream(lines)
    try:
        with redirect_stdout(lines), redirect_stderr(lines):
            yield
    finally:
        for handler in handlers:
            handler.setStream(stream)


class _Lines(TextIOBase):
    """A stream that hands over its lines, in place of the `stream` of a terminal."""

    def __init__(self, add: Callable[[str], None], stream: TextIO) -> None:
        self._add = add
        self._stream = stream
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._add(line)
        return len(text)

    def end_line(self) -> None:
        """Hand over what was written of a line that has no end."""
        if self._begun:
            self.write("\n")

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return True
