"""The same seed sends the same messages, to the byte, as it did when the golden files were made."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.golden.plans import MESSAGES, PLANS, lines, path_of


@pytest.mark.parametrize("name", PLANS)
def test_the_first_messages_are_those_of_the_golden_file(name: str) -> None:
    golden = gzip.decompress(path_of(name).read_bytes()).decode().splitlines()

    found = list(lines(PLANS[name]))

    assert len(found) == len(golden) == MESSAGES
    for now, then in zip(found, golden, strict=True):
        assert now == then, f"{name}, k {json.loads(then)[1]}: {now} instead of {then}"
