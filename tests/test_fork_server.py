"""A forked program cannot tell that it was not executed, nor can the process that started it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import FORKS, Program, executed
from tests.locust_process import clean_environment

pytestmark = pytest.mark.skipif(not FORKS, reason="every program is executed")

PROBE = """
import gc, json, os, resource, signal, sys, threading
streams = {"stdin": sys.stdin, "stdout": sys.stdout, "stderr": sys.stderr}
kinds = ("encoding", "errors", "line_buffering", "write_through", "newlines", "name", "mode")
json.dump({
    "arguments": [sys.argv, sys.orig_argv, sys.path, sys.flags, sys.warnoptions],
    "place": [os.getcwd(), dict(os.environ), os.umask(0o22), os.nice(0)],
    "family": [os.getppid(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "signals": [str(signal.getsignal(each)).partition(" at 0x")[0] for each in range(1, 32)],
    "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "limits": [resource.getrlimit(each) for each in range(16)],
    "open": sorted(os.readlink(f"/proc/self/fd/{each}").partition(":")[0].rstrip("0123456789")
                   for each in os.listdir("/proc/self/fd")
                   if os.path.exists(f"/proc/self/fd/{each}")),
    "streams": [[getattr(each, kind) for kind in kinds] + [each.isatty()]
                for each in streams.values()],
    "originals": [getattr(sys, f"__{name}__") is each for name, each in streams.items()],
    "main": [sys.modules["__main__"].__name__, sys.modules["__main__"].__file__],
    "threads": threading.active_count(),
    "collects": [gc.isenabled(), gc.get_threshold()],
}, open("found.json", "w"))
print("out", flush=True)
print("error", file=sys.stderr)
raise SystemExit(7)
"""


def probed(folder: Path, *, stdin: int, has_terminal: bool) -> tuple[dict[str, Any], int, bytes]:
    """What a program finds about itself, its exit code and what it printed."""
    ours, terminal = pty.openpty() if has_terminal else os.pipe()
    probe = folder / "probe.py"
    probe.write_text(PROBE)
    with Program(
        *("locust", "-f", str(probe)),
        cwd=folder,
        env=clean_environment() | {"CONVOY_RATE": "ü"},
        stdin=stdin,
        stdout=terminal,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as program:
        exit_code = program.wait(60)
    os.close(terminal)
    printed = b""
    with contextlib.suppress(OSError):  # by which a terminal ends
        while piece := os.read(ours, 1000):
            printed += piece
    os.close(ours)
    return json.loads((folder / "found.json").read_text()), exit_code, printed


@pytest.mark.parametrize("has_terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, subprocess.PIPE], ids=["nothing", "input"])
def test_a_program_finds_what_it_finds_when_executed(
    stdin: int, has_terminal: bool, tmp_path: Path
) -> None:
    forked = probed(tmp_path, stdin=stdin, has_terminal=has_terminal)
    with executed():
        alike = probed(tmp_path, stdin=stdin, has_terminal=has_terminal)

    assert forked[0] == alike[0]
    assert forked[1:] == alike[1:]
    assert forked[1:] == (7, b"out\r\nerror\r\n" if has_terminal else b"out\nerror\n")


def test_its_timers_count_from_its_own_start(tmp_path: Path) -> None:
    locustfile = tmp_path / "load.py"
    start(locustfile, "", clean_environment())
    # The loop has the system's clock but for a moment; the server's stood still at its imports.
    now = f"__import__('gevent').get_hub().loop.now() > {time.time() - 0.05}"

    assert start(locustfile, f"raise SystemExit(3 if {now} else 4)", clean_environment()) == (
        3,
        True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_that_ends_it_is_its_exit_code(number: int, tmp_path: Path) -> None:
    kills = f"__import__('os').kill(__import__('os').getpid(), {int(number)})"

    assert start(tmp_path / "load.py", kills, clean_environment()) == (-number, True)


@pytest.mark.parametrize(
    ("changes", "is_forked"),
    [
        pytest.param({"CONVOY_RATE": "5"}, True, id="read late"),
        pytest.param({"LOCUST_SKIP_MONKEY_PATCH": "1"}, False, id="read by an import"),
        pytest.param({"PYTHONDEVMODE": "1"}, False, id="read by Python"),
        pytest.param({"PYTHONPATH": "/nowhere"}, False, id="another tree"),
    ],
)
def test_an_environment_that_imports_may_read_is_not_shared(
    changes: dict[str, str], is_forked: bool, tmp_path: Path
) -> None:
    start(tmp_path / "load.py", "", clean_environment())

    assert start(tmp_path / "load.py", "", clean_environment() | changes)[1] is is_forked


def test_a_locustfile_beside_another_convoy_is_executed(tmp_path: Path) -> None:
    (tmp_path / "convoy").mkdir()

    assert start(tmp_path / "load.py", "", clean_environment())[1] is False


def start(locustfile: Path, code: str, env: dict[str, str]) -> tuple[int, bool]:
    """Start Locust with this locustfile; return its exit code and whether it was forked."""
    told = locustfile.with_name("command")
    write = f"open({str(told)!r}, 'wb').write(open('/proc/self/cmdline', 'rb').read())"
    locustfile.write_text(f"{write}\n{code}\nraise SystemExit(0)\n")
    with Program(*("locust", "-f", str(locustfile)), cwd=locustfile.parent, env=env) as program:
        exit_code = program.wait(60)
    return exit_code, b"fork_server.py" in told.read_bytes()
