"""Logins: what a process was given to log in with, for each kind of token that a run needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from math import inf

from convoy.errors import Fault, SettingsError
from convoy.prepare.scenarios import KnownScenario, token_kinds
from convoy.remote.oauth import Credentials, RefreshToken, Token
from convoy.routes.catalogue import GUEST_CHAT, USER, TokenKind
from convoy.secrets import Secret
from convoy.settings import Settings
from convoy.settings.environment import (
    CLIENT_ID,
    CLIENT_SECRET,
    GUEST_JWTS,
    PUBLISHED_CREDENTIALS,
    REFRESH_TOKEN,
    USER_CLIENT_ID,
    USER_CLIENT_SECRET,
    USER_TOKEN,
    ClientLogin,
    UserLogin,
    UserToken,
    credentials,
    guest_jwts,
    secrets_in,
    user_login,
)

Login = ClientLogin | UserLogin | UserToken
CREDENTIALS = (
    *(CLIENT_ID, CLIENT_SECRET, USER_TOKEN, REFRESH_TOKEN),
    *(USER_CLIENT_ID, USER_CLIENT_SECRET, GUEST_JWTS),
)
"""The variables of whatever is logged in with at a target."""


def has_own_credentials(environ: Mapping[str, str]) -> bool:
    """Tell whether anything to log in with is given that not everybody knows."""
    try:
        found = secrets_in(environ, *CREDENTIALS).values()
    except SettingsError:
        return True  # what is wrong with it is said where it is needed
    return not PUBLISHED_CREDENTIALS.issuperset(filter(None, found))


class Logins:
    """Reads the logins from `environ`, for the kinds of token of `known_scenarios`.

    Where they `are_withheld` from the target of some settings, it is as if none were given.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        known_scenarios: Callable[[], Mapping[str, KnownScenario]],
        are_withheld: Callable[[Settings], bool],
    ) -> None:
        self._environ = environ
        self._known_scenarios = known_scenarios
        self._are_withheld = are_withheld
        self._refresh_tokens: dict[str, RefreshToken] = {}

    def given(self, settings: Settings, *, prepares: bool) -> dict[TokenKind, Login]:
        """Return what is given for each kind of token; raises SettingsError with every fault.

        Who `prepares` a run needs also those that open its conversations.
        """
        environ = {} if self._are_withheld(settings) else self._environ
        logins: dict[TokenKind, Login] = {}
        faults: list[Fault] = []
        for kind in token_kinds(settings, self._known_scenarios(), prepares=prepares):
            read = user_login if kind == USER else credentials
            try:
                logins[kind] = read(environ, settings)
            except SettingsError as error:
                faults += error.faults
        SettingsError.raise_for(faults)
        return logins

    def use(self, login: Login, settings: Settings) -> Credentials | Token:
        """Return what a login is at the settings' login host."""
        if isinstance(login, UserToken):
            return Token(login.token, inf)
        if isinstance(login, ClientLogin):
            return Credentials(*login)
        # One for all runs of this process: a login host may take it once, and answer with another.
        renewing = self._refresh_tokens.setdefault(
            settings.target.login_url, RefreshToken(login.refresh_token)
        )
        return Credentials(login.client_id, login.client_secret, renewing)

    def of_guests(self, settings: Settings) -> tuple[Secret, ...]:
        """Return what guests log in with, as far as some run; raises SettingsError."""
        if self._are_withheld(settings):
            return ()
        known = self._known_scenarios()
        routes = [known[name].route for name in settings.scenarios if name in known]
        return guest_jwts(self._environ) if GUEST_CHAT in routes else ()

    def has_secrets_for(self, settings: Settings, *, prepares: bool) -> bool:
        """Return whether a target is approved, or gets anything that not everybody knows.

        Who `prepares` a run, or does what a record says, logs in for more than a worker does.
        """
        if settings.target.approval is not None:
            return True
        if self._are_withheld(settings):
            return False
        logins = self.given(settings, prepares=prepares).values()
        given = chain(*logins, self.of_guests(settings))
        return not PUBLISHED_CREDENTIALS.issuperset(given) or any(
            not isinstance(value, str) for value in settings.headers.values()
        )
