"""The reports of a run: forms in which a summary is shown; each takes it and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convoy.results.summary import Summary

REPORTS: Mapping[str, Callable[[Summary], str]] = {"summary.json": Summary.to_json}
"""The files of a run's record that are made from its summary; each function returns the text."""
