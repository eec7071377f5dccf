"""The marker by which a message of the measured part is told from canary and warm-up messages."""

from __future__ import annotations

import re

_MEASURED = re.compile(rb"\[convoy:\d{8}-\d{6}-[0-9a-f]{6}:[^:\]]+:(\d+)\]")
"""The run id without a suffix: `-canary`, `-warmup` and `-steps` are others."""


def measured_number(body: bytes | None) -> int | None:
    """Return the number of the measured message in a body, None where there is no such message."""
    found = _MEASURED.search(body or b"")
    return None if found is None else int(found[1])
