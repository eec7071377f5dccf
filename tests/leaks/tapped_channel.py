"""A relay between workers and their master that keeps what the workers say."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Thread

from tests.locust_process import wait_until


@contextmanager
def tapped_channel(master_port: int) -> Iterator[tuple[int, list[bytearray]]]:
    """Give the port of the relay, and what each worker has said until the end of the block."""
    said: list[bytearray] = []
    threads: list[Thread] = []
    with ExitStack() as ends:
        listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        sockets = [listener]

        def listen() -> None:
            with suppress(OSError):
                while True:
                    worker = ends.enter_context(listener.accept()[0])
                    way = partial(_connected, master_port)
                    master = ends.enter_context(wait_until(way, lambda: "no master listens"))
                    sockets.extend((worker, master))
                    said.append(bytearray())
                    for source, to, kept in (
                        (worker, master, said[-1]),
                        (master, worker, bytearray()),
                    ):
                        threads.append(Thread(target=_pass_on, args=(source, to, kept)))
                        threads[-1].start()

        threads.append(Thread(target=listen))
        threads[0].start()
        try:
            yield int(listener.getsockname()[1]), said
        finally:
            for each in sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(10)


def _connected(port: int) -> socket.socket | None:
    with suppress(ConnectionRefusedError):
        return socket.create_connection(("127.0.0.1", port))
    return None


def _pass_on(source: socket.socket, to: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            kept += data
            to.sendall(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)
