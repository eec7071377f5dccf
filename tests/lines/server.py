"""The far side of the protocol of lines, in threads: it takes what is said, and replies to most."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer

MARKER = re.compile(r"\[convoy:(?P<run>[^:]+):lines:(?P<k>\d+)\]")


class LineServer(ThreadingTCPServer):
    """Keeps every line that it has taken; refuses each fifth `TYPING`.

    It replies to a tenth of the messages twice, and to another tenth not at all.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.opened = 0
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Visit)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def said_in(self, run_id: str) -> Counter[str]:
        """Return how often each conversation was spoken to in a run."""
        said = [line.partition(" ")[2] for line in self.taken if line.startswith("SAY ")]
        bodies = [json.loads(body) for body in said if f"[convoy:{run_id}:" in body]
        return Counter(body["to"] for body in bodies)

    def answers_to(self, line: str) -> Iterator[str]:
        with self._lock:
            self.taken.append(line)
            word, _, rest = line.partition(" ")
            marker = MARKER.search(rest)
            k = int(marker["k"]) if marker else -1
            if word == "OPEN":
                self.opened += 1
                yield f"OK opened-{self.opened}"
            elif word == "TYPING" and k % 5 == 4:
                yield "NO 409 busy"
            else:
                yield "OK"
            if word == "SAY" and k % 10 != 5:
                yield from [f"REPLY {k}"] * (1 + (k % 10 == 0))


class _Visit(StreamRequestHandler):
    server: LineServer

    def handle(self) -> None:
        for line in self.rfile:
            for answer in self.server.answers_to(line.decode().rstrip()):
                self.wfile.write(f"{answer}\n".encode())


@contextmanager
def line_server() -> Iterator[LineServer]:
    with LineServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
