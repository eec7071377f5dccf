"""A run that is over, as its record has it: settings, log of messages, what the messages said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from convoy.errors import ConvoyError, Fault, RefusedError, SettingsError
from convoy.files import FileError, read_bytes
from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadError
from convoy.plan.pool import checked_id
from convoy.plan.scenario import PoolExhausted, ScenarioPlan
from convoy.results.message_log import LoggedMessage, read_log
from convoy.results.reconciled import Key, digest_of
from convoy.results.record import (
    INPUTS,
    JOURNAL,
    MESSAGES,
    NOT_OF_A_RUN,
    OPENED,
    SETTINGS,
    not_of_a_run,
)
from convoy.results.result import RunResult
from convoy.settings import Settings
from convoy.settings.documents import DocumentError, read_yaml
from convoy.swarm.run_inputs import plan_hash, read_from_record
from convoy.untrusted_text import UNREADABLE

_MOST_BYTES = 2**28
_MOST_SHOWN = 5
_GOING_ON_S = 15.0
"""A run writes to its record every three seconds at least."""
_TEXTS = ("text", "textBody", "body")
"""The members of a body that hold what a message says, each on some route."""
_CLOCKS: tuple[Callable[[], float], ...] = (lambda: 0.0, lambda: 1e9)
"""Of two moments: what differs between them is not known."""


def settings_of(folder: Path) -> Settings:
    """Return the settings of the run whose record a folder is; raises SettingsError."""
    path = folder / SETTINGS
    try:
        return Settings.model_validate_json(json.dumps(read_yaml(path)))
    except DocumentError as error:
        raise SettingsError([Fault(str(path), str(error))]) from error
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, each["loc"])) for each in error.errors()[:_MOST_SHOWN])
        problem = f"was written by another version of Convoy; it differs in {wrong}"
        raise SettingsError([Fault(str(path), problem)]) from error


def check_that_it_ended(folder: Path, result: RunResult | None, now_s: float) -> None:
    """Raise RefusedError while a run goes on; `now_s` is in seconds since 1970."""
    journal = folder / JOURNAL
    if result is not None and result.is_over:
        return
    if journal.exists() and now_s - journal.stat().st_mtime < _GOING_ON_S:
        raise RefusedError(
            f"run {folder.resolve().name} is still going on, or was cut short within the last "
            f"{_GOING_ON_S:.0f} s; try again when it has ended"
        )


def messages_of(folder: Path) -> list[LoggedMessage]:
    """Return the log of a run, that of its warm-up, too.

    Raises SettingsError without one, PoolFileError for what is no conversation id.
    """
    path = folder / MESSAGES
    if not path.exists():
        problem = (
            "is not there, so that nobody knows what was accepted; run with --set "
            "record_messages=on, which is the default up to 1,000 messages a second"
        )
        raise SettingsError([Fault(str(path), problem)])
    try:
        logged = list(read_log(path))
    except FileError as error:
        raise SettingsError([Fault(str(path), str(error))]) from error
    for each in logged:
        if each.conversation_id:
            checked_id(str(path), each.conversation_id)
    return logged


def opened_before(folder: Path) -> list[str]:
    """Return the ids of the conversations that were opened before the load."""
    path = folder / OPENED
    if not path.exists():
        return []
    try:
        ids: list[str] = msgspec.json.Decoder(str).decode_lines(read_bytes(path, _MOST_BYTES))
    except (FileError, *UNREADABLE) as error:
        raise SettingsError([Fault(str(path), f"names no conversations: {error}")]) from error
    for id in ids:
        checked_id(str(path), id)
    return ids


class SentTexts:
    """What each message of a run said, computed anew from what its plans were made of.

    Where that cannot be done, `unknown` says why, and no text is known.
    """

    def __init__(self, folder: Path, result: RunResult, code: str) -> None:
        self.unknown = ""
        self._plans: dict[str, ScenarioPlan] = {}
        try:
            kept = read_from_record(read_bytes(folder / INPUTS, _MOST_BYTES), code)
            self._plans = {name: ScenarioPlan(each) for name, each in kept.scenarios.items()}
            if plan_hash(self._plans) != result.plan_hash:
                raise ConvoyError("the plans computed from it are others than those of the run")
            self._bodies = {
                name: [plan.bodies(kept.run_id, clock) for clock in _CLOCKS]
                for name, plan in self._plans.items()
            }
        except ConvoyError as error:
            self._know_nothing(f": {error}")
        except NOT_OF_A_RUN as error:
            self._know_nothing(f" {not_of_a_run(error)}")

    def of(self, logged: Iterable[LoggedMessage]) -> Mapping[Key, str]:
        """Return the digests of the texts of messages, of those that are known."""
        try:
            return dict(self._digests(logged))
        except NOT_OF_A_RUN as error:
            self._know_nothing(f" {not_of_a_run(error)}")
            return {}

    def _know_nothing(self, why: str) -> None:
        self._plans = {}
        self.unknown = f"texts were not compared, because {INPUTS}{why}"

    def _digests(self, logged: Iterable[LoggedMessage]) -> Iterator[tuple[Key, str]]:
        for each in logged:
            plan = self._plans.get(each.scenario)
            if plan is None:
                continue
            try:
                message = plan.message(each.k)
            except PoolExhausted:
                continue
            # One that went elsewhere, because its conversation was retired, may have said so.
            if not message.conversation.id or message.conversation.id == each.conversation_id:
                text = self._text(each.scenario, message)
                if text is not None:
                    yield (each.scenario, each.k), digest_of(text)

    def _text(self, scenario: str, message: PlannedMessage) -> str | None:
        """Return what a message said; None where that depends on the moment, or is no text."""
        try:
            first, second = (_text_in(each.render(message)) for each in self._bodies[scenario])
        except PayloadError:
            return None
        return first if first == second else None


def _text_in(body: bytes) -> str | None:
    try:
        read: Any = json.loads(body)
    except UNREADABLE:
        return None
    found = (read.get(name) for name in _TEXTS) if isinstance(read, dict) else iter(())
    return next((each for each in found if isinstance(each, str)), None)
