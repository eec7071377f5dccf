"""The environment variables Convoy knows, and what is read from them apart from the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from convoy.errors import Fault, SettingsError, did_you_mean
from convoy.files import FileError, read_text
from convoy.secrets import Redactor, Secret
from convoy.settings.model import Settings
from convoy.settings.options import VARIABLE_BY_OPTION
from convoy.settings.values import HeaderSource, HeaderValue, header_problem
from convoy.untrusted_text import quoted

PREFIX = "CONVOY_"
CONFIG_DIR = "CONVOY_CONFIG_DIR"
PAYLOADS_DIR = "CONVOY_PAYLOADS_DIR"
CLIENT_ID = "CONVOY_CLIENT_ID"
CLIENT_SECRET = "CONVOY_CLIENT_SECRET"
USER_TOKEN = "CONVOY_USER_TOKEN"
REFRESH_TOKEN = "CONVOY_REFRESH_TOKEN"
USER_CLIENT_ID = "CONVOY_USER_CLIENT_ID"
USER_CLIENT_SECRET = "CONVOY_USER_CLIENT_SECRET"
GUEST_JWTS = "CONVOY_GUEST_JWTS"
SWARM_SECRET = "CONVOY_SWARM_SECRET"
LABELS = "CONVOY_LABELS"
SIMULATOR_KEY = "CONVOY_SIMULATOR_KEY"
WEB_USER = "CONVOY_WEB_USER"
WEB_PASSWORD = "CONVOY_WEB_PASSWORD"
WEB_HOSTS = "CONVOY_WEB_HOSTS"
_MOST_BYTES = 64 * 1024
_HEADER_VALUE: TypeAdapter[str | HeaderSource] = TypeAdapter(HeaderValue)


class _Rule(NamedTuple):
    """What a secret should be: one line of text, or JWTs with white space between them.

    `why` ends the sentence on one that is too short, and `most_bytes` may be in its file.
    """

    shortest: int = 0
    why: str = ""
    most_bytes: int = _MOST_BYTES
    holds_jwts: bool = False
    is_hidden: bool = True


_MADE_UP = _Rule(16, "; make one by openssl rand -hex 32")
_SECRETS = {
    CLIENT_ID: _Rule(),
    CLIENT_SECRET: _Rule(),
    USER_TOKEN: _Rule(),
    REFRESH_TOKEN: _Rule(),
    USER_CLIENT_ID: _Rule(),
    USER_CLIENT_SECRET: _Rule(),
    GUEST_JWTS: _Rule(most_bytes=64 * 2**20, holds_jwts=True),
    SWARM_SECRET: _MADE_UP,
    SIMULATOR_KEY: _MADE_UP,
    WEB_PASSWORD: _Rule(12, ", because it lets whoever has it start load"),
    WEB_USER: _Rule(is_hidden=False),
}
"""What is given in a variable, or in a file that the variable with `_FILE` names."""
CREDENTIALS = (
    *(CLIENT_ID, CLIENT_SECRET, USER_TOKEN, REFRESH_TOKEN),
    *(USER_CLIENT_ID, USER_CLIENT_SECRET, GUEST_JWTS),
)
"""The variables of whatever is logged in with at a target."""
VARIABLES = (
    *VARIABLE_BY_OPTION.values(),
    LABELS,
    *(name for each in _SECRETS for name in (each, f"{each}_FILE")),
    CONFIG_DIR,
    PAYLOADS_DIR,
    WEB_HOSTS,
)
CONFIG = Path(__file__).resolve().parents[2] / "config"
"""The configuration that comes with Convoy."""
_CLIENT, _USER = Secret("demo"), Secret("public-user")
PUBLISHED_CREDENTIALS = frozenset({_CLIENT, _USER})
"""Ids and secrets of the simulator's own clients, and their refresh token, which are published."""

# By their whole names: a secret header's variable may be called LC_KEY, or PYTHON_KEY.
_NEEDED = re.compile(
    "HOME|LANG|LANGUAGE|LD_LIBRARY_PATH|PATH|TMPDIR|TZ|VIRTUAL_ENV"
    "|LC_(?:ALL|COLLATE|CTYPE|MESSAGES|MONETARY|NUMERIC|TIME)"
    "|PYTHON(?:COERCECLOCALE|DEVMODE|DONTWRITEBYTECODE|HASHSEED|HOME|IOENCODING|NOUSERSITE|PATH"
    "|PYCACHEPREFIX|SAFEPATH|UNBUFFERED|UTF8|WARNINGS)"
)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_NAME_OF_VARIABLE = re.compile(r"(?:[A-Z]{1,15}\d?_)*[A-Z]{1,15}\d?")
"""As they are usually called; no secret that a machine has made looks like it."""
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?", re.IGNORECASE)


class ClientLogin(NamedTuple):
    """What a client logs in with for itself."""

    client_id: Secret
    client_secret: Secret


class UserLogin(NamedTuple):
    """What a client logs in with for a user who has let it."""

    client_id: Secret
    client_secret: Secret
    refresh_token: Secret


class UserToken(NamedTuple):
    """A user's access token as it is, which nothing can renew."""

    token: Secret


def unknown_variables(environ: Mapping[str, str]) -> Iterator[Fault]:
    """Yield a fault for every `CONVOY_…` variable that means nothing; values are not shown."""
    known = [name.removeprefix(PREFIX) for name in VARIABLES]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in VARIABLES:
            close = did_you_mean(name.removeprefix(PREFIX), known, PREFIX)
            yield Fault(
                name, f"is no variable of Convoy{close or '; known: ' + ', '.join(VARIABLES)}"
            )


def environment_of_children(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for processes that are started: what a program needs to run at all.

    Anything else may be a credential, of Convoy or of what surrounds it.
    """
    return {name: value for name, value in environ.items() if _NEEDED.fullmatch(name)}


def credential_redactor(environ: Mapping[str, str]) -> Redactor:
    """Return a redactor that hides the credentials of the environment, and of files it names."""
    redactor = Redactor()
    for name, rule in _SECRETS.items():
        value, file = _given(environ, name) if rule.is_hidden else ("", "")
        texts = [value]
        if file:
            # One that cannot be read is a fault where its credential is needed, not here. JWTs by
            # the thousand take seconds: until then those of a larger file are known by shape.
            with suppress(FileError):
                texts.append(_in_file(file))
        for each in map(Secret, texts + " ".join(texts).split() * rule.holds_jwts):
            if each not in PUBLISHED_CREDENTIALS:
                redactor.register(each, permanent=True)
    return redactor


def secret_faults(texts: Mapping[str, object], redact: Callable[[str], str]) -> Iterator[Fault]:
    """Yield a fault for each text, by its name, that holds a secret.

    It is not to be used: once it is split or converted, the secret is not found any more.
    """
    for name, text in texts.items():
        if redact(str(text)) != str(text):
            yield Fault(name, "holds a secret; a credential belongs in its own variable")


def secrets_in(environ: Mapping[str, str], *names: str) -> dict[str, Secret | None]:
    """Return what each variable or its file holds, None where neither is set.

    Raises SettingsError with every fault; none shows what was read.
    """
    found: dict[str, Secret | None] = {}
    faults: list[Fault] = []
    for name in names:
        rule, (value, file) = _SECRETS[name], _given(environ, name)
        if value and file:
            faults.append(Fault(name, f"is given, and so is {name}_FILE; give only one of them"))
            continue
        try:
            text = _in_file(file, rule.most_bytes) if file else _in_variable(environ, name)
            _check(text, rule)
            found[name] = Secret(text) if text else None
        except FileError as error:
            where, what = (f"{name}_FILE", f"{_file_named(file)} ") if file else (name, "")
            faults.append(Fault(where, f"{what}{error}"))
    SettingsError.raise_for(faults)
    return found


def credentials(environ: Mapping[str, str], settings: Settings) -> ClientLogin:
    """Return client id and client secret for the target of `settings`.

    Each comes from its variable or from the file that the variable with `_FILE` names. The
    simulator's `demo` client is taken when neither is given. Raises SettingsError.
    """
    found = secrets_in(environ, CLIENT_ID, CLIENT_SECRET)
    if not any(found.values()) and _is_simulator(settings):
        return ClientLogin(_CLIENT, _CLIENT)
    return ClientLogin(*_all_of(found, f"target {settings.target.name!r}"))


def user_login(environ: Mapping[str, str], settings: Settings) -> UserLogin | UserToken:
    """Return what brings tokens of a user, given as the credentials are, or the one token there is.

    A refresh token goes with a client of its own, or with that of the credentials. The simulator's
    `public-user` is taken where nothing is given. Raises SettingsError.
    """
    target = f"target {settings.target.name!r}"
    own, ordinary = (USER_CLIENT_ID, USER_CLIENT_SECRET), (CLIENT_ID, CLIENT_SECRET)
    found = secrets_in(environ, USER_TOKEN, REFRESH_TOKEN, *own, *ordinary)
    token, refresh_token = found[USER_TOKEN], found[REFRESH_TOKEN]
    has_own, has_ordinary = (any(map(found.get, names)) for names in (own, ordinary))
    if token is not None and refresh_token is not None:
        problem = f"is given, and so is {REFRESH_TOKEN}; give only one"
        raise SettingsError([Fault(USER_TOKEN, problem)])
    if token is not None:
        return UserToken(token)
    if _is_simulator(settings) and not has_own and (refresh_token is None or not has_ordinary):
        return UserLogin(_USER, _USER, refresh_token or _USER)
    if refresh_token is None:
        needed = f"a scenario writes as a user of {target}"
        wanted = f"a user's access token, or {REFRESH_TOKEN} for tokens that are renewed"
        problem = f"is missing, and {needed}; set it to {wanted} (either also as …_FILE)"
        raise SettingsError([Fault(USER_TOKEN, problem)])
    client = own if has_own or not has_ordinary else ordinary
    return UserLogin(*_all_of({name: found[name] for name in (*client, REFRESH_TOKEN)}, target))


def guest_jwts(environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return what guests of web messaging log in with, one after the other; none without logins.

    White space separates them, in the variable or in its file. Raises SettingsError.
    """
    jwts = secrets_in(environ, GUEST_JWTS)[GUEST_JWTS]
    return tuple(map(Secret, jwts.reveal().split())) if jwts else ()


def _all_of(found: Mapping[str, Secret | None], needed_by: str) -> list[Secret]:
    """Return the values of variables; raises SettingsError for each that has none."""
    SettingsError.raise_for(
        Fault(name, f"{needed_by} needs it; set {name} or {name}_FILE")
        for name, value in found.items()
        if value is None
    )
    return [value for value in found.values() if value is not None]


def _is_simulator(settings: Settings) -> bool:
    return settings.target.embedded_simulator or settings.target.name == "simulator"


def swarm_secret(environ: Mapping[str, str]) -> Secret | None:
    """Return what master and workers know in common; None without. Raises SettingsError."""
    return secrets_in(environ, SWARM_SECRET)[SWARM_SECRET]


def simulator_key(environ: Mapping[str, str]) -> Secret | None:
    """Return the key by which a simulator on another machine is known; raises SettingsError."""
    return secrets_in(environ, SIMULATOR_KEY)[SIMULATOR_KEY]


def web_login(environ: Mapping[str, str]) -> tuple[str, Secret]:
    """Return user and password of the web UI, from variables or files; raises SettingsError."""
    user, password = _all_of(secrets_in(environ, WEB_USER, WEB_PASSWORD), "--web-login")
    return user.reveal(), password


def has_web_password(environ: Mapping[str, str]) -> bool:
    """Tell whether a password of the web UI is given, whatever it is worth."""
    return any(_given(environ, WEB_PASSWORD))


def web_hosts(environ: Mapping[str, str], redact: Callable[[str], str]) -> frozenset[str]:
    """Return the names by which browsers may ask for the web UI; raises SettingsError."""
    given = environ.get(WEB_HOSTS, "")
    SettingsError.raise_for(secret_faults({WEB_HOSTS: given}, redact))
    names = [name.strip() for name in given.split(",")]
    SettingsError.raise_for(
        Fault(WEB_HOSTS, f"has {quoted(name)}, but should hold names without scheme, port and star")
        for name in filter(None, names)
        if not _HOST_NAME.fullmatch(name)
    )
    return frozenset(name.lower().strip("[]") for name in names if name)


def header_values(
    environ: Mapping[str, str], headers: Mapping[str, object], faults: list[Fault]
) -> dict[str, str | Secret]:
    """Return headers with their values; one that is kept elsewhere is a secret.

    They may be as they stand in a file. `faults` get, without the value, why one cannot be read,
    which is left out.
    """
    values: dict[str, str | Secret] = {}
    for header, given in headers.items():
        try:
            source = _HEADER_VALUE.validate_python(given)
            values[header] = source if isinstance(source, str) else _kept(environ, header, source)
        except ValidationError as error:
            faults.append(Fault(f"headers.{header}", error.errors()[0]["msg"]))
        except SettingsError as error:
            faults += error.faults
    return values


def _kept(environ: Mapping[str, str], header: str, source: HeaderSource) -> Secret:
    """Return the value of a header that is kept elsewhere; raises SettingsError."""
    is_known = source.name in environ or _NAME_OF_VARIABLE.fullmatch(source.name)
    variable = f"the variable {source.name!r}" if is_known else "the variable that it names"
    is_file = source.kind == "file"
    kept_in = _file_named(source.name) if is_file else variable
    try:
        value = _in_file(source.name) if is_file else _in_variable(environ, source.name)
        problem = header_problem(value) if value else "is not set, or empty"
    except FileError as error:
        value, problem = "", str(error)
    if problem:
        raise SettingsError([Fault(f"headers.{header}", f"{kept_in} {problem}")])
    return Secret(value)


def config_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of the configuration; raises SettingsError when it is none."""
    return _directory(environ, CONFIG_DIR, CONFIG)


def payload_directory(environ: Mapping[str, str], default: Path) -> Path:
    """Return the directory of message templates; raises SettingsError when it is none."""
    return _directory(environ, PAYLOADS_DIR, default)


def _directory(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    given = environ.get(variable, "").strip() or str(default)
    path = Path(given).expanduser()
    try:
        is_directory = path.is_dir()
    except OSError:
        is_directory = False
    if not is_directory:
        problem = f"is {given!r}, which is no folder; name one, or leave the variable out"
        raise SettingsError([Fault(variable, problem)])
    return path


def _given(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return a variable's value, UTF-8 whatever the locale, and the file that `_FILE` names."""
    value = os.fsencode(environ.get(name, "")).decode("utf-8", "surrogateescape")
    return value.strip(), environ.get(f"{name}_FILE", "").strip()


def _file_named(name: str) -> str:
    """Say which file a variable or a setting names, as far as that is on this machine.

    By mistake the secret itself may stand there, where nobody would know it for one.
    """
    path = os.path.expanduser(name)
    if os.path.exists(path):
        return f"the file {name!r}"
    folder = os.path.dirname(path)
    return "the file that it names" + f" in {folder!r}" * os.path.isdir(folder)


def _in_variable(environ: Mapping[str, str], name: str) -> str:
    """Return what a variable holds, without the white space around it, "" where it is not set.

    That is the UTF-8 that its bytes are, whatever the locale; raises FileError for anything else.
    """
    try:
        return os.fsencode(environ.get(name, "")).decode("utf-8").strip()
    except UnicodeError:
        raise FileError("is not UTF-8") from None


def _in_file(name: str, most_bytes: int = _MOST_BYTES) -> str:
    """Return what a file holds, without the white space around it; raises FileError for nothing."""
    if text := read_text(Path(name), most_bytes).strip():
        return text
    raise FileError("is empty")


def _check(text: str, rule: _Rule) -> None:
    """Raise FileError for a text that is against the rule; the message does not show the text."""
    if rule.holds_jwts:
        for number, jwt in enumerate(text.split(), start=1):
            if not _JWT.fullmatch(jwt):
                what = "JWTs, of three parts with dots between"
                raise FileError(f"should hold {what}, but number {number} is none")
    elif not text.isprintable():
        raise FileError("holds more than one line, or characters that do not print")
    elif 0 < len(text) < rule.shortest:
        raise FileError(f"should have at least {rule.shortest} characters{rule.why}")
