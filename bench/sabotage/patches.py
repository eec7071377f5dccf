"""The patches of a run's own processes, by name; `locustfile.py` applies one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.sabotage import clocks, durations, reporting, sending
from bench.sabotage.proof import Proof

_HOUR_S = 3600.0

PATCHES: Mapping[str, Callable[[Proof], None]] = {
    "refusals counted": sending.count_refusals_as_accepted,
    "some not sent": sending.send_only_some,
    "sleeps 50 ms": sending.sleep_before_posting(0.05),
    "sleeps 2 s": sending.sleep_before_posting(2.0),
    "computes 50 ms": sending.compute_before_posting(0.05),
    "computes 2 s": sending.compute_once(2.0),
    "listener blocks": sending.block_in_listener,
    "warm-up counted": sending.count_warm_up,
    "long values dropped": durations.drop_long_values,
    "long values cut": durations.cut_long_values,
    "values doubled": durations.double_values,
    "slowest left out": durations.leave_slowest_out,
    "due times forgotten": durations.forget_due_times,
    "durations lost": durations.lose_durations_of_one_worker,
    "absorbed twice": reporting.absorb_reports_twice,
    "report withheld": reporting.withhold_one_report,
    "last reports withheld": reporting.withhold_last_reports,
    "report doubled": reporting.double_one_report,
    "counts raised": reporting.raise_counts_of_one_worker,
    "no health watch": reporting.stop_health_watch,
    "health watch ends": reporting.end_health_watch,
    "clock forward": clocks.step_wall_clock(_HOUR_S),
    "clock back": clocks.step_wall_clock(-_HOUR_S),
}
