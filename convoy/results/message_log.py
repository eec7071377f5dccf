"""The log of messages: each sent one with its fate and ids, to look for it at the remote.

A worker packs lines of JSON as messages end, and sends them along with its reports; the master adds
them to `messages.jsonl.gz`, where each report is a gzip member of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec

from convoy.foreign import shortened
from convoy.results.outcome import LONGEST_NAME, Attempt, Fate

MOST_BYTES = 2**26
"""Of one report, packed: that of some million messages."""
_GZIP = 31
"""zlib's number for a gzip member."""
_LEVEL = 1
"""Three times as fast as the usual one, and messages wait meanwhile; a fifth longer."""


class _Ids(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    conversationId: str = ""


class MessageLog:
    """The messages of one process since the last `take`; `redact` hides secrets in their ids."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        self._redact = redact
        self._ended: list[tuple[str, int, str, Attempt]] = []
        self._packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        self._packed: list[bytes] = []

    def add(self, scenario: str, k: int, conversation_id: str, attempt: Attempt) -> None:
        """Note a message that was sent; without a conversation it has the one of its answer."""
        self._ended.append((scenario, k, conversation_id, attempt))

    def pack(self) -> None:
        """Pack what was added: often, because a second's messages at once take milliseconds."""
        ended, self._ended = self._ended, []
        if ended:
            lines = _ENCODER.encode_lines([self._line(*each) for each in ended])
            self._packed.append(self._packer.compress(lines))

    def take(self) -> bytes:
        """Return what was added since the last call as a gzip member, b"" where that is nothing."""
        self.pack()
        packed, self._packed = self._packed, []
        if not packed:
            return b""
        packer, self._packer = self._packer, zlib.compressobj(_LEVEL, wbits=_GZIP)
        return b"".join((*packed, packer.flush()))

    def _line(self, scenario: str, k: int, conversation_id: str, attempt: Attempt) -> _Line:
        try:
            ids = _DECODER.decode(attempt.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            ids = _Ids()
        return _Line(
            scenario,
            k,
            attempt.fate,
            attempt.code,
            "" if attempt.code else self._id(ids.id),
            self._id(conversation_id or ids.conversationId),
        )

    def _id(self, id: str) -> str:
        return shortened(id, LONGEST_NAME, self._redact)


class _Line(msgspec.Struct, frozen=True, gc=False):
    scenario: str
    k: int
    fate: Fate
    code: str
    message_id: str
    conversation_id: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Ids)
