"""JSON files that somebody hands in to have them explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from convoy.errors import Fault, SettingsError

STDIN = "-"
_LONGEST_BYTES = 10 * 2**20


def read_json_object(name: str, stdin: BinaryIO) -> dict[str, Any]:
    """Return the JSON object in a file, or in `stdin` for the name `-`.

    Raises SettingsError with the place of the fault when there is none.
    """
    where = "standard input" if name == STDIN else name
    try:
        value = json.loads(_start_of(name, stdin))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        problem = f"is not JSON: {error.msg} ({place}); sent like this, it is refused for that"
        raise SettingsError([Fault(where, problem)]) from error
    except RecursionError as error:
        raise SettingsError([Fault(where, "is nested too deeply")]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SettingsError([Fault(where, f"cannot be read: {reason}")]) from error
    if not isinstance(value, dict):
        raise SettingsError([Fault(where, "holds JSON, but no object")])
    return value


def _start_of(name: str, stdin: BinaryIO) -> bytes:
    if name == STDIN:
        return stdin.read(_LONGEST_BYTES)
    with Path(name).open("rb") as file:
        return file.read(_LONGEST_BYTES)
