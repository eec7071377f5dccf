"""The filter of the swarm's channel: it drops the frames that Locust must not be handed.

Locust 2.47 checks no frame. One that it cannot unpack, or a message without the fields that Locust
reads, ends the greenlet that listens to all workers; and any worker may write the id of another
one into its messages. Locust shows what workers say as it came, so that what only the master knows
as a secret is hidden here.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Annotated, Any, Literal

import msgspec
from locust.rpc import Message

from convoy.plugin import channel
from convoy.plugin.limited_log import LimitedLog
from convoy.swarm.value_count import check_values
from convoy.untrusted_text import printable_lines, shortened

_LONGEST_REASON = 200
_LARGEST_OF_STRANGERS = 2**16
"""Bytes of a frame of a worker that has not joined: its first words are some hundred."""
_MOST_ENTRIES = 10_000
"""Of one list or mapping: Locust has a row for each name, and an entry for each text of an error.
What is large, of Convoy's own, is one value of bytes."""
_MOST_VALUES = 200_000
"""Of a frame, all lists and mappings in it together: a short one can hold millions, which take a
hundred times its size and minutes. A thousand rows of Locust's have some 50,000."""

_MOST_LINES = 500
"""Of a worker's log: Locust keeps as many, in the worker."""
_LONGEST_TEXT = 2**14
"""Characters of a line of a log with its traceback, or of an error, that are shown."""
_LONGEST_NAME = 10_000
"""Of a row: a scenario of one's own may name it after an address. It is shown whole."""

_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069"
_Version = Annotated[str, msgspec.Meta(max_length=50)]
# Without what steers a terminal or begins a line: Locust prints them, and writes them to its files.
_Name = Annotated[str, msgspec.Meta(max_length=_LONGEST_NAME, pattern=f"^[^{_UNPRINTABLE}]*$")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Number = Annotated[float, msgspec.Meta(ge=-(2.0**53), le=2.0**53)]
"""None that is infinite: Locust prints numbers as whole ones."""
_Time = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""In seconds since 1970: Locust prints its date, which has a year of four digits."""
_State = Literal["ready", "spawning", "running", "cleanup", "stopping", "stopped", "missing"]
_UserClasses = dict[_Name, _Count]


class _Row(msgspec.Struct):
    name: _Name
    method: _Name  # Locust sorts rows by it
    last_request_timestamp: _Time | None
    start_time: _Time
    num_requests: _Count
    num_none_requests: _Count
    num_failures: _Count
    total_response_time: _Number
    max_response_time: _Number
    min_response_time: _Number | None
    total_content_length: _Number
    response_times: dict[_Number, _Count]
    num_reqs_per_sec: dict[_Time, _Count]
    num_fail_per_sec: dict[_Time, _Count]

    def __post_init__(self) -> None:
        # Locust shows percentiles wherever there are times, and raises where they are of nothing.
        if self.response_times and not self.num_requests:
            raise ValueError("response times of no requests")


class _Error(msgspec.Struct):
    name: _Name
    method: _Name
    error: str
    occurrences: _Count
    first_seen: _Time | None = None
    last_seen: _Time | None = None


class _Report(msgspec.Struct):
    stats: list[_Row]
    stats_total: _Row
    errors: dict[_Name, _Error]
    user_classes_count: _UserClasses
    convoy: bytes = b""  # `channel.REPORT_KEY`


class _Heartbeat(msgspec.Struct):
    state: _State
    current_cpu_usage: _Number
    current_memory_usage: _Count = 0


class _Spawned(msgspec.Struct):
    user_classes_count: _UserClasses


class _Logs(msgspec.Struct):
    worker_id: str
    logs: list[str]


class _Exception(msgspec.Struct):
    msg: str
    traceback: str


class _Index(msgspec.Struct):
    index: int = 0


class _Job(msgspec.Struct):
    timestamp: _Number
    user_classes_count: _UserClasses
    host: str | None
    stop_timeout: _Number | None
    parsed_options: dict[str, Any]


class _Users(msgspec.Struct):
    user_count: int


TO_MASTER: dict[str, Any] = {
    channel.HELLO: Any,
    channel.TO_MASTER: bytes,
    "client_ready": _Version | Literal[-1],
    "client_stopped": Any,
    "exception": _Exception,
    "heartbeat": _Heartbeat,
    "logs": _Logs,
    "quit": Any,
    "spawning": Any,
    "spawning_complete": _Spawned,
    "stats": _Report,
}
"""What Locust 2.47 and Convoy read in the data of each message of a worker."""
TO_WORKER: dict[str, Any] = {
    channel.TO_WORKER: bytes,
    "ack": _Index | None,
    "heartbeat": Any,
    "quit": Any,
    "reconnect": Any,
    "spawn": _Job,
    "spawning_complete": _Users,
    "stop": Any,
    "update_user_class": dict[str, Any],
}


class FrameFilter:
    """Makes messages of frames, and drops those that would harm; each costs a line at most.

    `shapes` says of each kind of message what its data must hold. `custom` are other kinds, which
    this process has listeners for. `redact` hides secrets in what a worker says.
    """

    def __init__(
        self, shapes: dict[str, Any], log: LimitedLog, redact: Callable[[str], str] = str
    ) -> None:
        self.custom: Container[str] = ()
        self._shapes = shapes
        self._log = log
        self._redact = redact
        self._joined: set[str] = set()

    def admit_from(self, sender: bytes, frame: bytes) -> Message | None:
        """Return the message of a worker whose connection has that name; None for a dropped one."""
        worker = sender.decode("utf-8", "replace")
        about = f"a message of worker {worker}"
        try:
            if not worker.isprintable():
                about = f"a message of a worker with the name {sender!r}"
                raise _DroppedError("has a sender that nobody can name")
            if worker not in self._joined and len(frame) > _LARGEST_OF_STRANGERS:
                raise _DroppedError("was too large for one that has not joined")
            message = self._read(frame)
            self._check_sender(message, worker)
        except _DroppedError as error:
            self._log.say(error.kind, f"{about}{error.details}")
            return None
        self._hide_secrets(message)
        return message

    def admit(self, frame: bytes) -> Message | None:
        """Return the message of the master in a frame; None for a dropped one."""
        try:
            return self._read(frame)
        except _DroppedError as error:
            self._log.say(error.kind, f"a message of the master{error.details}")
            return None

    def _check_sender(self, message: Message, worker: str) -> None:
        """Raise for a worker that nobody knows yet, or that speaks in the name of another one."""
        speaks_of = message.data["worker_id"] if message.type == "logs" else worker
        if not message.node_id == speaks_of == worker:
            raise _DroppedError("was in the name of another one")
        if message.type == "client_ready":
            self._joined.add(worker)
        elif worker not in self._joined:
            raise _DroppedError("came before that worker had joined")

    def _hide_secrets(self, message: Message) -> None:
        data, shown = message.data, self._shown
        if message.type == "stats":
            for error in data["errors"].values():
                error["error"] = shown(error["error"])
        elif message.type == "exception":
            data.update(msg=shown(data["msg"]), traceback=shown(data["traceback"]))
        elif message.type == "logs":
            data["logs"] = [shown(line) for line in data["logs"][-_MOST_LINES:]]

    def _shown(self, text: str) -> str:
        return printable_lines(shortened(text, _LONGEST_TEXT, self._redact))

    def _read(self, frame: bytes) -> Message:
        try:
            # Before it is unpacked: 8 MB of empty mappings took a minute and ten gigabytes.
            check_values(frame, _MOST_VALUES, _MOST_ENTRIES)
            message: Message = Message.unserialize(frame)
        except OverflowError as error:
            raise _DroppedError("held too many values") from error
        except Exception as error:  # msgpack, and what Locust makes of its values, raise anything
            raise _DroppedError("could not be read") from error
        if not isinstance(message.type, str) or not isinstance(message.node_id, str):
            raise _DroppedError("had no kind or no sender")
        shape = self._shapes.get(message.type)
        if shape is None and message.type not in self.custom:
            raise _DroppedError("was of a kind that nobody knows here")
        try:
            msgspec.convert(message.data, shape or Any)
        except msgspec.ValidationError as error:
            reason = str(error)
            details = f" ({reason})" * (len(reason) <= _LONGEST_REASON)
            raise _DroppedError(f"had not the form of {message.type!r}", details) from error
        return message


class _DroppedError(Exception):
    """A frame is not let through; `kind` is one of few sentences, `details` are this one's."""

    def __init__(self, kind: str, details: str = "") -> None:
        super().__init__(kind)
        self.kind = f"{kind} and was dropped"
        self.details = details
