"""The organisation's limits by namespace, as the limits operations tell them.

Values are from third parties' transcriptions of the limits page (read 2026-11-22) but for those
that options set; which namespace holds a limit is documented by none of them for `messaging`.
"""

from __future__ import annotations

from typing import NamedTuple

from simulator.errors import BODY_BYTES_MAX
from simulator.model.rates import APP_USER_KEY, CLIENT_TOKEN_KEY, ORGANISATION_KEY, TOKEN_KEY


class KnownLimit(NamedTuple):
    """A limit's default, and what it limits."""

    namespace: str
    key: str
    value: int
    description: str


LIMITS = (
    KnownLimit("platform.api", TOKEN_KEY, 300, "requests of a user's token"),
    KnownLimit("platform.api", CLIENT_TOKEN_KEY, 300, "requests of a client's token"),
    KnownLimit("platform.api", APP_USER_KEY, 3_000, "requests of a client for a user"),
    KnownLimit("platform.api", "request.bytes.max", BODY_BYTES_MAX, "size of a request"),
    KnownLimit(
        "messaging",
        "outbound.webmessaging.and.open.messaging.characters.max",
        2_000,
        "characters of an outbound message",
    ),
    KnownLimit(
        "web.messaging",
        "messages.per.session.rate.per.second",
        5,
        "messages of a session; 2 when it was introduced on 2023-12-11",
    ),
    KnownLimit("web.messaging", "requests.per.connection.rate.per.minute", 60, "requests"),
    KnownLimit("web.messaging", "configure.per.session.rate.per.minute", 60, "configurations"),
    KnownLimit("web.messaging", "connections.rate.per.minute", 1_000, "of a deployment"),
    KnownLimit("web.messaging", "get.history.rate.per.minute", 10, "of a session"),
    KnownLimit("web.messaging", "session.connections.max", 3, "connections of a session"),
)
"""The default limits."""
NAMESPACES = tuple(dict.fromkeys(limit.namespace for limit in LIMITS))
ORGANISATION_LIMIT = KnownLimit(
    "platform.api", ORGANISATION_KEY, 0, "requests of the organisation; the simulator's own"
)
