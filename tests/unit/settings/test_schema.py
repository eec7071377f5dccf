"""The JSON Schema of settings files is kept in docs, and agrees with what Convoy reads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from convoy.settings.schema import json_schema

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted(
    path
    for folder in (".", "profiles", "targets")
    for path in (ROOT / "config" / folder).glob("*.yaml")
)
SCHEMA = Draft202012Validator(json.loads(json_schema()))


def test_the_schema_in_docs_is_that_of_the_settings(repository: Path) -> None:
    kept = (repository / "docs" / "settings.schema.json").read_text(encoding="utf-8")

    assert kept == json_schema(), "python -m convoy.settings.schema > docs/settings.schema.json"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_names_the_schema_and_keeps_to_it(path: Path) -> None:
    text = path.read_text("utf-8")

    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named and (path.parent / named[1]).resolve() == ROOT / "docs" / "settings.schema.json"
    SCHEMA.validate(yaml.safe_load(text))


FILES = {
    "flat out": ({"rate": "max"}, True),
    "a line of criteria": ({"criteria": "unknown == 0"}, True),
    "an empty answer": ({"scenario": {"a": {"expect": {"202": "empty"}}}}, True),
    "tokens": ({"oauth": {"tokens": 5}}, True),
    "no setting": ({"user": 10}, False),
    "a rate of nothing": ({"rate": 0}, False),
    "a scenario's rate of nothing": ({"scenario": {"a": {"rate": 0}}}, False),
    "a word for a number": ({"users": "ten"}, False),
    "a choice of profile": ({"profile": "smoke"}, False),
}


@pytest.mark.parametrize(("file", "is_good"), FILES.values(), ids=FILES)
def test_an_editor_finds_what_convoy_would_refuse(file: dict[str, Any], is_good: bool) -> None:
    assert SCHEMA.is_valid(file) == is_good
