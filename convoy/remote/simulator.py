"""A Convoy simulator at an address: who started it, that it is one, and what its ledger holds."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from secrets import token_hex
from typing import Literal, TypeVar, cast
from urllib.parse import urlencode

import msgspec

from convoy.errors import RemoteError, WireError
from convoy.remote.addresses import THIS_MACHINE, AddressBook, Admission
from convoy.remote.api_client import refusal_of
from convoy.remote.connection import Connection
from convoy.remote.dialling import Dialler
from convoy.remote.http import OF_ALL, request_of
from convoy.remote.tls import tls_context
from convoy.remote.transport import Transport
from convoy.results.far_side import Ledger
from convoy.routes.catalogue import SIMULATOR
from convoy.routes.codes import meaning
from convoy.secrets import Secret
from convoy.settings import Origin
from convoy.untrusted_text import UNREADABLE

T = TypeVar("T")
_TIMEOUT_S = 2
_LEDGER_TIMEOUT_S = 10
PERSON = "a person"
"""Who starts a simulator by hand; it is there until that person stops it."""


class _Simulator(msgspec.Struct):
    simulator: Literal["convoy"]
    started_by: str
    proof: str = ""


def starter_of_simulator(url: str, *, timeout_s: float = _TIMEOUT_S) -> str | None:
    """Return who started the Convoy simulator at `url`: `PERSON`, or the id of a run.

    "" stands for anything else that listens there, None for nothing.
    """
    try:
        found, _ = _read(url, SIMULATOR, _Simulator, timeout_s, THIS_MACHINE)
        return found.started_by
    except RemoteError as error:
        fault = error.__cause__
        return None if isinstance(fault, WireError) and fault.sent_s is None else ""


def is_convoy_simulator(url: str, key: Secret, *, admission: Admission = THIS_MACHINE) -> bool:
    """Return whether a Convoy simulator answers at `url` that was started with this key.

    It proves that by an HMAC-SHA256 of what it is asked and of the address and port that this
    process is connected to, and never tells the key. Whoever only passes the question on to one, or
    stands before it (a proxy, address translation), proves nothing.
    """
    challenge = token_hex()
    try:
        asked = f"{SIMULATOR}?challenge={challenge}"
        found, peer = _read(url, asked, _Simulator, _TIMEOUT_S, admission)
    except RemoteError:
        return False
    proven = f"{challenge} {peer}"
    proof = hmac.new(key.reveal().encode(), proven.encode(), "sha256").hexdigest()
    return hmac.compare_digest(found.proof.encode(), proof.encode())


def read_ledger(url: str, run_id: str, *, admission: Admission = THIS_MACHINE) -> Ledger:
    """Return what the simulator at `url` has counted of a run; raises RemoteError."""
    path = f"{SIMULATOR}/ledger?{urlencode({'run_id': run_id})}"
    ledger, _ = _read(url, path, Ledger, _LEDGER_TIMEOUT_S, admission)
    return ledger


def _read(
    url: str, path: str, type: type[T], timeout_s: float, admission: Admission
) -> tuple[T, str]:
    """Return what a GET answers, and the address and port that did; raises RemoteError."""
    origin = Origin.parse(url)
    tls = tls_context(None) if origin.is_https else None
    dialler = Dialler(AddressBook(admission), tls=tls)
    transport = Transport(origin, dialler)
    try:
        request = request_of("GET", origin, path, OF_ALL)
        answer = transport.exchange(request, dialler.clock() + timeout_s)
        peer = cast(Connection, transport.connection).peer  # that of the answer
    except WireError as exc:
        raise RemoteError(f"no answer from {origin.url}{path}: {meaning(exc.code)}") from exc
    finally:
        transport.close()
    if answer.status != HTTPStatus.OK:
        raise refusal_of(answer, origin.url + path, "what a simulator knows")
    try:
        return msgspec.json.decode(answer.body, type=type), peer
    except UNREADABLE as exc:
        raise RemoteError(f"{origin.url}{path} did not answer what it should: {exc}") from exc
