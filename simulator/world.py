"""Everything one simulator holds: conversations, tokens, ledger, faults and its clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.faults import Faults
from simulator.model.conversations import ConversationPool
from simulator.model.ledger import Ledger
from simulator.model.ledger_file import LedgerFile
from simulator.model.tokens import RateLimit, Tokens
from simulator.options import Options

SHORTEST_KEY = 16


@dataclass(frozen=True, slots=True)
class World:
    """The state behind all routes; `now_s` is a monotonic clock in seconds."""

    options: Options
    pool: ConversationPool
    tokens: Tokens
    ledger: Ledger
    ledger_file: LedgerFile | None
    faults: Faults
    token_rate: RateLimit
    key: bytes
    now_s: Callable[[], float]

    @property
    def rate_limit(self) -> RateLimit:
        """The token limit in force: a fault's, else the configured one."""
        return self.faults.rate_limit or self.token_rate

    def clear_ledger(self) -> None:
        if self.ledger_file is not None:
            self.ledger_file.clear()
        self.ledger.clear()


class BadKey(Exception):
    """The key file holds no key."""


def _key_in(path: str) -> bytes:
    try:
        key = Path(path).read_bytes().strip()
    except OSError as exc:
        raise BadKey(f"the key file {path} cannot be read: {exc.strerror}") from None
    if len(key) < SHORTEST_KEY:
        raise BadKey(f"the key file {path} holds fewer than {SHORTEST_KEY} characters")
    return key


def build_world(options: Options, now_s: Callable[[], float] = time.monotonic) -> World:
    """A world as configured; raises OSError, `BrokenLedgerFile`, `BadKey` or `BadFault`."""
    faults = Faults(options.seed)
    faults.add(options.faults, now_s())
    ledger_file = LedgerFile(options.ledger_file) if options.ledger_file else None
    ledger = Ledger(keep=ledger_file.append if ledger_file else None)
    if ledger_file is not None:
        ledger.load(ledger_file.read())
    return World(
        options=options,
        pool=ConversationPool(options.seed, options.conversations),
        tokens=Tokens(options.token_lifetime_s),
        ledger=ledger,
        ledger_file=ledger_file,
        faults=faults,
        token_rate=RateLimit(options.token_rate_per_minute, 60.0),
        key=_key_in(options.key_file) if options.key_file else b"",
        now_s=now_s,
    )
