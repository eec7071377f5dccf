"""The settings of a run: one frozen value, built once from files, environment and command line."""

from convoy.settings.environment import (
    CONFIG,
    PUBLISHED_CREDENTIAL,
    VARIABLES,
    credentials,
    payload_directory,
)
from convoy.settings.model import (
    Approval,
    Conversations,
    Limit,
    OAuth,
    ScenarioSettings,
    Settings,
    Stage,
    Target,
    Texts,
)
from convoy.settings.origin import Origin
from convoy.settings.rates import RateStage
from convoy.settings.resolution import resolve

__all__ = [
    "CONFIG",
    "PUBLISHED_CREDENTIAL",
    "VARIABLES",
    "Approval",
    "Conversations",
    "Limit",
    "OAuth",
    "Origin",
    "RateStage",
    "ScenarioSettings",
    "Settings",
    "Stage",
    "Target",
    "Texts",
    "credentials",
    "payload_directory",
    "resolve",
]
