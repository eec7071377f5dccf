"""A certificate authority made on the fly by `openssl`, and a server certificate signed by it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, MissingProgramError

_DAYS = "2"
_CA_EXTENSIONS = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
_SERVER_EXTENSIONS = "subjectAltName=IP:127.0.0.1,DNS:localhost\n"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: whom to trust, and what the server shows."""

    ca: Path
    server: Path
    server_key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate for 127.0.0.1 in `folder`; raises BenchError."""
    new_key = ("-newkey", "rsa:2048", "-nodes")
    usage = [part for extension in _CA_EXTENSIONS for part in ("-addext", extension)]
    _openssl(
        folder, "req", "-x509", *new_key, "-days", _DAYS, "-subj", "/CN=Bench authority", *usage,
        "-keyout", "ca.key", "-out", "ca.pem",
    )  # fmt: skip
    _openssl(
        folder, "req", *new_key, "-subj", "/CN=127.0.0.1",
        "-keyout", "server.key", "-out", "server.csr",
    )  # fmt: skip
    (folder / "server.ext").write_text(_SERVER_EXTENSIONS)
    _openssl(
        folder, "x509", "-req", "-days", _DAYS, "-in", "server.csr", "-extfile", "server.ext",
        "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
    )  # fmt: skip
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(
            ["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError as error:
        raise MissingProgramError(
            "openssl is not installed, and the bench makes its certificates with it; on Debian: "
            "apt-get install openssl"
        ) from error
    if done.returncode:
        raise BenchError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
