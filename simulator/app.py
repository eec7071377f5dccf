"""The ASGI application: reads a request, lets faults at it and sends what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from simulator.answering import Answering
from simulator.answers import Answer
from simulator.calls import Call
from simulator.errors import BODY_BYTES_MAX
from simulator.faults import UNHARMED
from simulator.ids import new_id
from simulator.protocol import CUT
from simulator.world import World

# ASGI's scopes and events are dictionaries of anything.
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

FAULTY_PREFIX, UPLOADS = "/api/v2/", "/uploads/"
UPLOAD_BYTES_MAX = 16_777_216
"""More than a file may have, so that a handler sees by how much."""
_MAPPED = "::ffff:"
"""How a socket for both versions writes an address of IPv4."""


class ClientGone(Exception):
    """The client left before its request was whole."""


class Application:
    """Serves one world over HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answering = Answering(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        cut = scope["extensions"][CUT]["cut"]
        try:
            await self._serve(await _read_call(scope, receive), send, cut)
        except ClientGone:
            return
        except asyncio.CancelledError:
            # The simulator stops: whoever still waits gets no made-up answer.
            cut()
            raise

    async def _serve(self, call: Call, send: Send, cut: Callable[[], None]) -> None:
        effect = UNHARMED
        if call.path.startswith(FAULTY_PREFIX) and not self._answering.is_foreign(call):
            effect = self._world.faults.effect(self._world.now_s())
        answer = None
        if not effect.is_dropped:
            answer = self._answering.answer(call, effect.error_code)
        if effect.delay_s:
            await asyncio.sleep(effect.delay_s)
        if answer is None:
            cut()
        elif effect.is_truncated:
            await _send_half(send, answer, call.correlation_id)
            cut()
        else:
            await send(_start(answer, call.correlation_id))
            await send({"type": "http.response.body", "body": answer.body})


async def _read_call(scope: Scope, receive: Receive) -> Call:
    path = scope["path"]
    body, body_bytes = await _read_body(receive, is_kept=not path.startswith(UPLOADS))
    return Call(
        method=scope["method"],
        path=path,
        query=scope["query_string"],
        headers=dict(scope["headers"]),
        body=body,
        correlation_id=new_id(),
        is_too_large=len(body) > BODY_BYTES_MAX,
        body_bytes=body_bytes,
        came_to="{} {}".format(*scope["server"]).removeprefix(_MAPPED),
    )


async def _read_body(receive: Receive, *, is_kept: bool) -> tuple[bytes, int]:
    """The body, or of one that is too large the beginning, and how many bytes were read.

    Of one that is not kept the bytes are counted; the server discards what is not read.
    """
    body, size = b"", 0
    most = BODY_BYTES_MAX if is_kept else UPLOAD_BYTES_MAX
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        size += len(event["body"])
        if is_kept:
            body += event["body"]
        if size > most or not event["more_body"]:
            return body, size


async def _send_half(send: Send, answer: Answer, correlation_id: str) -> None:
    await send(_start(answer, correlation_id))
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


def _start(answer: Answer, correlation_id: str) -> dict[str, Any]:
    headers = [(b"ININ-Correlation-Id", correlation_id.encode()), *answer.headers]
    if answer.status != 204:
        size = b"%d" % len(answer.body)
        headers += ((b"Content-Type", answer.content_type), (b"Content-Length", size))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}
