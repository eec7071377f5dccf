"""The command line: `python -m simulator`; see README.md."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

try:
    from simulator.fault_words import BadFault
    from simulator.model.bot import BadScript
    from simulator.model.ledger_file import BrokenLedgerFile
    from simulator.options import parse_options
    from simulator.server import bind, serve
    from simulator.world import BadKey, World, build_world
except ModuleNotFoundError as missing:  # the machine's own Python, as in `python3 -m simulator`
    print(
        f"simulator: {sys.executable} has no package {missing.name}, which the simulator needs; "
        "make install sets up .venv, and .venv/bin/python has it",
        file=sys.stderr,
    )
    sys.exit(2)


def main(arguments: Sequence[str]) -> int:
    """Run until a signal; returns 1 if the address is taken, 2 if an option is wrong."""
    options = parse_options(arguments)
    try:
        world = build_world(options)
    except (BadFault, BadKey, BadScript, BrokenLedgerFile) as exc:
        return _complain(str(exc), 2)
    except OSError as exc:
        return _complain(f"cannot use the ledger file {options.ledger_file}: {exc.strerror}", 2)
    return _run(world)


def _run(world: World) -> int:
    host, port = world.options.host, world.options.port
    try:
        listener = bind(host, port)
    except (socket.gaierror, UnicodeError):
        return _complain(f"the host {host!r} is no address of this machine", 2)
    except OSError as exc:
        return _complain(f"cannot listen at {host}:{port}: {exc.strerror}", 1)
    serve(world, listener)
    return 0


def _complain(sentence: str, exit_code: int) -> int:
    print(f"simulator: {sentence}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
