"""The table of all sabotages."""

from __future__ import annotations

from bench.sabotage import spoils
from bench.sabotage.disturbances import (
    Theft,
    core_stolen,
    run_frozen,
    run_killed,
    target_frozen,
    worker_killed,
)
from bench.sabotage.inputs import (
    cache_of_other_filter,
    template_stops_marking,
    worker_of_other_code,
)
from bench.sabotage.patched import clock_stepped, patched
from bench.sabotage.records import disk_full, file_in_the_way, older_record
from bench.sabotage.relay import Spoil, relayed
from bench.sabotage.sabotages import Between, Declared, Sabotage
from bench.short_runs import ShortLoad

_NOT_PASS, _TRUE = Declared.MUST_NOT_PASS, Declared.MUST_STAY_TRUE
_TWO_WORKERS = ShortLoad(workers=2)
_FEW_USERS = ShortLoad(users=6)
_MANY_USERS = ShortLoad(users=100)
_SLOWER = ShortLoad(rate=10.0)
_SPREAD_LATENCY = ("latency=lognormal(20ms,0.5)",)
"""A fifth of the answers takes longer than 30 ms."""
_ENOUGH_STOLEN = Theft(seconds=2.5, busy_ms=60, idle_ms=40, priority=1)
_LITTLE_STOLEN = Theft(seconds=2.5, busy_ms=20, idle_ms=20)


def _spoiled(name: str, what: str, spoil: Spoil) -> Sabotage:
    return Sabotage(name, what, _NOT_PASS, (relayed(spoil),))


_ON_THE_WAY = (
    _spoiled("html-page", "a relay answers 200 with an HTML page", spoils.html_page),
    _spoiled("empty-200", "a relay answers 200 with nothing", spoils.empty_answer),
    _spoiled("error-in-200", "a relay answers 200 with an error in it", spoils.error_in_200),
    _spoiled("no-content", "a relay answers 204", spoils.no_content),
    _spoiled("errors-in-207", "a relay answers 207 with errors in it", spoils.errors_in_207),
    _spoiled("cached-answer", "a relay gives all the answer to the first", spoils.cached_answer),
    _spoiled("swallowed", "a relay answers as the API does, passes nothing on", spoils.swallowed),
    _spoiled("doubled", "a relay passes every message on twice", spoils.doubled),
    _spoiled("text-cut", "a relay cuts the text, and the marker with it", spoils.text_cut),
    _spoiled(
        "other-conversation",
        "a relay sends every message into one conversation",
        spoils.other_conversation,
    ),
    _spoiled("half-answer", "a relay closes in the middle of the answer", spoils.half_an_answer),
    _spoiled("redirect", "a relay answers 302 to a login page", spoils.redirect),
    _spoiled("login-page", "a relay answers 200 with a login page", spoils.login_page),
)

_SENDING = (
    Sabotage(
        "refusals-accepted",
        "refused messages are counted as accepted",
        _NOT_PASS,
        (patched("refusals counted"),),
        faults=("error=503:0.3",),
        settings={"canary": "false"},
    ),
    Sabotage(
        "some-not-sent",
        "three of ten messages are not sent and reported as accepted",
        _NOT_PASS,
        (patched("some not sent"),),
    ),
    Sabotage(
        "warm-up-counted",
        "messages of the warm-up are counted",
        _NOT_PASS,
        (patched("warm-up counted"),),
    ),
    Sabotage(
        "scenario-sleeps-50-ms",
        "the scenario sleeps 50 ms before it posts",
        _NOT_PASS,
        (patched("sleeps 50 ms"),),
    ),
    Sabotage(
        "scenario-sleeps-2-s",
        "the scenario sleeps 2 s before it posts",
        _NOT_PASS,
        (patched("sleeps 2 s"),),
        load=_MANY_USERS,
    ),
    Sabotage(
        "scenario-computes-50-ms",
        "the scenario computes 50 ms before it posts",
        _NOT_PASS,
        (patched("computes 50 ms"),),
        load=_SLOWER,
        slows_generator=True,
    ),
    Sabotage(
        "scenario-computes-2-s",
        "the scenario computes 2 s before it posts one message",
        _NOT_PASS,
        (patched("computes 2 s"),),
        slows_generator=True,
    ),
    Sabotage(
        "late-after-raised",
        "a listener blocks the loop, and `late_after_ms` is 5,000",
        _NOT_PASS,
        (patched("listener blocks"),),
        settings={"late_after_ms": "5000"},
        slows_generator=True,
    ),
)

_FIGURES = (
    Sabotage(
        "long-values-dropped",
        "histograms lose what is above 30 ms",
        _NOT_PASS,
        (patched("long values dropped"),),
        faults=_SPREAD_LATENCY,
    ),
    Sabotage(
        "long-values-cut",
        "histograms hold 30 ms for what is above",
        _NOT_PASS,
        (patched("long values cut"),),
        faults=_SPREAD_LATENCY,
    ),
    Sabotage(
        "values-doubled",
        "histograms hold each value twice",
        _NOT_PASS,
        (patched("values doubled"),),
    ),
    Sabotage(
        "slowest-left-out",
        "histograms lose their slowest fifth",
        _NOT_PASS,
        (patched("slowest left out"),),
        faults=_SPREAD_LATENCY,
    ),
    Sabotage(
        "due-times-forgotten",
        "response time counts from when a message was sent, and the target stands still for 1 s",
        _NOT_PASS,
        (patched("due times forgotten"), target_frozen(1.0)),
        load=_FEW_USERS,
    ),
    Sabotage(
        "durations-lost",
        "one of two workers reports no durations",
        _NOT_PASS,
        (patched("durations lost"),),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "absorbed-twice",
        "every report is absorbed twice",
        _NOT_PASS,
        (patched("absorbed twice"),),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "report-withheld",
        "one report of a worker does not arrive",
        _NOT_PASS,
        (patched("report withheld"),),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "last-reports-withheld",
        "the first report of a worker is the only one that arrives",
        _NOT_PASS,
        (patched("last reports withheld"),),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "report-doubled",
        "one report of a worker arrives twice",
        _NOT_PASS,
        (patched("report doubled"),),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "counts-raised",
        "one of two workers counts seven accepted messages more",
        _NOT_PASS,
        (patched("counts raised"),),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "no-health-watch",
        "no process measures its own health",
        _NOT_PASS,
        (patched("no health watch"),),
    ),
    Sabotage(
        "health-watch-ends",
        "the measurement of health ends after 1 s of 4",
        _NOT_PASS,
        (patched("health watch ends"),),
    ),
)

_PROCESSES = (
    Sabotage(
        "run-stopped",
        "the process is stopped for 2 s",
        _NOT_PASS,
        (run_frozen(2.0),),
        slows_generator=True,
    ),
    Sabotage(
        "core-stolen",
        "a real-time program takes 60 of each 100 ms of the core",
        _NOT_PASS,
        (core_stolen(_ENOUGH_STOLEN),),
        slows_generator=True,
    ),
    Sabotage(
        "worker-killed",
        "one of two workers is killed",
        _NOT_PASS,
        (worker_killed(),),
        load=_TWO_WORKERS,
    ),
)

_INPUTS_AND_RECORD = (
    Sabotage(
        "cache-of-other-filter",
        "the pool's cache was written for conversations of another type",
        _NOT_PASS,
        (cache_of_other_filter(),),
    ),
    Sabotage(
        "worker-of-other-code",
        "one of two workers runs other code, and plans other messages",
        _NOT_PASS,
        (worker_of_other_code(),),
    ),
    Sabotage(
        "template-stops-marking",
        "the template leaves the marker out from message 40 on",
        _NOT_PASS,
        (template_stops_marking(),),
    ),
    Sabotage("disk-full", "the disk is full when the record is written", _NOT_PASS, (disk_full(),)),
    Sabotage(
        "record-in-the-way",
        "a file is in the place of the folder of records",
        _NOT_PASS,
        (file_in_the_way(),),
    ),
    Sabotage(
        "older-record",
        "the run is killed, and the record of an older one that passed is there",
        _NOT_PASS,
        (older_record(), run_killed()),
    ),
)

_HARMLESS = (
    Sabotage(
        "honest-relay",
        "a relay passes everything on as it is",
        _TRUE,
        (relayed(spoils.nothing_spoiled),),
    ),
    Sabotage(
        "clock-forward",
        "the wall clock is stepped by an hour",
        _TRUE,
        (patched("clock forward"), clock_stepped()),
    ),
    Sabotage(
        "clock-back",
        "the wall clock of a master and two workers is stepped back by an hour",
        _TRUE,
        (patched("clock back"), clock_stepped()),
        load=_TWO_WORKERS,
    ),
    Sabotage(
        "core-shared",
        "an ordinary program uses half of the core",
        _TRUE,
        (core_stolen(_LITTLE_STOLEN),),
    ),
    Sabotage(
        "target-slow",
        "every answer takes 200 ms",
        _TRUE,
        (),
        faults=("latency=200ms",),
        between=(
            Between("service_time_ms", "p50", 199, 260),
            Between("response_time_ms", "p50", 199, 260),
        ),
    ),
    Sabotage(
        "target-frozen",
        "the target stands still for 1 s, and there are users enough",
        _TRUE,
        (target_frozen(1.0),),
        load=_MANY_USERS,
        between=(
            Between("response_time_ms", "max", 900, 1500),
            Between("send_error_ms", "p99", 0, 10),
        ),
    ),
    Sabotage(
        "target-does-not-take-the-load",
        "the target stands still for 2.5 s, and there are few users",
        _TRUE,
        (target_frozen(2.5),),
        load=_FEW_USERS,
        settings={"max_lateness_s": "0.5"},
        verdict="fail",
        between=(Between("service_time_ms", "max", 2300, 3500),),
    ),
)

SABOTAGES: tuple[Sabotage, ...] = (
    *_ON_THE_WAY,
    *_SENDING,
    *_FIGURES,
    *_PROCESSES,
    *_INPUTS_AND_RECORD,
    *_HARMLESS,
)
