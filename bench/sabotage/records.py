"""Means that spoil the record of a run: no room for it, a file in its way, an older one there."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.sabotage.disturbances import acted
from bench.sabotage.scene import Means, Scene
from bench.short_runs import ShortLoad, Start, run_to_its_end

_SIZE = "256k"
_TIMEOUT_S = 10
_OLDER = ShortLoad(run_time_s=1)


def disk_full() -> Means:
    """Return the means that gives the records a file system which is full once messages flow."""

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        runs = scene.start.folder / "runs"
        runs.mkdir()
        _system("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(runs))
        try:
            with acted("disks filled", lambda _, __: _fill(runs / "other-data"))(scene):
                yield
        finally:
            _system("umount", str(runs))

    return means


def file_in_the_way() -> Means:
    """Return the means that puts a file where the folder of records was, once messages flow."""

    def act(scene: Scene, _: object) -> int:
        runs = scene.start.folder / "runs"
        if runs.exists():
            runs.rename(runs.with_name("runs-until-then"))
        runs.write_text("a file\n")
        return 1

    return acted("files in the way", act)


def older_record() -> Means:
    """Return the means that leaves the record of an earlier run, which passed, in the folder."""

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        older = Start(scene.start.folder, scene.start.core, _OLDER, scene.start.url)
        ended = run_to_its_end(older)
        if ended.exit_code:
            raise BenchError(f"the earlier run did not pass: {ended.reason}")
        scene.effects["older records"] = 1
        yield

    return means


def _fill(path: Path) -> int:
    """Write to a file until there is no more room."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return 1


def _system(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
