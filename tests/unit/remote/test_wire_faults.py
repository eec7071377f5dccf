"""The table from library exceptions to wire codes."""

from __future__ import annotations

import builtins
import errno
import inspect
import socket
import ssl

import httptools
import pytest
from httptools.parser import errors as httptools_errors

from convoy.remote import wire_faults
from convoy.remote.wire_faults import (
    WIRE_CODE_OF,
    WIRE_EXCEPTIONS,
    AddressNotAllowedError,
    wire_code,
)
from convoy.routes.codes import SECTIONS


def exceptions_in(module: object, base: type[Exception] = Exception) -> list[type[Exception]]:
    found = (kind for _, kind in inspect.getmembers(module, inspect.isclass))
    return [kind for kind in found if issubclass(kind, base)]


RAISED = [
    *exceptions_in(httptools_errors),
    *exceptions_in(ssl, OSError),
    *exceptions_in(socket, OSError),
    *exceptions_in(builtins, OSError),
    *exceptions_in(wire_faults),
]


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_libraries_has_a_code(kind: type[Exception]) -> None:
    assert issubclass(kind, WIRE_EXCEPTIONS)
    assert wire_code(kind.__new__(kind)) in SECTIONS["wire"]


def test_every_code_of_the_table_is_in_the_vocabulary() -> None:
    assert set(WIRE_CODE_OF.values()) <= SECTIONS["wire"].keys()


FAULTS = {
    "refused": (OSError(errno.ECONNREFUSED, "x"), "connection refused"),
    "host unreachable": (OSError(errno.EHOSTUNREACH, "x"), "connection refused"),
    "network unreachable": (OSError(errno.ENETUNREACH, "x"), "connection refused"),
    "no file descriptor": (OSError(errno.EMFILE, "x"), "EMFILE"),
    "no file descriptor at all": (OSError(errno.ENFILE, "x"), "ENFILE"),
    "no local port": (OSError(errno.EADDRNOTAVAIL, "x"), "EADDRNOTAVAIL"),
    "no buffer": (OSError(errno.ENOBUFS, "x"), "ENOBUFS"),
    "connect timed out": (OSError(errno.ETIMEDOUT, "x"), "timeout"),
    "reset": (OSError(errno.ECONNRESET, "x"), "connection reset"),
    "broken pipe": (OSError(errno.EPIPE, "x"), "connection reset"),
    "address": (AddressNotAllowedError(socket.EAI_NONAME, "x"), "address not allowed"),
    "name": (socket.gaierror(socket.EAI_NONAME, "x"), "dns"),
    "certificate": (ssl.SSLCertVerificationError("x"), "tls"),
    "TLS end": (ssl.SSLEOFError("x"), "connection closed"),
    "parser": (httptools.HttpParserCallbackError("x"), "malformed answer"),
}


@pytest.mark.parametrize(("fault", "code"), FAULTS.values(), ids=FAULTS)
def test_a_fault_gets_the_code_of_its_nearest_class(fault: Exception, code: str) -> None:
    assert wire_code(fault) == code


def test_a_foreign_exception_has_no_code() -> None:
    with pytest.raises(KeyError):
        wire_code(RuntimeError("ours"))
