"""Whatever is asked for, the answer is settings or SettingsError, never another exception."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import SettingsError
from convoy.settings import Settings
from convoy.settings.documents import DocumentError, as_yaml, parse_yaml
from convoy.settings.environment import CONFIG, VARIABLES
from convoy.settings.options import OPTIONS
from convoy.settings.resolution import resolve
from tests.unit.settings.configuration import KNOWN, copy_of_configuration

NAMES = (*Settings.model_fields, "api_url", "weight", "payloads", "for_s", "guest_journey", "x")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.sampled_from(NAMES),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text()), inner, max_size=3),
    ),
    max_leaves=6,
)
PATHS = st.lists(st.one_of(st.sampled_from(NAMES), st.text()), min_size=1, max_size=4)
TEXTS = VALUES.map(lambda value: yaml.safe_dump(value, default_flow_style=True, width=10**6))
SETS = st.one_of(st.text(), st.builds(lambda path, text: f"{'.'.join(path)}={text}", PATHS, TEXTS))
COMMAND_LINES = st.dictionaries(
    st.one_of(st.sampled_from(list(OPTIONS)), st.text()),
    st.one_of(VALUES, st.lists(SETS, max_size=4)),
    max_size=4,
)
ENVIRONMENTS = st.dictionaries(
    st.one_of(st.sampled_from(VARIABLES), st.text().map(lambda text: f"CONVOY_{text}")),
    st.one_of(st.text(), SETS),
    max_size=3,
)

SETTINGS_FILES = st.sampled_from(
    ["default.yaml", "profiles/smoke.yaml", "targets/simulator.yaml", "targets/genesys-cloud.yaml"]
)
CONTENTS = st.one_of(
    st.binary(),
    TEXTS.map(str.encode),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5).map(
        lambda values: yaml.safe_dump(values).encode()
    ),
)


def resolves(
    command_line: dict[str, object], environ: dict[str, str], config_dir: Path = CONFIG
) -> bool:
    try:
        resolved = resolve(
            command_line=command_line,
            environ=environ | {"CONVOY_CONFIG_DIR": str(config_dir)},
            known_scenarios=KNOWN,
        )
    except SettingsError as error:
        assert error.faults and all(fault.path and fault.problem for fault in error.faults)
        return False
    assert Settings.model_validate_json(resolved.model_dump_json()) == resolved
    assert resolved.duration_s > 0 and set(resolved.curves()) == {*resolved.scenarios}
    return True


@given(command_line=COMMAND_LINES, environ=ENVIRONMENTS)
def test_any_options_and_variables_resolve_or_are_faults(
    command_line: dict[str, object], environ: dict[str, str]
) -> None:
    resolves(command_line, environ)


@given(sets=st.lists(SETS, max_size=4))
def test_any_sets_resolve_or_are_faults(sets: list[str]) -> None:
    resolves({"set": sets}, {})


@given(text=st.one_of(st.text(), TEXTS))
def test_any_yaml_is_a_value_or_a_document_error(text: str) -> None:
    try:
        parse_yaml(text)
    except DocumentError as error:
        assert str(error)


PLAIN_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.sampled_from(["08", "1e3", "1.5e3", "+.5", "~", "null", "off", "1:30", "0x1F"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=PLAIN_VALUES)
def test_what_is_written_as_yaml_is_read_as_it_was(value: object) -> None:
    assert parse_yaml(as_yaml(value)) == value


def test_what_comes_twice_is_written_twice() -> None:
    twice = ("a",)

    assert parse_yaml(as_yaml({"one": twice, "other": twice})) == {"one": twice, "other": twice}


@given(name=SETTINGS_FILES, content=CONTENTS, is_added=st.booleans())
def test_any_bytes_in_a_settings_file_resolve_or_are_faults(
    name: str, content: bytes, is_added: bool
) -> None:
    with TemporaryDirectory() as folder:
        file = copy_of_configuration(CONFIG, Path(folder)) / name
        file.write_bytes(file.read_bytes() + b"\n" + content if is_added else content)
        chosen = {"target": Path(name).stem} if name.startswith("targets/") else {}

        resolves({**chosen}, {}, Path(folder))
