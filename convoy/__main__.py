"""`python -m convoy`: the commands of `convoy.cli.commands`."""

import os
import sys

from convoy.cli.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
