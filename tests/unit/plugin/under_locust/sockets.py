"""Who is let in at a master's socket, and where a process over the network needs a secret."""

from __future__ import annotations

import resource
import secrets
import socket
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import gevent
import pytest
import zmq
from locust.rpc import Message, zmqrpc
from zmq.utils import z85

from convoy.errors import SettingsError
from convoy.plugin.frames import TO_MASTER, TO_WORKER, FrameFilter
from convoy.plugin.limited_log import LimitedLog
from convoy.plugin.sockets import SwarmClient, SwarmServer, open_channel
from convoy.secrets import STARS, Redactor, Secret
from convoy.swarm.keys import KeyPair, SwarmKeys

KEYS = SwarmKeys.for_this_process()
SECRET = {"CONVOY_SWARM_SECRET": "the secret of this swarm"}
DEADLINE_S = 10.0


def end(socket: SwarmServer | SwarmClient | zmqrpc.Client) -> None:
    """Close a socket with its context, which Locust leaves to the end of the process."""
    socket.close(0)
    socket.socket.context.term()


@contextmanager
def serving(keys: SwarmKeys | None) -> Iterator[SwarmServer]:
    log = LimitedLog()
    server = SwarmServer("127.0.0.1", 0, keys=keys, frames=FrameFilter(TO_MASTER, log), log=log)
    try:
        yield server
    finally:
        end(server)


@pytest.fixture
def server() -> Iterator[SwarmServer]:
    with serving(KEYS) as server:
        yield server


def connect(server: SwarmServer, keys: SwarmKeys | None, ended: list[str]) -> SwarmClient:
    client = SwarmClient(
        "127.0.0.1",
        server.port,
        "worker-1",
        keys=keys,
        frames=FrameFilter(TO_WORKER, LimitedLog()),
        end=ended.append,
    )
    client.send(Message("client_ready", "2.47.0", "worker-1"))
    return client


def pair_of_somebody() -> KeyPair:
    private = z85.encode(secrets.token_bytes(32))
    return KeyPair(zmq.curve_public(private), Secret(private.decode()))


@pytest.mark.parametrize("keys", [KEYS, None], ids=["the secret", "none on this machine"])
def test_words_go_both_ways_between_those_who_have(keys: SwarmKeys | None) -> None:
    with serving(keys) as server, gevent.Timeout(DEADLINE_S):
        client = connect(server, keys, [])
        worker, message = server.recv_from_client()
        server.send_to_client(Message("ack", {"index": 1}, worker))
        answer = client.recv()
        end(client)

    assert (worker, message.type, answer.data) == ("worker-1", "client_ready", {"index": 1})


def in_old_frames(*texts: bytes, flags_first: bool = False) -> bytes:
    """Each text as a frame of ZMTP 1.0, or of 2.0, where the flags come before the length."""
    return b"".join(
        bytes([0, len(text)]) + text if flags_first else bytes([len(text) + 1, 0]) + text
        for text in texts
    )


def posted_by_a_page() -> bytes:
    """A form's POST whose head, read as ZMTP 1.0, is frames; the first has the identity."""
    identity = b"ST /" + b"a" * 75  # after P, which is 80, and O, where the flags are
    head = b"PO" + identity + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    at = 0
    while at < len(head):
        at += 1 + head[at]
    return head + bytes(at - len(head)) + in_old_frames(b"", ready_from(identity.decode()))


def ready_from(worker: str) -> bytes:
    return bytes(Message("client_ready", "2.47.0", worker).serialize())


OLD_SIGNATURE, DEALER = b"\xff" + bytes(7) + b"\x01\x7f", b"\x05"


@pytest.mark.parametrize("keys", [KEYS, None], ids=["with a secret", "without"])
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(posted_by_a_page(), id="by a page's form"),
        pytest.param(in_old_frames(b"old", ready_from("old")), id="by ZMTP 1.0"),
        pytest.param(
            OLD_SIGNATURE + b"\x00" + DEALER + in_old_frames(b"old", ready_from("old")),
            id="by ZMTP 1.0 with a revision",
        ),
        pytest.param(
            b"".join(
                (
                    OLD_SIGNATURE + b"\x01" + DEALER,
                    in_old_frames(b"old", ready_from("old"), flags_first=True),
                )
            ),
            id="by ZMTP 2.0",
        ),
    ],
)
def test_who_speaks_an_old_form_of_the_protocol_is_not_let_in(
    sent: bytes, keys: SwarmKeys | None
) -> None:
    """Nobody of them has to prove anything, and a page that a browser has open can be one."""
    with serving(keys) as server, socket.create_connection(("127.0.0.1", server.port)) as peer:
        heard = gevent.spawn(server.recv_from_client)
        refused = gevent.spawn(read_to_its_end, peer)
        peer.sendall(sent)

        first = gevent.wait([heard, refused], timeout=DEADLINE_S, count=1)

        heard.kill()
        refused.kill()
    assert first == [refused]


def read_to_its_end(peer: socket.socket) -> None:
    with suppress(ConnectionResetError):
        while peer.recv(1000):
            pass


def test_a_master_may_open_as_many_files_as_the_system_lets_it() -> None:
    limit = resource.RLIMIT_NOFILE
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (500, before[1]))
    try:
        with serving(None):
            assert resource.getrlimit(limit)[0] == min(2**16, before[1]) > 500
    finally:
        resource.setrlimit(limit, before)


@pytest.mark.parametrize(
    ("is_waiting", "heard"),
    [(True, "client_stopped"), (False, "quit")],
    ids=["while workers are waited for", "in a run"],
)
def test_the_last_worker_may_leave_a_master_that_waits_for_others(
    server: SwarmServer, is_waiting: bool, heard: str
) -> None:
    server.is_waiting = lambda: is_waiting
    client = connect(server, KEYS, [])
    client.send(Message("quit", None, "worker-1"))

    with gevent.Timeout(DEADLINE_S):
        kinds = [server.recv_from_client()[1].type for _ in range(2)]

    end(client)
    assert kinds == ["client_ready", heard]


def test_who_knows_the_masters_key_but_not_the_workers_is_not_let_in(
    server: SwarmServer, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    client = connect(server, replace(KEYS, worker=pair_of_somebody()), ended)

    with gevent.Timeout(DEADLINE_S):
        while not ended or not caplog.messages:
            gevent.sleep(0.01)

    end(client)
    assert "127.0.0.1 tried to join without this swarm's CONVOY_SWARM_SECRET" in caplog.text
    with gevent.Timeout(0.2, False):
        raise AssertionError(f"it was heard: {server.recv_from_client()}")


@pytest.mark.parametrize(
    ("changes", "environ", "refused"),
    [
        pytest.param({"master": True}, {}, "", id="a master here"),
        pytest.param({"processes": 2}, {}, "", id="processes here"),
        pytest.param({"worker": True}, {}, "", id="a worker of a master here"),
        pytest.param({"worker": True, "processes": 2}, {}, "", id="several of them"),
        pytest.param({"master_bind_host": "*"}, {}, "", id="no swarm at all"),
        pytest.param(
            {"master": True, "master_bind_host": "*"}, {}, "--master-bind-host: is '*'", id="open"
        ),
        pytest.param(
            {"processes": 2, "master_bind_host": "0.0.0.0"},
            {},
            "--master-bind-host: is '0.0.0.0'",
            id="open for workers of its own",
        ),
        pytest.param(
            {"worker": True, "master_host": "master.invalid"},
            {},
            "--master-host: is 'master.invalid'",
            id="a worker of a master elsewhere",
        ),
        pytest.param({"master": True, "master_bind_host": "*"}, SECRET, "", id="with a secret"),
        pytest.param(
            {"worker": True, "master_host": "master.invalid"}, SECRET, "", id="a worker with one"
        ),
        pytest.param(
            {}, {"CONVOY_SWARM_SECRET": "too short"}, "CONVOY_SWARM_SECRET: should have", id="short"
        ),
    ],
)
def test_without_a_secret_the_channel_stays_on_this_machine(
    changes: dict[str, object],
    environ: dict[str, str],
    refused: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("Server", "Client"):
        monkeypatch.setattr(zmqrpc, name, getattr(zmqrpc, name))
    options = Namespace(
        master=False,
        worker=False,
        processes=None,
        master_bind_host="127.0.0.1",
        master_host="127.0.0.1",
    )
    vars(options).update(changes)

    try:
        open_channel(options, environ, Redactor())
    except SettingsError as error:
        assert refused and str(error).startswith(refused)
        assert "CONVOY_SWARM_SECRET" in str(error)
    else:
        assert not refused


OWN = {"CONVOY_CLIENT_ID": "mine"}


@pytest.mark.parametrize(
    ("options", "environ", "is_warned"),
    [
        pytest.param({"worker": True}, OWN, True, id="a worker"),
        pytest.param({"worker": True, "processes": 2}, OWN, True, id="several of them"),
        pytest.param(
            {"worker": True},
            {"CONVOY_GUEST_JWTS_FILE": "jwts"},
            True,
            id="with a guest's in a file",
        ),
        pytest.param({"worker": True}, OWN | SECRET, False, id="a worker that has a secret"),
        pytest.param({"worker": True}, {}, False, id="without credentials"),
        pytest.param({"worker": True}, {"CONVOY_CLIENT_ID": "demo"}, False, id="with published"),
        pytest.param({"processes": 2}, OWN, False, id="one that a master forks"),
    ],
)
def test_a_worker_whose_credentials_any_master_could_use_says_so(
    options: dict[str, object],
    environ: dict[str, str],
    is_warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("Server", "Client"):
        monkeypatch.setattr(zmqrpc, name, getattr(zmqrpc, name))
    here = {"master_bind_host": "127.0.0.1", "master_host": "127.0.0.1", "master_port": 5557}
    given = {"master": False, "worker": False, "processes": None, **here, **options}
    open_channel(Namespace(**given), environ, Redactor())

    client = zmqrpc.Client("127.0.0.1", 9, "worker-1")

    end(client)
    warned = [each for each in caplog.messages if "whoever listens at 127.0.0.1:5557" in each]
    assert len(warned) == is_warned


def test_the_secret_is_hidden_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Server", "Client"):
        monkeypatch.setattr(zmqrpc, name, getattr(zmqrpc, name))
    redactor = Redactor()
    options = Namespace(master=True, worker=False, processes=None)

    open_channel(options, SECRET, redactor)

    assert SECRET["CONVOY_SWARM_SECRET"] not in redactor.redact(str(SECRET))


def test_what_is_registered_later_is_hidden_in_what_workers_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("Server", "Client"):
        monkeypatch.setattr(zmqrpc, name, getattr(zmqrpc, name))
    redactor = Redactor()
    open_channel(Namespace(master=True, worker=False, processes=None), SECRET, redactor)
    frames = zmqrpc.Server.keywords["frames"]  # type: ignore[attr-defined]

    redactor.register("masters-token")
    raised = Message("exception", {"msg": "masters-token", "traceback": ""}, "worker-1")
    frames.admit_from(b"worker-1", Message("client_ready", -1, "worker-1").serialize())
    message = frames.admit_from(b"worker-1", raised.serialize())

    assert message.data["msg"] == STARS


def test_a_worker_is_refused_also_where_that_comes_before_its_loop_has_a_turn() -> None:
    ended: list[str] = []
    context = zmq.Context()
    # No socket of gevent's: nothing in this process has a turn until the handshake has failed.
    with context, context.socket(zmq.ROUTER) as master:
        monitor = master.get_monitor_socket(
            zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        )
        port = master.bind_to_random_port("tcp://127.0.0.1")
        client = SwarmClient(
            "127.0.0.1",
            port,
            "worker-1",
            keys=KEYS,
            frames=FrameFilter(TO_WORKER, LimitedLog()),
            end=ended.append,
        )
        has_failed = monitor.poll(DEADLINE_S * 1000)
        with gevent.Timeout(DEADLINE_S, False):
            while not ended:
                gevent.sleep(0.01)
        end(client)
        master.disable_monitor()
        monitor.close()

    assert has_failed
    assert len(ended) == 1
