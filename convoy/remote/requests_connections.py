"""Connections of `requests` that ask the guard before they are opened, as those of messages do."""

from __future__ import annotations

import socket

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from convoy.remote.addresses import Admission


def pool_classes(
    admission: Admission, connected: list[str] | None = None
) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pools by scheme, for connections to what has an admission.

    Where each leads to, `address port`, is added to `connected`.
    """

    class Admitted(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            """Connect to an address that was looked up and checked, and not to the name again."""
            name = self._dns_host
            try:
                looked_up = socket.getaddrinfo(name, self.port, 0, socket.SOCK_STREAM)
                found = admission.choose(name, looked_up)
            except socket.gaierror as error:
                raise NameResolutionError(self.host, self, error) from error
            try:
                for *_, address in found:
                    self._dns_host = str(address[0])
                    try:
                        opened = super()._new_conn()
                        if connected is not None:
                            connected.append("{} {}".format(*opened.getpeername()[:2]))
                        return opened
                    except (NewConnectionError, ConnectTimeoutError) as error:
                        fault = error
                raise fault
            finally:
                self._dns_host = name

    class AdmittedTls(Admitted, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Admitted

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = AdmittedTls

    return {"http": Pool, "https": TlsPool}
