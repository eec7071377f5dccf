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
_COMPARISONS = {"throughput": "plain HTTP", "tls": "TLS"}


def read_results(path: Path, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results so far; none where there is no file, or it is of another machine."""
    try:
        results: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return results if results.get("machine") == dict(machine) else {}


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
        if part not in results:
            continue
        yield f"{title:<16}{'messages/s':>12}{'lowest':>10}{'highest':>10}{'Convoy is':>12}"
        rates, ratios = results[part]["messages_per_s"], results[part]["ratio_to"]
        for name, rate in rates.items():
            if rate is None:
                yield f"{name:<16}{'not installed':>12}"
                continue
            figures = f"{rate['median']:>12,.0f}{rate['min']:>10,.0f}{rate['max']:>10,.0f}"
            ratio = ratios.get(name)
            yield f"{name:<16}{figures}" + (f"{ratio['median']:>10.2f} ×" if ratio else "")
        yield ""
