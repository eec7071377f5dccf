"""The results file: one object per part, each with its date, and the ratios that others read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.reach import value_at

_RATIOS = {
    "ratio_to_fast_http_user": ("throughput", "ratio_to", "fast_http_user", "median"),
    "ratio_to_fast_http_user_tls": ("tls", "ratio_to", "fast_http_user", "median"),
    "ratio_to_hey": ("throughput", "ratio_to", "hey", "median"),
    "ratio_to_raw_user": ("throughput", "ratio_to", "raw_user", "median"),
}
_COMPARISONS = {
    "throughput": "plain HTTP",
    "tls": "TLS",
    "round_trips": "guests, bot",
    "own_copies": "guests, no bot",
}
_RATES = "messages_per_s"
_TOLERATED_SHARE = 0.03


def read_results(path: Path, machine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the results so far; none where there is no file, or it is of another machine.

    Without a machine, those of any will do.
    """
    try:
        results = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(results, dict):
        return {}
    is_ours = machine is None or results.get("machine") == dict(machine)
    return results if is_ours else {}


def with_part(
    results: Mapping[str, Any], name: str, part: Mapping[str, Any], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the results with one part replaced, and the ratios to match."""
    parts = {key: value for key, value in results.items() if key not in ("machine", *_RATIOS)}
    parts[name] = dict(part)
    ratios = {key: value_at(parts, path) for key, path in _RATIOS.items()}
    return {"machine": dict(machine), **ratios, **parts}


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write the results as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def comparison_lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of rates and ratios for each comparison that was made."""
    for part, title in _COMPARISONS.items():
        if part in results:
            yield (
                f"{title:<15}{'messages/s':>12}{'lowest':>9}{'highest':>9}{'a CPU second':>14}"
                + ("   Convoy is, by CPU time")
            )
            yield from (_comparison_line(name, results[part]) for name in results[part][_RATES])
            yield ""


def _comparison_line(name: str, part: Mapping[str, Any]) -> str:
    rate = part[_RATES][name]
    if rate is None:
        return f"{name:<15}{'not installed':>14}"
    figures = f"{rate['median']:>12,.0f}{rate['min']:>9,.0f}{rate['max']:>9,.0f}"
    per_cpu = f"{part['messages_per_cpu_s'][name]['median']:>14,.0f}"
    if name not in part["ratio_to"]:
        return f"{name:<15}{figures}{per_cpu}"
    by_clock, by_cpu = part["ratio_to"][name]["median"], part["cpu_ratio_to"][name]["median"]
    return f"{name:<15}{figures}{per_cpu}{by_clock:>10.2f} ×{by_cpu:>9.2f} ×"


def disturbance_lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning for each part whose core was not the generator's alone."""
    for name, part in results.items():
        shares = part.get("others_on_the_core")
        if shares is not None and shares["median"] > _TOLERATED_SHARE:
            yield (
                f"{name}: other programs used {shares['median']:.0%} of the generator's core "
                f"(up to {shares['max']:.0%}); measure again on a quiet machine"
            )
