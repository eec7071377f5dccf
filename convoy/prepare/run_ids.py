"""Run ids: one for each run, and those of the messages sent around it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime


def new_run_id() -> str:
    """Return an id that no run has had: the time in UTC and six random characters."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def canary_run_id(run_id: str) -> str:
    """Return the id that a run's canary messages carry: they are none of the run's."""
    return f"{run_id}-canary"
