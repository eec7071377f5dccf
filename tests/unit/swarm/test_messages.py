"""Messages and reports: the same after their way, and refused where they are none."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from struct import pack
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from convoy.errors import ConvoyError
from convoy.plan.rate_curve import Stage
from convoy.remote.connections import WorkerShare
from convoy.results.account import Durations
from convoy.results.counts import Counts
from convoy.results.samples import LONGEST_BODY
from convoy.swarm.messages import (
    VERSION,
    Ask,
    Change,
    Drained,
    Enough,
    Farewell,
    Grant,
    LateChange,
    Lease,
    Leaving,
    Over,
    Prepare,
    Ready,
    Refusal,
    Release,
    Released,
    Stop,
    ToMaster,
    ToWorker,
    WorkerReport,
    decode_to_master,
    decode_to_worker,
    encode,
    read_hello,
)
from tests.unit.swarm import RUN_ID, report_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


def test_a_report_is_the_same_after_it_went_over_the_wire() -> None:
    report = report_of(rejected=3)

    assert WorkerReport.from_bytes(report.to_bytes()) == report


DURATIONS = Durations.__struct_fields__
SCENARIO = ("scenarios", "conversation_messages")
RESPONSE = (*SCENARIO, "durations", "response")
SAMPLES = ("samples", "400 invalid_payload")
STEP = {"counts": {}, "durations": dict.fromkeys(DURATIONS, [b""]), "seconds": {}}
PLAIN = STEP | {"pool": {"retired": {}, "redirected": 0}}
MANY = {f"{n}": STEP for n in range(40_000)}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("number",), "first", id="no number"),
        pytest.param(("at_s",), float("nan"), id="at no second"),
        pytest.param(("scenarios", "conversation_messages", "seconds"), {-1: {}}, id="before T0"),
        pytest.param(
            ("scenarios", "conversation_messages", "seconds"), {10**8: {}}, id="in three years"
        ),
        pytest.param((*SCENARIO, "counts", "sent"), 0.5, id="half a message"),
        pytest.param((*SCENARIO, "counts", "late"), {"weather": 1}, id="unknown cause"),
        pytest.param((*SCENARIO, "counts", "errors"), {"x" * 129: 1}, id="code too long"),
        pytest.param((*SCENARIO, "pool", "retired"), {1: "x" * 129}, id="reason too long"),
        pytest.param(RESPONSE, [pack("=2I", 1 << 21, 1)], id="bucket of no duration"),
        pytest.param(RESPONSE, [pack("=2I", 0x41D << 10, 1)], id="bucket of 34 years"),
        pytest.param(RESPONSE, [b"1234"], id="bucket without a count"),
        pytest.param(RESPONSE, [bytes(2**20 + 8)], id="more buckets than there are"),
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


def test_a_large_report_is_read_where_it_is_the_log_that_is_large() -> None:
    report = replace(report_of(rejected=3), messages=b"x" * (2**23 + 1))
    plain = msgspec.msgpack.decode(report.to_bytes(), strict=False)
    plain["more"] = plain.pop("messages")

    assert WorkerReport.from_bytes(report.to_bytes()) == report
    with pytest.raises(ConvoyError, match="bytes; 8,388,608 are read"):
        WorkerReport.from_bytes(msgspec.msgpack.encode(plain))


def again_and_again(key: str, packed: bytes) -> bytes:
    """Return a mapping that is given the same key as often as it may."""
    return b"\xdf\x00\x01\x86\xa0" + (msgspec.msgpack.encode(key) + packed) * 100_000


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(PLAIN | {"steps": MANY}, id="steps"),
        pytest.param(PLAIN | {"timings": MANY}, id="timings"),
        pytest.param(
            msgspec.Raw(again_and_again("seconds", b"\x82\x01\x80\x02\x80")), id="one key"
        ),
    ],
)
def test_a_report_of_many_values_is_refused_before_they_are_made(
    scenario: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = msgspec.msgpack.decode(report_of(rejected=3).to_bytes(), strict=False)
    plain["scenarios"] = {"conversation_messages": scenario}
    monkeypatch.setattr(Counts, "__post_init__", pytest.fail)

    with pytest.raises(ConvoyError, match="lists and mappings hold too many values"):
        WorkerReport.from_bytes(msgspec.msgpack.encode(plain))


@pytest.mark.parametrize("lane", [-1, 256])
def test_a_lane_that_is_none_is_refused(lane: int) -> None:
    with pytest.raises(ConvoyError, match="does not have the form"):
        decode_to_master(encode(Released(RUN_ID, {"conversation_messages": {lane: 0}})))


@given(st.binary(max_size=99) | JSON.map(msgspec.msgpack.encode))
def test_anything_else_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ConvoyError):
        WorkerReport.from_bytes(data)


def test_what_is_no_bytes_is_refused_too() -> None:
    plain: Any = {"run_id": "run-1"}

    with pytest.raises(ConvoyError):
        WorkerReport.from_bytes(plain)


MESSAGES: list[ToMaster] = [
    Ask(RUN_ID, 10.5, 0.0, 3),
    Ready(RUN_ID, "a plan", {"conversation_messages": 3}, "no login"),
    Refusal(RUN_ID, "the login was refused"),
    Released(RUN_ID, {"conversation_messages": {7: 263}}),
    Leaving(RUN_ID, {}),
    Drained(RUN_ID, 4, {"conversation_messages": {0: 1 << 62}}),
    LateChange(RUN_ID, 0.25),
    Enough(RUN_ID, "a limit"),
]
ANSWERS: list[ToWorker] = [
    Prepare(RUN_ID, b"inputs", WorkerShare(None, 0.5, 1), 2.5),
    Lease(RUN_ID, 10.5, 99.0, [99.5]),
    Grant(RUN_ID, 1, 99.5, {"conversation_messages": {0: 0, 255: 511}}),
    Release(RUN_ID, {"conversation_messages": [1, 2]}),
    Change(RUN_ID, 2, inf, {"conversation_messages": [Stage(20.0, 40.0, 3.0)]}),
    Farewell(RUN_ID),
    Stop(RUN_ID),
    Over(RUN_ID),
]


def test_every_message_is_the_same_after_it_went_over_the_wire() -> None:
    assert [decode_to_master(encode(each)) for each in MESSAGES] == MESSAGES
    assert [decode_to_worker(encode(each)) for each in ANSWERS] == ANSWERS


@pytest.mark.parametrize("decode", [decode_to_master, decode_to_worker])
@given(data=st.binary(max_size=99) | JSON.map(msgspec.msgpack.encode))
def test_what_is_no_message_is_refused_in_a_sentence(
    decode: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(ConvoyError):
        decode(data)


@pytest.mark.parametrize(
    ("data", "version"),
    [
        pytest.param({"version": VERSION, "code": "abc"}, VERSION, id="ours"),
        pytest.param({"version": 99, "code": "abc", "more": 1}, 99, id="a later one"),
        pytest.param({}, 0, id="without a version"),
        pytest.param(None, 0, id="nothing"),
        pytest.param({"version": "two", "code": 3}, 0, id="of another kind"),
    ],
)
def test_a_hello_of_any_version_can_be_read(data: object, version: int) -> None:
    assert read_hello(data).version == version
