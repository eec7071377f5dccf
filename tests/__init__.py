"""The tests; a package so that they share parts, whose assertions say what they compared."""

import pytest

pytest.register_assert_rewrite("tests.locust_process", "tests.faults.swarm_of_processes")
