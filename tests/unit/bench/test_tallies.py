"""What wrk, hey, Locust and Convoy say of their runs, read from reports that they wrote."""

from __future__ import annotations

import json

import pytest

from bench.errors import BenchError
from bench.simulator_alone import rate_in
from bench.tallies import Tally, tally_of_convoy, tally_of_hey, tally_of_locust, tally_of_wrk

WRK = """Running 3s test @ http://127.0.0.1:40123/api/v2/conversations/messages
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   592.07us  243.53us   9.39ms   92.55%
    Req/Sec    85.12k     5.35k   93.02k    80.00%
  254321 requests in 3.00s, 79.41MB read
{problems}Requests/sec:  84711.21
Transfer/sec:     26.45MB
"""
WRK_PROBLEMS = """  Socket errors: connect 0, read 3, write 1, timeout 2
  Non-2xx or 3xx responses: 40
"""
HEY = """
Summary:
  Total:\t3.0021 secs
  Slowest:\t0.0312 secs
  Requests/sec:\t19316.4433

Response time histogram:
  0.000 [1]\t|
  0.003 [57000]\t|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■

Status code distribution:
{statuses}
{errors}
"""
HEY_ERRORS = """Error distribution:
  [43]\tPost "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused
  [2]\tPost "http://127.0.0.1:1/": EOF
"""


def test_wrk_without_problems_has_no_failures() -> None:
    assert tally_of_wrk(WRK.format(problems="")) == Tally(254_321, 0)


def test_wrk_counts_refusals_and_socket_errors_as_failures() -> None:
    assert tally_of_wrk(WRK.format(problems=WRK_PROBLEMS)) == Tally(254_321, 46)


def test_the_rate_that_wrk_tells_is_read() -> None:
    assert rate_in(WRK.format(problems="")) == 84_711.21


def test_hey_without_problems_has_no_failures() -> None:
    report = HEY.format(statuses="  [202]\t57990 responses", errors="")

    assert tally_of_hey(report) == Tally(57_990, 0)


def test_hey_counts_refusals_and_errors_as_failures() -> None:
    statuses = "  [202]\t900 responses\n  [503]\t100 responses"

    assert tally_of_hey(HEY.format(statuses=statuses, errors=HEY_ERRORS)) == Tally(1045, 145)


@pytest.mark.parametrize("read", [tally_of_wrk, tally_of_hey, rate_in])
def test_a_report_without_figures_is_refused(read) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BenchError):
        read("unable to connect to 127.0.0.1:1 Connection refused")


def test_the_rows_of_locust_are_added_up() -> None:
    rows = [
        {"num_requests": 10, "num_failures": 1},
        {"num_requests": 5, "num_failures": 0},
    ]

    assert tally_of_locust(json.dumps(rows)) == Tally(15, 1)


def test_what_convoy_did_not_get_accepted_is_a_failure() -> None:
    assert tally_of_convoy({"totals": {"scheduled": 100, "accepted": 93}}) == Tally(100, 7)
