"""`python -m convoy explain`: a saved answer that says no, and what it means."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from convoy.errors import ConvoyError, Fault, SettingsError
from convoy.files import FileError, read_text
from convoy.plan.strict_json import NotJsonError, read_json
from convoy.prepare.setup import Setup
from convoy.routes.explain import Explanation, explain
from convoy.routes.saved_answers import read_saved
from convoy.untrusted_text import told

_STDIN = "-"
_LONGEST_BYTES = 10 * 2**20


def explained(setup: Setup, answer: str, payload: str | None, status: int | None) -> Explanation:
    """Return what an answer means, by the names of files; `-` is standard input.

    `payload` is what was sent, and `status` goes before that in the answer. Raises SettingsError.
    """
    if answer == payload == _STDIN:
        raise SettingsError([Fault("--payload", "answer and payload cannot both be `-`")])
    # Nobody says which run an answer is of, so that the secrets of all that can be here are hidden.
    if unread := setup.keyring.hide_all_headers():
        problem = f"secret headers may be shown, because some cannot be read: {unread}"
        print(f"convoy: {told(problem, setup.redactor.redact)}", file=sys.stderr)
    with suppress(ConvoyError):
        setup.connect(setup.resolve({}))
    # Redacted before it is read, because what is shown of it is cut and wrapped.
    saved = read_saved(setup.redactor.redact(_read_text(answer)))
    sent = None if payload is None else _redacted(setup, payload, _read_json_object(payload))
    # Once more, because reading it has taken off layers of escapes, however many there were.
    body = _redacted(setup, answer, saved.body)
    explanation = explain(body, sent, status=saved.status if status is None else status)
    if not explanation.code:
        problem = "is no error of the API: no `code`, no `error`, and no status of 300 or more"
        raise SettingsError([Fault(answer, f"{problem}; --status gives the status")])
    if not explanation.correlation_id:
        explanation = replace(explanation, correlation_id=saved.correlation_id)
    return explanation


def _redacted(setup: Setup, name: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a file holds without secrets; raises SettingsError where it is too deep."""
    try:
        return setup.redactor.redact_all(value)
    except RecursionError as error:
        raise SettingsError([Fault(_place(name), "is nested too deeply")]) from error


def _read_json_object(name: str) -> dict[str, Any]:
    """Return the JSON object in a file; raises SettingsError with the place of the fault."""
    try:
        value = read_json(_read_text(name))
    except NotJsonError as error:
        problem = f"is not JSON: {error.problem} ({error.place}); sent like this, it is refused"
        raise SettingsError([Fault(_place(name), problem)]) from error
    if not isinstance(value, dict):
        raise SettingsError([Fault(_place(name), "holds JSON, but no object")])
    return value


def _read_text(name: str) -> str:
    """Return the text in a file, or the first ten megabytes of standard input."""
    try:
        if name == _STDIN:
            return sys.stdin.buffer.read(_LONGEST_BYTES).decode()
        return read_text(Path(name), _LONGEST_BYTES)
    except FileError as error:
        raise SettingsError([Fault(_place(name), str(error))]) from error
    except UnicodeDecodeError as error:
        problem = "cannot be read: it is no UTF-8 text"
        raise SettingsError([Fault(_place(name), problem)]) from error


def _place(name: str) -> str:
    return "standard input" if name == _STDIN else name
