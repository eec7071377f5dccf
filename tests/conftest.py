"""What tests of every kind share: the repository's own place, and a simulator to speak to."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from weakref import WeakSet

import gevent
import pytest
from hypothesis import HealthCheck, settings

from convoy.settings.origin import is_loopback
from tests.order import arranged
from tests.simulator_process import SimulatorProcess

_ADDRESSED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
_NAMED = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0}
_HERE = {"", "0.0.0.0", "::"}
"""Other ways to say this machine."""


def _stay_here(
    event: str,
    arguments: tuple[object, ...],
    addressed: Mapping[str, int] = _ADDRESSED,  # at its end the process has no globals left
    named: Mapping[str, int] = _NAMED,
) -> None:
    """Fail what would send a packet, or the question for a name, beyond this machine."""
    if event in addressed:
        address = arguments[addressed[event]]
        host = address[0] if isinstance(address, tuple) else ""
    elif event in named:
        host = arguments[named[event]] or ""
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    assert name in _HERE or is_loopback(name), (
        f"a test would reach {name!r}: hand in a resolver or a dialler"
    )


# Python calls it for every socket of this process, whoever makes it. Processes that tests start are
# not watched: what those of this suite are given are addresses of this machine, or refused ones.
sys.addaudithook(_stay_here)

# Without a time limit for each example: this machine may be busy with other tests. The same
# examples each time, so that a run tells of a change and not of its luck; profile `search` tries
# others: make test ARGS="tests/unit --hypothesis-profile search".
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", UNHURRIED, max_examples=50, derandomize=True)
settings.register_profile("search", UNHURRIED, max_examples=1000)
settings.load_profile("suite")

# A process keeps thousands of tests to its end, and each collection would walk over all of them.
gc.disable()


@pytest.hookimpl(trylast=True)  # when those that are not asked for have been left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        items[:] = arranged(items, int(workers))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def own_loop() -> Iterator[None]:
    """Have the loop's timers count from the test's beginning, and end what the test leaves running.

    Those of `gevent.joinall` count from when the loop last looked at the clock, which is minutes
    ago where a worker has waited for processes since: 60 s are over then before they begin. And a
    greenlet that goes on in another test may use what that one has put in place of something.
    """
    gevent.get_hub().loop.update_now()
    begun: WeakSet[gevent.Greenlet[..., object]] = WeakSet()
    gevent.Greenlet.add_spawn_callback(begun.add)
    yield
    gevent.Greenlet.remove_spawn_callback(begun.add)
    gevent.killall([each for each in begun if not each.dead], timeout=10)


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    """A fresh simulator with its default options, for this test alone."""
    with SimulatorProcess() as process:
        yield process
