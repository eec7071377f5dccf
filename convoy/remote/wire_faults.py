"""What can go wrong on the wire, and the one table from library exceptions to our wire codes."""

from __future__ import annotations

import errno
import socket
import ssl

import httptools

from convoy.routes.codes import SHORTAGES, TLS_EXPECTED

NO_TLS = "no tls"
NO_TLS_REASONS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
"""What OpenSSL says of a first answer that is no record of TLS."""


class AnswerEndedError(EOFError):
    """The server closed the connection before its answer was whole."""


class AnswerTooLargeError(Exception):
    """The answer is larger than the transport reads."""


class MalformedAnswerError(Exception):
    """What the server sent breaks the rules of its protocol."""


TLS_ALERT = b"\x15\x03"
"""What a record of TLS begins with that says what is wrong."""


class TlsExpectedError(Exception):
    """The server answered plain HTTP with a record of TLS."""

    def __init__(self) -> None:
        super().__init__("the port answers with a record of TLS")


class ProxyError(OSError):
    """The proxy could not be reached, or its answer opened no tunnel to the origin."""


class ProxyRefusedError(ProxyError):
    """The proxy answered CONNECT with a status other than 2xx."""


class StoppedError(Exception):
    """The transport was closed from another greenlet while an exchange was in progress."""


class AddressNotAllowedError(socket.gaierror):
    """The name stands for an address to which nothing may go, or nothing in clear."""


class TotalUsedUpError(TimeoutError):
    """The approved total has no message left, so that this one did not leave."""


# The first class that an exception belongs to decides, so subclasses stand above their bases.
# A name that cannot be encoded for DNS is a UnicodeError. An OSError without a class of its own
# (host or network unreachable) meant no connection.
WIRE_CODE_OF: dict[type[Exception], str] = {
    StoppedError: "stopped",
    AnswerTooLargeError: "answer too large",
    AnswerEndedError: "connection closed",
    TlsExpectedError: TLS_EXPECTED,
    MalformedAnswerError: "malformed answer",
    httptools.HttpParserError: "malformed answer",
    httptools.HttpParserUpgrade: "malformed answer",
    ProxyError: "proxy",
    TotalUsedUpError: "approved total",
    TimeoutError: "timeout",
    ssl.SSLEOFError: "connection closed",
    ssl.SSLZeroReturnError: "connection closed",
    ssl.SSLError: "tls",
    AddressNotAllowedError: "address not allowed",
    socket.gaierror: "dns",
    UnicodeError: "dns",
    ConnectionResetError: "connection reset",
    ConnectionAbortedError: "connection reset",
    BrokenPipeError: "connection reset",
    OSError: "connection refused",
}

WIRE_EXCEPTIONS = tuple(WIRE_CODE_OF)


def shortage(fault: OSError) -> str:
    """Return the name of the error number where this machine was short of something, else ""."""
    name = errno.errorcode.get(fault.errno or 0, "")
    return name if name in SHORTAGES else ""


def wire_code(fault: Exception) -> str:
    """Return the code, of `routes/codes.yaml`, for an exception met on the wire.

    It is the name of the error number where this machine was short of something. Raises KeyError
    for an exception that is not among `WIRE_EXCEPTIONS`.
    """
    if isinstance(fault, OSError) and shortage(fault):
        return shortage(fault)
    if isinstance(fault, ssl.SSLError) and getattr(fault, "reason", "") in NO_TLS_REASONS:
        return NO_TLS
    for kind, code in WIRE_CODE_OF.items():
        if isinstance(fault, kind):
            return code
    raise KeyError(type(fault).__name__)
