"""`python -m convoy`: the commands of `convoy.cli.commands`."""

import os
import sys

from convoy import terminal

if __name__ == "__main__":
    terminal.take_over()
    from convoy.cli.commands import main

    sys.exit(main(sys.argv[1:], os.environ))
