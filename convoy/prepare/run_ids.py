"""The ids of runs, and of what is sent beside a run and does not count among its messages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime


def new_run_id() -> str:
    """Return an id that no run has had: the time in UTC and six random characters."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def canary_run_id(run_id: str) -> str:
    """Return the id in a run's canary messages, which are not counted among its messages."""
    return f"{run_id}-canary"
