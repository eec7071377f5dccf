"""The sabotages after which a run must not pass: its figures are not what they say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
    template_unmarked,
    worker_of_other_code,
)
from bench.sabotage.patched import patched
from bench.sabotage.records import disk_full, file_in_the_way, older_record
from bench.sabotage.relay import relayed
from bench.sabotage.sabotages import Declared, Sabotage
from bench.sabotage.scene import Means
from bench.short_runs import ShortLoad

_USUAL = ShortLoad()
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_TWO_WORKERS = ShortLoad(workers=2)
_FEW_USERS = ShortLoad(users=6)
_MANY_USERS = ShortLoad(users=100)
_SLOWER = ShortLoad(rate=10.0)
_SPREAD_LATENCY = ("latency=lognormal(20ms,0.5)",)
"""A fifth of the answers takes longer than 30 ms."""
_ENOUGH_STOLEN = Theft(seconds=2.5, busy_ms=60, idle_ms=40, priority=1)


def _not_pass(
    name: str,
    what: str,
    *means: Means,
    load: ShortLoad = _USUAL,
    faults: tuple[str, ...] = (),
    settings: Mapping[str, str] = _NO_SETTINGS,
    slows_generator: bool = False,
) -> Sabotage:
    return Sabotage(
        name,
        what,
        Declared.MUST_NOT_PASS,
        means,
        load=load,
        faults=faults,
        settings=settings,
        slows_generator=slows_generator,
    )


_ON_THE_WAY = (
    _not_pass("html-page", "a relay answers 200 with an HTML page", relayed(spoils.html_page)),
    _not_pass("empty-200", "a relay answers 200 with nothing", relayed(spoils.empty_answer)),
    _not_pass(
        "error-in-200", "a relay answers 200 with an error in it", relayed(spoils.error_in_200)
    ),
    _not_pass("no-content", "a relay answers 204", relayed(spoils.no_content)),
    _not_pass(
        "errors-in-207", "a relay answers 207 with errors in it", relayed(spoils.errors_in_207)
    ),
    _not_pass(
        "cached-answer", "a relay gives all the answer to the first", relayed(spoils.cached_answer)
    ),
    _not_pass(
        "swallowed", "a relay answers as the API does, passes nothing on", relayed(spoils.swallowed)
    ),
    _not_pass("doubled", "a relay passes every message on twice", relayed(spoils.doubled)),
    _not_pass(
        "text-cut", "a relay cuts the text, and the marker with it", relayed(spoils.text_cut)
    ),
    _not_pass(
        "other-conversation",
        "a relay sends every message into one conversation",
        relayed(spoils.other_conversation),
    ),
    _not_pass(
        "half-answer", "a relay closes in the middle of the answer", relayed(spoils.half_an_answer)
    ),
    _not_pass("redirect", "a relay answers 302 to a login page", relayed(spoils.redirect)),
    _not_pass("login-page", "a relay answers 200 with a login page", relayed(spoils.login_page)),
)

_SENDING = (
    _not_pass(
        "refusals-accepted",
        "refused messages are counted as accepted",
        patched("refusals counted"),
        faults=("error=503:0.3",),
        settings={"canary": "false"},
    ),
    _not_pass(
        "some-not-sent",
        "three of ten messages are not sent and reported as accepted",
        patched("some not sent"),
    ),
    _not_pass(
        "warm-up-counted",
        "messages of the warm-up are counted",
        patched("warm-up counted"),
    ),
    _not_pass(
        "scenario-sleeps-50-ms",
        "the scenario sleeps 50 ms before it posts",
        patched("sleeps 50 ms"),
        slows_generator=True,
    ),
    _not_pass(
        "scenario-sleeps-2-s",
        "the scenario sleeps 2 s before it posts",
        patched("sleeps 2 s"),
        slows_generator=True,
        load=_MANY_USERS,
    ),
    _not_pass(
        "scenario-computes-50-ms",
        "the scenario computes 50 ms before it posts",
        patched("computes 50 ms"),
        load=_SLOWER,
        slows_generator=True,
    ),
    _not_pass(
        "scenario-computes-2-s",
        "the scenario computes 2 s before it posts one message",
        patched("computes 2 s"),
        slows_generator=True,
    ),
    _not_pass(
        "late-after-raised",
        "a listener blocks the loop, and `late_after_ms` is 1,500",
        patched("listener blocks"),
        settings={"late_after_ms": "1500"},
        slows_generator=True,
    ),
)

_FIGURES = (
    _not_pass(
        "long-values-dropped",
        "histograms lose what is above 30 ms",
        patched("long values dropped"),
        faults=_SPREAD_LATENCY,
    ),
    _not_pass(
        "long-values-cut",
        "histograms hold 30 ms for what is above",
        patched("long values cut"),
        faults=_SPREAD_LATENCY,
    ),
    _not_pass(
        "values-doubled",
        "histograms hold each value twice",
        patched("values doubled"),
    ),
    _not_pass(
        "slowest-left-out",
        "histograms lose their slowest fifth",
        patched("slowest left out"),
        faults=_SPREAD_LATENCY,
    ),
    _not_pass(
        "due-times-forgotten",
        "response time counts from when a message was sent, and the target stands still for 1 s",
        patched("due times forgotten"),
        target_frozen(1.0),
        load=_FEW_USERS,
    ),
    _not_pass(
        "durations-lost",
        "one of two workers reports no durations",
        patched("durations lost"),
        load=_TWO_WORKERS,
    ),
    _not_pass(
        "absorbed-twice",
        "every report is absorbed twice",
        patched("absorbed twice"),
        load=_TWO_WORKERS,
    ),
    _not_pass(
        "report-withheld",
        "one report of a worker does not arrive",
        patched("report withheld"),
        load=_TWO_WORKERS,
    ),
    _not_pass(
        "last-reports-withheld",
        "the first report of a worker is the only one that arrives",
        patched("last reports withheld"),
        load=_TWO_WORKERS,
    ),
    _not_pass(
        "report-doubled",
        "one report of a worker arrives twice",
        patched("report doubled"),
        load=_TWO_WORKERS,
    ),
    _not_pass(
        "counts-raised",
        "one of two workers counts seven accepted messages more",
        patched("counts raised"),
        load=_TWO_WORKERS,
    ),
    _not_pass(
        "no-health-watch",
        "no process measures its own health",
        patched("no health watch"),
    ),
    _not_pass(
        "health-watch-ends",
        "the measurement of health ends after 1 s of 4",
        patched("health watch ends"),
    ),
)

_PROCESSES = (
    _not_pass(
        "run-stopped",
        "the process is stopped for 2 s",
        run_frozen(2.0),
        slows_generator=True,
    ),
    _not_pass(
        "core-stolen",
        "a real-time program takes 60 of each 100 ms of the core",
        core_stolen(_ENOUGH_STOLEN),
        slows_generator=True,
    ),
    _not_pass(
        "worker-killed",
        "one of two workers is killed",
        worker_killed(),
        load=_TWO_WORKERS,
        slows_generator=True,
    ),
)

_INPUTS_AND_RECORD = (
    _not_pass(
        "cache-of-other-filter",
        "the pool's cache was written for conversations of another type",
        cache_of_other_filter(),
    ),
    _not_pass(
        "worker-of-other-code",
        "one of two workers runs other code, and plans other messages",
        worker_of_other_code(),
    ),
    _not_pass(
        "template-stops-marking",
        "the template leaves the marker out from message 40 on",
        template_unmarked("k >= 40"),
    ),
    _not_pass(
        "template-pauses-marking",
        "the template leaves the marker out from message 40 to 99",
        template_unmarked("40 <= k < 100"),
    ),
    _not_pass("disk-full", "the disk is full when the record is written", disk_full()),
    _not_pass(
        "record-in-the-way",
        "a file is in the place of the folder of records",
        file_in_the_way(),
    ),
    _not_pass(
        "older-record",
        "the run is killed, and the record of an older one that passed is there",
        older_record(),
        run_killed(),
    ),
)

MUST_NOT_PASS = (*_ON_THE_WAY, *_SENDING, *_FIGURES, *_PROCESSES, *_INPUTS_AND_RECORD)
