"""What a process was given to log in with and as secret headers: hidden, and for which target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import chain
from math import inf

from convoy.errors import Fault, SettingsError
from convoy.prepare.scenarios import KnownScenario, token_kinds
from convoy.remote.oauth import Credentials, RefreshToken, Token
from convoy.routes.catalogue import GUEST_CHAT, USER, TokenKind
from convoy.secrets import Redactor, Secret
from convoy.settings import Settings
from convoy.settings.environment import (
    CREDENTIALS,
    PUBLISHED_CREDENTIALS,
    ClientLogin,
    UserLogin,
    UserToken,
    credentials,
    guest_jwts,
    header_values,
    secrets_in,
    user_login,
)
from convoy.settings.options import OPTIONS
from convoy.settings.sources import names_of, read_sources

_TARGET = OPTIONS["target"].variable
Login = ClientLogin | UserLogin | UserToken


class Keyring:
    """The logins and secret headers of `environ`, and which targets get them.

    Everybody has the embedded simulator's address by default, and anybody on this machine may
    listen there and call itself one. So it gets none of them, as if none were given, unless this
    process was started with that target, by its command line or by a variable. The `redactor`
    hides what is read; `known_scenarios` say which kinds of token a run needs, and `resolve` what
    the target files of this process say.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        redactor: Redactor,
        known_scenarios: Callable[[], Mapping[str, KnownScenario]],
        resolve: Callable[[Mapping[str, object]], Settings],
    ) -> None:
        self._environ = environ
        self._redactor = redactor
        self._known_scenarios = known_scenarios
        self._resolve = resolve
        self._named = environ.get(_TARGET, "")
        self._refresh_tokens: dict[str, RefreshToken] = {}
        self.own_options: Mapping[str, object] | None = None
        """Those of a worker that was started by itself, which may name a target; None otherwise."""

    def note_target(self, named: object) -> None:
        """Note the target that the command line names, if any."""
        self._named = str(named or self._named)

    @cached_property
    def _named_simulator(self) -> str:
        """The target that this process was started with, by its name, if it is a simulator's."""
        if not self._named:
            return ""
        with suppress(SettingsError):  # which is said where the settings of the run are resolved
            target = self._resolve({"target": self._named}).target
            return target.name if target.embedded_simulator else ""
        return ""

    def are_withheld(self, settings: Settings) -> bool:
        """Tell whether the target gets none of the secrets that were given here.

        A worker that was started by itself takes no part in a run to such a target.
        """
        target = settings.target
        is_unnamed = target.embedded_simulator and target.name != self._named_simulator
        return is_unnamed and self.own_options is None

    def withheld(self, settings: Settings) -> str:
        """Say that secrets were given which the target does not get; "" where there are none."""
        has_any = _has_secret_header(settings) or has_own_credentials(self._environ)
        if not has_any or not self.are_withheld(settings):
            return ""
        target = settings.target
        return (
            "your credentials and secret headers are not used, but the simulator's published "
            f"ones: anybody on this machine may listen at {target.api_url}, and Convoy was not "
            f"started with this target; --target {target.name} lets it have them"
        )

    def headers(
        self, headers: Mapping[str, object], faults: list[Fault]
    ) -> dict[str, str | Secret]:
        """Return the values of headers as `header_values`; secrets are hidden from now on."""
        values = header_values(self._environ, headers, faults)
        for value in values.values():
            if isinstance(value, Secret):
                self._redactor.register_header(value)
        return values

    def hide_all_headers(self) -> str:
        """Hide the secret headers in all settings that can be chosen here by name or by default.

        Also those that others replace: nobody knows with which ones something was sent. Returns
        what is wrong with those that cannot be read, "" where there are none.
        """
        faults: list[Fault] = []
        chosen = [
            {option: name}
            for option in ("target", "load_profile")
            for name in names_of(option, self._environ)
        ]
        for options in [{}, *chosen]:
            for layer in read_sources(options, self._environ, self._redactor.redact, faults):
                if isinstance(headers := layer.values.get("headers"), dict):
                    self.headers(headers, faults)
        return "; ".join(dict.fromkeys(map(str, faults)))

    def logins(self, settings: Settings, *, prepares: bool) -> dict[TokenKind, Login]:
        """Return what is given for each kind of token; raises SettingsError with every fault.

        Who `prepares` a run needs also those that open its conversations.
        """
        environ = {} if self.are_withheld(settings) else self._environ
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
        if self.are_withheld(settings):
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
        if self.are_withheld(settings):
            return False
        logins = self.logins(settings, prepares=prepares).values()
        given = chain(*logins, self.of_guests(settings))
        return not PUBLISHED_CREDENTIALS.issuperset(given) or _has_secret_header(settings)

    def own_settings(self, own_options: Mapping[str, object]) -> Iterator[Settings]:
        """Yield what the target files of this process say, as far as they can be read.

        Among them is the embedded simulator only where this process was started with its target:
        everybody has that file, and anybody on this machine may listen at its address.
        """
        is_named = bool(own_options.get("target") or self._environ.get(_TARGET))
        names = names_of("target", self._environ)
        for options in (own_options, *({"target": name} for name in names)):
            with suppress(SettingsError):
                settings = self._resolve(options)
                if not settings.target.embedded_simulator or (is_named and options is own_options):
                    yield settings


def has_own_credentials(environ: Mapping[str, str]) -> bool:
    """Tell whether anything to log in with is given that not everybody knows."""
    try:
        found = secrets_in(environ, *CREDENTIALS).values()
    except SettingsError:
        return True  # what is wrong with it is said where it is needed
    return not PUBLISHED_CREDENTIALS.issuperset(filter(None, found))


def _has_secret_header(settings: Settings) -> bool:
    return any(not isinstance(each, str) for each in settings.headers.values())
