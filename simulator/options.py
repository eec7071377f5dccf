"""The command line's options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

COUNT_MAX = 10**9
CONVERSATIONS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a simulator is started; see README.md for each."""

    host: str
    port: int
    seed: int
    conversations: int
    token_rate_per_minute: int
    token_lifetime_s: int
    is_lenient: bool
    started_by: str
    ledger_file: str | None
    key_file: str | None
    faults: tuple[str, ...]


class _OneSentenceParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"simulator: {message}\n")


def parse_options(arguments: Sequence[str]) -> Options:
    """Options of a command line; a wrong one ends the process with exit code 2 and a sentence."""
    values = vars(_parser().parse_args(arguments))
    return Options(**{**values, "faults": tuple(values["faults"])})


def _parser() -> argparse.ArgumentParser:
    parser = _OneSentenceParser(
        prog="python -m simulator",
        description="Play the messaging API on this machine; simulator/README.md says how.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at")
    add("--port", type=_whole(0, 65535), default=8080, help="0 picks a free one")
    add("--seed", type=_whole(0, 2**63), default=1, help="same seed, same conversations")
    add("--conversations", type=_whole(0, CONVERSATIONS_MAX), default=200, help="size of the pool")
    add("--token-rate-per-minute", type=_whole(1, COUNT_MAX), default=300, help="per token")
    add("--token-lifetime-s", type=_whole(1, COUNT_MAX), default=86_400, help="per token")
    add("--lenient", dest="is_lenient", action="store_true", help="'from' may be absent")
    add("--started-by", metavar="WHO", default="a person", help="the id of a run that has its own")
    add("--ledger-file", metavar="FILE", help="keep accepted messages here over a restart")
    add("--key-file", metavar="FILE", help="prove by this key that this is a simulator")
    add("--fault", dest="faults", metavar="SPEC", action="append", default=[], help="repeatable")
    return parser


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text[:20]) <= highest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse
