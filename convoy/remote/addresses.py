"""The addresses of hosts, looked up once for all the connections of a process."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import cast

import gevent
from gevent import Greenlet, get_hub

from convoy.clock import clock_s
from convoy.remote.connection import Address
from convoy.remote.wire_faults import AddressNotAllowedError
from convoy.settings.origin import is_loopback

KEEP_S = 60.0
"""How long a host's addresses are kept: load balancers change theirs within minutes."""

# What else than their own network an address may stand for: one of IPv4 in its last 32 bits.
_WITH_IPV4_LAST = [ipaddress.ip_network(each) for each in ("::/96", "64:ff9b::/96")]
# What `is_global` of some versions of Python does not know: what a machine in a cloud asks about
# itself (in no registry that of Azure; 192.0.0.192 in those for protocols), the relays of 6to4,
# which are given up, and what is for documents (RFC 9637).
_NOT_PUBLIC = [
    ipaddress.ip_network(each)
    for each in ("168.63.129.16", "192.0.0.0/24", "192.88.99.0/24", "3fff::/20")
]

_Where = tuple[str, int]
LookUp = Callable[[str, int], Sequence[Address]]
"""Takes host name and port, returns what `getaddrinfo` does; raises OSError or UnicodeError."""


def look_up(host: str, port: int) -> Sequence[Address]:
    """Call the system's resolver in a thread, so that the event loop is not blocked."""
    found = get_hub().resolver.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    return cast(Sequence[Address], found)


def is_public(address: str) -> bool:
    """Tell whether an address, and each that it may be translated to, is of the public internet.

    Raises ValueError for what is none. What only the system's resolver reads is one, as 127.1.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        try:
            found = ipaddress.ip_address(socket.inet_aton(address))
        except OSError as exc:
            raise ValueError(f"{address} is no address") from exc
    # `is_global` is true of groups and, in IPv6, of the deprecated site-local addresses.
    return all(
        each.is_global
        and not (each.is_multicast or each.is_reserved or getattr(each, "is_site_local", False))
        and not any(each in network for network in _NOT_PUBLIC)
        for each in _meant_by(found)
    )


def _meant_by(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses of IPv4 within one of IPv6 that is translated, or itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    within = address.ipv4_mapped or address.sixtofour
    if within is None and any(address in network for network in _WITH_IPV4_LAST):
        within = ipaddress.IPv4Address(address.packed[-4:])
    return [within] if within is not None else address.teredo or [address]


@dataclass(eq=False, slots=True)
class Admission:
    """Which addresses this process may connect to, as the guard has decided.

    It judges addresses and not names, because a name may stand for another address later. The
    addresses of this machine are always admitted. With `anywhere` all are, encrypted, else those
    that were given to `admit`. With `only` one address is admitted and no other.
    """

    anywhere: bool = False
    only: str | None = None
    _admitted: set[str] = field(default_factory=set)

    def admit(self, addresses: Iterable[str]) -> None:
        """Let these addresses of other machines be connected to, too."""
        self._admitted.update(addresses)

    def choose(self, host: str, found: Iterable[Address]) -> list[Address]:
        """Return what a host stands for, as far as it is asked for; raises as `check`."""
        only = self.only
        chosen = [each for each in dict.fromkeys(found) if only is None or each[4][0] == only]
        if not chosen:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address {only or ''}".rstrip())
        for *_, address in chosen:
            self.check(host, str(address[0]))
        return chosen

    def check(self, host: str, address: str) -> None:
        """Raise AddressNotAllowedError where a host's address is none to connect to."""
        is_admitted = self.anywhere or is_loopback(address) or address in self._admitted
        if not (is_admitted if self.only is None else address == self.only):
            told = f"{host} stands for {address}, to which no load may go"
            raise AddressNotAllowedError(socket.EAI_NONAME, told)

    def check_in_clear(self, host: str, address: str) -> None:
        """Raise AddressNotAllowedError where what is not encrypted may not go to an address."""
        if not (is_loopback(address) or address in self._admitted or address == self.only):
            told = f"{host} stands for {address}, where all would go in clear; write https://"
            raise AddressNotAllowedError(socket.EAI_NONAME, told)


THIS_MACHINE = Admission()


@dataclass(slots=True)
class _Entry:
    addresses: list[Address]
    ends_s: float
    turn: count[int] = field(default_factory=count)

    def in_turn(self) -> list[Address]:
        """Return those of the system's preferred family, rotated at each call, then the others."""
        preferred = [each for each in self.addresses if each[0] == self.addresses[0][0]]
        others = self.addresses[len(preferred) :]
        start = next(self.turn) % len(preferred)
        return preferred[start:] + preferred[:start] + others


@dataclass(eq=False, repr=False)
class AddressBook:
    """Keeps what was looked up for `keep_s` seconds of `clock`; greenlets share a lookup.

    Only addresses that have an `admission` are returned.
    """

    admission: Admission
    keep_s: float = KEEP_S
    look_up: LookUp = look_up
    clock: Callable[[], float] = clock_s

    def __post_init__(self) -> None:
        self._entries: dict[_Where, _Entry] = {}
        self._lookups: dict[_Where, Greenlet[..., _Entry | Exception]] = {}

    def addresses(self, host: str, port: int, timeout_s: float) -> list[Address]:
        """Return a host's addresses in the order to try them, a rotated one for each call.

        Raises socket.gaierror or UnicodeError for a name without addresses, or with one that has no
        admission; TimeoutError.
        """
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return self._entry((host, port), timeout_s).in_turn()
        self.admission.check(host, host)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 0, "", (str(address), port))]

    def forget(self, host: str, port: int) -> None:
        """Drop the host's addresses, because none of them accepted a connection."""
        self._entries.pop((host, port), None)

    def _entry(self, where: _Where, timeout_s: float) -> _Entry:
        entry = self._entries.get(where)
        if entry is not None and self.clock() < entry.ends_s:
            return entry
        # A lookup is a greenlet of its own, because a greenlet that waits for it may be killed.
        lookup = self._lookups.get(where)
        if lookup is None:
            lookup = self._lookups[where] = gevent.spawn(self._looked_up, where)
        lookup.join(timeout_s)
        if not lookup.ready():
            raise TimeoutError(f"looking up {where[0]} took too long")
        found = lookup.get()
        if isinstance(found, Exception):
            # A new one for each greenlet: with one instance the tracebacks of all would add up.
            raise type(found)(*found.args) from found
        return found

    def _looked_up(self, where: _Where) -> _Entry | Exception:
        """Return the new entry, or the fault, for every greenlet that waits for this lookup."""
        try:
            found = self.admission.choose(where[0], self.look_up(*where))
        except (OSError, UnicodeError) as exc:
            return exc
        finally:
            del self._lookups[where]
        preferred = found[0][0]
        found.sort(key=lambda each: each[0] != preferred)
        entry = self._entries[where] = _Entry(found, self.clock() + self.keep_s)
        return entry
