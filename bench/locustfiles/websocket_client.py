"""What a locustfile for guests usually looks like: a user with websocket-client on gevent."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import locust  # isort: skip  # it patches sockets
import websocket

from bench.guests.message import TEXT


class WebSocketClientUser(locust.User):
    """Is one guest, which says the one text again and again, as soon as it has come back."""

    def on_start(self) -> None:
        self.token = str(uuid.uuid4())
        self.socket = websocket.create_connection(str(self.host))
        deployment = str(self.host).rpartition("=")[2]
        self.ask("configureSession", {"deploymentId": deployment, "startNew": False})

    def on_stop(self) -> None:
        self.socket.close()

    @locust.task
    def say(self) -> None:
        started_s = time.perf_counter()
        exception = None
        try:
            self.ask("onMessage", {"message": {"type": "Text", "text": TEXT}})
        except Exception as error:
            exception = error
        self.environment.events.request.fire(
            request_type="WS",
            name="message",
            response_time=(time.perf_counter() - started_s) * 1000,
            response_length=0,
            exception=exception,
            context={},
        )

    def ask(self, action: str, more: dict[str, Any]) -> None:
        id = str(uuid.uuid4())
        self.socket.send(
            json.dumps({"action": action, "token": self.token, "tracingId": id} | more)
        )
        while True:
            frame = json.loads(self.socket.recv())
            if frame.get("tracingId") == id:
                break
        if frame["code"] != 200:
            raise RuntimeError(f"{action} was answered by {frame['code']}")
