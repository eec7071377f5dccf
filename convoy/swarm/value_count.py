"""How many values packed data hold: a short text can hold millions, which take minutes to read."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]


def check_values(data: bytes, most: int, most_entries: int) -> None:
    """Raise OverflowError where lists and mappings hold more than `most` values together.

    Each counts itself, and each of its entries, a key as often as it is given. Raises ValueError
    for data that are not packed, and where one of them has more than so many entries.
    """
    left = most

    def count(entries: list[Any]) -> None:
        nonlocal left
        left -= len(entries) + 1
        if left < 0:
            raise OverflowError("lists and mappings hold too many values")

    msgpack.unpackb(
        data,
        raw=True,
        strict_map_key=False,
        # Pairs, because a mapping forgets how often it was given the same key.
        object_pairs_hook=count,
        list_hook=count,
        max_array_len=most_entries,
        max_map_len=most_entries,
    )
