"""A WebSocket's protocol as its client: bytes in, texts out, and bytes to send. No socket."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, InvalidStatus, PayloadTooBig
from websockets.frames import BINARY, CLOSE, CONT, TEXT, Close, CloseCode, Frame
from websockets.http11 import Response
from websockets.protocol import CLOSING, CONNECTING, OPEN
from websockets.uri import WebSocketURI

from convoy.remote.wire_faults import (
    TLS_ALERT,
    AnswerEndedError,
    AnswerTooLargeError,
    MalformedAnswerError,
    TlsExpectedError,
)
from convoy.settings import Origin

# At DEBUG the package logs heads and cut frames, and in what is cut no secret is found.
_logger = logging.getLogger(f"{__name__}.package")
_logger.setLevel(logging.INFO)

_MOST_BYTES = 256 * 2**10
"""Of one text, however many frames it comes in; a service's texts have a few KB."""
_END_OF_HEAD = b"\r\n\r\n"

# RFC 6455, 5.2: the first byte of a frame that is a whole text; the second is its length, or says
# that the next two or eight are, and its first bit that the frame is masked.
_WHOLE_TEXT, _IN_2_BYTES = 0x81, 126
_LEAST_BYTES = 4  # of a frame that is read here: those with two bytes of length have more
_MOST_IN_2_BYTES = 0xFFFF


class UpgradeRefusedError(Exception):
    """The server answered the upgrade with a status of HTTP other than 101."""

    def __init__(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> None:
        super().__init__(f"the upgrade was answered with {status}")
        self.status = status
        self.headers = headers
        self.body = body


class ServerClosedError(AnswerEndedError):
    """The server sent a close frame; `code` is its code, 1005 where it gave none."""

    def __init__(self, close: Close) -> None:
        super().__init__(f"the server closed the WebSocket: {close}")
        self.code = int(close.code)


class WebSocketProtocol:
    """The client's side of one WebSocket, from its upgrade to its end.

    What its methods return as bytes is to be sent. It `is_open` while texts can be sent; `fault`
    says why nothing more can be read, None until then. Pings are answered. Compression is not
    offered.

    The `websockets` package makes the upgrade, and reads and writes all frames but one kind: a
    whole text in one frame, for which it needs some twenty calls. Such a frame changes nothing in
    the package's protocol while that stands between two frames, so it is read and written here.
    """

    __slots__ = ("_arrived", "_protocol", "_unread_bytes", "fault", "is_open")

    def __init__(self, origin: Origin, path: str) -> None:
        uri = WebSocketURI(origin.is_https, origin.host, origin.port, path, "")
        self._protocol = ClientProtocol(uri, max_size=_MOST_BYTES, logger=_logger)
        # What has come of the answer to the upgrade, and then of a text in several frames.
        self._arrived: bytearray | None = bytearray()
        # How many bytes the package's protocol was given of a frame that is not whole yet.
        self._unread_bytes = 0
        self.fault: Exception | None = None
        self.is_open = False

    @property
    def is_closing(self) -> bool:
        """True from the first close frame until the connection's end."""
        return self._protocol.state is CLOSING

    def upgrade(self, headers: Mapping[str, str]) -> bytes:
        """Ask for the upgrade, once."""
        request = self._protocol.connect()
        request.headers.update(headers)
        self._protocol.send_request(request)
        return self._to_send()

    def read_upgrade(self, data: bytes) -> Headers | None:
        """Take what has come of the answer, `b""` at the end; return its headers once it is whole.

        Frames may follow it at once: `receive` returns what they say. Raises UpgradeRefusedError,
        or one of WIRE_EXCEPTIONS.
        """
        protocol, arrived = self._protocol, self._arrived
        assert arrived is not None
        if not arrived and data.startswith(TLS_ALERT):
            raise TlsExpectedError
        arrived += data
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        if protocol.handshake_exc is not None:
            # Not from the library's: a traceback would show what that has cut out of a header.
            raise _upgrade_fault(protocol.handshake_exc) from None
        if protocol.state is CONNECTING:
            return None
        answer = protocol.events[0]
        assert isinstance(answer, Response)
        self._unread_bytes = len(arrived) - arrived.index(_END_OF_HEAD) - len(_END_OF_HEAD)
        self._arrived = None
        self.is_open = protocol.state is OPEN
        return answer.headers

    def text(self, data: bytes) -> bytes:
        """Send a text in UTF-8, while it is open."""
        # Past the package's protocol, whose state no whole text changes.
        return Frame(TEXT, data).serialize(mask=True)

    def ping(self) -> bytes:
        """Send a ping, while it is open."""
        self._protocol.send_ping(b"")
        return self._to_send()

    def close(self) -> bytes:
        """Send the close frame (1000), while it is open."""
        self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        self.is_open = False
        return self._to_send()

    def end(self) -> None:
        """Read nothing more."""
        self.is_open = False
        # The parser refers to the protocol, which refers to the parser. As garbage, such cycles of
        # guests who come and go would block the event loop for 40 ms whenever it is collected.
        self._protocol.parser.close()

    def receive(self, data: bytes, *, is_ended: bool) -> tuple[list[str], bytes]:
        """Take what has arrived, and whether nothing follows; return whole texts and the answer.

        What is no text in UTF-8 ends it with a `fault`.
        """
        texts: list[str] = []
        if not self._unread_bytes and self._arrived is None:
            data = _read_texts(data, texts)
            if not data and not is_ended:
                return texts, b""
        protocol = self._protocol
        if data:
            self._unread_bytes += len(data)
            protocol.receive_data(data)
        if is_ended:
            protocol.receive_eof()
        for frame in protocol.events_received():
            if isinstance(frame, Frame) and self.fault is None:
                self._unread_bytes -= _size_of(frame)
                self._take(frame, texts)
        if self.fault is None and protocol.parser_exc is not None:
            self.fault = _ours(protocol.parser_exc)
        self.is_open = protocol.state is OPEN
        return texts, self._to_send()

    def _take(self, frame: Frame, texts: list[str]) -> None:
        """Take one frame that the package has read."""
        protocol, data = self._protocol, frame.data
        if frame.opcode is CLOSE:
            assert protocol.close_rcvd is not None
            self.fault = ServerClosedError(protocol.close_rcvd)
        elif frame.opcode is BINARY:
            protocol.fail(CloseCode.UNSUPPORTED_DATA)
            self.fault = MalformedAnswerError("a frame is binary")
        elif frame.opcode is TEXT or frame.opcode is CONT:
            if self._arrived is not None:
                self._arrived += data
                data = self._arrived
            elif not frame.fin:
                self._arrived = bytearray(data)
            if not frame.fin:
                return
            self._arrived = None
            try:
                texts.append(str(data, "utf-8"))
            except UnicodeDecodeError as exc:
                protocol.fail(CloseCode.INVALID_DATA)
                self.fault = MalformedAnswerError(f"a text is no UTF-8: {exc.reason}")

    def _to_send(self) -> bytes:
        return b"".join(self._protocol.data_to_send())


def _read_texts(data: bytes, texts: list[str]) -> bytes:
    """Read the frames that are a whole text each, up to another one; return what is left."""
    begins, size = 0, len(data)
    while size - begins >= _LEAST_BYTES and data[begins] == _WHOLE_TEXT:
        at, length = begins + 2, data[begins + 1]
        if length == _IN_2_BYTES:
            at, length = at + 2, data[at] << 8 | data[at + 1]
        elif length > _IN_2_BYTES:  # in eight bytes, or masked
            break
        if at + length > size:
            break
        try:
            texts.append(str(data[at : at + length], "utf-8"))
        except UnicodeDecodeError:
            break
        begins = at + length
    return data[begins:]


def _size_of(frame: Frame) -> int:
    """Return how many bytes a frame of the server's has.

    A length that is padded is counted short. `_unread_bytes` stays above 0 from then on, so that
    the package reads all that follows: more slowly, and nothing is lost.
    """
    length = len(frame.data)
    if length < _IN_2_BYTES:
        return 2 + length
    return (4 if length <= _MOST_IN_2_BYTES else 10) + length


def _upgrade_fault(fault: Exception) -> Exception:
    """Return our exception for what kept the upgrade from succeeding."""
    if not isinstance(fault, InvalidStatus):
        return _ours(fault)
    answer = fault.response
    headers = {
        name.lower().encode("latin-1"): value.encode("latin-1")
        for name, value in answer.headers.raw_items()
    }
    return UpgradeRefusedError(answer.status_code, headers, bytes(answer.body))


def _ours(fault: Exception) -> Exception:
    """Return our exception for one that the library met while it read."""
    if isinstance(fault, PayloadTooBig):
        return AnswerTooLargeError(str(fault))
    if isinstance(fault, EOFError) or isinstance(fault.__cause__, EOFError):
        return AnswerEndedError(str(fault))
    if isinstance(fault, InvalidHeader):
        # Its value was split at commas, so that a secret in it would not be found.
        return MalformedAnswerError(f"the answer has another {fault.name} header than it should")
    return MalformedAnswerError(str(fault))
