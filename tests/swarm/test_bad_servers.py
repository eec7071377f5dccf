"""Real users and a server of bad manners: each manner has its code, and nothing is sent twice."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.locust_process import run_locust
from tests.unit.remote.misbehaving_server import Visitor, answer, serving

CONVERSATION = "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e001"
TOKEN = answer("200 OK", b'{"access_token": "t", "expires_in": 3600, "token_type": "bearer"}')
ACCEPTED = answer("202 Accepted", b'{"status": "sent"}')
POOL = f"scenario.conversation_messages.conversations={{source: inline, ids: [{CONVERSATION}]}}"
TIMEOUT_S = 4.0
SETTINGS = (
    "canary=false",
    "limits=[]",
    "warm_up_s=0",
    "late_after_ms=2000",
    "scenario.conversation_messages.expect={202: [status]}",
    f"request_timeout_s={TIMEOUT_S}",
    POOL,
)
MARKER = re.compile(rb"\[convoy:[^:\]]+:[^:\]]+:(\d+)\]")


def is_silent(visitor: Visitor) -> None:
    visitor.wait_for_close()


def drips(visitor: Visitor) -> None:
    """A byte now and then, so that no single wait is long."""
    for byte in ACCEPTED:
        visitor.send(bytes([byte]))
        time.sleep(TIMEOUT_S / 10)


def talks_without_end(start: bytes, piece: bytes) -> Callable[[Visitor], None]:
    def behave(visitor: Visitor) -> None:
        visitor.send(start)
        while True:
            visitor.send(piece * 16_384)

    return behave


def says(data: bytes, *, closes: bool = False, resets: bool = False) -> Callable[[Visitor], None]:
    def behave(visitor: Visitor) -> None:
        visitor.send(data)
        if resets:
            visitor.reset()
        if closes or resets:
            raise ConnectionAbortedError

    return behave


# What the server does with message k by k modulo their number, and the code that is to come of it.
MANNERS: tuple[tuple[str, Callable[[Visitor], None]], ...] = (
    ("", says(ACCEPTED)),
    ("malformed answer", says(b"\x00\x01 this is no HTTP\r\n\r\n")),
    ("connection closed", says(ACCEPTED[:-5], closes=True)),
    ("answer too large", talks_without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 64)),
    ("timeout", is_silent),
    ("timeout", drips),
    ("", says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ACCEPTED)),
    ("", says(ACCEPTED + ACCEPTED)),
    ("answer too large", talks_without_end(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 64)),
    ("", says(answer("202 Accepted", b'{"status": "sent"}', "Connection: close"), closes=True)),
    ("", says(ACCEPTED, closes=True)),
    ("connection reset", says(ACCEPTED[:20], resets=True)),
)


class Manners:
    """The server's behaviour: logs everyone in, and treats each message as its number says."""

    def __init__(self) -> None:
        self.messages: Counter[int] = Counter()

    def __call__(self, visitor: Visitor) -> None:
        while request := visitor.read_request():
            found = MARKER.search(request)
            if found is None:  # a login, or the preflight's question whether anyone is there
                visitor.send(TOKEN)
                continue
            k = int(found[1])
            self.messages[k] += 1
            MANNERS[k % len(MANNERS)][1](visitor)


def test_users_outlive_every_manner_count_it_by_its_code_and_send_nothing_twice(
    tmp_path: Path,
) -> None:
    manners, sets = Manners(), [part for each in SETTINGS for part in ("--set", each)]

    with serving(manners) as server:
        url = f"http://127.0.0.1:{server.port}"
        ended = run_locust(tmp_path, "-H", url, "--rate", "12", "-u", "60", "-t", "10s", *sets)

    assert ended.exit_code == 3, ended.output
    assert "Traceback" not in ended.output
    planned = range(12 * 10)
    codes = Counter(MANNERS[k % len(MANNERS)][0] for k in planned)
    accepted = codes.pop("")
    assert ended.scenario["errors"] == codes
    assert ended.scenario["accepted"] == accepted
    assert ended.scenario["sent"] == len(planned)
    assert manners.messages == Counter(dict.fromkeys(planned, 1))
