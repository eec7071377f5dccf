"""Addresses: looked up once for all connections, tried in turn, spread over."""

from __future__ import annotations

from convoy.remote.transport import Origin, Transport
from tests.unit.remote.exchanges import (
    REQUEST,
    deadline,
    fault_of,
    transport_to,
)
from tests.unit.remote.misbehaving_server import (
    answers_all,
    free_port,
    serving,
)


def test_a_refused_connection_never_sent_anything() -> None:
    with transport_to(free_port()) as transport:
        fault = fault_of(transport)

        assert (fault.code, fault.sent_s) == ("connection refused", None)


def test_an_unknown_host_is_a_dns_fault() -> None:
    transport = Transport(Origin.parse("http://nonexistent.invalid"))

    fault = fault_of(transport, 60)

    assert (fault.code, fault.sent_s) == ("dns", None)


def test_a_host_name_is_looked_up_and_its_addresses_are_tried() -> None:
    with serving(answers_all) as server:
        transport = Transport(Origin("http", "localhost", server.port))

        found = transport.exchange(REQUEST, deadline())
        transport.close()

        assert found.status == 200
