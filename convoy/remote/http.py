"""HTTP/1.1 without a socket: what requests begin with, and answers read from what was received."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import suppress

import httptools
import msgspec

from convoy.remote.wire_faults import (
    TLS_ALERT,
    AnswerEndedError,
    AnswerTooLargeError,
    TlsExpectedError,
)
from convoy.settings import Origin
from convoy.untrusted_text import unbroken

OF_ALL = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "convoy"}
"""What every request to an API says, besides its own headers. A packed answer would be unpacked
while other messages wait."""
_FIRST_FINAL_STATUS = 200
# Much less than a body may have, because httptools copies what it has of a header for each piece:
# a receive of 4 KiB takes 0.5 ms when 1 MiB is there, and 6 ms at 10 MiB.
_MOST_HEAD_BYTES = 256 * 2**10
_MOST_UNPACKED_BYTES = 10 * 2**20
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


# A structure, and untracked by the collector: one is made per message.
class Answer(msgspec.Struct, frozen=True, gc=False):
    """One whole answer; times in `clock_s` seconds.

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
        """The headers, names in lower case; parsed at each access, because most are never read."""
        return _HeaderReader().read(self.head)

    @property
    def correlation_id(self) -> str:
        """The id under which the remote's support finds the exchange; empty where it gave none."""
        return unbroken(self.headers.get(b"inin-correlation-id", b"").decode("latin-1"))

    def plain(self) -> Answer:
        """Return the answer without its Content-Encoding, itself where there is none.

        One that cannot be undone stays as it is, so that the body says nothing.
        """
        coding = self.headers.get(b"content-encoding", b"").strip().lower()
        if coding not in (b"gzip", b"x-gzip", b"deflate"):
            return self
        for form in (_GZIP_OR_ZLIB, -zlib.MAX_WBITS):  # servers mean either of two by deflate
            unpacking = zlib.decompressobj(form)
            with suppress(zlib.error):
                body = unpacking.decompress(self.body, _MOST_UNPACKED_BYTES)
                if unpacking.eof:
                    return msgspec.structs.replace(self, body=body)
        return self


class AnswerReader:
    """Reads the answers of one connection, one after the other; 1xx answers are skipped.

    The methods named `on_…` are called by httptools.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # One comparison for each receive: below the smaller bound neither is looked at.
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
        Bytes after a whole answer are ignored, and the connection is not reusable then.
        """
        self._received_bytes += len(data)
        if not self._headers_ended:
            self._head.append(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_whole:
                if not self._headers_ended and b"".join(self._head).startswith(TLS_ALERT):
                    raise TlsExpectedError from error
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
        """Take the end of the connection, which completes an answer without a stated length.

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
        self.is_reusable = False  # also by bytes behind an answer, which were not asked for

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


def head_of(method: str, origin: Origin, path: str, headers: Mapping[str, str]) -> bytes:
    """Return what a request begins with, up to the headers on its body.

    Raises ValueError for a path or a header that no request can carry.
    """
    if not path.startswith("/") or " " in path or not (path.isascii() and path.isprintable()):
        raise ValueError(f"{path!r} is no path that a request can carry")
    given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    # One end of a line for each header: another one, within a value, would begin a header of its
    # own, and is not printable.
    if not given.isascii() or not given.replace("\r\n", "", len(headers)).isprintable():
        raise ValueError("there is a header that no request can carry")
    first = f"{method} {origin.base_path}{path} HTTP/1.1\r\nHost: {origin.host_header}\r\n"
    return f"{first}{given}".encode("ascii")


def request_of(
    method: str, origin: Origin, path: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """Return a whole request; raises as `head_of`."""
    length = f"Content-Length: {len(body)}\r\n" if method != "GET" else ""
    return head_of(method, origin, path, headers) + f"{length}\r\n".encode() + body
