"""The `openssl s_server` program, which can do to a TLS connection what `ssl` has no call for."""

from __future__ import annotations

import os
import re
import select
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from termios import FIONREAD

_PATIENCE_S = 10.0


class OpensslServer:
    """Takes one connection; what it is told with `say` is sent, or done if it is a command."""

    def __init__(self, folder: Path, stem: str, *options: str) -> None:
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-crlf"]
        command += ["-cert", f"{stem}.pem", "-key", f"{stem}.key", *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, bufsize=0
        )
        self._unread = b""
        self.port = int(self.read_until(rb"ACCEPT .*:(\d+)\n")[1])

    def say(self, text: str) -> None:
        """Write to its input and wait until that was taken: it reads one command at a time."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        deadline_s = time.monotonic() + _PATIENCE_S
        while struct.unpack("i", ioctl(self.process.stdin, FIONREAD, b"\0" * 4))[0]:
            assert time.monotonic() < deadline_s, "the server does not read its input"
            time.sleep(0.002)

    def read_until(self, pattern: bytes) -> re.Match[bytes]:
        """Read what it prints, requests among it, until a pattern is met."""
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        deadline_s = time.monotonic() + _PATIENCE_S
        while (found := re.search(pattern, self._unread)) is None:
            left_s = deadline_s - time.monotonic()
            assert left_s > 0 and select.select([number], [], [], left_s)[0], self._unread
            data = os.read(number, 65_536)
            assert data, self._unread
            self._unread += data
        self._unread = self._unread[found.end() :]
        return found


@contextmanager
def openssl_serving(folder: Path, stem: str, *options: str) -> Iterator[OpensslServer]:
    """Run a server for the time of a with-block."""
    server = OpensslServer(folder, stem, *options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()
