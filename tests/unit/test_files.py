"""Files that an operator names: what is read of them, and what is refused at once."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from convoy.files import FileError, read_bytes, read_text, text_lines

MOST_BYTES = 1000


def test_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe\r\n2")

    with text_lines(path, MOST_BYTES) as lines:
        assert list(lines) == ["grüße\r\n", "2"]
    assert read_text(path, MOST_BYTES) == "grüße\r\n2"


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"x" * MOST_BYTES))

    assert read_bytes(path, MOST_BYTES) == b"x" * MOST_BYTES


def test_a_file_that_grows_is_read_as_long_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_text("a\n")

    with text_lines(path, MOST_BYTES) as lines, path.open("a") as more:
        more.write("b\n")
        more.flush()

        assert list(lines) == ["a\n"]


def test_a_path_may_begin_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").write_text("here")

    assert read_text(Path("~/mine"), MOST_BYTES) == "here"


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        pytest.param("x", os.mkfifo, "is no file, but a pipe", id="pipe"),
        pytest.param("x", os.mkdir, "is no file, but a folder", id="folder"),
        pytest.param("x", lambda at: at.symlink_to("/dev/zero"), "but a device", id="device"),
        pytest.param("x", lambda at: at.symlink_to(at), "cannot be read: Too many", id="loop"),
        pytest.param("x", lambda at: None, "cannot be read: No such file", id="missing"),
        pytest.param("x" * 300, lambda at: None, "cannot be read: File name too", id="long"),
        pytest.param("x\0", lambda at: None, "cannot be read: embedded null", id="null"),
        pytest.param("x", lambda at: os.truncate(_made(at), 10**12), "larger than 1,000", id="big"),
        pytest.param("x", lambda at: at.write_bytes(b"\xff"), "it is not UTF-8", id="bytes"),
        pytest.param("x.gz", lambda at: at.write_bytes(b"x"), "it is no gzip file", id="plain"),
        pytest.param(
            "x.gz",
            lambda at: at.write_bytes(gzip.compress(bytes(MOST_BYTES + 1))),
            "unpacks to more than 1,000 bytes",
            id="bomb",
        ),
        pytest.param(
            "x.gz", lambda at: at.write_bytes(gzip.compress(b"x" * 99)[:-9]), "whole", id="half"
        ),
    ],
)
def test_what_cannot_be_read_is_said_at_once(
    tmp_path: Path, name: str, make: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / name
    make(path)

    with pytest.raises(FileError) as refused:
        read_text(path, MOST_BYTES)

    assert said in str(refused.value)


def test_an_archive_made_to_harm_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(bytes(10**7)))

    with pytest.raises(FileError, match="unpacks to more than 2,0"):
        read_bytes(path, 10**9)


def test_nothing_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path, Path("/dev/null"), tmp_path / "missing"):
        with pytest.raises(FileError):
            read_bytes(path, MOST_BYTES)

    assert len(os.listdir("/proc/self/fd")) == before


def _made(path: Path) -> Path:
    path.touch()
    return path
