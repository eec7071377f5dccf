"""The environment variables Convoy knows, and what is read from them apart from the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from convoy.errors import Fault, SettingsError, did_you_mean
from convoy.files import FileError, read_text
from convoy.foreign import quoted
from convoy.secrets import Redactor, Secret
from convoy.settings.model import Settings
from convoy.settings.values import header_problem

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
VARIABLE_BY_OPTION = {
    "target": "CONVOY_TARGET",
    "load_profile": "CONVOY_LOAD_PROFILE",
    "scenarios": "CONVOY_SCENARIOS",
    "rate": "CONVOY_RATE",
    "seed": "CONVOY_SEED",
    "set": "CONVOY_SET",
}
_SECRETS = (
    CLIENT_ID,
    CLIENT_SECRET,
    USER_TOKEN,
    REFRESH_TOKEN,
    USER_CLIENT_ID,
    USER_CLIENT_SECRET,
    GUEST_JWTS,
    SWARM_SECRET,
    SIMULATOR_KEY,
    WEB_PASSWORD,
)
VARIABLES = (
    *VARIABLE_BY_OPTION.values(),
    LABELS,
    *(name for each in (*_SECRETS, WEB_USER) for name in (each, f"{each}_FILE")),
    CONFIG_DIR,
    PAYLOADS_DIR,
    WEB_HOSTS,
)
CONFIG = Path(__file__).resolve().parents[2] / "config"
"""The configuration that comes with Convoy."""
_CLIENT, _USER = Secret("demo"), Secret("public-user")
PUBLISHED_CREDENTIALS = frozenset({_CLIENT, _USER})
"""Ids and secrets of the simulator's own clients, and their refresh token, which are published."""

_NEEDED = ("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
_NEEDED_PREFIXES = ("LC_", "PYTHON")
_SHORTEST_KEY = 16
_LONGEST_SECRET_FILE = 64 * 1024
_LONGEST_JWT_FILE = 64 * 2**20
_SHORTEST_PASSWORD = 12
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
    return {
        name: value
        for name, value in environ.items()
        if name in _NEEDED or name.startswith(_NEEDED_PREFIXES)
    }


def credential_redactor(environ: Mapping[str, str]) -> Redactor:
    """Return a redactor that hides the credentials of the environment, and of files it names."""
    redactor = Redactor()
    for name in _SECRETS:
        given = [environ.get(name, "").strip()]
        if file := environ.get(f"{name}_FILE", "").strip():
            # A file that cannot be read is a fault where its credential is needed, not here. JWTs
            # by the thousand take seconds: until then those of a larger file are known by shape.
            with suppress(FileError):
                given.append(read_text(Path(file), _LONGEST_SECRET_FILE).strip())
        for text in given:
            for value in map(Secret, [text, *text.split()] if name == GUEST_JWTS else [text]):
                if value not in PUBLISHED_CREDENTIALS:
                    redactor.register(value, permanent=True)
    return redactor


def secret_faults(texts: Mapping[str, object], redact: Callable[[str], str]) -> Iterator[Fault]:
    """Yield a fault for each text, by its name, that holds a secret.

    It is not to be used: once it is split or converted, the secret is not found any more.
    """
    for name, text in texts.items():
        if redact(str(text)) != str(text):
            yield Fault(name, "holds a secret; a credential belongs in its own variable")


def credentials(environ: Mapping[str, str], settings: Settings) -> ClientLogin:
    """Return client id and client secret for the target of `settings`.

    Each comes from its variable or from the file that the variable with `_FILE` names. The
    simulator's `demo` client is taken when neither is given. Raises SettingsError.
    """
    faults: list[Fault] = []
    given = _credentials(environ, (CLIENT_ID, CLIENT_SECRET), faults)
    SettingsError.raise_for(faults)
    if not any(given.values()) and _is_simulator(settings):
        return ClientLogin(_CLIENT, _CLIENT)
    return ClientLogin(*_all_of(given, settings))


def user_login(environ: Mapping[str, str], settings: Settings) -> UserLogin | UserToken:
    """Return what brings tokens of a user, given as the credentials are, or the one token there is.

    A refresh token goes with a client of its own, or with that of the credentials. The simulator's
    `public-user` is taken where nothing is given. Raises SettingsError.
    """
    faults: list[Fault] = []
    tokens = _credentials(environ, (USER_TOKEN, REFRESH_TOKEN), faults)
    token, refresh_token = tokens.values()
    pairs = [
        _credentials(environ, names, faults)
        for names in ((USER_CLIENT_ID, USER_CLIENT_SECRET), (CLIENT_ID, CLIENT_SECRET))
    ]
    is_published = _is_simulator(settings) and not any(pairs[0].values())
    if token is not None and refresh_token is not None:
        faults.append(Fault(USER_TOKEN, f"is given, and so is {REFRESH_TOKEN}; give only one"))
    if not faults and token is None and refresh_token is None and not is_published:
        needed = f"a scenario writes as a user of target {settings.target.name!r}"
        wanted = f"a user's access token, or {REFRESH_TOKEN} for tokens that are renewed"
        problem = f"is missing, and {needed}; set it to {wanted} (either also as …_FILE)"
        faults.append(Fault(USER_TOKEN, problem))
    SettingsError.raise_for(faults)
    if token is not None:
        return UserToken(token)
    if is_published and (refresh_token is None or not any(pairs[1].values())):
        return UserLogin(_USER, _USER, refresh_token or _USER)
    assert refresh_token is not None
    given = next((pair for pair in pairs if any(pair.values())), pairs[0])
    client_id, client_secret = _all_of(given, settings)
    return UserLogin(client_id, client_secret, refresh_token)


def guest_jwts(environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return what guests of web messaging log in with, one after the other; none without logins.

    White space separates them, in the variable or in its file. Raises SettingsError.
    """
    faults: list[Fault] = []
    where, text = _given(environ, GUEST_JWTS, faults, _LONGEST_JWT_FILE, is_list=True)
    for number, jwt in enumerate(text.split(), start=1):
        if not faults and not _JWT.fullmatch(jwt):
            problem = f"number {number} of what it holds is no JWT, three parts with dots between"
            faults.append(Fault(where, problem))
    SettingsError.raise_for(faults)
    return tuple(map(Secret, text.split()))


def _all_of(given: Mapping[str, Secret | None], settings: Settings) -> list[Secret]:
    """Return the values of variables; raises SettingsError for each that has none."""
    SettingsError.raise_for(
        Fault(name, f"target {settings.target.name!r} needs it; set {name} or {name}_FILE")
        for name, value in given.items()
        if value is None
    )
    return [value for value in given.values() if value is not None]


def _is_simulator(settings: Settings) -> bool:
    return settings.target.embedded_simulator or settings.target.name == "simulator"


def swarm_secret(environ: Mapping[str, str]) -> Secret | None:
    """Return what master and workers know in common; None without. Raises SettingsError."""
    return _shared_secret(environ, SWARM_SECRET)


def simulator_key(environ: Mapping[str, str]) -> Secret | None:
    """Return the key by which a simulator on another machine is known; raises SettingsError."""
    return _shared_secret(environ, SIMULATOR_KEY)


def web_login(environ: Mapping[str, str]) -> tuple[str, Secret]:
    """Return user and password of the web UI, from variables or files; raises SettingsError."""
    faults: list[Fault] = []
    user, password = _credentials(environ, (WEB_USER, WEB_PASSWORD), faults).values()
    if not faults:
        faults += [
            Fault("--web-login", f"needs {name} or {name}_FILE, and neither is set")
            for name, value in ((WEB_USER, user), (WEB_PASSWORD, password))
            if value is None
        ]
    if password is not None and len(password.reveal()) < _SHORTEST_PASSWORD:
        problem = f"should have at least {_SHORTEST_PASSWORD} characters"
        faults.append(Fault(WEB_PASSWORD, f"{problem}, because it lets whoever has it start load"))
    SettingsError.raise_for(faults)
    assert user is not None and password is not None
    return user.reveal(), password


def has_web_password(environ: Mapping[str, str]) -> bool:
    """Tell whether a password of the web UI is given, whatever it is worth."""
    return any(environ.get(name, "").strip() for name in (WEB_PASSWORD, f"{WEB_PASSWORD}_FILE"))


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


def header_values(environ: Mapping[str, str], settings: Settings) -> dict[str, str | Secret]:
    """Return the headers of requests to the API; a value that is kept elsewhere is a secret.

    Raises SettingsError, which shows no such value.
    """
    faults: list[Fault] = []
    values: dict[str, str | Secret] = {}
    for header, given in settings.headers.items():
        if isinstance(given, str):
            values[header] = given
            continue
        is_known = given.name in environ or _NAME_OF_VARIABLE.fullmatch(given.name)
        variable = f"the variable {given.name!r}" if is_known else "the variable that it names"
        kept_in = _file_named(given.name) if given.kind == "file" else variable
        try:
            text = environ.get(given.name, "").strip()
            value = _text_of(text, given.name if given.kind == "file" else "")
            problem = header_problem(value) if value else "is not set, or empty"
        except FileError as error:
            value, problem = "", str(error)
        if problem:
            faults.append(Fault(f"headers.{header}", f"{kept_in} {problem}"))
        values[header] = Secret(value)
    SettingsError.raise_for(faults)
    return values


def config_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of the configuration; raises SettingsError when it is none."""
    return _directory(environ, CONFIG_DIR, CONFIG)


def payload_directory(environ: Mapping[str, str], default: Path) -> Path:
    """Return the directory of message templates; raises SettingsError when it is none."""
    return _directory(environ, PAYLOADS_DIR, default)


def _directory(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    path = Path(environ.get(variable, "").strip() or default).expanduser()
    try:
        is_directory = path.is_dir()
    except OSError:
        is_directory = False
    if not is_directory:
        raise SettingsError([Fault(variable, f"{str(path)!r} is no directory")])
    return path


def _credentials(
    environ: Mapping[str, str], names: Iterable[str], faults: list[Fault]
) -> dict[str, Secret | None]:
    """Return what each variable or its file holds, None where neither is set."""
    found = {name: _given(environ, name, faults)[1] for name in names}
    return {name: Secret(text) if text else None for name, text in found.items()}


def _given(
    environ: Mapping[str, str],
    name: str,
    faults: list[Fault],
    most_bytes: int = _LONGEST_SECRET_FILE,
    *,
    is_list: bool = False,
) -> tuple[str, str]:
    """Return the variable or that of its file, whichever is set, and what it holds; "" for none.

    A fault says what is wrong with it, and never shows it.
    """
    value, file = (environ.get(each, "").strip() for each in (name, f"{name}_FILE"))
    where, what = (f"{name}_FILE", f"{_file_named(file)} ") if file else (name, "")
    if value and file:
        faults.append(Fault(name, f"is given, and so is {name}_FILE; give only one of them"))
        return name, ""
    try:
        return where, _text_of(value, file, most_bytes, is_list=is_list)
    except FileError as error:
        faults.append(Fault(where, f"{what}{error}"))
        return where, ""


def _shared_secret(environ: Mapping[str, str], name: str) -> Secret | None:
    """Return a secret that people make up, given as the credentials are; a short one is a fault."""
    faults: list[Fault] = []
    [secret] = _credentials(environ, [name], faults).values()
    if secret is not None and len(secret.reveal()) < _SHORTEST_KEY:
        problem = f"has fewer than {_SHORTEST_KEY} characters; make one by openssl rand -hex 16"
        faults.append(Fault(name, problem))
    SettingsError.raise_for(faults)
    return secret


def _file_named(name: str) -> str:
    """Say which file a variable or a setting names, as far as that is on this machine.

    By mistake the secret itself may stand there, where nobody would know it for one.
    """
    path = os.path.expanduser(name)
    if os.path.exists(path):
        return f"the file {name!r}"
    folder = os.path.dirname(path)
    return "the file that it names" + f" in {folder!r}" * os.path.isdir(folder)


def _text_of(
    value: str, file: str, most_bytes: int = _LONGEST_SECRET_FILE, *, is_list: bool = False
) -> str:
    """Return what a file holds, without the white space around it, or where none is named a value.

    That is a variable's: the UTF-8 that its bytes are, whatever the locale. Raises FileError, which
    says what is wrong and never shows what was read.
    """
    try:
        text = (
            read_text(Path(file), most_bytes).strip()
            if file
            else os.fsencode(value).decode("utf-8")
        )
    except UnicodeError:
        raise FileError("is not UTF-8") from None
    if file and not text:
        raise FileError("is empty")
    if not (is_list or text.isprintable()):
        raise FileError("holds more than one line, or characters that do not print")
    return text
