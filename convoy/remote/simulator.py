"""A Convoy simulator at an address: who started it, that it is one, and what its ledger holds."""

from __future__ import annotations

import hmac
from secrets import token_hex
from typing import Literal

import msgspec

from convoy.errors import RemoteError, WireError
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.remote.api_client import ApiClient
from convoy.results.far_side import Ledger
from convoy.routes.catalogue import SIMULATOR
from convoy.secrets import Secret

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
        with ApiClient(url, THIS_MACHINE) as client:
            return client.read(SIMULATOR, "itself", _Simulator, timeout_s).started_by
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
        with ApiClient(url, admission) as client:
            asked = {"challenge": challenge}
            found = client.read(SIMULATOR, "itself", _Simulator, _TIMEOUT_S, **asked)
    except RemoteError:
        return False
    proven = f"{challenge} {client.peer}"
    proof = hmac.new(key.reveal().encode(), proven.encode(), "sha256").hexdigest()
    return hmac.compare_digest(found.proof.encode(), proof.encode())


def read_ledger(url: str, run_id: str, *, admission: Admission = THIS_MACHINE) -> Ledger:
    """Return what the simulator at `url` has counted of a run; raises RemoteError."""
    with ApiClient(url, admission) as client:
        return client.read(
            f"{SIMULATOR}/ledger", "a ledger", Ledger, _LEDGER_TIMEOUT_S, run_id=run_id
        )
