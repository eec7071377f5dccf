"""Faults by order: each worsens what happens to a request, or is a defect of what is accepted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random

from simulator import fault_words as words
from simulator import socket_faults as sockets
from simulator.errors import ERRORS
from simulator.fault_words import DURATION, NUMBER, BadFault
from simulator.model.defects import CORRUPT, DELAY, DOUBLE, LOSE, REORDER, Defect
from simulator.model.guest_errors import GUEST_CODES
from simulator.model.rates import RateLimit
from simulator.socket_faults import CLOSE_CODES, SocketFault, SocketFaults

EXAMPLES = (
    "latency=20ms, latency=lognormal(20ms,0.5), error=503:0.05, error=missing.permissions:0.05, "
    "stall=5s@10s, drop=0.01, truncate=0.01, rate=300/60s, lose=0.01, double=0.01, delay=5s:0.01, "
    "reorder=0.01, corrupt=0.01, ws-drop=0.01/s, ws-stall=5s@10s, ws-latency=20ms, "
    "ws-latency=lognormal(20ms,0.5), ws-close=4029:0.01, ws-refuse=403:0.05, ws-error=4029:0.05, "
    "ws-lose=0.01, ws-double=0.01, ws-reorder=0.01"
)
COUNT_MAX = 10**9
ERROR_CODES = {
    ERRORS[code].status: code
    for code in (
        "bad.request",
        "bad.credentials",
        "not.authorized",
        "not.found",
        "client.timeout",
        "request.conflict",
        "request.entity.too.large",
        "unsupported.media.type",
        "too.many.requests.retry.after",
        "internal.server.error",
        "service.unavailable",
        "request.timeout",
    )
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to one request: wait, then drop it, or answer with `error_code` or truncated."""

    delay_s: float = 0.0
    error_code: str = ""
    is_dropped: bool = False
    is_truncated: bool = False


Worsen = Callable[[Effect, float], Effect]
UNHARMED = Effect()


@dataclass(frozen=True, slots=True)
class Fault:
    """A SPEC and what it is: `worsen(effect, now_s)`, a token limit, a defect, a socket's."""

    spec: str
    worsen: Worsen | None = None
    rate_limit: RateLimit | None = None
    defect: Defect | None = None
    socket: SocketFault | None = None


def parse_fault(spec: str, rng: Random, now_s: float) -> Fault:
    """The fault of a SPEC; `now_s` is when it is set. Raises `BadFault`."""
    for pattern, build in PARSERS:
        match = pattern.fullmatch(spec)
        if match:
            return build(spec, match, rng, now_s)
    raise BadFault(f"fault {spec[:60]!r} is not understood; the words are: {EXAMPLES}")


class Faults:
    """The faults in force, in the order in which they were set, with one seed for all."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"{seed}:faults")
        self._faults: list[Fault] = []
        self._worsen: list[Worsen] = []
        self.rate_limit: RateLimit | None = None
        self.sockets = SocketFaults(seed)

    @property
    def specs(self) -> list[str]:
        return [fault.spec for fault in self._faults]

    @property
    def defects(self) -> list[Defect]:
        return [fault.defect for fault in self._faults if fault.defect]

    def add(self, specs: Iterable[str], now_s: float) -> None:
        """Set all of these faults, or none and raise `BadFault`."""
        new = [parse_fault(spec, self._rng, now_s) for spec in specs]
        self._faults += new
        # A stall holds back whatever the delays before it would let out, so stalls come last.
        in_order = sorted(self._faults, key=lambda fault: fault.spec.startswith("stall"))
        self._worsen = [fault.worsen for fault in in_order if fault.worsen]
        self.sockets.set(fault.socket for fault in self._faults if fault.socket)
        for fault in new:
            self.rate_limit = fault.rate_limit or self.rate_limit

    def clear(self) -> None:
        self._faults.clear()
        self._worsen.clear()
        self.sockets.set(())
        self.rate_limit = None

    def effect(self, now_s: float) -> Effect:
        """What happens to a request that arrives now."""
        effect = UNHARMED
        for worsen in self._worsen:
            effect = worsen(effect, now_s)
        return effect


def _latency(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    delay = words.delay(spec, match.groups(), rng)
    return Fault(spec, lambda effect, _: replace(effect, delay_s=effect.delay_s + delay()))


def _error(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    code, share = ERROR_CODES.get(int(match[1])), words.share(spec, match[2])
    if code is None:
        known = ", ".join(str(status) for status in sorted(ERROR_CODES))
        raise BadFault(f"fault {spec[:60]!r}: status {match[1]} is none of {known}")
    return Fault(spec, _answer_with(code, share, rng))


def _error_code(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    code, share = match[1], words.share(spec, match[2])
    if code not in ERRORS:
        raise BadFault(f"fault {spec[:60]!r}: no operation answers with the code {code!r}")
    return Fault(spec, _answer_with(code, share, rng))


def _answer_with(code: str, share: float, rng: Random) -> Worsen:
    def worsen(effect: Effect, _: float) -> Effect:
        if rng.random() >= share or effect.error_code:
            return effect
        return replace(effect, error_code=code)

    return worsen


def _stall(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    begins_at_s = now_s + words.seconds(spec, match[3], match[4])
    ends_at_s = begins_at_s + words.seconds(spec, match[1], match[2])

    def worsen(effect: Effect, now_s: float) -> Effect:
        if begins_at_s <= now_s + effect.delay_s < ends_at_s:
            return replace(effect, delay_s=ends_at_s - now_s)
        return effect

    return Fault(spec, worsen)


def _drop(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    share = words.share(spec, match[1])
    return Fault(
        spec,
        lambda effect, _: replace(effect, is_dropped=effect.is_dropped or rng.random() < share),
    )


def _truncate(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    share = words.share(spec, match[1])
    return Fault(
        spec,
        lambda effect, _: replace(effect, is_truncated=effect.is_truncated or rng.random() < share),
    )


def _rate(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    count, per_s = int(match[1]), words.seconds(spec, match[2], match[3])
    if not 1 <= count <= COUNT_MAX or per_s <= 0:
        raise BadFault(f"fault {spec[:60]!r}: count and time must be more than 0")
    return Fault(spec, rate_limit=RateLimit(count, per_s))


def _defect(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    return Fault(spec, defect=Defect(match[1], words.share(spec, match[2])))


def _delay(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    delay_s, share = words.seconds(spec, match[1], match[2]), words.share(spec, match[3])
    return Fault(spec, defect=Defect(DELAY, share, delay_s))


def _socket_latency(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    delay = words.delay(spec, match.groups(), rng)
    return Fault(spec, socket=SocketFault(sockets.LATENCY, delay=delay))


def _socket_stall(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    begins_at_s = now_s + words.seconds(spec, match[3], match[4])
    ends_at_s = begins_at_s + words.seconds(spec, match[1], match[2])
    stall = SocketFault(sockets.STALL, begins_at_s=begins_at_s, ends_at_s=ends_at_s)
    return Fault(spec, socket=stall)


def _socket_share(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    return Fault(spec, socket=SocketFault(match[1], words.share(spec, match[2])))


def _socket_code(spec: str, match: re.Match[str], rng: Random, now_s: float) -> Fault:
    kind, code, share = match[1], int(match[2]), words.share(spec, match[3])
    what, known = SOCKET_CODES[kind]
    if code not in known:
        raise BadFault(f"fault {spec[:60]!r}: {code} is no {what}")
    return Fault(spec, socket=SocketFault(kind, share, code))


SOCKET_CODES: dict[str, tuple[str, frozenset[int]]] = {
    sockets.CLOSE: ("code that a WebSocket may be closed with", CLOSE_CODES),
    sockets.ANSWER: ("code that a guest's request is refused with", frozenset(GUEST_CODES)),
    sockets.REFUSE: ("status that an upgrade is refused with", frozenset(ERROR_CODES)),
}
"""What the code of a fault of connections may be."""
Build = Callable[[str, re.Match[str], Random, float], Fault]
PARSERS: tuple[tuple[re.Pattern[str], Build], ...] = tuple(
    (re.compile(pattern, re.ASCII), build)
    for pattern, build in (
        (rf"latency={words.DELAY}", _latency),
        (rf"error=(\d{{3}}):{NUMBER}", _error),
        (rf"error=([a-z]+[._][a-z._]*):{NUMBER}", _error_code),
        (rf"stall={DURATION}@{DURATION}", _stall),
        (rf"drop={NUMBER}", _drop),
        (rf"truncate={NUMBER}", _truncate),
        (rf"rate=(\d{{1,9}})/{DURATION}", _rate),
        (rf"({LOSE}|{DOUBLE}|{REORDER}|{CORRUPT})={NUMBER}", _defect),
        (rf"{DELAY}={DURATION}:{NUMBER}", _delay),
        (rf"ws-latency={words.DELAY}", _socket_latency),
        (rf"ws-stall={DURATION}@{DURATION}", _socket_stall),
        (rf"(ws-drop)={NUMBER}/s", _socket_share),
        (rf"(ws-lose|ws-double|ws-reorder)={NUMBER}", _socket_share),
        (rf"(ws-close|ws-error)=(\d{{3,4}}):{NUMBER}", _socket_code),
        (rf"(ws-refuse)=(\d{{3}}):{NUMBER}", _socket_code),
    )
)
