"""Certificates for TLS tests, made by the `openssl` program."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_CA_CONFIG = """
[ca]
default_ca = test
[test]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""
# An RSA key takes a tenth of a second of processor time, and tests make dozens.
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_LONG_AGO, _YESTERYEAR, _FAR_OFF = "20200101000000Z", "20210101000000Z", "20991231235959Z"


class Authority:
    """A certificate authority in a folder, and the server contexts it stands for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = str(folder / "ca.pem")
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        (folder / "ca.cnf").write_text(_CA_CONFIG.format(folder=folder))
        usage = "keyUsage=critical,keyCertSign,cRLSign"
        self._self_signed("ca", "/CN=Test authority", "basicConstraints=critical,CA:TRUE", usage)

    def server_context(self, name: str, *, is_expired: bool = False) -> ssl.SSLContext:
        """Return the context of a server whose certificate this authority signed for `name`."""
        stem = f"{name}-{is_expired}"
        key = (*_NEW_KEY, "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        alternative = f"subjectAltName={'IP' if name[0].isdigit() else 'DNS'}:{name}"
        self._run("req", *key, "-subj", f"/CN={name}", "-addext", alternative)
        dates = ("-startdate", _LONG_AGO, "-enddate", _YESTERYEAR if is_expired else _FAR_OFF)
        issuer = ("-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key")
        self._run("ca", "-batch", "-notext", *issuer, *dates, *_in_out(stem))
        return self._context(stem)

    def self_signed_context(self) -> ssl.SSLContext:
        """Return the context of a server that nobody vouches for."""
        self._self_signed("alone", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        return self._context("alone")

    def _self_signed(self, stem: str, subject: str, *extensions: str) -> None:
        added = [part for extension in extensions for part in ("-addext", extension)]
        files = ("-keyout", f"{stem}.key", "-out", f"{stem}.pem")
        kind = ("-x509", *_NEW_KEY, "-days", "36500", "-subj", subject)
        self._run("req", *kind, *files, *added)

    def _context(self, stem: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        return context

    def _run(self, *args: str) -> None:
        command = ["openssl", *args]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr.decode()


def _in_out(stem: str) -> tuple[str, ...]:
    return ("-in", f"{stem}.csr", "-out", f"{stem}.pem")
