"""The terminal of a process: what is printed there never raises, and Ctrl-C ends in a sentence."""

from __future__ import annotations

import codecs
import functools
import os
import signal
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TextIO

from greenlet import getcurrent, greenlet

_ERRORS = "convoy"
_INTERRUPTED = "interrupted; this process has begun no run"
_EXIT_CODE = 5
"""`ExitCode.INVALID`, without the time that importing it takes."""
_STAND_INS = str.maketrans(
    {"≥": ">=", "≤": "<=", "…": "...", "·": "-", "–": "-", "—": "-", "×": "x", "µ": "u"}
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”„", '"')
)


def take_over() -> None:
    """Make standard output and error print anything, and end the process at once at a Ctrl-C.

    Called first of all, because importing the rest takes most of a second. An exception would not
    do there: gevent replaces the locks that imports hold, and the process would hang.
    """
    signal.signal(signal.SIGINT, functools.partial(_end_at_once, _told(_INTERRUPTED)))
    print_anything(sys.stdout, sys.stderr)


def say_at_interrupt(sentence: str = _INTERRUPTED) -> None:
    """Have a Ctrl-C from now on say this sentence and end the process as SystemExit does."""
    signal.signal(signal.SIGINT, functools.partial(_end, getcurrent(), _told(sentence)))


def print_anything(*streams: object) -> None:
    """Have these streams write stand-ins for what their encoding does not have, not raise."""
    codecs.register_error(_ERRORS, _stand_in)
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def print_no_more() -> None:
    """Throw away what is still to be printed: Python would fail on it at its end, with code 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shows_views(environ: Mapping[str, str], *streams: TextIO | None) -> bool:
    """Return whether these streams are a person's terminal that can show a view that changes.

    `NO_COLOR` (https://no-color.org) and `CI` ask for plain lines, whatever they are set to.
    """
    if environ.get("NO_COLOR") or environ.get("CI") or environ.get("TERM", "dumb") in ("", "dumb"):
        return False
    return all(
        stream is not None and stream.isatty() and codecs.lookup(stream.encoding).name == "utf-8"
        for stream in streams
    )


def breaks_anew(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal breaks lines that are too long when it is made narrower.

    Most do. xterm, screen and the console of Linux cut them off.
    """
    kind = environ.get("TERM", "")
    if environ.get("TMUX"):
        return True
    return not (kind == "linux" or kind.startswith("screen") or environ.get("XTERM_VERSION"))


def columns(stream: TextIO, otherwise: int) -> int:
    """Return the columns of the terminal that a stream writes to, or what to assume otherwise."""
    try:
        return min(os.get_terminal_size(stream.fileno()).columns or otherwise, otherwise)
    except (OSError, ValueError):  # no terminal; no descriptor
        return otherwise


def link(path: Path) -> str:
    """Return a path as a link that terminals open when it is clicked (OSC 8)."""
    return f"\x1b]8;;{path.resolve().as_uri()}\x1b\\{path}\x1b]8;;\x1b\\"


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_STAND_INS)
    # Some encodings lack a stand-in's characters, too, and a second failure would raise.
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _told(sentence: str) -> bytes:
    return f"convoy: {sentence}\n".encode("ascii", "backslashreplace")


def _end_at_once(told: bytes, _: int, __: FrameType | None) -> None:
    os.write(2, told)
    os._exit(_EXIT_CODE)


def _end(main: greenlet, told: bytes, _: int, __: FrameType | None) -> None:
    """Raise SystemExit in the main greenlet; of a KeyboardInterrupt gevent prints a traceback."""
    # A second Ctrl-C would interrupt what is done at the end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not by print, which raises where the signal came in the middle of another one.
    os.write(2, told)
    if getcurrent() is main:
        raise SystemExit(_EXIT_CODE)
    # Imported by now, because nothing else makes greenlets.
    import gevent

    gevent.kill(main, SystemExit(_EXIT_CODE))
