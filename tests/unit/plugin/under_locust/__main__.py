"""pytest, after Locust: `python -m tests.unit.plugin.under_locust FILE`."""

import sys

import locust  # noqa: F401  # first: it patches sockets
import pytest

sys.exit(pytest.main(sys.argv[1:]))
