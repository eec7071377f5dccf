"""Accepted messages as JSON lines in a file, so that a killed simulator still knows them."""

from __future__ import annotations

import errno
import os
import stat

import msgspec

from simulator.model.ledger import Entry


class BrokenLedgerFile(Exception):
    """A ledger file with a line that is none; the message names file and line."""


class LedgerFile:
    """An append-only file; every line is with the operating system before `append` returns.

    That survives the end of the process, not of the machine: nothing is forced to the disk.
    """

    def __init__(self, path: str) -> None:
        """Open or create the file; raises OSError."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        self._encoder = msgspec.json.Encoder()

    def read(self) -> list[Entry]:
        """Every kept entry; a last line cut short by a crash is removed.

        Raises `BrokenLedgerFile` for any other line that is no entry.
        """
        with open(self._path, "rb") as file:
            content = file.read()
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            os.ftruncate(self._descriptor, len(content) - len(torn))
        decoder = msgspec.json.Decoder(Entry)
        entries = []
        for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
            try:
                entries.append(decoder.decode(line))
            except ValueError as exc:
                raise BrokenLedgerFile(
                    f"line {number} of {self._path} is no ledger entry: {exc}"
                ) from exc
        return entries

    def append(self, entry: Entry) -> None:
        """Write one line, or none of it and raise OSError."""
        line = self._encoder.encode(entry) + b"\n"
        written = os.write(self._descriptor, line)
        if written < len(line):
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)
