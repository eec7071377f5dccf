"""The settings of a run: one frozen value, built once from files, environment and command line."""

from convoy.settings.environment import (
    CONFIG,
    PUBLISHED_CREDENTIALS,
    SIMULATOR_KEY,
    VARIABLES,
    ClientLogin,
    UserLogin,
    UserToken,
    credential_redactor,
    credentials,
    environment_of_children,
    guest_jwts,
    header_values,
    payload_directory,
    simulator_key,
    user_login,
)
from convoy.settings.model import Conversations, ScenarioSettings, Settings, Texts
from convoy.settings.origin import Origin
from convoy.settings.resolution import resolve
from convoy.settings.sources import command_of, names_of

__all__ = [
    "CONFIG",
    "PUBLISHED_CREDENTIALS",
    "SIMULATOR_KEY",
    "VARIABLES",
    "ClientLogin",
    "Conversations",
    "Origin",
    "ScenarioSettings",
    "Settings",
    "Texts",
    "UserLogin",
    "UserToken",
    "command_of",
    "credential_redactor",
    "credentials",
    "environment_of_children",
    "header_values",
    "names_of",
    "payload_directory",
    "resolve",
    "simulator_key",
    "guest_jwts",
    "user_login",
]
