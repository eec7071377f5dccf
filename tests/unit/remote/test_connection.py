"""A connection that is read by one greenlet while others write to it."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import gevent
import pytest

from convoy.clock import clock_s
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.pace import Pace
from convoy.remote.tls import tls_context
from convoy.remote.wire_faults import StoppedError
from convoy.settings import Origin
from tests.unit.remote.certificates import Authority
from tests.unit.remote.exchanges import LONG_S, deadline, wait_in_loop
from tests.unit.remote.misbehaving_server import Behaviour, Visitor, serving

PIECE = bytes(range(256)) * 256
PIECES = 128
"""Together more than the buffers hold of a sender and of a `takes_little`, so that writing has to
wait for reading."""


@pytest.fixture(params=["plain", "TLS"])
def tls(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """The contexts of server and client, none without TLS."""
    if request.param == "plain":
        return None, None
    authority = Authority(tmp_path)
    return authority.server_context("localhost"), tls_context(authority.ca_file)


def takes_little(visitor: Visitor) -> None:
    """Keep the system from letting the buffer grow, to 32 MiB and more."""
    visitor.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


def echo(visitor: Visitor) -> None:
    while data := visitor.connection.recv(65_536):
        visitor.send(data)


@contextmanager
def connected(
    behave: Behaviour,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    may_go_on: Callable[[], bool] | None = None,
    pace: Pace | None = None,
) -> Iterator[Connection]:
    with serving(behave, tls=server_tls) as server:
        origin = Origin("https" if server_tls else "http", "localhost", server.port)
        dialler = Dialler(tls=client_tls, may_go_on=may_go_on, pace=pace)
        connection = dialler.dial(origin, deadline(), lambda _: None)
        try:
            yield connection
        finally:
            connection.close()


def read_until(connection: Connection, count: int) -> bytes:
    read = b""
    while len(read) < count:
        read += connection.read_some(deadline())
    return read


def test_a_greenlet_reads_while_others_write(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    with connected(echo, *tls) as connection:
        reader = gevent.spawn(read_until, connection, len(PIECE) * PIECES // 4)
        for _ in range(PIECES // 4):
            connection.post(PIECE)
            gevent.sleep(0)

        assert reader.get(timeout=LONG_S) == PIECE * (PIECES // 4)
        assert not connection.unsent


def test_what_one_writes_behind_what_has_not_left_yet_stays_in_order() -> None:
    with connected(echo) as connection:
        reader = gevent.spawn(read_until, connection, 10)
        for number in range(10):
            connection.post(b"%d" % number)

        assert reader.get(timeout=LONG_S) == b"0123456789"


def test_closing_ends_the_reader() -> None:
    with connected(echo) as connection:
        reader = gevent.spawn(connection.read_some, deadline())
        gevent.sleep(0)
        connection.close()

        with pytest.raises(StoppedError):
            reader.get(timeout=LONG_S)


def test_the_end_of_the_connection_reaches_the_reader_while_another_writes() -> None:
    with connected(lambda visitor: None) as connection:
        connection.post(PIECE)

        with suppress(ConnectionResetError):
            assert connection.read_some(deadline()) == b""


def test_what_was_not_taken_stays_where_it_is_once_nothing_may_go_on(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    came, may_read = list[bytes](), Event()

    def read_late(visitor: Visitor) -> None:
        takes_little(visitor)
        may_read.wait()
        with suppress(OSError):
            while data := visitor.connection.recv(65_536):
                came.append(data)

    allowed = [True]
    with connected(read_late, *tls, may_go_on=lambda: allowed[0]) as connection:
        for _ in range(PIECES):
            connection.post(PIECE)
        gevent.sleep(0.01)
        assert len(connection.unsent) > 0
        allowed[0] = False
        may_read.set()
        with pytest.raises(StoppedError):
            while True:  # tickets of TLS may come
                connection.wait(deadline())
                connection.receive()

    assert sum(map(len, came)) < PIECES * len(PIECE)


def test_what_was_posted_does_not_leave_where_nothing_may_any_more(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    """As where the process stood still, or was busy, between the two."""
    came = list[bytes]()

    def read(visitor: Visitor) -> None:
        with suppress(OSError):
            while data := visitor.connection.recv(65_536):
                came.append(data)

    allowed = [True]
    with connected(read, *tls, may_go_on=lambda: allowed[0]) as connection:
        connection.post(PIECE)
        allowed[0] = False
        with gevent.Timeout(10), pytest.raises(StoppedError):
            while True:  # tickets of TLS may come
                connection.wait(deadline())
                connection.receive()

    assert connection.sent_s is None
    assert sum(map(len, came)) < len(PIECE)


def test_a_connection_may_be_closed_in_order_where_no_message_may_leave() -> None:
    with connected(echo, may_go_on=lambda: False) as connection:
        connection.post(b"goodbye", is_control=True)

        assert read_until(connection, 7) == b"goodbye"


@contextmanager
def stalled(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> Iterator[tuple[Connection, Callable[[], tuple[bytes, str]]]]:
    """A connection to a server that takes no more for now.

    With it comes what has the server go on, and returns what came of all, and how that ended.
    """
    came, ends, may_read = list[bytes](), list[str](), Event()

    def read_late(visitor: Visitor) -> None:
        takes_little(visitor)
        may_read.wait()
        try:
            while data := visitor.connection.recv(65_536):
                came.append(data)
            ends.append("closed")
        except OSError as error:
            ends.append(type(error).__name__)

    def go_on() -> tuple[bytes, str]:
        may_read.set()
        wait_in_loop(lambda: bool(ends))
        return b"".join(came), ends[0]

    with connected(read_late, *tls) as connection:
        try:
            yield connection, go_on
        finally:
            may_read.set()


def test_a_message_that_the_server_has_not_received_is_discarded_at_the_close(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    with stalled(tls) as (connection, go_on):
        connection.post(PIECE * PIECES)
        gevent.sleep(0)
        held = connection.holds(connection.message_end), connection.holds(0)

        connection.close()
        came, end = go_on()

        assert held == (True, False)
        assert not connection.holds(connection.message_end)
        assert len(came) < PIECES * len(PIECE)
        assert end in ("ConnectionResetError", "SSLEOFError", "SSLError")


def test_what_the_server_has_received_is_followed_by_an_end_in_order(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    with stalled(tls) as (connection, go_on):
        connection.post(b"a message")
        wait_in_loop(lambda: not connection.holds(connection.message_end))
        connection.post(b", and a control frame", is_control=True)
        gevent.sleep(0)

        connection.close()

        assert go_on() == (b"a message, and a control frame", "closed")


def test_what_a_message_follows_may_be_received_before_it() -> None:
    with stalled((None, None)) as (connection, go_on):
        connection.post(b"first")
        gevent.sleep(0)
        first_end = connection.message_end
        wait_in_loop(lambda: not connection.holds(first_end))
        connection.post(PIECE * PIECES)
        gevent.sleep(0)

        assert not connection.holds(first_end) and connection.holds(connection.message_end)


def test_a_process_that_is_killed_leaves_nothing_to_be_delivered() -> None:
    posts = """
import sys, gevent
from convoy.clock import clock_s
from convoy.remote.dialling import Dialler
from convoy.settings import Origin
origin = Origin("http", "127.0.0.1", int(sys.argv[1]))
connection = Dialler().dial(origin, clock_s() + 60, lambda _: None)
connection.post(b"x" * int(sys.argv[2]))
gevent.sleep(0)
print("posted", flush=True)
gevent.sleep(60)
"""
    came, ends, may_read = [0], list[str](), Event()

    def read_late(visitor: Visitor) -> None:
        takes_little(visitor)
        may_read.wait()
        try:
            while data := visitor.connection.recv(65_536):
                came[0] += len(data)
            ends.append("closed")
        except ConnectionResetError:
            ends.append("reset")

    with serving(read_late) as server:
        command = [sys.executable, "-c", posts, str(server.port), str(len(PIECE) * PIECES)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "posted\n"
            process.kill()
        may_read.set()
        wait_in_loop(lambda: bool(ends))

    # What the kernel had taken by then is some hundred kilobytes more than the server's had.
    assert (ends, came[0] < len(PIECE) * PIECES) == (["reset"], True)


def test_a_control_frame_is_no_message_and_its_rest_resets_nothing(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    with stalled(tls) as (connection, go_on):
        connection.post(b"a message")
        gevent.sleep(0)
        connection.post(PIECE * PIECES, is_control=True)
        gevent.sleep(0)
        wait_in_loop(lambda: not connection.holds(connection.message_end))

        connection.close()
        came, end = go_on()

        assert (came.startswith(b"a message"), end != "ConnectionResetError") == (True, True)


def test_what_tls_sends_by_itself_counts_among_what_was_given(tmp_path: Path) -> None:
    """Else a message would count as held for as long as that has not been received."""
    authority = Authority(tmp_path)
    contexts = authority.server_context("localhost"), tls_context(authority.ca_file)
    with connected(echo, *contexts) as connection:
        after_handshake = connection.given_bytes
        connection.post(b"a message")
        after_message = connection.given_bytes
        read_until(connection, len(b"a message"))

        connection.close()

        assert 0 < after_handshake < after_message == connection.message_end
        assert connection.given_bytes > after_message


def test_whatever_is_posted_keeps_to_the_pace_though_its_sender_does_not_know_of_it(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    pace, posted_s = Pace(2), list[float]()
    with connected(echo, *tls, pace=pace) as connection:

        def post(piece: bytes) -> None:
            connection.post(piece)
            posted_s.append(clock_s())

        # From several greenlets: of what one has announced another one must not make use.
        posting = [gevent.spawn(post, bytes([each]) * 1_000) for each in range(3)]
        gevent.joinall(posting, timeout=LONG_S)
        answered = read_until(connection, 3_000)

        # A moment may pass between the first one's leaving and its time.
        assert posted_s[2] - posted_s[0] >= 0.75 and posted_s[1] - posted_s[0] < 1.0
        assert [answered[at] for at in (0, 1_000, 2_000)] == [0, 1, 2]
        connection.post(b"x", is_control=True)
        connection.post(b"x", is_counted=False)
        read_until(connection, 2)
        assert clock_s() - posted_s[2] < 0.9


def test_what_is_written_once_the_connection_is_set_up_keeps_to_the_pace(
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    pace = Pace(1)
    with connected(echo, *tls, pace=pace) as connection:
        connection.write(b"a")

        assert read_until(connection, 1) == b"a"
        assert pace.ready_at(clock_s()) > clock_s()
    with connected(echo, *tls) as connection:
        connection.write(b"a")  # over TLS, where there is some

        assert read_until(connection, 1) == b"a"


def test_what_is_posted_on_a_connection_that_has_ended_takes_no_room() -> None:
    pace = Pace(1)
    with connected(echo, pace=pace) as connection:
        connection.post(b"x")
        connection.close()  # before it has left
        connection.post(b"y")

        assert pace.ready_at(0.0) == 0.0


def test_what_nobody_announced_does_not_leave_once_nothing_may() -> None:
    pace = Pace(1)
    with connected(echo, pace=pace) as connection:
        pace.ends_s = 0.0

        with pytest.raises(TimeoutError):
            connection.post(b"x")


def test_what_the_server_has_reset_is_held_by_nobody_though_its_owner_does_not_close_it() -> None:
    resets = Event()

    def takes_nothing_and_resets(visitor: Visitor) -> None:
        takes_little(visitor)
        resets.wait()
        visitor.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        visitor.connection.close()

    with connected(takes_nothing_and_resets) as connection:
        connection.post(PIECE * PIECES)
        gevent.sleep(0)
        first = connection.given_bytes - len(connection.unsent)  # what the kernel has taken
        assert connection.holds(first)

        resets.set()

        wait_in_loop(lambda: not connection.holds(first))
        assert connection.is_open


def test_what_tls_does_not_take_any_more_takes_no_room(tmp_path: Path) -> None:
    authority, pace = Authority(tmp_path), Pace(1)
    tls = authority.server_context("localhost"), tls_context(authority.ca_file)

    def ends_without_a_word(visitor: Visitor) -> None:
        socket.socket.shutdown(visitor.connection, socket.SHUT_WR)  # TCP alone
        visitor.connection.close()

    with connected(ends_without_a_word, *tls, pace=pace) as connection:
        with pytest.raises(ssl.SSLError):
            read_until(connection, 1)
        with suppress(ssl.SSLError):
            connection.post(b"x")
        wait_in_loop(lambda: not connection.unsent)

        assert connection.is_open
        wait_in_loop(lambda: pace.ready_at(clock_s() + 9.0) <= clock_s() + 9.0)
