"""An HTTP answer, and the reader that makes one from the bytes of a connection."""

from __future__ import annotations

from contextlib import suppress

import httptools
import msgspec

from convoy.remote.wire_faults import AnswerEndedError, AnswerTooLargeError

_FIRST_FINAL_STATUS = 200
_MOST_HEAD_BYTES = 256 * 2**10


# A structure, and untracked by the collector: one is made per message.
class Answer(msgspec.Struct, frozen=True, gc=False):
    """One whole answer; times in `perf_counter` seconds.

    `head` is what was received until the headers were complete, in pieces, and perhaps more.
    `sent_s` is when the request's first byte was handed to the kernel, `done_s` when the bytes that
    completed the answer had been received and were not yet parsed.
    """

    status: int
    head: list[bytes]
    body: bytes
    sent_s: float
    done_s: float

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers, names in lower case; they are parsed each time, since few are asked for."""
        return _HeaderReader().read(self.head)


class AnswerReader:
    """Reads the answers of one connection, one after the other; 1xx answers are skipped.

    The methods named `on_…` are called by httptools.
    """

    __slots__ = (
        "_body",
        "_head",
        "_headers_ended",
        "_max_bytes",
        "_parser",
        "_received_bytes",
        "_status",
        "_unchecked_bytes",
        "is_reusable",
        "is_whole",
    )

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._unchecked_bytes = min(max_bytes, _MOST_HEAD_BYTES)
        self._parser = httptools.HttpResponseParser(self)
        self.is_reusable = False
        self._status = 0
        self.begin()

    def begin(self) -> None:
        """Get ready for the next answer of the connection."""
        self.is_whole = self._headers_ended = False
        self._received_bytes = 0
        self._head: list[bytes] = []
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take received bytes; `is_whole` says afterwards whether the answer is complete.

        Raises AnswerTooLargeError, httptools.HttpParserError or httptools.HttpParserUpgrade.
        Whatever follows a whole answer is not read; it only makes the connection not reusable.
        """
        self._received_bytes += len(data)
        if not self._headers_ended:
            self._head.append(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.is_whole:
                raise
            self.is_reusable = False
        if self._received_bytes > self._unchecked_bytes:
            self._check_size()

    def _check_size(self) -> None:
        if self._received_bytes > self._max_bytes:
            raise AnswerTooLargeError(f"more than {self._max_bytes:,} bytes")
        if not self._headers_ended:
            raise AnswerTooLargeError(f"headers of more than {_MOST_HEAD_BYTES:,} bytes")

    def end(self) -> None:
        """Take the end of the connection, which completes an answer that has no stated length.

        Raises AnswerEndedError when the answer was not whole.
        """
        if not self._headers_ended or not self._is_ended_by_close():
            raise AnswerEndedError(f"after {self._received_bytes} bytes of the answer")
        self._status = self._parser.get_status_code()
        self.is_whole = True
        self.is_reusable = False

    def _is_ended_by_close(self) -> bool:
        headers = _HeaderReader().read(self._head)
        if b"content-length" in headers:
            return False
        codings = headers.get(b"transfer-encoding", b"").lower()
        return not codings.endswith(b"chunked")

    def answer(self, sent_s: float, done_s: float) -> Answer:
        """Return the whole answer that was read."""
        pieces = self._body
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return Answer(self._status, self._head, body, sent_s, done_s)

    def on_message_begin(self) -> None:
        self.is_reusable = False

    def on_headers_complete(self) -> None:
        self._headers_ended = True

    def on_body(self, data: bytes) -> None:
        if not self.is_whole:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self.is_whole:
            return
        parser = self._parser
        self._status = parser.get_status_code()
        if self._status < _FIRST_FINAL_STATUS:
            self._headers_ended = False
            return
        self.is_whole = True
        self.is_reusable = parser.should_keep_alive()


class _HeaderReader:
    """Reads the headers of an answer that an `AnswerReader` has read before."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._is_through = False

    def read(self, head: list[bytes]) -> dict[bytes, bytes]:
        """Return the headers that received bytes begin with, 1xx answers left out."""
        with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._parser.feed_data(b"".join(head))
        return self._headers

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_through:
            return
        headers = self._headers
        name = name.lower()
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() >= _FIRST_FINAL_STATUS:
            self._is_through = True
        elif not self._is_through:
            self._headers.clear()
