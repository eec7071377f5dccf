"""The command line's options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

from simulator.model.clients import CLIENTS
from simulator.model.guest_rates import GuestLimits

COUNT_MAX = 10**9
CONVERSATIONS_MAX = 1_000_000
WINDOW_MAX_MINUTES = 4_320
"""Of the threading timeline: 0 to 72 hours in steps of a minute, 72 hours by default."""


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
    permissions: Mapping[str, frozenset[str]]
    app_user_rate_per_minute: int
    organisation_rate_per_minute: int | None
    outbound_usage_max: int | None
    outbound_text_max: int
    conversation_messages_max: int | None
    threading_window_minutes: int
    analytics_delay_s: int
    accepted_status: int
    are_userless_listings_refused: bool
    are_refresh_tokens_rotated: bool
    messages_kept: int
    bot: str
    bot_delay: str
    guests: GuestLimits


class _OneSentenceParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"simulator: {message}\n")


def parse_options(arguments: Sequence[str]) -> Options:
    """Options of a command line; a wrong one ends the process with exit code 2 and a sentence."""
    values = vars(_parser().parse_args(arguments))
    faults, permissions = tuple(values.pop("faults")), dict(values.pop("permissions"))
    guests = {each.name: values.pop(f"guest_{each.name}") for each in fields(GuestLimits)}
    return Options(**values, faults=faults, permissions=permissions, guests=GuestLimits(**guests))


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
    _add_those_of_the_definition(parser)
    _add_those_of_guests(parser)
    return parser


def _add_those_of_the_definition(parser: argparse.ArgumentParser) -> None:
    add, some = parser.add_argument, _whole(1, COUNT_MAX)
    add(
        "--permissions",
        metavar="CLIENT=PERMISSION,…",
        type=_permissions,
        action="append",
        default=[],
        help="what a client may do, instead of what it is born with; repeatable",
    )
    # 3,000 by most transcriptions of the limits page, 300 by one of 2025-03.
    add("--app-user-rate-per-minute", type=some, default=3_000, help="per client and user")
    add("--organisation-rate-per-minute", type=some, help="for all tokens together")
    add("--outbound-usage-max", type=some, help="outbound messages of the organisation")
    # 2,000 by the models, 4,000 by a transcription of the limits page.
    add("--outbound-text-max", type=some, default=2_000, help="characters of an outbound text")
    add("--conversation-messages-max", type=some, help="messages of one conversation")
    add(
        "--threading-window-minutes",
        type=_whole(0, WINDOW_MAX_MINUTES),
        default=WINDOW_MAX_MINUTES,
        help="how long after its end a message takes a conversation up again",
    )
    # How long the real one takes is not documented.
    add("--analytics-delay-s", type=_whole(0, COUNT_MAX), default=5, help="until a query finds it")
    # The definition lists both, and says nothing of when which is sent.
    add("--accepted-status", type=int, choices=(200, 202), default=200, help="of a message")
    # With client credentials there is no user; what a listing of his then says is not documented.
    add(
        "--refuse-userless-listings",
        dest="are_userless_listings_refused",
        action="store_true",
        help="400 not.a.user instead of an empty listing",
    )
    add(
        "--rotate-refresh-tokens",
        dest="are_refresh_tokens_rotated",
        action="store_true",
        help="each refresh token is good for one use",
    )
    add("--messages-kept", type=some, default=200_000, help="of all conversations")


def _add_those_of_guests(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--bot", metavar="any|echo|FILE", default="any", help="what answers guests")
    add("--bot-delay", metavar="DELAY", default="lognormal(30ms,0.5)", help="until it does")
    for each in fields(GuestLimits):
        option = f"--guest-{each.name.replace('_', '-')}"
        is_rate = "_per_" in each.name
        lowest, meaning = (0, "0 for no limit") if is_rate else (1, "simulator/README.md says more")
        add(option, type=_whole(lowest, COUNT_MAX), default=each.default, help=meaning)


def _permissions(argument: str) -> tuple[str, frozenset[str]]:
    client, separator, names = argument.partition("=")
    if client not in CLIENTS or not separator:
        known = ", ".join(CLIENTS)
        raise argparse.ArgumentTypeError(f"{argument!r} is not CLIENT=…, CLIENT one of {known}")
    return client, frozenset(name.strip() for name in names.split(",") if name.strip())


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text[:20]) <= highest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse
