"""The settings of a run: one frozen value, built once from files, environment and command line."""

from convoy.settings.model import Settings
from convoy.settings.origin import Origin

__all__ = ["Origin", "Settings"]
