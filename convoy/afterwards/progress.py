"""How far something has come that may be interrupted and gone on with: a file of JSON lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from convoy.errors import Fault, SettingsError
from convoy.files import FileError, read_bytes
from convoy.results.record import append

Step = TypeVar("Step")
_MOST_BYTES = 2**31


class StepsDone(Generic[Step]):
    """The steps that were done so far, by this process and by earlier ones.

    Raises SettingsError for a file that holds other things, and OSError where it cannot be written.
    """

    def __init__(self, path: Path, kind: type[Step]) -> None:
        self._path = path
        self.steps: list[Step] = []
        if path.is_symlink():  # a record may be a stranger's, and what it leads to is not
            problem = "is a link, through which nothing is read or written; remove it"
            raise SettingsError([Fault(str(path), problem)])
        if not path.exists():
            return
        try:
            content = read_bytes(path, _MOST_BYTES)
            whole = content[: content.rfind(b"\n") + 1]
            self.steps += msgspec.json.Decoder(kind).decode_lines(whole)
            # What a machine that went down has left of the last line would spoil the next one.
            os.truncate(path, len(whole))
        except (FileError, msgspec.DecodeError) as error:
            problem = f"cannot be gone on with: {error}; remove it to begin anew"
            raise SettingsError([Fault(str(path), problem)]) from error

    def add(self, step: Step) -> None:
        """Note a step that was done."""
        self.steps.append(step)
        append(self._path, msgspec.json.encode(step) + b"\n")

    def clear(self) -> None:
        """Have the next one begin anew."""
        self._path.unlink(missing_ok=True)
