"""The sabotages that a run must outlive: verdict and figures are what they would be without."""

from __future__ import annotations

from bench.sabotage import spoils
from bench.sabotage.disturbances import Theft, core_stolen, target_frozen
from bench.sabotage.patched import clock_stepped, patched
from bench.sabotage.relay import relayed
from bench.sabotage.sabotages import Between, Declared, Sabotage
from bench.short_runs import ShortLoad

_TRUE = Declared.MUST_STAY_TRUE
_TWO_WORKERS = ShortLoad(workers=2)
_FEW_USERS = ShortLoad(users=6)
_MANY_USERS = ShortLoad(users=100)
_LITTLE_STOLEN = Theft(seconds=2.5, busy_ms=20, idle_ms=20)

MUST_STAY_TRUE = (
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
