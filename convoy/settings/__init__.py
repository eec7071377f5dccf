"""The settings of a run: one frozen value, built once from files, environment and command line."""

from convoy.settings.environment import (
    CONFIG,
    PUBLISHED_CREDENTIAL,
    VARIABLES,
    credential_redactor,
    credentials,
    environment_of_children,
    header_values,
    payload_directory,
)
from convoy.settings.model import Conversations, ScenarioSettings, Settings, Texts
from convoy.settings.origin import Origin
from convoy.settings.resolution import resolve
from convoy.settings.sources import command_of

__all__ = [
    "CONFIG",
    "PUBLISHED_CREDENTIAL",
    "VARIABLES",
    "Conversations",
    "Origin",
    "ScenarioSettings",
    "Settings",
    "Texts",
    "command_of",
    "credential_redactor",
    "credentials",
    "environment_of_children",
    "header_values",
    "payload_directory",
    "resolve",
]
