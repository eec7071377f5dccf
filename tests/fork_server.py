"""Programs of this repository, forked from a process that has imported what they import.

A start of `locust` takes a second of processor time, nearly all of it for imports, and the tests
start hundreds. So each process that runs tests has a server for what programs import, which imports
that once and forks at every start. What is forked has the working directory, environment, streams,
session and arguments of a fresh process and is a child of the process that asked for it: its
process id, signals and exit code are real. It differs in what no test may rely on: `/proc` has the
server's command line, sets of texts have the server's order, a warning that an import gives is
not repeated, and what is still there at its end is not taken apart.

A program is executed as ever where a fork would be another thing: with another environment than
the server's, apart from variables that are read late; with a locustfile of another tree; within
`executed`, which is for tests that prove the start itself; and everywhere with `TESTS_START=exec`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import inspect
import json
import os
import posix  # whose functions stay as they are when gevent patches those of `os`
import runpy
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from time import sleep  # Python's own, also when gevent has patched the one of `time`
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_LOCUST = ("locust.main", "convoy.plugin.hooks", "convoy.cli.commands")  # it patches sockets first
_SIMULATOR = ("simulator.server", "simulator.world")
PRELOADED = {
    "locust": _LOCUST,
    "convoy": _LOCUST,
    "simulator": _SIMULATOR,
}
_READ_LATE = (
    *("CONVOY_", "GITHUB_", "PYTEST_", "CLOCK_STEP_S", "GATEWAY_KEY", "HELD_", "SABOTAGE_"),
    *("CI", "COLUMNS", "LINES", "NO_COLOR", "TERM"),
    *("ALL_PROXY", "HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy", "AWS_"),
)
"""What a program reads when it runs, and neither Python nor a module while it is imported."""
_PR_SET_CHILD_SUBREAPER = 36
_MAX_REQUEST = 1 << 20
_LINGER_MS = 1_000
FORKS = sys.platform == "linux" and os.environ.get("TESTS_START") != "exec"
_is_executed = not FORKS


@contextlib.contextmanager
def executed() -> Iterator[None]:
    """Within this block each program is executed, as its users start it."""
    global _is_executed
    before, _is_executed = _is_executed, True
    try:
        yield
    finally:
        _is_executed = before


class Program(subprocess.Popen[Any]):
    """`python -m` one of these programs; a `subprocess.Popen` that forks where it can.

    Takes `cwd`, `env`, the three streams, their text mode, `start_new_session`, and as
    `preexec_fn` only `take_terminal`.
    """

    def __init__(self, module: str, *arguments: str, env: Mapping[str, str], **how: Any) -> None:
        self._module = module
        command = [sys.executable, "-m", module, *arguments]
        super().__init__(command, env=dict(env), **how)

    def _execute_child(
        self, args: list[str], executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any,
        cwd: Path, env: dict[str, str], startupinfo: Any, creationflags: Any, shell: Any,
        p2cread: int, p2cwrite: int, c2pread: int, c2pwrite: int, errread: int, errwrite: int,
        restore_signals: Any, gid: Any, gids: Any, uid: Any, umask: Any,
        start_new_session: bool, *more: Any,
    ) -> None:  # fmt: skip  # it is the base class's list
        pipes = (p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        server = _server_of(self._module, args, env)
        if server is None:
            super()._execute_child(  # type: ignore[misc]
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo,
                creationflags, shell, *pipes, restore_signals, gid, gids, uid, umask,
                start_new_session, *more,
            )  # fmt: skip
            return
        streams = [
            number if given == -1 else given
            for number, given in enumerate((p2cread, c2pwrite, errwrite))
        ]
        assert preexec_fn in (None, take_terminal)
        has_terminal = preexec_fn is take_terminal
        self.pid = server.fork(args, str(cwd), env, start_new_session, has_terminal, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def take_terminal() -> None:
    """In a new process: have the terminal as a shell gives it, which ends with its window."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it


def run(
    module: str, *arguments: str, input: Any = None, timeout: float = 300, **how: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end as `subprocess.run` does, and capture its output."""
    pipe = subprocess.PIPE
    stdin = None if input is None else pipe
    with Program(module, *arguments, stdin=stdin, stdout=pipe, stderr=pipe, **how) as process:
        try:
            output, complaints = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, complaints)


class _Server:
    """The client's side of a server, and the environment in which that imported everything."""

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        self.env = _lasting(env)
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, __file__, str(number), *modules]
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, pass_fds=[number]
            )
        atexit.register(self._stop)

    def fork(
        self,
        command: list[str],
        cwd: str,
        env: dict[str, str],
        is_leader: bool,
        has_terminal: bool,
        streams: list[int],
    ) -> int:
        """Start a program; return its process id, which is that of a child of this process."""
        request = json.dumps([command, cwd, env, is_leader, has_terminal]).encode() + b"\n"
        with self._lock, _adopting():
            socket.send_fds(self._socket, [request], streams)
            answer = self._socket.recv(64)
        assert answer, f"the fork server ended with {self._process.wait()}: {command}"
        return int(answer)

    def _stop(self) -> None:
        self._socket.close()
        self._process.wait()


_servers: dict[tuple[str, ...], _Server] = {}


def _server_of(module: str, command: Sequence[str], env: Mapping[str, str]) -> _Server | None:
    """Return the server that can fork this, started if need be, or None to execute it."""
    trees = {Path(each).resolve().parent for each in command if each.endswith(".py")} - {ROOT}
    if _is_executed or any((tree / "convoy").exists() for tree in trees):
        return None
    modules = PRELOADED[module]
    if modules not in _servers:
        _servers[modules] = _Server(modules, env)
    return _servers[modules] if _servers[modules].env == _lasting(env) else None


def _lasting(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith(_READ_LATE)}


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Descendants whose parent ends become children of this process, instead of the first one's."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _serve(ours: socket.socket) -> list[Any] | None:
    """Fork for each request; return it in the process that is to become the program."""
    while True:
        request, streams, *_ = socket.recv_fds(ours, _MAX_REQUEST, 3)
        while request and not request.endswith(b"\n"):
            request += ours.recv(_MAX_REQUEST)
        if not request:
            return None
        between = posix.fork()
        if between == 0:
            between = os.getpid()
            if posix.fork() != 0:
                os._exit(0)
            # Until that process has ended it is the parent, and not who asked for this one.
            while os.getppid() == between:
                sleep(0.001)
            ours.send(str(os.getpid()).encode())
            return [*json.loads(request), streams]
        for number in streams:
            posix.close(number)
        posix.waitpid(between, 0)


def _warm_up() -> None:
    """Fill the caches that each run would fill for itself: 0.1 s of its processor time."""
    inspect.stack()  # Locust asks for it where a test stops, and it looks at every module's file
    if html := sys.modules.get("convoy.results.reports.html"):
        html._template()
    if catalogue := sys.modules.get("convoy.routes.catalogue"):
        for route in catalogue.ROUTES.values():
            route.rules().faults({})


def _become(
    command: list[str],
    cwd: str,
    env: dict[str, str],
    is_leader: bool,
    has_terminal: bool,
    streams: list[int],
) -> str:
    """Make this process what it would be at its start with this command; return its module."""
    if is_leader:
        os.setsid()
    for number, given in enumerate(streams):
        os.dup2(given, number)
        posix.close(given)
        _open_anew(number, ("stdin", "stdout", "stderr")[number])
    if has_terminal:
        take_terminal()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = os.getcwd()
    sys.orig_argv = command
    sys.argv = command[2:]
    if gevent := sys.modules.get("gevent"):
        gevent.reinit()
        # Timers count from when the loop last looked at the clock, which was in the server.
        gevent.get_hub().loop.update_now()
    return command[2]


def _open_anew(number: int, name: str) -> None:
    """Make a standard stream as Python does at its start: only a terminal's flushes by the line."""
    before: TextIOWrapper = getattr(sys, name)
    buffer = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115
    buffer.raw.name = f"<{name}>"  # type: ignore[attr-defined]
    by_line = number == 2 or buffer.isatty()
    stream = TextIOWrapper(buffer, before.encoding, before.errors, "\n", line_buffering=by_line)
    stream.mode = "w" if number else "r"
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _leave(exit_code: int) -> None:
    """Do what Python does at its end, but take nothing apart: that is half of a short run's time.

    Returns where the output cannot be written, so that Python says so.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if zmq := sys.modules.get("zmq"):
        # Its own threads still send a worker's last words, while Python takes the rest apart.
        for each in gc.get_objects():
            if issubclass(type(each), zmq.Context) and not each.closed:
                each.destroy(linger=_LINGER_MS)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)  # and not this folder, which has a package `simulator` of its own
    try:
        with socket.socket(fileno=int(sys.argv[1])) as ours:
            for each in sys.argv[2:]:
                importlib.import_module(each)
            _warm_up()
            # Or each fork would walk over all of it, and copy it, to find nothing: 0.2 s.
            gc.collect()
            gc.freeze()
            asked = _serve(ours)
    except KeyboardInterrupt:
        asked = None
    if asked is not None:
        module = _become(*asked)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if isinstance(ended.code, int):
                _leave(ended.code)
            raise
