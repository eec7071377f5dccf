"""The closed vocabulary of error codes: what the remote and the wire can say, and what it means."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import yaml

from convoy.untrusted_text import UNREADABLE

_FILE = Path(__file__).with_name("codes.yaml")
_CODE = re.compile(r"(?!\d{6,}\Z)[A-Za-z0-9._-]{1,64}")
UNEXPECTED_ANSWER = "unexpected answer"
"""The code of a 2xx that is not the answer of the route: nobody knows of the message's fate."""

UPGRADE_REFUSED = "guest upgrade 403"
"""The code of a deployment that takes no guest: the clients of Genesys do not try again then."""

UPLOAD_REFUSED = "guest upload refused"
"""The code of a file that was to be put where Convoy puts none; nothing was sent."""

MESSAGE_LOST = "guest message lost"
"""The code of a message that was in flight when a connection dropped, and that nobody has."""

HISTORY_INCOMPLETE = "guest history incomplete"
"""The code of a guest's history that lacks messages which the guest was told of."""

TLS_EXPECTED = "tls expected"
"""The code of plain HTTP that was spoken to a port of TLS."""
_WANTS_TLS = b"The plain HTTP request was sent to HTTPS port"
"""What nginx answers to that."""


class Advice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What usually causes an error code and what to change, as two clauses without full stop.

    `is_about_the_body` says that the payload is wrong, `retires` that the conversation takes no
    message any more.
    """

    cause: str
    change: str
    is_about_the_body: bool = False
    retires: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.cause}; {self.change}."


SECTIONS = msgspec.convert(
    yaml.load(_FILE.read_bytes(), Loader=yaml.CSafeLoader), dict[str, dict[str, Advice]]
)
"""Every known code with its advice, by where it comes from: `codes.yaml`."""
_ADVICE = {code: each for section in SECTIONS.values() for code, each in section.items()}

KNOWN_CODES: dict[str, str] = {code: each.sentence for code, each in _ADVICE.items()}
"""Every known code, with its usual cause and what to change, in one sentence."""
SHORTAGES = frozenset(SECTIONS["shortage"])
"""Error codes of a machine that has no means to send: nothing left it, and the target has no part
in it."""
RETIRING_CODES = frozenset(code for code, each in _ADVICE.items() if each.retires)
"""Error codes that say that a conversation takes no message any more."""


class _ErrorBody(msgspec.Struct):
    code: object = None
    error: object = None


def error_code(status: int, body: bytes) -> str:
    """Return the code to count an answer under: `"400 invalid_payload"`.

    It is the status and the JSON member `code`, or OAuth's `error`, where that looks like a code;
    else that of a gateway's page, `"4xx other"`, `"5xx other"` or `"other"`.
    """
    try:
        read = msgspec.json.decode(body, type=_ErrorBody)
    except UNREADABLE:
        return TLS_EXPECTED if _WANTS_TLS in body else _of_status(status)
    for value in (read.code, read.error):
        if isinstance(value, str) and _CODE.fullmatch(value):
            return f"{status} {value}"
    return _of_status(status)


def meaning(code: str) -> str:
    """Return the sentence on a code's usual cause, empty for an unknown one."""
    return KNOWN_CODES.get(code, "")


def advice(code: str) -> Advice:
    """Return cause and change for a code; an unknown one gets those of its kind of status."""
    return _ADVICE.get(code) or _ADVICE[_fallback(code)]


def full_code(name: str, status: int | None = None) -> str:
    """Return the code that an answer's own `name` is counted under: `"400 invalid_payload"`.

    Without a status the first known code of that name is taken, else the name by itself; "" when
    it does not look like a code and there is no status. A whole code stays what it is.
    """
    if name in _ADVICE:
        return name
    is_name = _CODE.fullmatch(name) is not None
    if status is not None:
        return f"{status} {name}" if is_name else _of_status(status)
    named = (code for code in _ADVICE if code.partition(" ")[2] == name)
    return next(named, name) if is_name else ""


def _of_status(status: int) -> str:
    """Return the code of an answer that names none itself."""
    own = (code for code in SECTIONS["gateway"] if code.startswith(f"{status} "))
    return next(own, _fallback(str(status)))


def _fallback(code: str) -> str:
    return {"4": "4xx other", "5": "5xx other"}.get(code[:1], "other")


class CodeBook:
    """Keeps the vocabulary closed: of unknown codes the first `keep` keep their names."""

    def __init__(self, keep: int = 50) -> None:
        self._keep = keep
        self._kept: set[str] = set()

    def name(self, code: str) -> str:
        """Return the name to count `code` under."""
        if code in KNOWN_CODES or code in self._kept:
            return code
        if len(self._kept) < self._keep:
            self._kept.add(code)
            return code
        return _fallback(code)
