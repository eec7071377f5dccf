"""The settings of a run: one frozen value, built once from files, environment and command line."""

from convoy.settings.environment import (
    CONFIG,
    PUBLISHED_CREDENTIAL,
    SIMULATOR_KEY,
    VARIABLES,
    credentials,
    environment_of_children,
    payload_directory,
    simulator_key,
)
from convoy.settings.model import Conversations, ScenarioSettings, Settings, Texts
from convoy.settings.origin import Origin
from convoy.settings.resolution import resolve
from convoy.settings.sources import command_of, names_of

__all__ = [
    "CONFIG",
    "PUBLISHED_CREDENTIAL",
    "SIMULATOR_KEY",
    "VARIABLES",
    "Conversations",
    "Origin",
    "ScenarioSettings",
    "Settings",
    "Texts",
    "command_of",
    "credentials",
    "environment_of_children",
    "names_of",
    "payload_directory",
    "resolve",
    "simulator_key",
]
