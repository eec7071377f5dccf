"""A request as the handlers see it: whether it may be of a page from elsewhere."""

from __future__ import annotations

import pytest

from simulator.calls import Call

HERE, HERE_BY_IPV6, ELSEWHERE = "127.0.0.1 8080", "::1 8080", "192.0.2.7 8080"
BROWSER = {b"user-agent": b"Mozilla/5.0"}


@pytest.mark.parametrize(
    ("came_to", "bound", "host", "headers", "is_foreign"),
    [
        pytest.param(HERE, "127.0.0.1", "127.0.0.1:8080", {}, False, id="its address"),
        pytest.param(HERE, "127.0.0.1", "localhost:9000", BROWSER, False, id="through a tunnel"),
        pytest.param(HERE, "127.0.0.1", "a.localhost", {}, False, id="a name of this machine"),
        pytest.param(HERE, "127.0.0.1", "evil.test:8080", {}, True, id="a name pointed here"),
        pytest.param(HERE_BY_IPV6, "::1", "evil.test:8080", {}, True, id="the same by IPv6"),
        pytest.param(HERE, "0.0.0.0", "evil.test:8080", {}, True, id="it listens elsewhere, too"),
        pytest.param("127.0.1.1 1", "mybox", "MyBox:8080", BROWSER, False, id="the name of --host"),
        pytest.param("127.0.1.1 1", "mybox", "mybox.evil.test", {}, True, id="a look-alike"),
        pytest.param(HERE, "127.0.0.1", "", {}, True, id="no name"),
        pytest.param(ELSEWHERE, "0.0.0.0", "simulator:8080", {}, False, id="a container's name"),
        pytest.param(ELSEWHERE, "0.0.0.0", "evil.test:8080", BROWSER, True, id="by a browser"),
        pytest.param(ELSEWHERE, "sim.lan", "sim.lan:8080", BROWSER, False, id="its own, elsewhere"),
        pytest.param(ELSEWHERE, "0.0.0.0", "192.0.2.7:8080", BROWSER, False, id="its address"),
    ],
)
def test_a_host_that_is_not_the_simulators_is_another_origins(
    came_to: str, bound: str, host: str, headers: dict[bytes, bytes], is_foreign: bool
) -> None:
    sent = {b"host": host.encode(), **headers}
    call = Call("GET", "/simulator/ledger", b"", sent, b"", "id", came_to=came_to)

    assert call.comes_from_another_origin(bound) is is_foreign
