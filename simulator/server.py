"""Listening at an address and serving a world there until a signal ends it."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from ipaddress import ip_address
from types import FrameType

import uvicorn

from simulator.app import Application
from simulator.guest_socket import guest_protocol
from simulator.protocol import CuttableProtocol
from simulator.world import World

BACKLOG = 2048
KEEP_ALIVE_S = 75
STOP_WITHIN_S = 1


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )[0]
    # With the protocol named the event loop recognises TCP and turns Nagle's algorithm off.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def serve(world: World, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then end the process with exit code 0."""
    _allow_many_connections()
    config = uvicorn.Config(
        Application(world),
        http=CuttableProtocol,
        ws=guest_protocol(world),
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    # uvicorn raises the signal again once it has stopped; without these that would be the exit.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    _AnnouncingServer(config).run([listener])


class _AnnouncingServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            if not ip_address(host).is_loopback:
                print(
                    f"any machine that reaches {shown}:{port} can use this simulator, and set its "
                    "faults; --host 127.0.0.1 is for this machine alone",
                    file=sys.stderr,
                    flush=True,
                )
            print(f"listening on http://{shown}:{port}", flush=True)


def _leave(signal_number: int, frame: FrameType | None) -> None:
    # Without freeing every guest and message first, which takes a second for ten thousand guests.
    # What is kept, the ledger file, was written as it came.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
