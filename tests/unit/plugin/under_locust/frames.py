"""What Locust is given of the frames that come over the channel: nothing that would end it."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings, strategies
from locust import User, html, stats
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, Runner, WorkerRunner

from convoy.plugin.channel import REPORT_KEY
from convoy.plugin.frames import TO_MASTER, TO_WORKER, FrameFilter
from convoy.plugin.limited_log import LimitedLog

WORKER = b"worker-1"
VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**64 - 1)
    | strategies.floats()
    | strategies.text()
    | strategies.binary()
    | strategies.datetimes().map(lambda _: msgpack.Timestamp(1, 1))
    | strategies.builds(msgpack.ExtType, strategies.integers(0, 127), strategies.binary()),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
)


@pytest.fixture
def frames() -> FrameFilter:
    return FrameFilter(TO_MASTER, LimitedLog())


def packed(kind: object, data: object, worker: object = "worker-1") -> bytes:
    return bytes(msgpack.packb((kind, data, worker)))


def joined(frames: FrameFilter) -> FrameFilter:
    assert frames.admit_from(WORKER, packed("client_ready", "2.47.0")) is not None
    return frames


def test_what_a_worker_says_reaches_locust_without_the_secrets_of_this_process() -> None:
    frames = joined(FrameFilter(TO_MASTER, LimitedLog(), lambda text: text.replace("sesame", "**")))
    environment = Environment()
    stats = environment.create_local_runner().stats
    stats.log_error("POST", "a", "400 sesame")
    report = {
        "stats": [],
        "stats_total": stats.total.get_stripped_report(),
        "errors": stats.serialize_errors(),
        "user_classes_count": {},
    }
    lines = {"worker_id": "worker-1", "logs": ["it is sesame\n  and \x1b[1m more"]}

    stated = frames.admit_from(WORKER, packed("stats", report))
    raised = frames.admit_from(
        WORKER, packed("exception", {"msg": "no sesame", "traceback": "in\n  sesame"})
    )
    logged = frames.admit_from(WORKER, packed("logs", lines))

    assert stated and raised and logged
    assert [each["error"] for each in stated.data["errors"].values()] == ["400 **"]
    assert raised.data == {"msg": "no **", "traceback": "in\n  **"}
    assert logged.data == {"worker_id": "worker-1", "logs": ["it is **\n  and ?[1m more"]}


def test_of_what_a_worker_logs_no_more_is_looked_at_than_locust_keeps() -> None:
    seen: list[str] = []
    frames = joined(FrameFilter(TO_MASTER, LimitedLog(), lambda text: seen.append(text) or text))
    lines = [*map(str, range(600)), "x" * 10**6]

    message = frames.admit_from(WORKER, packed("logs", {"worker_id": "worker-1", "logs": lines}))

    assert message is not None
    assert message.data["logs"][:2] == ["101", "102"]
    assert max(map(len, seen)) < 10**5


def test_all_that_a_worker_of_locust_sends_passes(frames: FrameFilter) -> None:
    environment = Environment()
    runner = environment.create_local_runner()
    for exception in (None, ValueError("no")):
        environment.events.request.fire(
            request_type="POST",
            name="a",
            response_time=None if exception else 1.5,
            response_length=10,
            exception=exception,
            context={},
        )
    report: dict[str, Any] = {
        "stats": runner.stats.serialize_stats(),
        "stats_total": runner.stats.total.get_stripped_report(),
        "errors": runner.stats.serialize_errors(),
        "user_classes_count": {"A": 1},
        "user_count": 1,
        REPORT_KEY: b"",
    }
    sent = [
        ("client_ready", "2.47.0"),
        ("stats", report),
        ("heartbeat", {"state": "ready", "current_cpu_usage": 0, "current_memory_usage": 1}),
        ("spawning", None),
        ("spawning_complete", {"user_classes_count": {"A": 1}, "user_count": 1}),
        ("exception", {"msg": "no", "traceback": "at all"}),
        ("logs", {"worker_id": "worker-1", "logs": ["a"]}),
        ("client_stopped", None),
        ("quit", None),
    ]

    for kind, data in sent:
        message = frames.admit_from(WORKER, Message(kind, data, "worker-1").serialize())

        assert message is not None, kind
        assert message.node_id == "worker-1" and message.type == kind


@pytest.mark.parametrize(
    ("shapes", "runner"),
    [(TO_MASTER, MasterRunner), (TO_WORKER, WorkerRunner)],
    ids=["to the master", "to a worker"],
)
def test_each_kind_in_the_tables_is_one_that_locust_handles(
    shapes: dict[str, Any], runner: type[Runner]
) -> None:
    handled = runner.handle_message.__code__.co_consts  # type: ignore[attr-defined]

    assert {kind for kind in shapes if not kind.startswith("convoy_")} <= {
        each for each in handled if isinstance(each, str)
    }


@given(frame=strategies.binary())
def test_no_bytes_at_all_raise(frame: bytes) -> None:
    for shapes in (TO_MASTER, TO_WORKER):
        FrameFilter(shapes, LimitedLog()).admit(frame)
        FrameFilter(shapes, LimitedLog()).admit_from(frame, frame)


@given(kind=strategies.sampled_from([*TO_MASTER, *TO_WORKER, "other"]) | VALUES, data=VALUES)
def test_no_values_at_all_raise(kind: object, data: object) -> None:
    for shapes in (TO_MASTER, TO_WORKER):
        FrameFilter(shapes, LimitedLog()).admit(packed(kind, data))
    joined(FrameFilter(TO_MASTER, LimitedLog())).admit_from(WORKER, packed(kind, data))


@pytest.mark.parametrize(
    ("sender", "frame", "said"),
    [
        pytest.param(WORKER, b"\xc1", "could not be read", id="junk"),
        pytest.param(WORKER, packed("quit", None, 7), "no kind or no sender", id="no name"),
        pytest.param(WORKER, packed("x", None), "that nobody knows here", id="unknown kind"),
        pytest.param(
            WORKER, packed("stats", {}), "(Object missing required field `stats`", id="no report"
        ),
        pytest.param(
            WORKER, packed("quit", None, "worker-2"), "in the name of another", id="another"
        ),
        pytest.param(
            WORKER,
            packed("logs", {"worker_id": "worker-2", "logs": []}),
            "in the name of another",
            id="another's log",
        ),
        pytest.param(
            b"worker-2", packed("quit", None, "worker-2"), "before that worker had", id="stranger"
        ),
        pytest.param(b"\x1b[2J\n", b"", "a sender that nobody can name", id="terminal"),
        pytest.param(b"\xff\xfe", packed("quit", None, "\ufffd\ufffd"), "had joined", id="bytes"),
    ],
)
def test_what_is_dropped_is_said(
    frames: FrameFilter,
    sender: bytes,
    frame: bytes,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    joined(frames)

    assert frames.admit_from(sender, frame) is None

    [line] = caplog.messages
    assert said in line and line.endswith("and was dropped")
    assert line.isprintable()


def test_kinds_that_this_process_has_listeners_for_pass(frames: FrameFilter) -> None:
    listeners: dict[str, object] = {}
    frames.custom = listeners
    joined(frames)

    before = frames.admit_from(WORKER, packed("my_own", None))
    listeners["my_own"] = print
    after = frames.admit_from(WORKER, packed("my_own", None))

    assert before is None
    assert after is not None and after.type == "my_own"


def quitting_with(data: bytes) -> bytes:
    """Return the message that takes any data, with these, which are packed already."""
    return b"\x93\xa4quit" + data + b"\xa8worker-1"


MANY = b"\xdc\x27\x10" + b"\x80" * 10_000
"""A list of as many empty mappings as one may hold."""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"\xdd\x00\x00\x27\x11" + b"\xc0" * 10_001, "not be read", id="long list"),
        pytest.param(b"\xdf\x00\x00\x27\x11" + b"\x01" * 20_002, "not be read", id="long map"),
        pytest.param(b"\x9f" + MANY * 15, "held too many values", id="lists of maps"),
        pytest.param(
            b"\xdc\x00\x20" + (b"\xde\x27\x10" + b"\x01\xc0" * 10_000) * 32,
            "held too many values",
            id="the same key again and again",
        ),
    ],
)
def test_a_frame_of_many_values_ends_before_they_are_made(
    frames: FrameFilter, data: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    joined(frames)

    assert frames.admit_from(WORKER, quitting_with(data)) is None
    assert FrameFilter(TO_WORKER, LimitedLog()).admit(quitting_with(data)) is None

    assert [said in line for line in caplog.messages] == [True, True]


def test_who_has_not_joined_sends_little_and_who_has_may_send_much(
    frames: FrameFilter, caplog: pytest.LogCaptureFixture
) -> None:
    large = packed("convoy_to_master", b"x" * 2**20)

    before = frames.admit_from(WORKER, large)
    joined(frames)
    after = frames.admit_from(WORKER, large)

    assert before is None and after is not None
    [line] = caplog.messages
    assert "was too large for one that has not joined" in line


def test_a_report_on_a_thousand_rows_passes(frames: FrameFilter) -> None:
    environment = Environment()
    runner = environment.create_local_runner()
    for number in range(1000):
        for time_ms in range(1, 20):
            runner.stats.log_request("POST", f"row {number}", time_ms, 1)
        runner.stats.log_error("POST", f"row {number}", "no")
    report: dict[str, Any] = {
        "stats": runner.stats.serialize_stats(),
        "stats_total": runner.stats.total.get_stripped_report(),
        "errors": runner.stats.serialize_errors(),
        "user_classes_count": {},
        "user_count": 0,
    }

    assert joined(frames).admit_from(WORKER, packed("stats", report)) is not None


ROW = Environment().create_local_runner().stats.total.get_stripped_report()
ERROR: dict[str, Any] = {"name": "a", "method": "POST", "error": "no", "occurrences": 1}
REPORT: dict[str, Any] = {
    "stats": [],
    "stats_total": ROW,
    "errors": {},
    "user_classes_count": {},
    REPORT_KEY: b"",
}
LONG = "x" * 2**14


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("client_ready", "9.9" + "x" * 50, id="version"),
        pytest.param("stats", REPORT | {"stats": [ROW | {"name": LONG}]}, id="row"),
        pytest.param("stats", REPORT | {"stats": [ROW | {"method": LONG}]}, id="method"),
        pytest.param("stats", REPORT | {"stats_total": ROW | {"name": LONG}}, id="total"),
        pytest.param("stats", REPORT | {"errors": {LONG: ERROR}}, id="key"),
        pytest.param("stats", REPORT | {"user_classes_count": {LONG: 1}}, id="user class"),
        pytest.param("spawning_complete", {"user_classes_count": {LONG: 1}}, id="spawned class"),
    ],
)
def test_a_name_that_no_worker_has_reaches_nobody(
    frames: FrameFilter, kind: str, data: object, caplog: pytest.LogCaptureFixture
) -> None:
    joined(frames)

    assert frames.admit_from(WORKER, packed(kind, data)) is None

    [line] = caplog.messages
    assert f"had not the form of {kind!r}" in line and len(line) < 300


def test_a_row_may_be_named_after_a_long_address(frames: FrameFilter) -> None:
    address = "https://localhost/" + "x" * 2_000
    report = REPORT | {"stats": [ROW | {"name": address, "method": "GET"}]}

    assert joined(frames).admit_from(WORKER, packed("stats", report)) is not None


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"method": None}, id="no method, which is not sorted among texts"),
        pytest.param({"response_times": {1.0: 3}}, id="times of no requests"),
        pytest.param({"start_time": -1.0}, id="before there were clocks"),
        pytest.param({"start_time": 2.0**53}, id="in a year that has no date"),
        pytest.param({"last_request_timestamp": 2.0**53}, id="the last request"),
        pytest.param({"num_reqs_per_sec": {2.0**53: 1}}, id="requests by the second"),
        pytest.param({"num_fail_per_sec": {-1.0: 1}}, id="failures by the second"),
        pytest.param({"name": "a\nb"}, id="a name of two lines"),
        pytest.param({"method": "\x1b[31m"}, id="a method that steers a terminal"),
        pytest.param({"name": "a\u202eb"}, id="a name that turns round"),
    ],
)
def test_a_row_that_locust_could_not_show_reaches_nobody(
    frames: FrameFilter, changed: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """One of them would end the run with exit code 1, and the figures of the web UI with a 500."""
    joined(frames)

    for report in ({"stats": [ROW | changed]}, {"stats_total": ROW | changed}):
        assert frames.admit_from(WORKER, packed("stats", REPORT | report)) is None

    assert "had not the form of 'stats'" in caplog.text


def test_an_error_that_locust_could_not_show_reaches_nobody(frames: FrameFilter) -> None:
    for changed in ({"method": None}, {"first_seen": -1.0}, {"last_seen": 2.0**53}):
        errors = {"errors": {"key": ERROR | changed}}

        assert joined(frames).admit_from(WORKER, packed("stats", REPORT | errors)) is None


COUNTS = strategies.sampled_from([0, 1, 7, 2**31, 2**53])
MOMENTS = strategies.sampled_from([0, 0.5, 1, 1.7e9, 1e11])
NUMBERS = strategies.sampled_from([0, -0.0, 1, -1, 0.5, 1e-9, 1.7e9, 2**53, -(2**53)])
NAMES = strategies.sampled_from(["a", "b", "a\n", ""])
ROWS = strategies.fixed_dictionaries(
    {
        "name": NAMES,
        "method": NAMES | strategies.none(),
        "last_request_timestamp": MOMENTS | strategies.none(),
        "start_time": MOMENTS | NUMBERS,
        "num_requests": COUNTS,
        "num_none_requests": COUNTS,
        "num_failures": COUNTS,
        "total_response_time": NUMBERS,
        "max_response_time": NUMBERS,
        "min_response_time": NUMBERS | strategies.none(),
        "total_content_length": NUMBERS,
        "response_times": strategies.dictionaries(NUMBERS, COUNTS, max_size=3),
        "num_reqs_per_sec": strategies.dictionaries(MOMENTS, COUNTS, max_size=2),
        "num_fail_per_sec": strategies.dictionaries(MOMENTS, COUNTS, max_size=2),
    }
)
ERRORS = strategies.fixed_dictionaries(
    {
        "name": NAMES,
        "method": NAMES | strategies.none(),
        "error": strategies.just("no"),
        "occurrences": COUNTS,
        "first_seen": MOMENTS | NUMBERS | strategies.none(),
        "last_seen": MOMENTS | NUMBERS | strategies.none(),
    }
)


@given(
    reports=strategies.lists(
        strategies.fixed_dictionaries(
            {
                "stats": strategies.lists(ROWS, max_size=3),
                "stats_total": ROWS,
                "errors": strategies.dictionaries(NAMES, ERRORS, max_size=2),
                "user_classes_count": strategies.just({}),
            }
        ),
        min_size=1,
        max_size=2,
    )
)
@settings(deadline=None)
def test_whatever_passes_can_be_shown(reports: list[dict[str, Any]]) -> None:
    environment = Environment(user_classes=[User])
    runner = environment.create_local_runner()
    stats.setup_distributed_stats_event_listeners(environment.events, runner.stats)
    frames = joined(FrameFilter(TO_MASTER, LimitedLog()))
    for report in reports:
        message = frames.admit_from(WORKER, packed("stats", report))
        if message is not None:
            environment.events.worker_report.fire(client_id="worker-1", data=message.data)

    stats.get_stats_summary(runner.stats)
    stats.get_percentile_stats_summary(runner.stats)
    stats.get_error_report_summary(runner.stats)
    stats.update_stats_history(runner)
    written = stats.StatsCSV(environment, stats.PERCENTILES_TO_REPORT)
    written.requests_csv(csv.writer(io.StringIO()))
    written.failures_csv(csv.writer(io.StringIO()))
    assert html.get_html_report(environment)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), -float("inf"), 1e300])
@pytest.mark.parametrize("field", ["max_response_time", "total_response_time", "start_time"])
def test_a_number_that_locust_could_not_print_reaches_nobody(
    frames: FrameFilter, field: str, number: float
) -> None:
    runner = Environment().create_local_runner()
    total = runner.stats.total.get_stripped_report()
    report: dict[str, Any] = {
        "stats": [total | {field: number}],
        "stats_total": total,
        "errors": {},
        "user_classes_count": {},
        "user_count": 0,
        REPORT_KEY: b"",
    }

    assert joined(frames).admit_from(WORKER, packed("stats", report)) is None
