"""A Convoy simulator at an address: who started it, that it is one, and what its ledger holds."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from secrets import token_hex

import msgspec

from convoy.errors import RemoteError
from convoy.remote.addresses import THIS_MACHINE, Admission
from convoy.remote.requests_client import cause_of, is_nobody, open_client, whole_answer
from convoy.results.far_side import Ledger
from convoy.routes.catalogue import SIMULATOR
from convoy.secrets import Secret

_TIMEOUT_S = 2
_LEDGER_TIMEOUT_S = 10
PERSON = "a person"
"""Who starts a simulator by hand; it is there until that person stops it."""


class _Simulator(msgspec.Struct):
    simulator: str
    started_by: str
    proof: str = ""


def starter_of_simulator(url: str, *, timeout_s: float = _TIMEOUT_S) -> str | None:
    """Return who started the Convoy simulator at `url`: `PERSON`, or the id of a run.

    "" stands for anything else that listens there, None for nothing.
    """
    import requests

    try:
        found = _simulator_at(url, THIS_MACHINE, {}, timeout_s)
    except requests.RequestException as exc:
        return None if is_nobody(exc) else ""
    return found.started_by if found is not None else ""


def is_convoy_simulator(url: str, key: Secret, *, admission: Admission = THIS_MACHINE) -> bool:
    """Return whether a Convoy simulator answers at `url` that was started with this key.

    It proves that by an HMAC-SHA256 of what it is asked and of the address and port that this
    process is connected to, and never tells the key. Whoever only passes the question on to one, or
    stands before it (a proxy, address translation), proves nothing.
    """
    import requests

    challenge, connected = token_hex(), list[str]()
    try:
        found = _simulator_at(url, admission, {"challenge": challenge}, _TIMEOUT_S, connected)
    except requests.RequestException:
        return False
    if found is None or not connected:
        return False
    proven = f"{challenge} {connected[-1]}"
    proof = hmac.new(key.reveal().encode(), proven.encode(), "sha256").hexdigest()
    return hmac.compare_digest(found.proof.encode(), proof.encode())


def _simulator_at(
    url: str,
    admission: Admission,
    asked: Mapping[str, str],
    timeout_s: float,
    connected: list[str] | None = None,
) -> _Simulator | None:
    with open_client(url, admission, connected=connected) as client:
        answer = whole_answer(client, "GET", url.rstrip("/") + SIMULATOR, timeout_s, asked)
    if answer.status_code != 200:
        return None
    try:
        found = msgspec.json.decode(answer.content, type=_Simulator)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if found.simulator == "convoy" else None


def read_ledger(url: str, run_id: str, *, admission: Admission = THIS_MACHINE) -> Ledger:
    """Return what the simulator at `url` has counted of a run; raises RemoteError."""
    import requests

    asked = url.rstrip("/") + SIMULATOR + "/ledger"
    try:
        with open_client(url, admission) as client:
            answer = whole_answer(client, "GET", asked, _LEDGER_TIMEOUT_S, {"run_id": run_id})
    except requests.RequestException as exc:
        raise RemoteError(f"no ledger from {asked}: {cause_of(exc)}") from exc
    try:
        return msgspec.json.decode(answer.content, type=Ledger)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RemoteError(f"{asked} answered {answer.status_code}, but with no ledger") from exc
