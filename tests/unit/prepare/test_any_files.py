"""Whatever stands in the files that a run is made of, they are used or refused in words."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import RefusedError, SettingsError
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.sandbox import MOST_OUTPUT_BYTES
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.prepare.pools import find_pool
from convoy.prepare.templates import CheckedScenario, check_templates
from convoy.routes.catalogue import Route
from convoy.settings import Settings
from convoy.settings.model import ScenarioSettings, Texts
from tests.unit.remote.clients import client_at
from tests.unit.settings.configuration import settings_of

SCENARIO = "conversation_messages"
NOBODY = client_at("http://127.0.0.1:1")

PIECES_OF_POOLS = st.sampled_from(
    [
        *(
            b"id",
            b"conversation_id",
            b"customer_id",
            b",",
            b'"',
            b"'",
            b";",
            b"\t",
            b" ",
            b"#",
            b"\n",
        ),
        *(b"\r", b"\r\n", b"\x00", b"\x1a", b"\xef\xbb\xbf", b"\xff", b"{", b"}", b"[", b"]", b":"),
        *(b'{"id": "a"}\n', b'{"id": null}\n', b'{"id": "\\ud800"}\n', b"a\n", b"a,b\n", b"1e999"),
        *("ü".encode(), "\u2028".encode(), b"x" * 1_001),
    ]
)
POOLS = st.one_of(st.binary(max_size=200), st.lists(PIECES_OF_POOLS, max_size=12).map(b"".join))
PIECES_OF_TEMPLATES = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "-",
            "~",
            "|",
            "(",
            ")",
            "[",
            "]",
            ".",
            ",",
            "=",
            ":",
        ),
        *(
            " if ",
            " else ",
            " endif ",
            " for ",
            " in ",
            " endfor ",
            " set ",
            " is ",
            " not ",
            " and ",
        ),
        *("text", "marker", "k", "conversation_id", "loop", "range", "choice", "number", "self"),
        *(" tojson", " filled", " replace", " center", " format", " join", " round", " wordwrap"),
        *("__class__", "environ", "x", "'a'", '"', "'%s'", "0", "7", "-1", "1e999", "9" * 30),
        *(
            "*",
            "**",
            "//",
            "%",
            "+",
            "<",
            "==",
            "\n",
            "\\",
            "\x00",
            "ü",
            "🚚",
            "{",
            "}",
            "[7]",
            "()",
        ),
        *('{"text": {{ (marker ~ text) | tojson }}}', "{% for a in range(9) %}", "{% endfor %}"),
        *("{{ text | filled(9, 'x') }}", "{% set x = [k] * 9 %}", "{{ x[k] }}", "{{ loop.index }}"),
    ]
)
TEMPLATES = st.one_of(
    st.binary(max_size=200),
    st.text().map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(PIECES_OF_TEMPLATES, max_size=16).map(lambda pieces: "".join(pieces).encode()),
)


def pool_is_found(name: str, content: bytes) -> bool:
    """Return whether a pool file of this content is taken; fails when it is refused wordlessly."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        pool_settings = settings_of(
            f"scenario.{SCENARIO}.conversations={{source: file, path: '{path}'}}"
        )
        try:
            pool = find_pool(pool_settings, SCENARIO, NOBODY)
        except SettingsError as error:
            [fault] = error.faults
            assert str(path) in fault.problem and fault.problem.isprintable()
            return False
        except RefusedError as error:
            assert "is empty" in str(error)
            return False
    ids = [pool[index].id for index in range(len(pool))]
    assert all(id_ and id_.isprintable() for id_ in ids) and len(set(ids)) == len(ids)
    return True


def settings_with(**more: object) -> Settings:
    drawn = ScenarioSettings.model_validate({"payloads": {"mine": 1.0}, **more})
    return settings_of().model_copy(update={"scenario": {SCENARIO: drawn}})


def checked(drawn: Settings, folder: str) -> CheckedScenario:
    return check_templates(drawn, Path(folder), ROUTE)[SCENARIO]


@given(name=st.sampled_from(["pool.txt", "pool.csv", "pool.jsonl", "pool.gz"]), content=POOLS)
def test_any_bytes_in_a_pool_file_are_a_pool_or_a_fault(name: str, content: bytes) -> None:
    pool_is_found(name, content)


@given(content=POOLS, cut=st.integers(0, 60), place=st.integers(0, 60), byte=st.integers(0, 255))
def test_any_packed_pool_whole_or_damaged_is_a_pool_or_a_fault(
    content: bytes, cut: int, place: int, byte: int
) -> None:
    packed = gzip.compress(content, compresslevel=1)
    damaged = packed[:place] + bytes([byte]) + packed[place + 1 :]

    is_found = pool_is_found("pool.csv.gz", packed)
    pool_is_found("pool.csv.gz", damaged)
    pool_is_found("pool.csv.gz", packed[: len(packed) - cut])

    assert is_found == pool_is_found("pool.csv", content)


@given(content=TEMPLATES)
def test_any_bytes_in_a_template_render_within_bounds_or_are_faults(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "mine.json").write_bytes(content)
        try:
            payloads = checked(settings_with(), folder)
        except SettingsError as error:
            assert all("mine.json" in fault.problem for fault in error.faults)
            return
    plan = ScenarioPlan(
        ScenarioInputs(
            scenario=SCENARIO,
            seed=1,
            curve=RateCurve([Stage(1, 1, 1)]),
            pool=find_pool(settings_of(INLINE), SCENARIO, NOBODY),
            templates=payloads.inputs.templates,
            weights=payloads.inputs.weights,
        )
    )
    assert len(plan.bodies("run-1").render(plan.message(0))) <= MOST_OUTPUT_BYTES


ROUTE = {SCENARIO: Route("own", "/own")}
INLINE = f"scenario.{SCENARIO}.conversations={{source: inline, ids: [a]}}"


@given(content=st.one_of(POOLS, TEMPLATES))
def test_any_bytes_in_a_corpus_are_texts_or_a_fault(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        corpus = Path(folder) / "texts.txt"
        corpus.write_bytes(content)
        template = '{"text": {{ (marker ~ " " ~ text) | tojson }}}'
        (Path(folder) / "mine.json").write_text(template, "utf-8")
        try:
            drawn = settings_with(texts=Texts(corpus=str(corpus)))
            payloads = checked(drawn, folder)
        except SettingsError as error:
            assert all(fault.path and fault.problem for fault in error.faults)
        else:
            assert payloads.inputs.texts.texts and all(payloads.inputs.texts.texts)


@given(content=st.one_of(POOLS, TEMPLATES))
def test_any_bytes_in_the_list_of_expected_codes_are_codes_or_faults(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "invalid").mkdir()
        (Path(folder) / "invalid" / "mine.json").write_text("{}", "utf-8")
        (Path(folder) / "invalid" / "expected.yaml").write_bytes(content)
        try:
            checked(settings_with(payloads={"invalid/mine": 1.0}), folder)
        except SettingsError as error:
            assert all(fault.path and fault.problem for fault in error.faults)
