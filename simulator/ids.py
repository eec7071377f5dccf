"""Ids of messages and answers, unlike those of conversations new in every run."""

from __future__ import annotations

import os
from random import Random

ORGANISATION_ID = "5c0d0000-0000-4000-8000-51a1a7000000"
"""The organisation that every simulator is."""
_random = Random(os.urandom(16))


def new_id() -> str:
    """A UUID-shaped text; several times cheaper than `uuid.uuid4`, which asks the system."""
    digits = f"{_random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
