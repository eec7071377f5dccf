"""A worker's report: the same after its way to the master, and refused where it is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import ConvoyError
from convoy.results.samples import LONGEST_BODY
from convoy.swarm.channel import WorkerReport
from tests.unit.swarm import report_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


def test_a_report_is_the_same_after_it_went_over_the_wire() -> None:
    report = report_of(rejected=3)

    assert WorkerReport.from_bytes(report.to_bytes()) == report


SCENARIO = ("scenarios", "conversation_messages")
RESPONSE = (*SCENARIO, "durations", "response")
SAMPLES = ("samples", "400 invalid_payload")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("number",), "first", id="no number"),
        pytest.param(("at_s",), float("nan"), id="at no second"),
        pytest.param(("seconds", "conversation_messages"), {-1: {}}, id="before T0"),
        pytest.param(("seconds", "conversation_messages"), {10**8: {}}, id="in three years"),
        pytest.param((*SCENARIO, "counts", "sent"), 0.5, id="half a message"),
        pytest.param((*SCENARIO, "counts", "late"), {"weather": 1}, id="unknown cause"),
        pytest.param((*SCENARIO, "counts", "errors"), {"x" * 129: 1}, id="code too long"),
        pytest.param((*SCENARIO, "pool", "retired"), {1: "x" * 129}, id="reason too long"),
        pytest.param(RESPONSE, [[1 << 21, 1]], id="bucket of no duration"),
        pytest.param(("health", "late_s"), float("nan"), id="not a number"),
        pytest.param(("health", "cpu_s"), float("inf"), id="infinite"),
        pytest.param((*SAMPLES, "last_s"), float("inf"), id="at no moment"),
        pytest.param((*SAMPLES, "samples", 0, "answer"), "x" * (LONGEST_BODY + 1), id="body"),
        pytest.param((*SAMPLES, "samples", 0, "correlation_id"), "x" * 129, id="correlation id"),
        pytest.param(
            ("samples",), {f"{n}": {"first_s": 0, "last_s": 0} for n in range(51)}, id="codes"
        ),
    ],
)
def test_what_has_not_the_form_or_the_bounds_of_a_report_is_refused(
    path: tuple[Any, ...], value: object
) -> None:
    plain = msgspec.msgpack.decode(report_of(rejected=3).to_bytes(), strict=False)
    *way, last = path
    holder = plain
    for step in way:
        holder = holder[step]
    holder[last] = value

    with pytest.raises(ConvoyError, match="does not have the form of a report"):
        WorkerReport.from_bytes(msgspec.msgpack.encode(plain))


def test_more_samples_of_a_code_than_a_worker_keeps_are_refused() -> None:
    plain = msgspec.msgpack.decode(report_of(rejected=3).to_bytes(), strict=False)
    plain["samples"]["400 invalid_payload"]["samples"] *= 2

    with pytest.raises(ConvoyError, match="length <= 3"):
        WorkerReport.from_bytes(msgspec.msgpack.encode(plain))


@given(st.binary(max_size=99) | JSON.map(msgspec.msgpack.encode))
def test_anything_else_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ConvoyError):
        WorkerReport.from_bytes(data)


def test_what_is_no_bytes_is_refused_too() -> None:
    plain: Any = {"run_id": "run-1"}

    with pytest.raises(ConvoyError):
        WorkerReport.from_bytes(plain)
