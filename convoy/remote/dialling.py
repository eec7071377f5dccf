"""Opening connections: what all the transports of a process share to reach their origins."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from itertools import count

from convoy.clock import clock_s
from convoy.remote.addresses import AddressBook, Admission
from convoy.remote.connection import Address, Connection
from convoy.remote.kill_switch import RunSwitch
from convoy.remote.loop_share import LoopShare
from convoy.remote.outbox import Outbox
from convoy.remote.pace import Departures, Pace
from convoy.remote.proxies import Proxy, open_tunnel, proxy_to
from convoy.remote.tls import TlsConnection, TlsPeer, tls_context
from convoy.remote.wire_faults import ProxyError, ProxyRefusedError, shortage
from convoy.settings import Origin

# Connections opened together are not reopened together: their ages spread over this part of
# the limit, by multiples of the golden ratio, which lie evenly however many there are.
_AGE_SPREAD = 0.2
_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2

# Every address of the origin would give the same fault, so no other one is tried.
_FINAL = (ssl.SSLCertVerificationError, ProxyRefusedError)

Check = Callable[[str, str], None]
"""Takes a host and an address of it; raises where that is not to be connected to."""

Hold = Callable[[Connection], None]
"""Takes each connection before it is opened, so that its owner can close it meanwhile."""


@dataclass(eq=False, repr=False)
class Dialler:
    """Opens connections to origins, through the proxies that lead to them.

    Within one hub, all connections share the addresses that were looked up (the proxy's where there
    is one), the latest TLS session of each origin, one outbox, and a `loop_share` for those who
    open many. A connection should be used for `max_age_s` after it was opened; for some the time is
    up to a fifth shorter. `tls` is made when it is needed and was not given. Without `addresses`
    only addresses of this machine are connected to. What a server does not take at once is sent
    later only if `may_go_on` returns True then. Once the `kill_switch` is on, nothing is connected.
    What is posted keeps to the `pace`, where there is one.
    """

    addresses: AddressBook | None = None
    tls: ssl.SSLContext | None = None
    max_age_s: float = math.inf
    clock: Callable[[], float] = clock_s
    may_go_on: Callable[[], bool] | None = None
    kill_switch: RunSwitch = field(default_factory=RunSwitch)
    pace: Pace | None = None

    def __post_init__(self) -> None:
        self._book = self.addresses or AddressBook(Admission(), clock=self.clock)
        self._proxies: dict[Origin, Proxy | None] = {}
        self._peers: dict[Origin, TlsPeer] = {}
        self._outbox = Outbox()
        self.loop_share = LoopShare()
        self._turn = count()
        self._check: Check | None = None
        self._opening: set[Connection] = set()

    def checking(self, check: Check) -> Dialler:
        """Return a dialler that shares all with this one, and calls `check` before it connects.

        Addresses that a proxy connects to are not checked, because only the proxy knows them.
        """
        checking = copy(self)
        checking._check = check
        return checking

    def dial(self, origin: Origin, deadline_s: float, hold: Hold) -> Connection:
        """Connect to the first address that accepts; each gets an equal share of the time left.

        Raises one of `WIRE_EXCEPTIONS`, before any byte of a request is written. Raises
        SettingsError for a proxy that cannot be used.
        """
        if origin not in self._proxies:
            self._proxies[origin] = proxy_to(origin)
        proxy = self._proxies[origin]
        peer = origin if proxy is None else proxy.origin
        with _blaming(proxy):
            addresses = self._book.addresses(peer.host, peer.port, deadline_s - self.clock())
        if proxy is None:
            for *_, (where, *_) in addresses:
                self._check_way(origin, str(where))
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            now_s = self.clock()
            self.kill_switch.let_pass()
            connection = self._make_connection(origin, address)
            connection.may_go_on = self.may_go_on
            if self.pace is not None:
                connection.departures = Departures(self.pace, self.kill_switch)
            hold(connection)
            self._opening.add(connection)
            try:
                self._set_up(connection, origin, proxy, now_s + (deadline_s - now_s) / left)
                connection.is_set_up = True
                return connection
            except BaseException as exc:
                connection.close()
                # A TimeoutError is an OSError: the next address has its own share of the time.
                if not isinstance(exc, OSError) or isinstance(exc, _FINAL):
                    raise
                fault = exc
            finally:
                self._opening.discard(connection)
                # Only CONNECT and a handshake were written, and no byte of the request.
                connection.sent_s = None
        self._book.forget(peer.host, peer.port)
        raise fault

    def _check_way(self, origin: Origin, address: str) -> None:
        if not origin.is_https:
            self._book.admission.check_in_clear(origin.host, address)
        if self._check is not None:
            self._check(origin.host, address)

    def give_up(self) -> None:
        """Close the connections that are not open yet: the system goes on trying by itself."""
        for each in tuple(self._opening):
            each.reset()

    def end_of_use_s(self) -> float:
        """Return until when, in clock seconds, a connection opened now should be used."""
        spread = next(self._turn) * _GOLDEN_RATIO % 1.0
        return self.clock() + self.max_age_s * (1 - _AGE_SPREAD * spread)

    def _set_up(
        self, connection: Connection, origin: Origin, proxy: Proxy | None, deadline_s: float
    ) -> None:
        with _blaming(proxy):
            connection.connect(deadline_s)
            self.kill_switch.let_pass()
            if proxy is not None:
                open_tunnel(connection, proxy, origin, deadline_s)
            self.kill_switch.let_pass()
        if isinstance(connection, TlsConnection):
            connection.do_handshake(deadline_s)

    def _make_connection(self, origin: Origin, address: Address) -> Connection:
        if not origin.is_https:
            return Connection(address, self.clock, self._outbox)
        peer = self._peers.get(origin)
        if peer is None:
            self.tls = self.tls or tls_context()
            peer = self._peers[origin] = TlsPeer(self.tls, origin.host)
        return TlsConnection(address, self.clock, self._outbox, peer)


@contextmanager
def _blaming(proxy: Proxy | None) -> Iterator[None]:
    """Raise every OSError on the way to a proxy as ProxyError."""
    try:
        yield
    except ProxyError:
        raise
    except OSError as exc:
        if proxy is None or shortage(exc):
            raise
        raise ProxyError(f"{proxy.origin.url}: {exc}") from exc
