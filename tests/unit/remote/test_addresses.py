"""Addresses: looked up once for all connections, tried in turn, spread over."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import gevent
import pytest
from gevent.event import Event

from convoy.remote.addresses import AddressBook, Admission, is_public
from convoy.remote.connection import Address, Connection
from convoy.remote.dialling import Dialler
from convoy.remote.kill_switch import RunSwitch
from convoy.remote.transport import Transport
from convoy.remote.wire_faults import AddressNotAllowedError, StoppedError
from convoy.settings import Origin
from tests.locust_process import free_port
from tests.unit.remote.exchanges import (
    LONG_S,
    REQUEST,
    deadline,
    dialler_without_names,
    fault_of,
    transport_to,
    wait_in_loop,
)
from tests.unit.remote.misbehaving_server import Visitor, answers_all, serving
from tests.unit.remote.proxy_server import name_proxies, name_proxy_at

API = Origin("http", "api.test", 80)
ANYWHERE = Admission(anywhere=True)


class Names:
    """A resolver that always answers the same, and counts; until `free` everybody waits."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses = addresses
        self.fault: OSError | UnicodeError | None = None
        self.lookups = 0
        self.free = Event()
        self.free.set()

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.lookups += 1
        assert self.free.wait(LONG_S)
        if self.fault is not None:
            raise self.fault
        return self.addresses


def local(port: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))


A, B, C = (local(port) for port in (1, 2, 3))
SIX: Address = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0))


NOT_PUBLIC = {
    "this machine": "127.0.0.1",
    "a private network": "10.0.0.5",
    "carriers' address translation": "100.64.0.1",
    "metadata": "169.254.169.254",
    "Azure's metadata": "168.63.129.16",
    "what is for protocols": "192.0.0.192",
    "the relays of 6to4": "192.88.99.1",
    "documents": "3fff::1",
    "metadata by IPv6": "fd00:ec2::254",
    "a group": "224.0.0.1",
    "a group by IPv6": "ff0e::1",
    "a site": "fec0::1",
    "a link": "fe80::1%lo",
    "reserved": "240.0.0.1",
    "reserved by IPv6": "5f00::1",
    "mapped": "::ffff:10.0.0.1",
    "compatible": "::7f00:1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::a9fe:a9fe",
    "NAT64 to Azure's metadata": "64:ff9b::168.63.129.16",
    "NAT64 of a network": "64:ff9b:1::8.8.8.8",
    "6to4": "2002:7f00:1::1",
    "a client of Teredo": "2001:0:808:808::80ff:fffe",
    "a server of Teredo": "2001:0:7f00:1::f7f7:f7f7",
}
PUBLIC = {
    "plain": "8.8.8.8",
    "by IPv6": "2606:2800:21f:cb07::1",
    "mapped": "::ffff:8.8.8.8",
    "NAT64": "64:ff9b::8.8.8.8",
    "6to4": "2002:808:808::1",
}


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_what_an_address_stands_for_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.values(), ids=PUBLIC)
def test_what_an_address_stands_for_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["64:ff9b::7f00:1", "2002:7f00:1::1", "::7f00:1", "0.0.0.0"])
def test_without_an_approval_an_address_is_not_this_machines_by_what_is_in_it(address: str) -> None:
    with pytest.raises(AddressNotAllowedError, match="to which no load may go"):
        Admission().check("api.test", address)


def test_a_refused_connection_never_sent_anything() -> None:
    with transport_to(free_port()) as transport:
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s) == ("connection refused", None)


def test_an_unknown_host_is_a_dns_fault() -> None:
    transport = Transport(Origin.parse("http://nonexistent.invalid"), dialler_without_names())

    fault = fault_of(transport)

    assert (fault.code, fault.sent_s) == ("dns", None)


def test_a_host_name_is_looked_up_and_its_addresses_are_tried() -> None:
    with serving(answers_all) as server:
        origin = Origin("http", "localhost", server.port)
        with transport_to(server.port, origin=origin) as transport:
            found = transport.exchange(REQUEST, deadline())

        assert found.status == 200


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_an_address_needs_no_lookup(host: str, family: int) -> None:
    names = Names()

    found = AddressBook(ANYWHERE, look_up=names).addresses(host, 80, LONG_S)

    assert found == [(family, socket.SOCK_STREAM, 0, "", (host, 80))]
    assert names.lookups == 0


def test_addresses_are_given_in_turn_those_of_the_preferred_family_first() -> None:
    book = AddressBook(ANYWHERE, look_up=Names(A, SIX, B, A, C))

    found = [book.addresses("api.test", 80, LONG_S) for _ in range(4)]

    assert found == [[A, B, C, SIX], [B, C, A, SIX], [C, A, B, SIX], [A, B, C, SIX]]


def test_a_lookup_is_kept_for_its_time_and_for_its_host_and_port() -> None:
    times_s = [100.0]
    names = Names(A)
    book = AddressBook(ANYWHERE, keep_s=60, look_up=names, clock=lambda: times_s[-1])

    lookups = []
    for now_s in (100.0, 159.9, 160.0, 219.9):
        times_s.append(now_s)
        book.addresses("api.test", 80, LONG_S)
        lookups.append(names.lookups)
    book.addresses("api.test", 81, LONG_S)

    assert (lookups, names.lookups) == ([1, 1, 2, 2], 3)


def test_whoever_asks_at_the_same_time_shares_one_lookup_even_when_the_first_gives_up() -> None:
    names = Names(A)
    names.free.clear()
    book = AddressBook(ANYWHERE, look_up=names)
    first, *others = [gevent.spawn(book.addresses, "api.test", 80, LONG_S) for _ in range(10)]
    gevent.sleep(0)
    first.kill()

    names.free.set()
    gevent.joinall(others, LONG_S)

    assert [each.value for each in others] == [[A]] * 9
    assert names.lookups == 1


def test_a_lookup_that_takes_too_long_is_a_timeout_for_who_waits_and_known_afterwards() -> None:
    names = Names(A)
    names.free.clear()
    book = AddressBook(ANYWHERE, look_up=names)

    with pytest.raises(TimeoutError, match=r"api\.test"):
        book.addresses("api.test", 80, 0.01)
    names.free.set()
    found = book.addresses("api.test", 80, LONG_S)

    assert (found, names.lookups) == ([A], 1)


FAULTS = {
    "no such name": socket.gaierror(socket.EAI_NONAME, "no such name"),
    "no name at all": UnicodeEncodeError("idna", "a..b", 0, 1, "label empty"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_failed_lookup_is_told_to_all_who_wait_and_not_kept(
    fault: OSError | UnicodeError,
) -> None:
    names = Names(A)
    names.fault = fault
    book = AddressBook(ANYWHERE, look_up=names)
    transports = [Transport(API, Dialler(addresses=book)) for _ in range(3)]

    callers = [gevent.spawn(fault_of, each) for each in transports]
    gevent.joinall(callers, LONG_S)
    asked = names.lookups
    names.fault = None
    found = book.addresses(API.host, API.port, LONG_S)

    assert [(each.value.code, each.value.sent_s) for each in callers] == [("dns", None)] * 3
    assert (asked, found) == (1, [A])


def test_a_host_without_addresses_is_a_dns_fault() -> None:
    transport = Transport(API, Dialler(addresses=AddressBook(ANYWHERE, look_up=Names())))

    fault = fault_of(transport)

    assert (fault.code, fault.sent_s) == ("dns", None)


def test_connections_spread_over_all_addresses() -> None:
    with serving(answers_all) as one, serving(answers_all) as two, serving(answers_all) as three:
        servers = (one, two, three)
        names = Names(*(local(server.port) for server in servers))
        dialler = Dialler(addresses=AddressBook(ANYWHERE, look_up=names))
        for _ in range(12):
            with transport_to(0, dialler, origin=API) as transport:
                transport.exchange(REQUEST, deadline())

        assert [server.connections for server in servers] == [4, 4, 4]
        assert names.lookups == 1


def test_an_address_that_refuses_is_passed_over() -> None:
    with serving(answers_all) as server:
        names = Names(local(free_port()), local(server.port))
        dialler = Dialler(addresses=AddressBook(ANYWHERE, look_up=names))
        for _ in range(4):
            with transport_to(0, dialler, origin=API) as transport:
                transport.exchange(REQUEST, deadline())

        assert (server.connections, len(server.requests), names.lookups) == (4, 4, 1)


def test_an_address_that_does_not_answer_leaves_the_others_their_share_of_the_time() -> None:
    now_s, tried = 100.0, list[tuple[str, float]]()

    class SilentPeers(Dialler):
        def _set_up(
            self, connection: Connection, origin: Origin, proxy: object, deadline_s: float
        ) -> None:
            nonlocal now_s
            now_s = deadline_s
            tried.append((connection.peer, deadline_s))
            raise TimeoutError

    book = AddressBook(ANYWHERE, look_up=Names(A, B, C), clock=lambda: now_s)
    dialler = SilentPeers(book, clock=lambda: now_s)

    with pytest.raises(TimeoutError):
        dialler.dial(API, 130.0, lambda connection: None)

    assert tried == [("127.0.0.1 1", 110.0), ("127.0.0.1 2", 120.0), ("127.0.0.1 3", 130.0)]


def test_a_host_of_which_no_address_answers_is_looked_up_anew() -> None:
    with serving(answers_all) as server:
        names = Names(local(free_port()), local(free_port()))
        dialler = Dialler(addresses=AddressBook(ANYWHERE, look_up=names))
        with transport_to(0, dialler, origin=API) as transport:
            fault = fault_of(transport)
            names.addresses = (local(server.port),)
            found = transport.exchange(REQUEST, deadline())

        assert (fault.code, found.status, names.lookups) == ("connection refused", 200, 2)


def test_closing_while_a_host_is_looked_up_ends_the_exchange_as_stopped() -> None:
    with serving(answers_all) as server:
        names = Names(local(server.port))
        names.free.clear()
        dialler = Dialler(addresses=AddressBook(ANYWHERE, look_up=names))
        with transport_to(0, dialler, origin=API) as transport:
            caller = gevent.spawn(fault_of, transport)
            wait_in_loop(lambda: names.lookups == 1)

            transport.close()
            names.free.set()
            caller.join(LONG_S)
            found = transport.exchange(REQUEST, deadline())

        assert (caller.value.code, caller.value.sent_s) == ("stopped", None)
        assert (found.status, server.requests) == (200, [REQUEST])


@pytest.mark.parametrize("host", ["192.0.2.10", "2001:db8::1"])
def test_an_address_without_admission_is_not_connected_to(host: str) -> None:
    transport = Transport(Origin("http", host, 80))

    fault = fault_of(transport)

    assert (fault.code, fault.sent_s) == ("address not allowed", None)
    assert f"{host} stands for {host}, to which no load may go" in str(fault)


@pytest.mark.parametrize("host", ["localhost", "192.0.2.10"])
def test_with_an_approval_another_machine_is_connected_to_encrypted_alone(host: str) -> None:
    elsewhere: Address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.10", 1))
    book = AddressBook(Admission(anywhere=True), look_up=Names(elsewhere))
    transport = Transport(Origin("http", host, 1), Dialler(book))

    fault = fault_of(transport)

    assert fault.code == "address not allowed"
    assert f"{host} stands for 192.0.2.10, where all would go in clear" in str(fault)


def test_a_name_that_changes_is_judged_at_each_look_up() -> None:
    """The guard was told that it is this machine, and a connection is replaced in mid-run."""
    elsewhere: Address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.10", 1))
    names = Names(A)
    book = AddressBook(Admission(), keep_s=0, look_up=names)
    assert book.addresses("api.test", 80, LONG_S) == [A]

    names.addresses = (A, elsewhere)
    with pytest.raises(AddressNotAllowedError, match="api.test stands for 192.0.2.10"):
        book.addresses("api.test", 80, LONG_S)


def test_what_the_guard_has_admitted_may_be_connected_to() -> None:
    elsewhere: Address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.10", 1))
    admission = Admission()
    admission.admit(["192.0.2.10"])

    found = AddressBook(admission, look_up=Names(elsewhere)).addresses("api.test", 80, LONG_S)

    assert found == [elsewhere]


def test_no_further_address_is_connected_to_once_the_kill_switch_is_on() -> None:
    switch = RunSwitch()

    class SilentPeers(Dialler):
        def _set_up(self, *given: object) -> None:
            switch.stop()
            raise TimeoutError

    with serving(answers_all) as server:
        book = AddressBook(ANYWHERE, look_up=Names(local(free_port()), local(server.port)))
        dialler = SilentPeers(book, kill_switch=switch)

        with pytest.raises(StoppedError, match="the run was stopped"):
            dialler.dial(API, deadline(), lambda connection: None)
        with pytest.raises(StoppedError, match="the run was stopped"):
            dialler.dial(API, deadline(), lambda connection: None)

        assert server.connections == 0


@pytest.mark.parametrize("proxied", [False, True])
def test_nothing_is_said_on_a_connection_that_opens_when_the_kill_switch_is_on(
    monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    switch, said, connect = RunSwitch(), list[bytes](), Connection.connect

    def connect_late(connection: Connection, deadline_s: float) -> None:
        connect(connection, deadline_s)
        switch.stop()

    def hear(visitor: Visitor) -> None:
        said.append(visitor.connection.recv(100))

    monkeypatch.setattr(Connection, "connect", connect_late)
    with serving(hear) as server:
        name_proxies(monkeypatch)
        port = server.port
        if proxied:
            name_proxy_at(monkeypatch, server.port, "ada:sesame@")
            port = 443
        book = AddressBook(ANYWHERE, look_up=Names(local(port)))

        with pytest.raises(StoppedError, match="the run was stopped"):
            Dialler(book, kill_switch=switch).dial(
                Origin("https", "api.test", port), deadline(), lambda connection: None
            )
        server.wait_for_closed(1)

    assert said == [b""]


def test_connections_that_are_not_open_yet_are_given_up() -> None:
    """Else the system would go on asking for one, and open it after a stop."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port, dialler = listener.getsockname()[1], Dialler()
        with transport_to(port, dialler) as waiting, transport_to(port, dialler) as served:
            # As many as the listener takes without being asked to: one, or two.
            opened = [served, *(Transport(served.origin, dialler) for _ in range(3))]
            callers = [gevent.spawn(fault_of, each) for each in (*opened, waiting)]
            wait_in_loop(lambda: any(each._connection for each in opened))
            gevent.sleep(0.05)
            is_opening = [each.sent_s is None for each in (*opened, waiting)]

            dialler.give_up()
            gevent.sleep(0.05)
            ended = [each.ready() for each in callers]
            for each in (*opened, waiting):
                each.close()
            gevent.joinall(callers, LONG_S)

    assert any(is_opening) and ended == is_opening
    assert {each.value.code for each in callers} == {"stopped"}
