"""`python -m convoy`: the commands of `convoy.swarm.commands`."""

import os
import sys

from convoy.swarm.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
