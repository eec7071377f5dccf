"""The far side of the bench: one nginx process that answers every message with the same bytes."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import Certificates
from bench.errors import BenchError, MissingProgramError
from bench.message import ANSWER, PATH, STATUS, TOKEN
from bench.processes import free_port, freeze, last_lines, output_of, running, wait_until

_CONVERSATIONS = 300
_READY_DEADLINE_S = 20.0
_ANSWER_TIMEOUT_S = 10.0
_CONFIG = """
daemon off;
# One process, so that one core can be given to it and one signal stops it.
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{plain_port} backlog=4096;
        listen 127.0.0.1:{tls_port} ssl backlog=4096;
        ssl_certificate {certificates.server};
        ssl_certificate_key {certificates.server_key};
        location = {path} {{ return {status} '{answer}'; }}
        location = /oauth/token {{ return 200 '{token}'; }}
        location = /api/v2/conversations {{ alias {folder}/conversations.json; }}
        location = /served {{ stub_status; }}
        location / {{ return 404 '{{}}'; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx: where it listens, without and with TLS, and whom to trust for the latter."""

    process: subprocess.Popen[bytes]
    plain_port: int
    tls_port: int
    ca_file: Path

    def url(self, *, is_tls: bool) -> str:
        """Return the origin without a slash at its end."""
        if is_tls:
            return f"https://127.0.0.1:{self.tls_port}"
        return f"http://127.0.0.1:{self.plain_port}"

    def requests_served(self) -> int:
        """Return how many requests it has answered since its start, this one included."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.plain_port, timeout=_ANSWER_TIMEOUT_S
        )
        try:
            connection.request("GET", "/served")
            return requests_of_status(connection.getresponse().read().decode())
        finally:
            connection.close()

    def freeze(self, for_s: float) -> float:
        """Stop the process for so long, and return how long it really was, in seconds."""
        return freeze(self.process.pid, for_s)


@contextmanager
def serving(folder: Path, certificates: Certificates, core: int) -> Iterator[Nginx]:
    """Run nginx on one core with everything it writes below `folder`; raises BenchError."""
    program = find_nginx()
    nginx_folder = folder / "nginx"
    nginx_folder.mkdir()
    ports = free_port(), free_port()
    config = nginx_folder / "nginx.conf"
    config.write_text(_config(nginx_folder, certificates, *ports))
    (nginx_folder / "conversations.json").write_text(_listing())
    command = [program, "-p", str(nginx_folder), "-e", "stderr", "-c", str(config)]
    with running(command, core=core, folder=nginx_folder) as process:
        nginx = Nginx(process, *ports, certificates.ca)
        wait_until(
            lambda: _is_ready(nginx),
            deadline_s=_READY_DEADLINE_S,
            explain=lambda: f"nginx did not start: {last_lines(output_of(nginx_folder))}",
        )
        yield nginx


def find_nginx() -> str:
    """Return the path of nginx; raises MissingProgramError saying what to install."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise MissingProgramError(
            "nginx is not installed, and the bench needs it as the far side; on Debian: "
            "apt-get install nginx-light (and for comparison: wrk hey)"
        )
    return program


def requests_of_status(page: str) -> int:
    """Return the third of the three counters of a stub_status page: requests served."""
    counters = re.search(r"^\s*\d+\s+\d+\s+(\d+)\s*$", page, re.MULTILINE)
    if counters is None:
        raise BenchError(f"nginx's status page is not as expected: {page!r}")
    return int(counters[1])


def _is_ready(nginx: Nginx) -> bool:
    if nginx.process.poll() is not None:
        raise BenchError(f"nginx ended at once with exit code {nginx.process.returncode}")
    try:
        return nginx.requests_served() > 0
    except OSError:
        return False


def _config(folder: Path, certificates: Certificates, plain_port: int, tls_port: int) -> str:
    token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86400}
    return _CONFIG.format(
        folder=folder,
        certificates=certificates,
        plain_port=plain_port,
        tls_port=tls_port,
        path=PATH,
        status=STATUS,
        answer=ANSWER,
        token=json.dumps(token),
    )


def _listing() -> str:
    entities = [
        {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))} | _CONVERSATION
        for number in range(_CONVERSATIONS)
    ]
    return json.dumps({"entities": entities, "pageNumber": 1, "pageCount": 1})


_CONVERSATION = {"state": "connected", "type": "webchat", "participants": []}
