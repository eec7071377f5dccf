"""The policy by which guests who have lost their connection come back: pauses before each try."""

from __future__ import annotations

from dataclasses import dataclass

from convoy.plan.draws import draw

_MOST_TRIES = 1_024
"""Beyond so many their draws would be those of the next message; no message has time for them."""
_GROWS_UNTIL = 64
"""More doublings than that are beyond any longest pause, and in the end beyond floats."""


@dataclass(frozen=True, slots=True)
class ReconnectRule:
    """A pause is `wait_s`, after each failed try `factor` times as long, at most `longest_s`.

    Each is longer or shorter by up to its `jitter`, a share of it from 0 to 1.
    """

    wait_s: float
    jitter: float = 0.0
    factor: float = 1.0
    longest_s: float = 60.0

    def pause_s(self, key: int, k: int, tries: int) -> float:
        """Return the pause before a try to come back after message `k` was dropped with.

        `key` is that of a stream of draws, `tries` counts from 0.
        """
        mean_s = min(self.wait_s * self.factor ** min(tries, _GROWS_UNTIL), self.longest_s)
        drawn = draw(key, k * _MOST_TRIES + tries % _MOST_TRIES) / 2**64
        return mean_s * (1 + self.jitter * (2 * drawn - 1))
