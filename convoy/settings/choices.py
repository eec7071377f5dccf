"""What a form or a help text offers: the names there are, and what the environment asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convoy.settings.environment import CONFIG_DIR, VARIABLE_BY_OPTION
from convoy.settings.resolution import CHOSEN_BY_DEFAULT, CONFIG

_OFFERED = ("target", "load_profile", "scenarios", "rate", "seed")


def target_names(environ: Mapping[str, str]) -> list[str]:
    """Return the targets that can be chosen by name."""
    return _names(environ, "targets")


def profile_names(environ: Mapping[str, str]) -> list[str]:
    """Return the profiles that can be chosen by name."""
    return _names(environ, "profiles")


def environment_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what each option is when it is not given; empty means the profile's."""
    return {
        name: environ.get(VARIABLE_BY_OPTION[name], "") or CHOSEN_BY_DEFAULT.get(name, "")
        for name in _OFFERED
    }


def _names(environ: Mapping[str, str], folder: str) -> list[str]:
    directory = Path(environ.get(CONFIG_DIR, "") or CONFIG) / folder
    return sorted(path.stem for path in directory.glob("*.yaml"))
