"""A worker's lease: until when it may send, and what time it is for the master.

Wall clocks do not matter: a worker asks at a moment of its own clock, and the answer says what the
master's clock showed meanwhile. The quicker the answer, the better that moment is known.
"""

from __future__ import annotations

from math import inf

MASTER_LOST_S = 6.0
"""For so long nothing may be heard of the master, before a worker gives it up. A master may stand
still for 3 s without losing a worker, and the workers of one that was killed end within 10 s
(docs/faults.md); Locust's own wait for 60 s."""
CLOCKS_APART_S = 0.05
"""A lease ends so much earlier for its worker: by its clock a message that is due for the next
owner of the lane may be due already, because no two processes know each other's time exactly."""

_DRIFT = 2e-4
"""So much faster or slower than another one a clock may run that nobody sets right."""


class LeaseClock:
    """What the answers of the master say; a lease lasts `lease_s` from when it was asked for.

    `lease_s` is None for a worker in the master's process: its clock is the master's, and it needs
    no lease. Moments are seconds of the worker's clock, unless they are the master's by name.
    """

    def __init__(self, lease_s: float | None, now_s: float) -> None:
        self.ends_s = inf if lease_s is None else -inf
        self.leased_s = 0.0
        """When the present lease was given, by the master's clock; 0 for none."""
        self._lease_s = lease_s or inf
        self._round_trip_s = inf
        self._ahead_s = 0.0
        self._known_s = now_s
        self._heard_s = now_s

    @property
    def is_limited(self) -> bool:
        """True where there is a lease, because the master is in another process."""
        return self._lease_s < inf

    def unsure_s(self, now_s: float) -> float:
        """By how much the master's clock may show less or more than is known; inf before answers.

        The two ways of a message may differ by all that its answer took, and both clocks have gone
        on by themselves since.
        """
        if not self.is_limited:
            return 0.0
        return self._round_trip_s / 2 + _DRIFT * (now_s - self._known_s)

    def hear(self, now_s: float) -> None:
        """Take in that the master said something."""
        self._heard_s = now_s

    def renew(self, asked_s: float, master_s: float, now_s: float) -> None:
        """Take in an answer that came at `now_s`: the master's clock showed `master_s`."""
        # The larger, because an answer may come after one to a later question.
        self.ends_s = max(self.ends_s, asked_s + self._lease_s - CLOCKS_APART_S)
        self.leased_s = max(self.leased_s, master_s)
        self.hear(now_s)
        if self.is_limited and (now_s - asked_s) / 2 < self.unsure_s(now_s):
            self._round_trip_s, self._known_s = now_s - asked_s, now_s
            self._ahead_s = (asked_s + now_s) / 2 - master_s

    def own_s(self, master_s: float) -> float:
        """Return a moment of the master's clock on the worker's."""
        return master_s + self._ahead_s

    def is_master_lost(self, now_s: float) -> bool:
        """Return whether nothing was heard of the master for too long; never without a lease."""
        return self.is_limited and now_s - self._heard_s > MASTER_LOST_S
