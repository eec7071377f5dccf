"""A guest without a socket: what it sends the simulator, and the frames that it got.

Each frame that arrives is checked against the published schema.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from simulator.guest_answering import GuestAnswering
from simulator.model.organisation import DEPLOYMENTS
from tests.simulator.in_process import Organisation

WEB, AUTOSTART, DISABLED, DOMAINS, AGENTS_ONLY, READ_ONLY = DEPLOYMENTS
SCHEMA = json.loads(
    (Path(__file__).parents[1] / "contract" / "guest-frames.json").read_text("utf-8")
)
UNLIMITED = (
    *("--guest-messages-per-second", "0", "--guest-requests-per-minute", "0"),
    *("--guest-echoes-per-minute", "0", "--guest-connections-per-minute", "0"),
)
_numbers = count(1)


@cache
def validator(definition: str) -> Draft7Validator:
    """What checks a value of one of the schema's definitions."""
    return Draft7Validator(
        {"$ref": f"#/definitions/{definition}", "definitions": SCHEMA["definitions"]}
    )


def check_answer(frame: dict[str, Any]) -> None:
    """Raise where a frame to a guest is not one of the schema's."""
    body, what = frame["body"], frame["class"]
    # The schema has all bodies be objects, those of class `string` too.
    validator("BaseMessage").validate(frame | {"body": {} if what == "string" else body})
    if what == "string":
        assert isinstance(body, str) and body
    elif what in SCHEMA["answers"]:
        validator(SCHEMA["answers"][what]).validate(body)


class Guest:
    """One connection to a deployment; `closed` is the code that it was closed with, or "cut"."""

    def __init__(
        self,
        organisation: Organisation,
        deployment: str = WEB,
        token: str = "",
        *,
        configures: bool = True,
    ) -> None:
        self.organisation = organisation
        self.deployment = deployment
        self.token = token or f"token {next(_numbers)}"
        self.frames: list[dict[str, Any]] = []
        self.closed: int | str | None = None
        self._answering = GuestAnswering(organisation.world)
        self._connection = self._answering.connect(
            DEPLOYMENTS[deployment], self, "http://simulator:8080"
        )
        if configures:
            self.session = self.configure()

    def send(self, frame: bytes) -> None:
        """Called by the simulator."""
        if self.closed is None:
            found = json.loads(frame)
            check_answer(found)
            self.frames.append(found)

    def close(self, code: int) -> None:
        """Called by the simulator."""
        self.leave(code)

    def cut(self) -> None:
        """Called by the simulator."""
        self.leave("cut")

    def leave(self, why: int | str) -> None:
        if self.closed is None:
            self.closed = why
            self._answering.disconnect(self._connection)

    def put(self, frame: bytes, *, is_text: bool = True) -> list[dict[str, Any]]:
        """Send a frame as it is; what came of it at once."""
        before = len(self.frames)
        self._answering.receive(self._connection, frame, is_text=is_text)
        return self.frames[before:]

    def ask(self, action: str, **members: object) -> list[dict[str, Any]]:
        """Send a request; what came of it at once."""
        request = {"action": action, "token": self.token, **members}
        return self.put(json.dumps(request).encode())

    def only(self, action: str, **members: object) -> dict[str, Any]:
        """Send a request that must have one answer."""
        [answer] = self.ask(action, **members)
        return answer

    def configure(self, **members: object) -> dict[str, Any]:
        """The body of the SessionResponse."""
        answer = self.only("configureSession", deploymentId=self.deployment, **members)
        assert answer["class"] == "SessionResponse", answer
        body: dict[str, Any] = answer["body"]
        return body

    def say(self, text: str = "hello", **members: object) -> list[dict[str, Any]]:
        return self.ask("onMessage", message={"type": "Text", "text": text, **members})

    def do(self, kind: str) -> list[dict[str, Any]]:
        """Send a presence event."""
        event = {"eventType": "Presence", "presence": {"type": kind}}
        return self.ask("onMessage", message={"type": "Event", "events": [event]})

    def hear(self, seconds: float = 10.0) -> list[dict[str, Any]]:
        """What comes within this time, without typing."""
        before = len(self.frames)
        self.organisation.pass_time(seconds)
        return [each for each in self.frames[before:] if brief(each) != "Typing"]

    @property
    def is_configured(self) -> bool:
        return self._connection.session is not None

    @property
    def conversation(self) -> str:
        """The id of the conversation that it is in."""
        world = self.organisation.world
        [found] = [
            id for id, each in world.guests.by_conversation.items() if each.token == self.token
        ]
        return found


def brief(frame: dict[str, Any]) -> str:
    """The text or event of a message, the code of a refusal, or the class."""
    body = frame["body"]
    if frame["class"] == "string":
        return str(frame["code"])
    if "errorCode" in body:
        return f"{frame['class']} {body['errorCode']}"
    if frame["class"] != "StructuredMessage":
        return str(frame["class"])
    if body["type"] != "Event":
        return str(body["text"])
    event = body["events"][0]
    return str(event["presence"]["type"] if "presence" in event else event["eventType"])


def briefs(frames: list[dict[str, Any]]) -> list[str]:
    return [brief(each) for each in frames]
