"""What open arrivals come to by arithmetic when the target freezes, to compare a run with."""

from __future__ import annotations

from heapq import heapreplace
from math import ceil


def response_times_s(
    rate: float,
    duration_s: float,
    users: int,
    service_s: float,
    frozen_from_s: float,
    frozen_for_s: float,
    max_lateness_s: float,
    *,
    spacing_s: float = 0.0,
) -> list[float]:
    """Return the response time in seconds of every message of a run, in the order they were due.

    Message `k` is due at `(k + 1/2) / rate`, for `duration_s`; the first of `users` that is free
    takes it. The target answers `service_s` after a message was sent and no two messages closer
    than `spacing_s`, and does nothing at all for `frozen_for_s` from `frozen_from_s` on. A message
    that no user has taken `max_lateness_s` after it was due is not sent and counts as that long.
    """
    thaws_s = frozen_from_s + frozen_for_s
    free_at_s = [0.0] * users
    answered = -spacing_s
    found = []
    for k in range(ceil(rate * duration_s - 0.5)):
        due_s = (k + 0.5) / rate
        sent_s = max(due_s, free_at_s[0])
        if sent_s - due_s > max_lateness_s:
            found.append(max_lateness_s)
            continue
        # Counted in seconds in which the target works, its freeze takes no time.
        sent = min(sent_s, max(frozen_from_s, sent_s - frozen_for_s))
        answered = max(sent + service_s, answered + spacing_s)
        done_s = answered if answered < frozen_from_s else answered + thaws_s - frozen_from_s
        heapreplace(free_at_s, done_s)
        found.append(done_s - due_s)
    return found
