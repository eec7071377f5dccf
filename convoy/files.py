"""Files that an operator names: only regular ones, of a bounded size, as long as they are now.

A FIFO would be waited for, a device or a file that grows has no end, and an archive of a few bytes
can unpack to more than there is memory.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from convoy.errors import ConvoyError, ExitCode

HIGHEST_RATIO = 100
_LEAST_UNPACKED = 2**20
"""What people pack becomes ten times as long, and an archive that is made to harm a thousand."""
_LONGEST_LINE = 2**26
"""Characters; a line is held in memory as a whole."""
_PIECE = 2**16
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class FileError(ConvoyError):
    """A file that cannot be read; the message continues a sentence that begins with its name."""

    exit_code = ExitCode.USAGE


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """Return the content of a file, unpacked where its name ends in `.gz`; raises FileError."""
    with _opened(path, most_bytes) as file:
        return file.read()


def read_text(path: Path, most_bytes: int) -> str:
    """Return the content of a UTF-8 file without its byte order mark; raises FileError."""
    with _opened(path, most_bytes) as file:
        return file.read().decode("utf-8-sig")


def unpacked(packed: bytes | memoryview, most_bytes: int, form: int) -> tuple[bytes, int]:
    """Return what a packed stream holds, of so many bytes at most, and how long itself was.

    `form` is zlib's number for it. Raises FileError for one that holds more, and zlib.error or
    EOFError for one that is none, or not whole.
    """
    unpacker, parts, taken, left_bytes = zlib.decompressobj(form), list[bytes](), 0, most_bytes
    while not unpacker.eof:
        # Piece by piece, because what follows the stream would be copied as a whole.
        piece = packed[taken : taken + _PIECE]
        if not piece:
            raise EOFError("it is not whole")
        parts.append(unpacker.decompress(piece, left_bytes + 1))
        taken += len(piece)
        left_bytes -= len(parts[-1])
        if left_bytes < 0:
            raise FileError(f"unpacks to more than {most_bytes:,} bytes")
    return b"".join(parts), taken - len(unpacker.unused_data)


def most_unpacked(packed_bytes: int) -> int:
    """Return how many bytes something of this length may unpack to."""
    return _LEAST_UNPACKED + HIGHEST_RATIO * packed_bytes


def whether_there(path: Path) -> str:
    """Return how a file that stops something is there, "" where it is not.

    A link counts by itself, wherever it leads, and what nobody can look for as if it were there.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"cannot be looked for ({error.strerror})"
    return "is there"


@contextmanager
def text_lines(path: Path, most_bytes: int) -> Iterator[Iterator[str]]:
    """Give the lines of a UTF-8 file, each with its end as it is there; raises FileError."""
    with _opened(path, most_bytes) as file:
        yield _lines(io.TextIOWrapper(file, "utf-8-sig", newline=""))


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise FileError(f"has a line of more than {_LONGEST_LINE:,} characters")
        yield line


@contextmanager
def _opened(path: Path, most_bytes: int) -> Iterator[io.BufferedReader]:
    """Open a file for reading; what fails then, or in the block, is raised as FileError."""
    try:
        # Without waiting, as it would for the writer of a pipe.
        descriptor = os.open(path.expanduser(), os.O_RDONLY | os.O_NONBLOCK)
        try:
            # Of what was opened, because by now the name may be that of another file.
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
                raise FileError(f"is no file, but {kind}")
            if found.st_size > most_bytes:
                raise FileError(f"is larger than {most_bytes:,} bytes")
            with open(descriptor, "rb", closefd=False) as file:
                bounded: io.RawIOBase = _Bounded(cast(IO[bytes], file), found.st_size)
                if path.suffix == ".gz":
                    unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=io.BufferedReader(bounded)))
                    most_bytes = min(most_bytes, most_unpacked(found.st_size))
                    bounded = _Bounded(unpacked, most_bytes, is_end=False)
                yield io.BufferedReader(bounded)
        finally:
            os.close(descriptor)
    except UnicodeDecodeError as error:
        raise FileError("cannot be read: it is not UTF-8 text") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileError("cannot be read: it is no gzip file, or not a whole one") from error
    # ValueError for a name with a null character, RuntimeError for `~` of a user who is unknown.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"cannot be read: {reason}") from error


class _Bounded(io.RawIOBase):
    """Another file, of which at most so many bytes are read.

    With `is_end` the file ends there, although it may have grown since. Without it, a file that
    has more raises FileError.
    """

    def __init__(self, file: IO[bytes], most_bytes: int, *, is_end: bool = True) -> None:
        self._file = file
        self._left_bytes = self._most_bytes = most_bytes
        self._is_end = is_end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self._file.read(min(len(view), self._left_bytes + (not self._is_end)))
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise FileError(f"unpacks to more than {self._most_bytes:,} bytes")
        view[: len(data)] = data
        return len(data)
