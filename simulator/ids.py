"""Ids of messages and answers, unlike those of conversations new in every run."""

from __future__ import annotations

import os
from random import Random
from uuid import UUID

_random = Random(os.urandom(16))


def organisation_of(seed: int) -> str:
    """The id of the organisation that a simulator with this seed is."""
    return str(UUID(int=Random(f"organisation {seed}").getrandbits(128), version=4))


def new_digits() -> str:
    """32 hexadecimal digits, as messages of guests have for ids."""
    return f"{_random.getrandbits(128):032x}"


def new_id() -> str:
    """A UUID-shaped text; several times cheaper than `uuid.uuid4`, which asks the system."""
    digits = new_digits()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
