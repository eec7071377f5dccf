"""The options that settings are made of, each with its variable and its help, in one table."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """How an option is written, what its value is called, and what it means.

    `variable` holds it in the environment; "" where Locust has the option, with its own variable.
    Where Locust alone has it there is no `help`.
    """

    written: str
    metavar: str = ""
    help: str = ""
    variable: str = ""


OPTIONS = {
    "target": Option(
        "--target",
        "NAME-or-path",
        "where the load goes: a file of config/targets",
        "CONVOY_TARGET",
    ),
    "load_profile": Option(
        "--load-profile",
        "NAME-or-path",
        "the load's shape: a file of config/profiles",
        "CONVOY_LOAD_PROFILE",
    ),
    "scenarios": Option(
        "--scenarios", "a,b", "what runs; empty means the profile's", "CONVOY_SCENARIOS"
    ),
    "rate": Option(
        "--rate",
        "N|max",
        "messages per second, or max for flat out; empty means the profile's",
        "CONVOY_RATE",
    ),
    "seed": Option(
        "--seed",
        "N",
        "the same seed sends the same messages; empty means the profile's",
        "CONVOY_SEED",
    ),
    "set": Option(
        "--set",
        "dotted.path=YAML",
        "any setting by its name; may be given several times",
        "CONVOY_SET",
    ),
    "users": Option("--users", "N", "users; each has a token of its own"),
    "run_time_s": Option(
        "--run-time", "TIME", "the length of the measured part: 30, 30s, 2m, 1h20m"
    ),
    "stop_timeout_s": Option("--stop-timeout"),
    "host": Option("--host", "URL", "the address of API and login, instead of the target's"),
}
"""By the keys under which the values of a command line are handed on."""

VARIABLE_BY_OPTION = {key: each.variable for key, each in OPTIONS.items() if each.variable}
