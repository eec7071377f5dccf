"""The checklist of a preflight: what was checked, what was found, and how to mend it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from textwrap import wrap
from threading import Event, Thread

from convoy.errors import ConvoyError, KillSwitchError, RefusedError
from convoy.untrusted_text import told_lines

_STATUS_WIDTH = 9
_WIDTH = 110
_TOLD_EVERY_S = 3.0


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found, in sentences; `fix` says what to do about it, "" where nothing."""

    check: str
    status: Status
    told: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.told}" + f" ({self.fix})" * bool(self.fix)


class Checklist:
    """Collects the findings of one preflight, in the order of its checks.

    `redact` hides secrets in what is told, before any of it is cut or wrapped.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.findings: list[CheckResult] = []
        self._clock = clock
        self._redact = redact
        self._wait: tuple[str, float, float] | None = None

    @contextmanager
    def waiting(self, what: str, for_s: float) -> Iterator[None]:
        """Note what is waited for inside, for so long at most."""
        before, self._wait = self._wait, (what, self._clock(), for_s)
        try:
            yield
        finally:
            self._wait = before

    @property
    def waits_for(self) -> str:
        """What is waited for, since when and until when, as a sentence; "" where nothing is."""
        if self._wait is None:
            return ""
        what, since_s, for_s = self._wait
        since, until = (datetime.fromtimestamp(at_s) for at_s in (since_s, since_s + for_s))
        return self._redact(
            f"Waiting for {what} since {since:%H:%M:%S}, for {self._clock() - since_s:.0f} s by "
            f"now, until {until:%H:%M:%S} at the latest."
        )

    @contextmanager
    def telling(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Tell now and then what is waited for inside; under Locust a thread is a greenlet."""
        is_over = Event()

        def tell_again() -> None:
            while not is_over.wait(_TOLD_EVERY_S):
                if waits_for := self.waits_for:
                    tell(waits_for)

        telling = Thread(target=tell_again, daemon=True)
        telling.start()
        try:
            yield
        finally:
            is_over.set()
            telling.join()

    def ok(self, check: str, told: str) -> None:
        self._enter(check, Status.OK, told)

    def warn(self, check: str, told: str, fix: str) -> None:
        self._enter(check, Status.WARNING, told, fix)

    def fail(self, check: str, told: str, fix: str) -> None:
        self._enter(check, Status.FAILURE, told, fix)

    def _enter(self, check: str, status: Status, told: str, fix: str = "") -> None:
        clean = (told_lines(self._redact(each)) for each in (told, fix))
        self.findings.append(CheckResult(check, status, *clean))

    @contextmanager
    def step(self, check: str) -> Iterator[None]:
        """Enter a ConvoyError raised inside as the failure of `check`, and raise it again."""
        try:
            yield
        except KillSwitchError:  # it says nothing of what is being checked
            raise
        except ConvoyError as error:
            self.fail(check, str(error), "")
            raise

    def refuse_if_failed(self) -> None:
        """Raise RefusedError with all failures so far, if there are any."""
        failures = self._with(Status.FAILURE)
        if failures:
            raise RefusedError("\n".join(map(str, failures)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings as sentences for the operator."""
        return tuple(map(str, self._with(Status.WARNING)))

    @property
    def total(self) -> str:
        """The number of checks by their status, as one line."""
        counts = {status: len(self._with(status)) for status in Status}
        parts = [f"{counts[Status.OK]} ok"]
        for status in (Status.WARNING, Status.FAILURE):
            if counts[status]:
                parts.append(f"{counts[status]} {status.value}{'s' * (counts[status] > 1)}")
        return ", ".join(parts)

    def as_text(self) -> str:
        """Return the findings as a table for a terminal, and the total below."""
        width = max((len(each.check) for each in self.findings), default=0) + 2
        lines = [line for each in self.findings for line in _lines(each, width)]
        verdict = "not ready" if self._with(Status.FAILURE) else "ready"
        return "\n".join([*lines, "", f"{verdict}: {self.total}"])

    def _with(self, status: Status) -> list[CheckResult]:
        return [each for each in self.findings if each.status is status]


def _lines(finding: CheckResult, width: int) -> Iterator[str]:
    head = f"{finding.status.value:<{_STATUS_WIDTH}}{finding.check:<{width}}"
    indent = " " * len(head)
    text = f"{finding.told}\nfix: {finding.fix}" if finding.fix else finding.told
    for line in text.splitlines():
        own = " " * (len(line) - len(line.lstrip()))
        for piece in wrap(line.lstrip(), _WIDTH - len(own), break_on_hyphens=False) or [""]:
            yield (head + own + piece).rstrip()
            head = indent
