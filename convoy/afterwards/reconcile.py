"""`python -m convoy reconcile`: each accepted message of a run looked for at the far side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time

import msgspec
from msgspec.structs import replace

from convoy.afterwards.far_side_reading import FarSideReading, ReadingStep
from convoy.afterwards.progress import StepsDone, client_of
from convoy.afterwards.recorded_run import (
    SentTexts,
    messages_of,
    settings_of,
)
from convoy.errors import RefusedError, RemoteError
from convoy.plan.rendering import stamp
from convoy.prepare.setup import Setup
from convoy.remote.connections import Connections
from convoy.remote.simulator import read_ledger
from convoy.results.far_side import Ledger
from convoy.results.message_log import LoggedMessage
from convoy.results.outcome import ACCEPTED, Phase
from convoy.results.reconciled import (
    APART_MS,
    Discrepancy,
    FoundMessage,
    Markers,
    Reconciled,
    Visibility,
    compare,
    compare_with_ledger,
    narrower,
    visibility,
)
from convoy.results.record import append, enter_afterwards
from convoy.results.result import RunResult
from convoy.settings import Settings

PROGRESS = "reconcile.jsonl"
DISCREPANCIES = "discrepancies.jsonl"
"""The file of a record with every message that is not at the far side as it was accepted."""


def reconcile(
    setup: Setup,
    folder: Path,
    result: RunResult,
    *,
    code: str,
    options: Mapping[str, object],
    wait_s: float,
    tell: Callable[[str], None],
) -> RunResult:
    """Return the result of the run in a folder with what is at the far side; it is in the record.

    `code` is the hash of the code that makes messages, `options` may name the target file. What
    was read is kept until all is: after any error, or Ctrl-C, the next call goes on. Raises
    SettingsError, RefusedError, RemoteError, OSError.
    """
    logged = [each for each in messages_of(folder) if each.phase is Phase.MEASURE]
    settings, connections = setup.connect_again(settings_of(folder), options)
    ledger = _ledger(settings, connections, result)
    thread = {name for name, route in setup.routes.items() if route.is_of_thread}
    counted = {each.scenario for each in logged if ledger is not None} & thread
    found, numbers = _Found(result), _numbers(result, logged)
    progress = StepsDone(folder / PROGRESS, ReadingStep)
    if ledger is not None and counted:
        of_ledger = {name: numbers[name] for name in counted & numbers.keys()}
        found.add_ledger(logged, ledger, of_ledger, connections.redact)
    if stored := [each for each in logged if each.scenario not in counted]:
        markers = Markers(result.run_id, numbers)
        with client_of(settings, connections, tell) as client:
            reading = FarSideReading(
                *(client, markers, result.t0_s, stored, progress),
                wait_s=wait_s,
                tell=tell,
            )
            reading.read()
        if reading.is_nobody_there:
            progress.clear()
            raise RefusedError(
                f"none of the {reading.conversations:,} conversations of run {result.run_id} is at "
                f"{client.url}: they were removed, or the credentials are of another organisation"
            )
        found.add_reading(stored, reading, SentTexts(folder, result, code))
    after = replace(result, reconciled=found.reconciled(logged))
    (folder / DISCREPANCIES).unlink(missing_ok=True)
    append(folder / DISCREPANCIES, msgspec.json.Encoder().encode_lines(found.discrepancies))
    enter_afterwards(folder, result, after)
    progress.clear()
    return after


@dataclass(slots=True)
class _Found:
    """What was found at the far side, by which way, and what could not be compared."""

    result: RunResult
    discrepancies: list[Discrepancy] = field(default_factory=list)
    how: list[str] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    visibility: Visibility | None = None
    not_named: int = 0

    def add_ledger(
        self,
        logged: Sequence[LoggedMessage],
        ledger: Ledger,
        scenarios: Mapping[str, int],
        redact: Callable[[str], str],
    ) -> None:
        """Compare messages of scenarios whose far side, a simulator, only counts them."""
        self.discrepancies += compare_with_ledger(
            self.result.run_id,
            [each for each in logged if each.scenario in scenarios],
            ledger,
            scenarios,
            redact,
        )
        names = " and ".join(sorted(scenarios))
        self.how.append(
            f"{names}: by the simulator's ledger, which names the messages that it lost, doubled, "
            "changed or reordered, and counts all by conversation"
        )

    def add_reading(
        self, logged: Sequence[LoggedMessage], reading: FarSideReading, texts: SentTexts
    ) -> None:
        """Compare messages with those that were read in their conversations."""
        found, known = list(reading.found), texts.of(logged)
        named = _named(logged, found)
        self.not_named = len(logged) - len(named)
        if self.not_named:
            self.not_compared.append(
                f"{self.not_named:,} messages, whose answers named neither conversation nor message"
            )
        logged = named
        apart_ms = APART_MS * (len(self.result.workers) > 1)
        self.discrepancies += compare(logged, found, known.get, apart_ms)
        names = " and ".join(sorted({each.scenario for each in logged}))
        self.how.append(
            f"{names}: by marker and id, in {reading.conversations:,} conversations with "
            f"{len(found):,} messages"
        )
        if texts.unknown:
            self.not_compared.append(texts.unknown)
        elif (others := len(logged) - len(known)) > 0:
            self.not_compared.append(f"the texts of {others:,} messages are not known")
        if any(each.sent_ms is None for each in logged):
            self.not_compared.append("order and analytics: the log does not say when it was sent")
        if reading.no_analytics:
            self.not_compared.append(f"analytics: {reading.no_analytics}")
        else:
            self.visibility = visibility(logged, found, reading.looks, self.result.t0_s)

    def reconciled(self, logged: Iterable[LoggedMessage]) -> Reconciled:
        """Return all of it, as of now."""
        earlier = self.result.reconciled
        return Reconciled.of(
            stamp(time()),
            sum(each.fate is ACCEPTED for each in logged),
            self.discrepancies,
            not_named=self.not_named,
            how=self.how,
            not_compared=self.not_compared,
            visibility=narrower(earlier.visibility if earlier else None, self.visibility),
        )


def _numbers(result: RunResult, logged: Iterable[LoggedMessage]) -> dict[str, int]:
    """Return how many messages of each scenario the far side may name, by their numbers.

    The record of a run that was killed may have been written before the last of its log.
    """
    numbers = {name: each.planned for name, each in result.scenarios.items()}
    for each in logged:
        if each.scenario in numbers:
            numbers[each.scenario] = max(numbers[each.scenario], each.k + 1)
    return numbers


def _named(logged: Iterable[LoggedMessage], found: Iterable[FoundMessage]) -> list[LoggedMessage]:
    """Return the messages that can be lost: what no answer named can only be found, by marker."""
    markers = {(each.scenario, each.k) for each in found}
    return [
        each
        for each in logged
        if each.conversation_id
        or each.message_id
        or each.fate is not ACCEPTED
        or (each.scenario, each.k) in markers
    ]


def _ledger(settings: Settings, connections: Connections, result: RunResult) -> Ledger | None:
    """Return what a simulator's ledger has of a run; None where the target is no simulator.

    Raises RefusedError for one that does not know the run.
    """
    if settings.target.approval is not None:
        return None
    url = settings.target.api_url
    try:
        ledger = read_ledger(url, result.run_id, admission=connections.admission)
    except RemoteError as error:
        if not settings.target.embedded_simulator:
            return None
        raise RefusedError(
            f"{error} The simulator that a run starts for itself ends with it; start one by hand, "
            "with .venv/bin/python -m simulator, before a run that is to be reconciled"
        ) from error
    try:
        since_s = datetime.fromisoformat(ledger.since).timestamp()
    except (ValueError, OverflowError):
        raise RefusedError(f"the simulator at {url} does not say since when it counts") from None
    if since_s > result.t0_s:
        raise RefusedError(
            f"the simulator at {url} has counted since {ledger.since[:19]}Z only, and run "
            f"{result.run_id} began at {result.started_at[:19]}Z: it was restarted or emptied, and "
            "knows nothing of the run"
        )
    return ledger
