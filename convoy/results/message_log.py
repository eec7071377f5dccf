"""The log of messages: each sent one with its fate and ids, to look for it at the remote.

A worker packs lines of JSON as messages end, and sends them along with its reports; the master adds
them to `messages.jsonl.gz`, where each report is a gzip member of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from convoy.errors import ConvoyError
from convoy.files import HIGHEST_RATIO, FileError, text_lines, unpacked
from convoy.results.outcome import LONGEST_NAME, Attempt, Fate, Number, Phase
from convoy.untrusted_text import UNREADABLE, told

MOST_BYTES = 2**24
"""Of one report, packed or not, before it enters the log: that of 75,000 messages in three seconds.
They take a second to look through."""
_GZIP = 31
"""zlib's number for a gzip member."""
_LEVEL = 1
"""Three times as fast as the usual one, and messages wait meanwhile; a fifth longer."""

_MOST_UNPACKED = 2**33
"""Of a whole log, unpacked: that of some ten million messages."""

_Milliseconds = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""After T0, or before it."""
_Ended = tuple[str, int, str, Attempt, Phase]


class LoggedMessage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of the log; it was sent and its end was known so many milliseconds after T0.

    `message_id` is what an accepting answer names, "" without one, and for one that is too long or
    holds a secret. Messages of the warm-up name their phase; their `k` are counted apart.
    """

    scenario: str
    k: Number
    fate: Fate
    code: str
    message_id: str
    conversation_id: str
    sent_ms: _Milliseconds | None = None
    done_ms: _Milliseconds | None = None
    phase: Phase = Phase.MEASURE


class AnswerIds(msgspec.Struct, frozen=True, gc=False):
    """The ids that an answer names, "" where it names none."""

    id: str = ""
    conversationId: str = ""


def ids_in(body: bytes) -> AnswerIds:
    """Return the ids in an answer, whatever it holds."""
    try:
        return _DECODER.decode(body)
    except UNREADABLE:
        return AnswerIds()


class MessageLog:
    """The messages of one process since the last `take`; `redact` hides secrets in their ids."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self._redact = redact
        self._ended: list[_Ended] = []
        self._packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        self._packed: list[bytes] = []

    def add(
        self,
        scenario: str,
        k: int,
        conversation_id: str,
        attempt: Attempt,
        phase: Phase = Phase.MEASURE,
    ) -> None:
        """Note a message that was sent; without a conversation it has the one of its answer."""
        self._ended.append((scenario, k, conversation_id, attempt, phase))

    def pack(self, t0_s: float) -> None:
        """Pack what was added: often, because a second's messages at once take milliseconds.

        `t0_s` is T0 on the clock of the attempts.
        """
        ended, self._ended = self._ended, []
        if ended:
            lines = _ENCODER.encode_lines([self._line(t0_s, each) for each in ended])
            self._packed.append(self._packer.compress(lines))

    def take(self, t0_s: float) -> bytes:
        """Return what was added since the last call as a gzip member, b"" where that is nothing."""
        self.pack(t0_s)
        packed, self._packed = self._packed, []
        if not packed:
            return b""
        packer, self._packer = self._packer, zlib.compressobj(_LEVEL, wbits=_GZIP)
        return b"".join((*packed, packer.flush()))

    def _line(self, t0_s: float, ended: _Ended) -> LoggedMessage:
        scenario, k, conversation_id, attempt, phase = ended
        ids = ids_in(attempt.body)
        return LoggedMessage(
            scenario,
            k,
            attempt.fate,
            attempt.code,
            "" if attempt.code else self._id(ids.id),
            self._id(conversation_id or ids.conversationId),
            # Whole numbers, because it takes longer to round a fraction than to look for the ids.
            int((attempt.sent_s - t0_s) * 1000),
            int((attempt.done_s - t0_s) * 1000),
            phase,
        )

    def _id(self, id: str) -> str:
        """Return an id, "" for one that is not to be kept: nothing could be looked up by a part."""
        return id if len(id) <= LONGEST_NAME and self._redact(id) == id else ""


def redacted(packed: bytes, redact: Callable[[str], str]) -> bytes:
    """Return what another process has packed, without what is a secret here; raises ConvoyError.

    That takes a microsecond a message where all ids are UUIDs, and five to ten where none is.
    """
    if not packed:
        return packed
    try:
        # As much as a reader of all parts, one after the other, lets each unpack to.
        plain, length = unpacked(packed, min(MOST_BYTES, HIGHEST_RATIO * len(packed)), _GZIP)
        if length < len(packed):
            raise EOFError(f"it goes on after {length:,} bytes")
        lines = _READER.decode_lines(plain)
    except (zlib.error, EOFError, FileError, *UNREADABLE) as error:
        problem = f"its part of the log of messages cannot be read: {error}"
        raise ConvoyError(problem) from error
    texts = {text for each in lines for text in (each.code, each.message_id, each.conversation_id)}
    secret = {text for text in texts if redact(text) != text}
    if not secret:
        return packed
    clean = [
        replace(
            each,
            code=told(each.code, redact, LONGEST_NAME),
            message_id="" if each.message_id in secret else each.message_id,
            conversation_id="" if each.conversation_id in secret else each.conversation_id,
        )
        for each in lines
    ]
    return zlib.compress(_ENCODER.encode_lines(clean), _LEVEL, _GZIP)


def read_log(path: Path) -> Iterator[LoggedMessage]:
    """Yield the lines of a log; raises FileError. It is whole up to the last report of a run."""
    with text_lines(path, _MOST_UNPACKED) as lines:
        try:
            for line in lines:
                yield _READER.decode(line)
        except UNREADABLE as error:
            raise FileError(f"is no log of messages: {error}") from error


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(AnswerIds)
_READER = msgspec.json.Decoder(LoggedMessage)
