"""One run at a time on a machine: who comes second is told which run is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convoy.errors import ExitCode, RefusedError
from convoy.prepare import organisation_lock
from convoy.prepare.organisation_lock import AFTER_A_RUN, OrganisationLock


@pytest.fixture(autouse=True)
def waited_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(organisation_lock.gevent, "sleep", waited.append)
    return waited


@pytest.fixture
def first(tmp_path: Path) -> OrganisationLock:
    return OrganisationLock(tmp_path)


@pytest.fixture
def second(tmp_path: Path) -> OrganisationLock:
    return OrganisationLock(tmp_path)


def test_a_second_run_is_refused_and_told_of_the_first(
    first: OrganisationLock, second: OrganisationLock
) -> None:
    first.take("an id", "20261126-101112-abcdef")

    with pytest.raises(RefusedError) as caught:
        second.take("an id", "20261126-101113-fedcba")

    assert caught.value.exit_code is ExitCode.REFUSED
    said = f"run 20261126-101112-abcdef (process {os.getpid()}) on this machine loads organisation"
    assert str(caught.value).startswith(f"{said} 'an id' already")


@pytest.mark.parametrize(("has_workers", "rest_s"), [(False, 1.0), (True, 3.5)])
def test_after_a_run_others_wait_for_workers_that_did_not_hear_of_its_end(
    first: OrganisationLock, waited_s: list[float], has_workers: bool, rest_s: float
) -> None:
    first.take("an id", "1", has_workers=has_workers)

    first.take("an id", AFTER_A_RUN)
    first.release("1")

    assert waited_s == [rest_s, rest_s]


def test_who_holds_it_after_a_run_is_named(
    first: OrganisationLock, second: OrganisationLock
) -> None:
    first.take("an id", AFTER_A_RUN)

    with pytest.raises(RefusedError, match=rf"^a reconcile or cleanup \(process {os.getpid()}\)"):
        second.take("an id", "2")


def test_another_organisation_may_be_loaded_meanwhile(
    first: OrganisationLock, second: OrganisationLock
) -> None:
    first.take("an id", "1")

    second.take("another id", "2")


def test_a_run_holds_it_for_what_is_done_afterwards_until_it_is_released(
    first: OrganisationLock, second: OrganisationLock, waited_s: list[float]
) -> None:
    first.take("an id", "1", 0.5)
    first.take("an id", AFTER_A_RUN)
    with pytest.raises(RefusedError, match=r"run 1 \(process"):
        second.take("an id", "3")

    first.release("1")
    first.release("1")
    second.take("an id", "3")

    # What has left just now counts for the next one, too, who is the same process at first.
    assert waited_s == [2.0, 2.0]


def test_another_run_of_the_same_process_neither_has_it_nor_releases_it(
    first: OrganisationLock, second: OrganisationLock
) -> None:
    first.take("an id", "1")

    with pytest.raises(RefusedError, match="^run 1 of this process loads organisation 'an id'"):
        first.take("an id", "2")
    with pytest.raises(RefusedError, match="^run 1 of this process"):
        first.take("another id", "2")
    first.release("2")

    with pytest.raises(RefusedError, match=r"run 1 \(process"):
        second.take("an id", "3")


def test_it_ends_with_its_process(
    tmp_path: Path, second: OrganisationLock, waited_s: list[float]
) -> None:
    program = (
        "from pathlib import Path; from convoy.prepare.organisation_lock import OrganisationLock; "
        f"lock = OrganisationLock(Path({str(tmp_path)!r})); lock.take('an id', 'f-1'); "
        "print('taken', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        with pytest.raises(RefusedError, match=rf"run f-1 \(process {process.pid}\)"):
            second.take("an id", "2")
        process.kill()

    second.take("an id", "2")

    # Its workers may go on until their lease is over.
    assert waited_s == [3.5]


def test_who_waits_for_the_workers_of_one_that_was_killed_is_named(
    tmp_path: Path,
    first: OrganisationLock,
    second: OrganisationLock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first.take("an id", "1")
    [path] = tmp_path.iterdir()
    first.release("1")
    path.write_bytes(b"run dead-1 (process 1)")
    told: list[str] = []

    def wait(for_s: float) -> None:
        with pytest.raises(RefusedError) as caught:
            second.take("an id", "3")
        told.append(str(caught.value))

    monkeypatch.setattr(organisation_lock.gevent, "sleep", wait)
    first.take("an id", "2")

    assert [each.split(" (")[0] for each in told] == ["run 2"]


def test_who_cannot_write_into_it_waits_as_after_one_that_was_killed(
    tmp_path: Path,
    first: OrganisationLock,
    second: OrganisationLock,
    waited_s: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first.take("an id", "1")
    first.release("1")
    [path] = tmp_path.iterdir()
    waited_s.clear()

    def of_another_user(found: str | Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise FileExistsError if flags & os.O_EXCL else PermissionError
        return open_file(found, flags, *mode)

    open_file = os.open
    monkeypatch.setattr(organisation_lock.os, "open", of_another_user)
    for run_id in ("2", "3"):  # a run that was killed could not leave anything in it
        second.take("an id", run_id)
        second.release(run_id)

    assert path.read_bytes() == b"released"
    assert waited_s == [3.5, 1.0, 3.5, 1.0]


def test_after_one_that_could_not_write_that_it_has_it_others_wait_too(
    tmp_path: Path, second: OrganisationLock, waited_s: list[float]
) -> None:
    """It may have been killed, on a disk that was full."""
    first = OrganisationLock(tmp_path)
    first.take("an id", "1")
    first.release("1")
    [path] = tmp_path.iterdir()
    path.write_bytes(b"")
    waited_s.clear()

    second.take("an id", "2")

    assert waited_s == [3.5]


@pytest.mark.parametrize(("logins_per_s", "rest_s"), [(None, 1.0), (5.0, 1.0), (0.25, 4.0)])
def test_the_next_run_may_log_in_when_the_last_one_has_released_it(
    first: OrganisationLock, waited_s: list[float], logins_per_s: float | None, rest_s: float
) -> None:
    first.take("an id", "1", logins_per_s)

    first.release("1")

    assert waited_s == [rest_s]


def test_other_users_are_kept_out_by_it_whatever_the_umask(
    tmp_path: Path, first: OrganisationLock
) -> None:
    before = os.umask(0o077)
    try:
        first.take("an id", "1")
    finally:
        os.umask(before)

    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_another_user_wrote_into_it_is_not_repeated(
    tmp_path: Path, first: OrganisationLock, second: OrganisationLock
) -> None:
    first.take("an id", "1")
    [path] = tmp_path.iterdir()
    path.write_bytes(b"\x1b[2Jrun 1 (process 2)")

    with pytest.raises(RefusedError, match="^another run on this machine"):
        second.take("an id", "2")


@pytest.mark.parametrize("kind", ["link", "another name", "folder", "pipe"])
def test_what_is_no_file_in_its_place_is_refused(
    tmp_path: Path, first: OrganisationLock, kind: str
) -> None:
    first.take("an id", "1")
    first.release("1")
    [path] = tmp_path.iterdir()
    path.unlink()
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "another name":
        (tmp_path / "elsewhere").write_text("mine")
        path.hardlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)

    with pytest.raises(RefusedError, match=r"cannot be opened .*; remove it"):
        first.take("an id", "2")
