"""The proof that a patch took effect: a file that grows by one byte each time."""

from __future__ import annotations

import os
from pathlib import Path


class Proof:
    """Counts what a patch did, in all processes of a run together.

    Workers are forked from the process that made it; appended bytes of several processes add up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._claimant: int | None = None

    def count(self, times: int = 1) -> None:
        """Count that something was done so many times."""
        if times > 0:
            os.write(self._file, b"." * times)

    def is_ours(self) -> bool:
        """Return True in one process only: the first that asks."""
        pid = os.getpid()
        if self._claimant is None:
            claim = self._path.with_suffix(".process")
            try:
                with claim.open("x") as file:
                    file.write(str(pid))
                self._claimant = pid
            except FileExistsError:
                self._claimant = 0
        return self._claimant == pid


def effects_in(path: Path) -> int:
    """Return how often something was done by the processes that share this file."""
    return path.stat().st_size if path.exists() else 0
