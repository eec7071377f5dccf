"""The terminal: what cannot be printed has a stand-in, and Ctrl-C ends in a sentence at once."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize("module", ["convoy.errors", "pydantic"])
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_interrupt_while_convoy_is_imported_is_one_sentence(
    entry: str, module: str, repository: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTS + entry, module],
        cwd=repository,
        capture_output=True,
        text=True,
    )

    assert ended.stderr == "convoy: interrupted before the run began\n"
    assert ended.returncode == 5
