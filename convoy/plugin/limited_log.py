"""A log of what others can bring about as often as they like."""

from __future__ import annotations

import logging
from collections.abc import Callable

from convoy.clock import clock_s

logger = logging.getLogger(__name__)

_SAYS_EVERY_S = 10.0


class LimitedLog:
    """Logs what is wrong with what others send: each kind at once, then every 10 s at most."""

    def __init__(self, clock: Callable[[], float] = clock_s) -> None:
        self._clock = clock
        self._said_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, kind: str, about: str) -> None:
        """Log a sentence that `about` begins and `kind`, one of few, goes on with."""
        now_s = self._clock()
        if now_s < self._said_s.get(kind, -_SAYS_EVERY_S) + _SAYS_EVERY_S:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        self._said_s[kind] = now_s
        unsaid = self._unsaid.pop(kind, 0)
        more = f" (and {unsaid:,} times since this was last said)" if unsaid else ""
        logger.warning("%s %s%s", about, kind, more)
