"""The report that a run prints when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convoy.errors import ExitCode
from convoy.results.summary import failures_of

_LABEL_WIDTH = 16


def text_report(summary: Mapping[str, Any]) -> str:
    """Return the report of a summary (`results.summary`) as lines for a terminal."""
    return "\n".join(_lines(summary))


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    yield f"Run {summary['run_id']}: {summary['profile']} against {summary['target']}"
    for name, scenario in summary["scenarios"].items():
        yield ""
        yield name
        yield from _scenario_lines(scenario)
    yield ""
    for change in summary["changes"]:
        yield _row("changed", _change(change))
    yield _row("generator", _generator(summary))
    for warning in summary["generator"]["warnings"]:
        yield _row("", warning)
    yield _row("verdict", _verdict(summary))
    for reason in summary["reasons"]:
        yield _row("", reason)


def _change(change: Mapping[str, Any]) -> str:
    rate = f" of {change['rate_per_s']:g}/s" if "rate_per_s" in change else ""
    return f"{change['change']}{rate} from {change['at_s']:.1f} s on"


def _generator(summary: Mapping[str, Any]) -> str:
    generator = summary["generator"]
    if generator["state"] == "not measured":
        return "not measured"
    cpu, lag_ms = generator["cpu_share"], generator["loop_lag_ms"]
    by_design = " (a busy core is by design)" if generator["state"] == "flat out" else ""
    workers = len(summary["workers"])
    return (
        f"{generator['state']}{by_design}: CPU {cpu['mean']:.0%} of a core (highest "
        f"{cpu['max']:.0%}), loop lag p99 {lag_ms['p99']:,.1f} ms (longest {lag_ms['max']:,.1f} ms)"
        f"{f', worst of {workers} workers' if workers > 1 else ''}"
    )


def _verdict(summary: Mapping[str, Any]) -> str:
    verdict = str(summary["verdict"]).upper()
    if summary["exit_code"] == ExitCode.NOT_ACCEPTED:
        verdict += " WITH FAILURES"
    return f"{verdict} (exit code {summary['exit_code']})"


def _scenario_lines(scenario: Mapping[str, Any]) -> Iterator[str]:
    rate = scenario["rate_per_s"]
    yield _row("scheduled", f"{scenario['scheduled']:,}")
    yield _row("sent", f"{scenario['sent']:,}{_with_causes('late', scenario['late'])}")
    yield _row("accepted", f"{scenario['accepted']:,}")
    for fate in ("rejected", "failed", "unknown"):
        if scenario[fate]:
            yield _row(fate, f"{scenario[fate]:,}")
    if scenario["not_sent"]:
        yield _row("not sent", _causes(scenario["not_sent"]))
    asked = rate["configured"]
    of_asked = "" if asked is None else f" of {asked:,.2f}/s configured"
    yield _row("rate", f"{rate['achieved']:,.2f}/s achieved{of_asked}")
    yield _row("response time", _quantiles(scenario["response_time_ms"]))
    yield _row("service time", _quantiles(scenario["service_time_ms"]))
    yield _row("send error", _quantiles(scenario["send_error_ms"]))
    pool = scenario["pool"]
    if pool["retired"]:
        retired = ", ".join(f"{number:,} by {code}" for code, number in pool["retired"].items())
        yield _row("retired", f"{retired}; {pool['redirected']:,} messages went elsewhere")
    yield from _failure_lines(failures_of(scenario))


def _failure_lines(failures: Mapping[str, int]) -> Iterator[str]:
    if not failures:
        yield _row("failures", "none")
        return
    label = "failures"
    for code, count in sorted(failures.items(), key=lambda item: -item[1]):
        yield _row(label, f"{count:>9,}  {code}")
        label = ""


def _quantiles(durations: Mapping[str, Any]) -> str:
    if not durations["count"]:
        return "no samples"
    bounds = durations.get("at_least", ())
    names = {"p50": "p50", "p95": "p95", "p99": "p99", "p999": "p99.9", "max": "max"}
    shown = [
        f"{label} {'≥ ' if name in bounds else ''}{durations[name]:,.1f}"
        for name, label in names.items()
    ]
    return "  ".join(shown) + " ms"


def _with_causes(label: str, causes: Mapping[str, int]) -> str:
    return f" ({label}: {_causes(causes)})" if causes else ""


def _causes(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} by cause {cause}" for cause, count in causes.items())


def _row(label: str, value: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{value}"
