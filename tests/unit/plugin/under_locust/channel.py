"""The channel in a run without workers: both ends are in this process, and hear each other."""

from __future__ import annotations

import pytest
from locust.env import Environment

from convoy.plugin.channel import LocustChannel
from convoy.swarm.messages import Hello, Stop, encode, read_hello
from tests.unit.swarm import RUN_ID

HELLO = Hello(version=3, code="c0de")
STOP = Stop(RUN_ID)


@pytest.fixture
def channel() -> LocustChannel:
    return LocustChannel(Environment().create_local_runner())


def test_a_hello_arrives_as_plain_values_that_any_version_can_read(channel: LocustChannel) -> None:
    heard: list[tuple[str, object]] = []
    channel.listen_as_master(lambda worker, data: heard.append((worker, data)), refuse)

    channel.to_master(HELLO)

    [(worker, data)] = heard
    assert worker == "local" and isinstance(data, dict)
    assert read_hello(data) == HELLO


def test_every_other_message_arrives_as_it_was_encoded(channel: LocustChannel) -> None:
    to_master: list[tuple[str, bytes]] = []
    to_worker: list[bytes] = []
    channel.listen_as_master(refuse, lambda worker, data: to_master.append((worker, data)))
    channel.listen_as_worker(to_worker.append)

    channel.to_worker("local", STOP)

    assert (to_master, to_worker) == ([], [encode(STOP)])


def refuse(worker: str, data: object) -> None:
    raise AssertionError(f"{worker} was heard where it should not be: {data!r}")
