"""What may take long after a run: how far it has come, in a file, and the client that asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from convoy.errors import Fault, SettingsError
from convoy.files import FileError, read_bytes
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.results.record import append
from convoy.settings import Settings
from convoy.untrusted_text import UNREADABLE

Step = TypeVar("Step")
_MOST_BYTES = 2**31
_PATIENCE_S = 3600.0
_TOLD_FROM_S = 3.0


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
        except (FileError, *UNREADABLE) as error:
            problem = f"cannot be gone on with: {error}; remove it to begin anew"
            raise SettingsError([Fault(str(path), problem)]) from error

    def add(self, step: Step) -> None:
        """Note a step that was done."""
        self.steps.append(step)
        append(self._path, msgspec.json.encode(step) + b"\n")

    def clear(self) -> None:
        """Have the next one begin anew."""
        self._path.unlink(missing_ok=True)


def client_of(
    settings: Settings, connections: Connections, tell: Callable[[str], None]
) -> ApiClient:
    """Return a client with a session of its own; `tell` takes what it has to wait for long."""

    @contextmanager
    def waiting(what: str, for_s: float) -> Iterator[None]:
        if for_s > _TOLD_FROM_S:
            tell(f"waiting for {what}; going on in {for_s:.0f} s")
        yield

    session = connections.open_session(connections.token_kinds[0])
    return ApiClient(session, settings, waiting, patience_s=_PATIENCE_S)
