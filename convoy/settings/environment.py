"""The environment variables Convoy knows, and what is read from them apart from the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from convoy.errors import Fault, SettingsError, did_you_mean
from convoy.files import FileError, read_text
from convoy.secrets import Redactor, Secret
from convoy.settings.model import Settings

PREFIX = "CONVOY_"
CONFIG_DIR = "CONVOY_CONFIG_DIR"
PAYLOADS_DIR = "CONVOY_PAYLOADS_DIR"
CLIENT_ID = "CONVOY_CLIENT_ID"
CLIENT_SECRET = "CONVOY_CLIENT_SECRET"
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
VARIABLES = (
    *VARIABLE_BY_OPTION.values(),
    LABELS,
    CLIENT_ID,
    f"{CLIENT_ID}_FILE",
    CLIENT_SECRET,
    f"{CLIENT_SECRET}_FILE",
    SWARM_SECRET,
    f"{SWARM_SECRET}_FILE",
    SIMULATOR_KEY,
    f"{SIMULATOR_KEY}_FILE",
    CONFIG_DIR,
    PAYLOADS_DIR,
    WEB_USER,
    f"{WEB_USER}_FILE",
    WEB_PASSWORD,
    f"{WEB_PASSWORD}_FILE",
    WEB_HOSTS,
)
CONFIG = Path(__file__).resolve().parents[2] / "config"
"""The configuration that comes with Convoy."""
PUBLISHED_CREDENTIAL = Secret("demo")
"""Client id and secret of the simulator's own client, which are published."""

_NEEDED = ("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
_NEEDED_PREFIXES = ("LC_", "PYTHON")
_SHORTEST_KEY = 16
_LONGEST_SECRET_FILE = 64 * 1024
_SHORTEST_PASSWORD = 12
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?", re.IGNORECASE)


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
    """Return a redactor that hides the credentials standing in the environment itself."""
    redactor = Redactor()
    for name in (CLIENT_ID, CLIENT_SECRET, SWARM_SECRET, SIMULATOR_KEY, WEB_PASSWORD):
        redactor.register(environ.get(name, ""), permanent=True)
    return redactor


def credentials(environ: Mapping[str, str], settings: Settings) -> tuple[Secret, Secret]:
    """Return client id and client secret for the target of `settings`.

    Each comes from its variable or from the file that the variable with `_FILE` names. The
    simulator's `demo` client is taken when neither is given. Raises SettingsError.
    """
    faults: list[Fault] = []
    given = [_credential(environ, name, faults) for name in (CLIENT_ID, CLIENT_SECRET)]
    if faults:
        raise SettingsError(faults)
    client_id, client_secret = given
    is_simulator = settings.target.embedded_simulator or settings.target.name == "simulator"
    if client_id is None and client_secret is None and is_simulator:
        return PUBLISHED_CREDENTIAL, PUBLISHED_CREDENTIAL
    if client_id is None or client_secret is None:
        names = zip((CLIENT_ID, CLIENT_SECRET), given, strict=True)
        raise SettingsError(
            Fault(name, f"target {settings.target.name!r} needs it; set {name} or {name}_FILE")
            for name, value in names
            if value is None
        )
    return client_id, client_secret


def swarm_secret(environ: Mapping[str, str]) -> Secret | None:
    """Return what master and workers know in common; None without. Raises SettingsError."""
    return _shared_secret(environ, SWARM_SECRET)


def simulator_key(environ: Mapping[str, str]) -> Secret | None:
    """Return the key by which a simulator on another machine is known; raises SettingsError."""
    return _shared_secret(environ, SIMULATOR_KEY)


def web_login(environ: Mapping[str, str]) -> tuple[str, Secret]:
    """Return user and password of the web UI, from variables or files; raises SettingsError."""
    faults: list[Fault] = []
    given = [_credential(environ, name, faults) for name in (WEB_USER, WEB_PASSWORD)]
    if not faults:
        faults += [
            Fault("--web-login", f"needs {name} or {name}_FILE, and neither is set")
            for name, value in zip((WEB_USER, WEB_PASSWORD), given, strict=True)
            if value is None
        ]
    user, password = given
    if password is not None and len(password.reveal()) < _SHORTEST_PASSWORD:
        problem = f"should have at least {_SHORTEST_PASSWORD} characters"
        faults.append(Fault(WEB_PASSWORD, f"{problem}, because it lets whoever has it start load"))
    if faults or user is None or password is None:
        raise SettingsError(faults)
    return user.reveal(), password


def has_web_password(environ: Mapping[str, str]) -> bool:
    """Tell whether a password of the web UI is given, whatever it is worth."""
    return any(environ.get(name, "").strip() for name in (WEB_PASSWORD, f"{WEB_PASSWORD}_FILE"))


def web_hosts(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the names by which browsers may ask for the web UI; raises SettingsError."""
    names = [name.strip() for name in environ.get(WEB_HOSTS, "").split(",")]
    faults = [
        Fault(WEB_HOSTS, f"has {name[:60]!r}, but should hold names without scheme, port and star")
        for name in filter(None, names)
        if not _HOST_NAME.fullmatch(name)
    ]
    if faults:
        raise SettingsError(faults)
    return frozenset(name.lower().strip("[]") for name in names if name)


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


def _credential(environ: Mapping[str, str], name: str, faults: list[Fault]) -> Secret | None:
    value = environ.get(name, "").strip()
    file = environ.get(f"{name}_FILE", "").strip()
    if value and file:
        faults.append(Fault(name, f"is given, and so is {name}_FILE; give only one of them"))
        return None
    try:
        value = _secret_in(Path(file)) if file else _text_of(value)
    except FileError as error:
        where, what = (f"{name}_FILE", f"the file {file!r} ") if file else (name, "")
        faults.append(Fault(where, f"{what}{error}"))
    return Secret(value) if value else None


def _shared_secret(environ: Mapping[str, str], name: str) -> Secret | None:
    """Return a secret that people make up, given as the credentials are; a short one is a fault."""
    faults: list[Fault] = []
    secret = _credential(environ, name, faults)
    if secret is not None and len(secret.reveal()) < _SHORTEST_KEY:
        problem = f"has fewer than {_SHORTEST_KEY} characters; make one by openssl rand -hex 16"
        faults.append(Fault(name, problem))
    if faults:
        raise SettingsError(faults)
    return secret


def _secret_in(path: Path) -> str:
    """Return what a file holds, without the white space around it.

    Raises FileError, which says what is wrong with the file and never shows its content.
    """
    value = read_text(path, _LONGEST_SECRET_FILE).strip()
    if not value:
        raise FileError("is empty")
    return _printable(value)


def _text_of(value: str) -> str:
    """Return a variable's value as the UTF-8 that its bytes are, whatever the locale.

    Raises FileError, which says what is wrong with it and never shows it.
    """
    try:
        return _printable(os.fsencode(value).decode("utf-8"))
    except UnicodeError:
        raise FileError("is not UTF-8") from None


def _printable(value: str) -> str:
    if not value.isprintable():
        raise FileError("holds more than one line, or characters that do not print")
    return value
