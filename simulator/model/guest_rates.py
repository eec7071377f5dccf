"""What guests may do, and the budgets of what they do.

Limits: a third party's transcription of the limits page
(https://github.com/Safricloud-PTY-Ltd/genesys-cloud-headless-webmessage-reference, read 2026-11-26)
but for messages per session, which Genesys announced as 2 a second on 2023-12-11
(https://developer.genesys.cloud/forum/t/web-messaging-messages-per-session-rate-limit-change/23587).
Windows are fixed and begin with the first request; how the real ones are placed is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.model.guest_errors import RequestRateExceeded
from simulator.model.organisation import DEPLOYMENTS, Deployment
from simulator.model.rates import MINUTE_S, RateLimit, Window
from simulator.model.rejection import RateExceeded

CONNECTIONS_KEY = "connections.rate.per.minute"
HISTORY_KEY = "get.history.rate.per.minute"


@dataclass(frozen=True, slots=True)
class GuestLimits:
    """What guests may do; a rate of 0 is no limit."""

    messages_per_second: int = 5
    requests_per_minute: int = 60
    configures_per_minute: int = 60
    connections_per_minute: int = 1_000
    histories_per_minute: int = 10
    echoes_per_minute: int = 2
    session_life_s: int = 259_200
    text_bytes_max: int = 4_096
    attributes_bytes_max: int = 2_048


class GuestRates:
    """Takes requests out of the budgets that their windows hold.

    What comes over a socket raises `RequestRateExceeded` where one is spent, what comes over HTTP
    `RateExceeded`.
    """

    def __init__(self, limits: GuestLimits) -> None:
        self._arrivals = {id: Window() for id in DEPLOYMENTS}
        self._connections = _rate(limits.connections_per_minute, MINUTE_S)
        self._requests = _rate(limits.requests_per_minute, MINUTE_S)
        self._echoes = _rate(limits.echoes_per_minute, MINUTE_S)
        self._messages = _rate(limits.messages_per_second, 1.0)
        self._configures = _rate(limits.configures_per_minute, MINUTE_S)
        self._histories = _rate(limits.histories_per_minute, MINUTE_S)

    def spend_connection(self, deployment: Deployment, now_s: float) -> None:
        _spend_of_http(self._arrivals[deployment.id], self._connections, now_s, CONNECTIONS_KEY)

    def spend_history(self, window: Window, now_s: float) -> None:
        _spend_of_http(window, self._histories, now_s, HISTORY_KEY)

    def spend_request(self, window: Window, now_s: float) -> None:
        _spend(window, self._requests, now_s)

    def spend_echo(self, window: Window, now_s: float) -> None:
        _spend(window, self._echoes, now_s)

    def spend_message(self, window: Window, now_s: float) -> None:
        _spend(window, self._messages, now_s)

    def spend_configure(self, window: Window, now_s: float) -> None:
        _spend(window, self._configures, now_s)


def _rate(count: int, per_s: float) -> RateLimit | None:
    return RateLimit(count, per_s) if count else None


def _spend(window: Window, limit: RateLimit | None, now_s: float) -> None:
    if limit is not None:
        spent = window.spend(limit, now_s)
        if spent.is_exceeded:
            raise RequestRateExceeded(spent.reset_s)


def _spend_of_http(window: Window, limit: RateLimit | None, now_s: float, key: str) -> None:
    if limit is not None:
        spent = window.spend(limit, now_s)
        if spent.is_exceeded:
            raise RateExceeded(spent.reset_s, spent.allowed, key)
