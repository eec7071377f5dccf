"""One run at a time: a process that loads an approved organisation keeps other runs from it."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import gevent

from convoy.errors import RefusedError
from convoy.plan.lanes import LEASE_S
from convoy.remote.pace import SECOND_S

AFTER_A_RUN = "a reconcile or cleanup"
"""In the place of a run's id: what is done after one, in its process or in one of its own."""
_FOLDER = Path("/tmp")
"""The same for all users and jobs of a machine, which TMPDIR need not be."""
_HOLDER = re.compile(
    rb"(?:run [0-9a-f-]{1,40}|%b) \(process [0-9]{1,10}\)" % re.escape(AFTER_A_RUN).encode()
)
"""Another user may have written anything."""
_RELEASED = b"released"


class OrganisationLock:
    """A lock that all runs on this machine share, by organisation; it ends with its process.

    Two runs that each keep to an approval would go beyond it together.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._folder = folder
        self._held: tuple[str, int] | None = None
        self._run_id = ""
        self._rest_s = SECOND_S

    def take(
        self,
        organisation_id: str,
        run_id: str,
        logins_per_s: float | None = None,
        *,
        has_workers: bool = False,
    ) -> None:
        """Take the lock for a run; raises RefusedError, which names the run that has it.

        A run that `has_workers` in other processes may not reach them at its end: they send on
        until their lease is over. What is done after a run in its own process has it already, and
        waits until as much may leave again. It is to be taken before anything is sent, a login
        included.
        """
        if self._held is not None:
            if run_id != AFTER_A_RUN or self._held[0] != organisation_id:
                raise _refusal(f"run {self._run_id} of this process", organisation_id)
            gevent.sleep(self._rest_s)
            return
        self._rest_s = max(SECOND_S + LEASE_S * has_workers, 1 / (logins_per_s or 1))
        name = f"convoy-{blake2b(organisation_id.encode(), digest_size=16).hexdigest()}.lock"
        path = self._folder / name
        try:
            descriptor, is_new = _open(path)
        except OSError as error:
            raise RefusedError(
                f"{path} cannot be opened ({error.strerror}), so nobody knows whether another run "
                f"loads organisation {organisation_id!r}; remove it, or make it readable"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            found = _HOLDER.match(_read(descriptor))
            os.close(descriptor)
            holder = found[0].decode() if found else "another run"
            raise _refusal(f"{holder} on this machine", organisation_id) from error
        self._held, self._run_id = (organisation_id, descriptor), run_id
        # By nothing else it is known that the last holder had its workers end: who was killed has
        # left no word, nor has who could not write. Ours is written first, whatever stands there.
        was_released = is_new or _read(descriptor) == _RELEASED
        if not _wrote(descriptor, _holder(run_id)) or not was_released:
            # Its workers send on until their lease is over.
            gevent.sleep(max(LEASE_S + SECOND_S, self._rest_s))

    def release(self, run_id: str | None = None) -> None:
        """Let other runs have it, when as much may leave again; harmless where another has it.

        Without a `run_id` whichever run of this process has it.
        """
        held = self._held
        if held is not None and run_id in (None, self._run_id):
            self._held = None
            # The next one does not know what has left just now.
            gevent.sleep(self._rest_s)
            _wrote(held[1], _RELEASED)  # while it is still locked
            # Not only closed, because the workers of `--processes` have it open, too.
            fcntl.flock(held[1], fcntl.LOCK_UN)
            os.close(held[1])


def _refusal(holder: str, organisation_id: str) -> RefusedError:
    return RefusedError(
        f"{holder} loads organisation {organisation_id!r} already, and both together would go "
        "beyond what is approved; wait for its end, or stop it"
    )


def _open(path: Path) -> tuple[int, bool]:
    """Open the lock's file, which perhaps another user has made, or make it; raises OSError.

    Return its descriptor, and whether it is new.
    """
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(FileExistsError):
        descriptor = os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        # Whatever the umask, other users have to be able to read it, which is enough to lock it.
        os.fchmod(descriptor, 0o644)
        return descriptor, True
    try:
        descriptor = os.open(path, flags | os.O_RDWR)
    except PermissionError:
        descriptor = os.open(path, flags | os.O_RDONLY)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:  # a link may lead to a file of ours
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file of its own")
    return descriptor, False


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, 100, 0)


def _holder(run_id: str) -> bytes:
    holder = run_id if run_id == AFTER_A_RUN else f"run {run_id}"
    return f"{holder} (process {os.getpid()})".encode()


def _wrote(descriptor: int, said: bytes) -> bool:
    """Have nothing else stand in the file, and return whether that was possible."""
    try:
        os.ftruncate(descriptor, 0)
        return os.pwrite(descriptor, said, 0) == len(said)
    except OSError:  # such as where another user has made the file, or the disk is full
        return False
