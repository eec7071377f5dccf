"""What the actors of a process share: addresses, TLS, credentials, limits and error codes."""

from __future__ import annotations

import time
from collections.abc import Callable

from convoy.redaction import Secret
from convoy.remote.codes import CodeBook
from convoy.remote.limits import Budget, Limit
from convoy.remote.oauth import Credentials, OAuthSession, Token, log_in
from convoy.remote.session import ApiSession
from convoy.remote.tls import tls_context
from convoy.remote.transport import Origin, Transport
from convoy.settings import Settings


class Connections:
    """Opens sessions for the settings of one run; `register` takes each token for redaction."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        register: Callable[[Secret], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._register = register
        self._clock = clock
        self._api = Origin.parse(settings.target.api_url)
        self._login = Origin.parse(settings.target.login_url)
        self._tls = tls_context(settings.target.ca_file)
        self._code_book = CodeBook()
        self._limits = [Limit(each.scope, each.count, each.per_s) for each in settings.limits]

    def open_session(self) -> ApiSession:
        """Return a session with a token and a connection of its own; nothing is sent yet."""
        return ApiSession(
            Transport(self._api, tls=self._tls, clock=self._clock),
            OAuthSession(
                self.log_in,
                refresh_before_s=self._settings.oauth.refresh_before_s,
                clock=self._clock,
            ),
            Budget(self._limits, self._clock),
            code_book=self._code_book,
            clock=self._clock,
        )

    def log_in(self) -> Token:
        """Log in once on a connection of its own; raises LoginError."""
        transport = Transport(self._login, tls=self._tls, clock=self._clock)
        try:
            return log_in(
                transport,
                self._credentials,
                self._clock() + self._settings.request_timeout_s,
                clock=self._clock,
                register=self._register,
            )
        finally:
            transport.close()
