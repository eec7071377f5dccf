"""The organisation's limits by namespace, as the limits operations tell them.

Values are from third parties' transcriptions of the limits page (read 2026-11-22) but for those
that options set; which namespace holds a limit is documented by none of them for `messaging`.
"""

from __future__ import annotations

from typing import NamedTuple

from simulator.errors import BODY_BYTES_MAX
from simulator.model.guest_rates import CONNECTIONS_KEY, HISTORY_KEY, GuestLimits
from simulator.model.guests import CONNECTIONS_MAX
from simulator.model.rates import APP_USER_KEY, CLIENT_TOKEN_KEY, ORGANISATION_KEY, TOKEN_KEY

MESSAGES_KEY = "messages.per.session.rate.per.second"
REQUESTS_KEY = "requests.per.connection.rate.per.minute"
CONFIGURES_KEY = "configure.per.session.rate.per.minute"
HEALTH_CHECK_KEY = "health.check.per.connection.rate.per.minute"
ATTRIBUTES_KEY = "metadata.custom.attributes.bytes.max"


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
        MESSAGES_KEY,
        5,
        "messages of a session; 2 when it was introduced on 2023-12-11",
    ),
    KnownLimit("web.messaging", REQUESTS_KEY, 60, "requests"),
    KnownLimit("web.messaging", CONFIGURES_KEY, 60, "configurations"),
    KnownLimit("web.messaging", CONNECTIONS_KEY, 1_000, "of a deployment"),
    KnownLimit("web.messaging", HISTORY_KEY, 10, "of a session"),
    KnownLimit("web.messaging", HEALTH_CHECK_KEY, 2, "echoes of a connection"),
    KnownLimit("web.messaging", ATTRIBUTES_KEY, 2_048, "bytes of a message's custom attributes"),
    KnownLimit(
        "web.messaging", "session.connections.max", CONNECTIONS_MAX, "connections of a session"
    ),
)
"""The default limits."""


def limits_of_guests(limits: GuestLimits) -> dict[str, int]:
    """Those that are set by options, by key; 0 for none."""
    return {
        MESSAGES_KEY: limits.messages_per_second,
        REQUESTS_KEY: limits.requests_per_minute,
        CONFIGURES_KEY: limits.configures_per_minute,
        CONNECTIONS_KEY: limits.connections_per_minute,
        HISTORY_KEY: limits.histories_per_minute,
        HEALTH_CHECK_KEY: limits.echoes_per_minute,
        ATTRIBUTES_KEY: limits.attributes_bytes_max,
    }


NAMESPACES = tuple(dict.fromkeys(limit.namespace for limit in LIMITS))
ORGANISATION_LIMIT = KnownLimit(
    "platform.api", ORGANISATION_KEY, 0, "requests of the organisation; the simulator's own"
)
