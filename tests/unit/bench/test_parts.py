"""What the single parts make of figures, and what they read from the system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.fidelity import fidelity_of
from bench.freeze import comparison
from bench.machine import processor_of
from bench.nginx import requests_of_status
from bench.options import FULL, LATEST, PARTS, QUICK, SLOW_PARTS, parse_options
from bench.parts import MEASURE
from bench.percentiles import exact_percentile, measure_percentiles
from bench.processes import isolate
from bench.usage import core_ticks, cpu_seconds_of, cpu_ticks, resident_kib, resident_mib_of

STATUS_PAGE = """Active connections: 51
server accepts handled requests
 102 102 254371
Reading: 0 Writing: 1 Waiting: 50
"""


def test_the_served_requests_are_the_third_counter() -> None:
    assert requests_of_status(STATUS_PAGE) == 254_371


def test_a_page_without_counters_is_refused() -> None:
    with pytest.raises(BenchError, match="status page"):
        requests_of_status("<html>404</html>")


def test_late_and_unsent_messages_are_off_schedule() -> None:
    figures: dict[str, Any] = {
        "scheduled": 1000,
        "late": {"target": 1, "generator": 2},
        "not_sent": {"pool": 1},
        "send_error_ms": {"p50": 0.1, "p90": 0.2, "p99": 0.3, "p999": 0.4, "max": 9.0},
    }

    found = fidelity_of(100, figures)

    assert found["on_schedule"] == 0.996
    assert found["send_error_ms"] == {"p50": 0.1, "p99": 0.3, "p999": 0.4, "max": 9.0}


def test_the_largest_deviation_from_the_arithmetic_counts() -> None:
    expected_s = [0.001 * number for number in range(1, 1001)]
    observed = {"response_time_ms": {"p95": 950.0, "p99": 990.0, "p999": 1048.95}}

    found = comparison(observed, expected_s)

    assert found["expected_ms"] == {"p95": 950.0, "p99": 990.0, "p999": 999.0}
    assert found["largest_deviation"] == 0.05


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (75, 3), (99, 4), (100, 4)])
def test_an_exact_percentile_is_a_value_of_the_list(percent: float, value: float) -> None:
    assert exact_percentile([1, 2, 3, 4], percent) == value


def test_our_percentiles_are_close_to_the_exact_ones() -> None:
    assert measure_percentiles(5_000)["largest_deviation"] < 0.01


def test_cpu_time_is_read_behind_a_name_with_spaces_and_brackets() -> None:
    assert cpu_ticks("7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 1100 250 0 0 20") == 1350


def test_a_cores_time_is_that_of_programs_and_what_the_host_took_away() -> None:
    stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 100 20 30 4000 5 6 7 8 0 0\n"

    assert core_ticks(stat, 1) == 158


def test_a_core_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(BenchError, match="core 7"):
        core_ticks("cpu0 1 2 3 4 5 6 7 8 9 10\n", 7)


def test_resident_memory_is_read_in_kib() -> None:
    assert resident_kib("Name:\tlocust\nVmHWM:\t  90000 kB\nVmRSS:\t   81234 kB\n") == 81_234


def test_this_process_has_used_cpu_and_memory() -> None:
    assert cpu_seconds_of(os.getpid()) > 0
    assert resident_mib_of(os.getpid()) > 1


def test_a_process_that_has_ended_is_said_to_have() -> None:
    with pytest.raises(BenchError, match="ended"):
        resident_kib("Name:\tlocust\nState:\tZ (zombie)\n")


def test_the_processor_is_the_first_of_its_kind() -> None:
    assert processor_of("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"


def test_without_options_all_parts_but_the_slow_ones_run_in_full() -> None:
    options = parse_options([])

    assert set(options.parts) == set(PARTS) - set(SLOW_PARTS)
    assert options.scale == FULL
    assert options.output == LATEST


def test_a_quick_bench_of_one_part() -> None:
    options = parse_options(["--quick", "--only", "tls", "--pairs", "1"])

    assert options.parts == ("tls",)
    assert (options.scale.rounds, options.scale.window) == (1, QUICK.window)


@pytest.mark.parametrize("given", [[], ["--output", "mine.json"]], ids=["by default", "named"])
def test_a_quick_bench_leaves_the_results_of_a_full_one_alone(given: list[str]) -> None:
    output = parse_options(["--quick", *given]).output

    assert output == (Path("mine.json") if given else LATEST.with_name("quick.json"))


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_options(["--only", "speed"])

    assert "throughput" in capsys.readouterr().err


def test_every_part_can_be_measured() -> None:
    assert tuple(MEASURE) == PARTS


def test_nothing_of_the_surroundings_steers_the_generators() -> None:
    environment = {"CONVOY_RATE": "5", "LOCUST_USERS": "9", "HOME": "/home/qa", "GW_KEY": "k"}
    environment["https_proxy"] = "http://user:password@proxy.example"

    isolate(environment)

    assert set(environment) == {"HOME", "PYTHONPATH"}
