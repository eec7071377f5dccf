"""What keeps a bench from measuring: something is not installed, or a run went wrong."""

from __future__ import annotations


class BenchError(Exception):
    """A run that gave no figure; the message says which and why, for whoever started it."""


class MissingProgramError(BenchError):
    """A program that the bench cannot do without is not installed."""
