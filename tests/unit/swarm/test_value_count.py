"""How many values packed data hold, counted before they are unpacked."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from convoy.swarm.value_count import check_values

SAME_KEY = b"\x83" + b"\xa1a\x01" * 3
"""A mapping that gives its key three times."""
ENTRIES = 10


@pytest.mark.parametrize(
    ("data", "values"),
    [
        pytest.param(msgpack.packb(5), 0, id="a number"),
        pytest.param(msgpack.packb([]), 1, id="an empty list"),
        pytest.param(msgpack.packb([1, 2, 3]), 4, id="a list"),
        pytest.param(msgpack.packb([[1], [2, 3]]), 3 + 2 + 3, id="lists in a list"),
        pytest.param(msgpack.packb({"a": 1, 2: [3]}), 3 + 2, id="a mapping"),
        pytest.param(msgpack.packb({b"\xff": "\u00e4"}), 2, id="no text"),
        pytest.param(SAME_KEY, 4, id="a key that is given often"),
    ],
)
def test_each_list_and_mapping_counts_itself_and_its_entries(data: bytes, values: int) -> None:
    check_values(data, values, ENTRIES)

    if values:
        with pytest.raises(OverflowError, match="too many values"):
            check_values(data, values - 1, ENTRIES)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that means nothing"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list that says it has four thousand million"),
        pytest.param(msgpack.packb([0] * (ENTRIES + 1)), id="a long list"),
        pytest.param(msgpack.packb(dict.fromkeys(range(ENTRIES + 1))), id="a large mapping"),
        pytest.param(msgpack.packb([1]) + b"\x01", id="more behind it"),
    ],
)
def test_what_is_not_packed_or_has_too_many_entries_is_refused(data: Any) -> None:
    with pytest.raises(ValueError):  # whatever msgpack says of it
        check_values(data, 1_000, ENTRIES)
