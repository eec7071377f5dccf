"""The sockets of the swarm's channel: Locust's own, under CURVE and behind a filter.

With a secret all that goes over the channel is encrypted, and both ends know that the other has
the secret. Without one nobody outside this machine reaches it.
"""

from __future__ import annotations

import functools
import logging
import resource
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar

import gevent
import zmq.green as zmq
from locust.exception import RPCError
from locust.rpc import Message, zmqrpc
from locust.runners import Runner
from zmq.utils.monitor import parse_monitor_message

from convoy.clock import clock_s
from convoy.engine.alarm import A_POLL_S
from convoy.errors import ExitCode, Fault, SettingsError
from convoy.plugin.frames import TO_MASTER, TO_WORKER, FrameFilter
from convoy.plugin.limited_log import LimitedLog
from convoy.plugin.options import is_here
from convoy.prepare.credentials import has_own_credentials
from convoy.results.message_log import MOST_BYTES
from convoy.secrets import Redactor
from convoy.settings.environment import SWARM_SECRET, swarm_secret
from convoy.swarm.keys import KeyPair, SwarmKeys

logger = logging.getLogger(__name__)
T = TypeVar("T")

_LARGEST_OF_WORKERS, _LARGEST_OF_MASTER = 2 * MOST_BYTES, 2**30
"""Bytes of a frame; ZMQ disconnects a peer that sends more. A worker's report holds a part of the
log of messages of at most half of that, a master's first message its pools."""
_MOST_FILES = 2**16
_HANDSHAKE_S = 5
"""How long ZMQ keeps a connection whose handshake is not through, with what has come of a frame."""
_ZAP = "inproc://zeromq.zap.01"
"""Where ZMQ asks whether a peer may come in: https://rfc.zeromq.org/spec/27/, read 2026-11-26."""
_REFUSED_AFTER_S = 10.0
"""A proxy accepts connections before the master behind it listens, so one refusal is no answer."""
_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


def open_channel(options: Namespace, environ: Mapping[str, str], redactor: Redactor) -> None:
    """Have Locust make the sockets of this module where the run is one over processes.

    The redactor hides the secret from now on. Raises SettingsError where it cannot be used, and
    where an end of the channel would be open to other machines without one.
    """
    secret = swarm_secret(environ)
    is_master = not options.worker and bool(options.master or options.processes)
    if not is_master and not options.worker:
        return
    keys, warning = None, ""
    if secret is not None:
        redactor.register(secret, permanent=True)
        keys = SwarmKeys.derived_from(secret)
    elif faults := [*_open_ends(options, is_master)]:
        raise SettingsError(faults)
    elif is_master and options.processes:
        # All its workers are forked from this process, so that nobody else has to know the keys.
        keys = SwarmKeys.for_this_process()
    elif options.worker and has_own_credentials(environ):
        warning = _any_master(f"{options.master_host}:{options.master_port}")
    log = LimitedLog()
    of_workers = FrameFilter(TO_MASTER, log, redactor.redact)
    # A runner of Locust makes its socket itself and binds it at once. It looks these names up when
    # it is made, which is after the options were parsed.
    zmqrpc.Server = functools.partial(  # type: ignore[misc,assignment]
        SwarmServer, keys=keys, frames=of_workers, log=log
    )
    zmqrpc.Client = functools.partial(  # type: ignore[misc,assignment]
        SwarmClient,
        keys=keys,
        frames=FrameFilter(TO_WORKER, log),
        end=_ending(),
        warning=warning,
    )


def hear_custom_messages(runner: Runner) -> None:
    """Let the messages pass, too, that this runner has listeners for, now and later."""
    socket = getattr(runner, "server", None) or getattr(runner, "client", None)
    if isinstance(socket, SwarmServer | SwarmClient):
        socket.frames.custom = runner.custom_messages


def stay_while(runner: Runner, is_waiting: Callable[[], bool]) -> None:
    """Let the last worker of a master leave without an end of it while it `is_waiting`."""
    socket = getattr(runner, "server", None)
    if isinstance(socket, SwarmServer):
        socket.is_waiting = is_waiting


def _open_more_files() -> None:
    """Let this process open 65,536 files, or as many as the system lets it.

    Each connection takes one, with or without the secret, and the run's record needs some, too.
    Locust raises the limit to 10,000 only; another user of this machine can take as many.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if most == resource.RLIM_INFINITY else min(_MOST_FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(OSError, ValueError):  # some systems have a lower bound that they do not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class SwarmServer(zmqrpc.Server):
    """The master's end: it lets in who has the secret, and hands on what passes the filter."""

    def __init__(
        self, host: str, port: int, *, keys: SwarmKeys | None, frames: FrameFilter, log: LimitedLog
    ) -> None:
        # Locust's own constructor binds the socket, and the keys have to be there before that.
        zmqrpc.BaseSocket.__init__(self, zmq.ROUTER, self.ipv4_only(host, port))
        self.frames = frames
        self.is_waiting: Callable[[], bool] = lambda: False
        """Whether Locust waits for its workers, in a process that ends with the run."""
        self._log = log
        self._has_keys = keys is not None
        self.socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_OF_WORKERS)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_S * 1000)
        _open_more_files()
        self._helpers = [_watching(self.socket, _FAILED, self._tell_of_failure)]
        # Also without keys: ZMQ lets no peer of ZMTP 1.0 or 2.0 in where a domain is set, and a web
        # page can speak 1.0 by the POST of a form. Workers speak 3.1. Without a mechanism it asks
        # `_ZAP` only where something listens there, as nothing does then (handshake_v1_0 and others
        # in zmtp_engine.cpp, null_mechanism.cpp of libzmq 4.3.5).
        self.socket.setsockopt(zmq.ZAP_DOMAIN, b"convoy")
        if keys is not None:
            # Before the socket is bound: where nothing listens at this address, ZMQ lets in whoever
            # knows the public key of the master, with any key of its own.
            zap = self.socket.context.socket(zmq.REP)
            zap.bind(_ZAP)
            self._helpers.append(gevent.spawn(self._let_in, zap, keys.worker))
            self.socket.setsockopt(zmq.CURVE_SERVER, 1)
            _use(self.socket, keys.master)
        try:
            if port:
                self.socket.bind(f"tcp://{host}:{port}")
                self.port = port
            else:
                self.port = self.socket.bind_to_random_port(f"tcp://{host}")
        except zmq.ZMQError as error:
            raise RPCError(f"Socket bind failure: {error}") from error

    def recv_from_client(self) -> tuple[str, Message]:
        """Return the next message that passes the filter, and who sent it."""
        while True:
            sender, *parts = _received(self.socket.recv_multipart)
            message = self.frames.admit_from(sender, b"".join(parts))
            if message is not None:
                if message.type == "quit" and self.is_waiting():
                    # When the last worker quits, Locust ends the greenlet that listens, and would
                    # wait for others that it does not hear. One that has stopped is only removed.
                    message.type = "client_stopped"
                return message.node_id, message

    def close(self, linger: int | None = None) -> None:
        # First: Locust replaces a broken server by another one, which binds `_ZAP` as well.
        _close(self.socket, self._helpers, linger)

    def _let_in(self, zap: zmq.Socket[bytes], pair: KeyPair) -> None:
        """Answer ZMQ's questions: a peer comes in with the key of this swarm's workers only."""
        try:
            while True:
                version, request, _, address, _, mechanism, *keys = zap.recv_multipart()
                may_come = mechanism == b"CURVE" and keys == [pair.raw_public]
                if not may_come:
                    self._log.say(_ANOTHER_SECRET, address.decode("ascii", "replace"))
                status = b"200" if may_come else b"400"
                zap.send_multipart([version, request, status, b"", b"", b""])
        finally:
            zap.close(0)

    def _tell_of_failure(self, _: int) -> None:
        self._log.say(_ANOTHER_SECRET if self._has_keys else _OTHERWISE, "something")


class SwarmClient(zmqrpc.Client):
    """A worker's end: it speaks to a master that has the secret, and ends where that fails."""

    def __init__(
        self,
        host: str,
        port: int,
        identity: str,
        *,
        keys: SwarmKeys | None,
        frames: FrameFilter,
        end: Callable[[str], None],
        warning: str = "",
    ) -> None:
        if warning:  # when the options were parsed there was no log yet
            logger.warning("%s", warning)
        # Locust's own constructor connects the socket, and the keys have to be there before that.
        zmqrpc.BaseSocket.__init__(self, zmq.DEALER, self.ipv4_only(host, port))
        self.frames = frames
        self._end = end
        self._refusal = _refusal(f"{host}:{port}", keys is not None)
        self._failing_since_s: float | None = None
        events = _FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED
        self._helpers = [_watching(self.socket, events, self._judge)]
        self.socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_OF_MASTER)
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        if keys is not None:
            self.socket.setsockopt(zmq.CURVE_SERVERKEY, keys.master.public)
            _use(self.socket, keys.worker)
        self.socket.connect(f"tcp://{host}:{port}")
        logger.info("this worker waits for its master at %s:%s", host, port)

    def recv(self) -> Message:
        """Return the next message that passes the filter."""
        while (message := self.frames.admit(_received(self.socket.recv))) is None:
            pass
        return message

    def close(self, linger: int | None = None) -> None:
        _close(self.socket, self._helpers, linger)

    def _judge(self, event: int) -> None:
        """End this worker where something listens there that does not let it in."""
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._failing_since_s = None
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and self._failing_since_s is None:
            self._failing_since_s = clock_s()
        # After the other failures ZMQ does not try again.
        elif (
            event != zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            or clock_s() > (self._failing_since_s or 0.0) + _REFUSED_AFTER_S
        ):
            self.socket.setsockopt(zmq.LINGER, 0)  # or the process would wait to be heard
            self._end(self._refusal)
            raise gevent.GreenletExit


def _received(receive: Callable[[], T]) -> T:
    # What is there is received without waiting, and others would have no turn in a flood.
    gevent.sleep(A_POLL_S)
    try:
        return receive()
    except zmq.ZMQError as error:
        raise RPCError("ZMQ network broken") from error


def _open_ends(options: Namespace, is_master: bool) -> Iterator[Fault]:
    """Yield a fault for an address of another machine: there is no secret."""
    option, host = (
        ("--master-bind-host", options.master_bind_host)
        if is_master
        else ("--master-host", options.master_host)
    )
    if not is_here(host):
        yield Fault(
            option,
            f"is {host!r}, but there is no secret, so that whoever reaches the channel could drive "
            f"the swarm. Give master and workers the same {SWARM_SECRET} or {SWARM_SECRET}_FILE "
            "(openssl rand -hex 32 makes one), or stay at 127.0.0.1",
        )


def _any_master(address: str) -> str:
    return (
        f"this worker has credentials, but no {SWARM_SECRET}, so that whoever listens at {address} "
        "can have it send with them, as any user of this machine may; where there are others, give "
        "master and workers the same secret (openssl rand -hex 32 makes one), or use --processes"
    )


def _ending() -> Callable[[str], None]:
    """Return what ends the process with a reason, though its main greenlet, this one, waits."""
    main = gevent.getcurrent()

    def end(reason: str) -> None:
        logger.error("%s", reason)
        gevent.kill(main, SystemExit(ExitCode.REFUSED))

    return end


def _refusal(address: str, has_secret: bool) -> str:
    if has_secret:
        return (
            f"the master at {address} does not let this worker in; is it the same {SWARM_SECRET}, "
            "and does the master have one?"
        )
    return (
        f"the master at {address} does not let this worker in, which has no secret; give it the "
        f"{SWARM_SECRET} of the master"
    )


def _use(socket: zmq.Socket[bytes], pair: KeyPair) -> None:
    """Have a socket that is not connected yet encrypt all under this pair of keys."""
    socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.private.reveal().encode("ascii"))


def _watching(
    socket: zmq.Socket[bytes], events: int, on_event: Callable[[int], None]
) -> gevent.Greenlet[..., None]:
    """Call `on_event` with each event of these kinds from now on, as long as the greenlet lives."""
    # At once: the greenlet's first turn may come after the one handshake that fails.
    monitor = socket.get_monitor_socket(events)

    def watch() -> None:
        while True:
            gevent.sleep(A_POLL_S)
            on_event(parse_monitor_message(monitor.recv_multipart())["event"])

    return gevent.spawn(watch)


def _close(
    socket: zmq.Socket[bytes], helpers: Iterable[gevent.Greenlet[..., None]], linger: int | None
) -> None:
    """Close a socket, and what watches it, which may not have had a turn yet."""
    gevent.killall(helpers)
    monitor = socket.get_monitor_socket()  # the one that is there
    socket.disable_monitor()
    monitor.close()
    socket.close(linger)


_ANOTHER_SECRET = f"tried to join without this swarm's {SWARM_SECRET}, and was not let in"
_OTHERWISE = f"tried to join in another way, such as with a {SWARM_SECRET}, which this master lacks"
