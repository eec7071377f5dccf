"""`python -m convoy`: the commands of `convoy.cli.commands`."""

import os
import sys

try:
    from convoy import terminal
except ModuleNotFoundError as missing:  # the machine's own Python, as in `python3 -m convoy`
    print(
        f"convoy: {sys.executable} has no package {missing.name}, which Convoy needs; "
        "make install sets up .venv, and .venv/bin/python has it",
        file=sys.stderr,
    )
    sys.exit(2)

if __name__ == "__main__":
    terminal.take_over()
    from convoy.cli.commands import main

    sys.exit(main(sys.argv[1:], os.environ))
