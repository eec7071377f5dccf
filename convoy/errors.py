"""The exceptions that reach the operator, each with the exit code that it leads to.

Those that a module raises for its own callers are derived from them there.

ConvoyError
├── SettingsError          settings are wrong; every fault at once (exit code 2)
├── PayloadError           a message template cannot be used (`plan.payloads`, exit code 2)
├── RefusedError           guard or preflight will not start load (exit code 4)
├── KillSwitchError        nothing may leave any more, while a run is prepared (exit code 5)
└── RemoteError            the remote API or the way to it (exit code 4)
    ├── RefusalError       an answer that refuses what a step asked for
    ├── WireError          no whole answer: refused, reset, timeout, TLS … (`remote.transport`)
    └── LoginError         a login that brought no token (`remote.oauth`)

The remote's own error codes are another vocabulary: `convoy.routes.codes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum

from convoy.untrusted_text import on_one_line

_MOST_SHOWN = 100


class ExitCode(IntEnum):
    """Exit codes of `locust` and `python -m convoy`."""

    PASS = 0
    NOT_ACCEPTED = 1
    USAGE = 2
    FAIL = 3
    REFUSED = 4
    INVALID = 5


class ConvoyError(Exception):
    """An error that is shown to the operator as clear sentences, never as a traceback."""

    exit_code = ExitCode.INVALID


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong setting: where, with which value, and what to do."""

    path: str
    problem: str

    def __str__(self) -> str:
        return on_one_line(f"{self.path}: {self.problem}")


def did_you_mean(word: str, known: Iterable[str], prefix: str = "", *, cutoff: float = 0.6) -> str:
    """Return `; did you mean …?` for the known word that is closest, "" when none is close.

    `prefix` stands before the known words for the operator; `cutoff` is `difflib`'s.
    """
    close = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def there_are(word: str, known: Iterable[str]) -> str:
    """Return `; there are: …` with all known words, in order, and the one that is closest."""
    names = sorted(known)
    return f"; there are: {', '.join(names) or 'none'}{did_you_mean(word, names)}"


class SettingsError(ConvoyError):
    """Settings that cannot be run; `faults` holds all of them."""

    exit_code = ExitCode.USAGE

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        told = [str(fault) for fault in self.faults[:_MOST_SHOWN]]
        if len(self.faults) > _MOST_SHOWN:
            told.append(f"and {len(self.faults) - _MOST_SHOWN:,} more")
        super().__init__("\n".join(told))

    @classmethod
    def raise_for(cls, faults: Iterable[Fault]) -> None:
        """Raise the error of these faults, each once, if there are any."""
        if found := dict.fromkeys(faults):
            raise cls(found)


class RefusedError(ConvoyError):
    """The guard or the preflight refused to start load; the message says why and what to do."""

    exit_code = ExitCode.REFUSED


class KillSwitchError(ConvoyError):
    """The kill switch came on, or the window of an approval ended, while a run was prepared."""


class RemoteError(ConvoyError):
    """The remote API refused a request, or could not be reached; counted under `code`.

    `retry_after_s` holds the seconds after which it asked to come back, if it did.
    """

    exit_code = ExitCode.REFUSED
    code = "other"
    retry_after_s: float | None = None


class RefusalError(RemoteError):
    """An answer that refuses what was asked; `code` is the error code to count it under."""

    def __init__(self, code: str, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(f"refused with {code}: {detail}" if detail else f"refused with {code}")
        self.code = code
        self.retry_after_s = retry_after_s


class WireError(RemoteError):
    """No whole answer came. `code` is of the sections `wire` or `shortage` of `codes.yaml`.

    `sent_s` is when the first byte was written (`clock_s` seconds); None when no byte was, so
    that the remote cannot have acted on the request. `done_s` is when the fault was noticed.
    """

    def __init__(self, code: str, detail: str, *, sent_s: float | None, done_s: float) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.sent_s = sent_s
        self.done_s = done_s


class LoginError(RemoteError):
    """A login that brought no token. `code` is the error code to count it under.

    `refused` is true when the server refused the login (wrong credentials), false for any other
    fault.
    """

    def __init__(
        self, code: str, message: str, *, refused: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.refused = refused
        self.retry_after_s = retry_after_s
