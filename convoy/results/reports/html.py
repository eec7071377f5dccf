"""`report.html`: a run on one page that needs nothing else, to be forwarded.

Figures and tables are written into the page; its script draws the charts. Whatever comes from the
API is text: the template escapes it, the script makes text nodes of it, and the content security
policy lets no other script run.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from convoy.results.histograms import QUANTILES
from convoy.results.reconciled import KINDS
from convoy.results.reports.charts import charts
from convoy.results.reports.text import visibility_line
from convoy.results.result import RunResult
from convoy.results.summary import Quantiles, Summary
from convoy.results.verdict import Verdict
from convoy.settings.documents import DocumentError, as_yaml, parse_mapping

_PAGE = Path(__file__).with_name("page")
_PERCENTILES = {name: name for name in QUANTILES} | {"p999": "p99.9", "max": "max"}
_MOST_CHANGES = 10
_FATES = ("rejected", "failed", "unknown")
_SENTENCES = {
    Verdict.PASS: "The load was delivered, and the run is good by its criteria.",
    Verdict.FAIL: "The figures can be relied on, and the run is not good.",
    Verdict.INVALID: "The figures cannot be relied on: do not judge the target by this run.",
    Verdict.NOT_JUDGED: "The figures can be relied on, and no criterion says what is good.",
}
_CHOSEN_ELSEWHERE = ("profile", "target")
"""Settings that no profile may hold."""


def html_report(summary: Summary, result: RunResult) -> str:
    """Return the page as text; it is below two megabytes, most of them the charts' library."""
    script, style = _read("report.js"), _read("report.css")
    settings = _settings(result)
    target = settings.get("target") or {}
    page: str = _template().render(
        summary=summary,
        result=result,
        commit=summary.versions.get("commit", ""),
        own_target="" if target.get("embedded_simulator") else target.get("api_url", "it"),
        profile=_profile(settings),
        sentence=_SENTENCES[summary.verdict],
        asked=list(_asked(summary, settings)),
        happened=list(_happened(summary)),
        errors=list(_errors(summary)),
        believed=list(_believed(summary, result)),
        percentiles=_PERCENTILES,
        library=_read("echarts.min.js"),
        script=script,
        style=style,
        data=_data(charts(result)),
        script_hashes=" ".join(map(_hash, (_read("echarts.min.js"), script))),
        style_hash=_hash(style),
    )
    return page


def _settings(result: RunResult) -> dict[str, Any]:
    """Return the settings of a run, none where they are more than can be read."""
    with suppress(DocumentError):
        return parse_mapping(result.facts.settings)
    return {}


@cache
def _read(name: str) -> str:
    return (_PAGE / name).read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"quantile": Quantiles.shown, "number": "{:,}".format, "share": _share}
    environment.globals |= {"kinds": KINDS, "visibility_line": visibility_line}
    return environment.get_template("report.html.j2")


def _hash(content: str) -> str:
    """Return the source expression by which a policy knows an inline script or style."""
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _data(content: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in, whatever its texts hold."""
    text = msgspec.json.encode(content).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _asked(summary: Summary, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    target = settings.get("target") or {}
    yield "load", _load(settings, summary)
    yield "to", f"{summary.target} ({target.get('api_url', 'no address')})"
    yield "by", f"{settings.get('users', '?')} users, profile {summary.profile}"
    yield "scenarios", ", ".join(summary.scenarios) or "none"
    yield "criteria", f"{len(summary.criteria)}" if summary.criteria else "none"


def _load(settings: Mapping[str, Any], summary: Summary) -> str:
    length = f"for {summary.duration_s:,.10g} s"
    if settings.get("stages"):
        highest = max(max(s.get("rate") or 0, s.get("to") or 0) for s in settings["stages"])
        return f"{len(settings['stages'])} stages up to {highest:,.10g} messages a second, {length}"
    rate = settings.get("rate")
    if rate == "max":
        return f"as many messages as are answered, {length}"
    if settings.get("arrivals") == "closed":
        return f"messages at the users' own pace, {length}"
    return f"{rate or 0:,.10g} messages a second {length}"


def _happened(summary: Summary) -> Iterator[tuple[str, str]]:
    totals = summary.totals
    yield "sent", f"{totals.sent:,} of {totals.scheduled:,} messages"
    yield "accepted", f"{totals.accepted:,} ({_share(totals.accepted, totals.sent)})"
    for fate in _FATES:
        if count := getattr(totals, fate):
            yield fate, f"{count:,} ({_share(count, totals.sent)})"
    if missed := sum(totals.not_sent.values()):
        yield "not sent", f"{missed:,} ({', '.join(totals.not_sent)})"
    rates = [each.rate_per_s for each in summary.scenarios.values()]
    configured = sum(each.configured or 0.0 for each in rates)
    of = f" of {configured:,.4g}/s configured" if configured else ""
    yield "rate", f"{sum(each.achieved for each in rates):,.4g}/s achieved{of}"
    if len(summary.scenarios) == 1:
        [only] = summary.scenarios.values()
        times = only.response_time_ms
        shown = (f"{name} {times.shown(name)}" for name in ("p50", "p95", "p99"))
        yield "response time", f"{', '.join(shown)} ms"
    for number, change in enumerate(summary.changes[:_MOST_CHANGES], 1):
        yield f"change {number}", str(change)
    if (left := len(summary.changes) - _MOST_CHANGES) > 0:
        yield "changes", f"and {left:,} more, which summary.json has"


def _errors(summary: Summary) -> Iterator[tuple[str, int, str]]:
    """Yield each code with how often it was a failure, and then how often it was asked for."""
    for counts, word in ((summary.totals.failures, ""), (summary.totals.expected, " as expected")):
        yield from ((code, count, word) for code, count in counts.items())


def _believed(summary: Summary, result: RunResult) -> Iterator[tuple[str, str]]:
    """Yield whether the figures can be relied on, and by what one can see that."""
    totals, is_invalid = summary.totals, summary.verdict is Verdict.INVALID
    yield "answer", "no, for the reasons above" if is_invalid else "yes"
    yield "late", f"{sum(totals.late.values()):,} of {totals.sent:,} sent"
    generator = summary.generator
    yield (
        "generator",
        f"{generator.state}; {generator.cpu_share.max:.0%} of a core at most, loop lag p99 "
        f"{generator.loop_lag_ms.p99:,.1f} ms",
    )
    yield "far side", summary.far_side.shown
    if summary.reconciled is not None:
        yield "reconciled", f"{summary.reconciled.shown} at {summary.reconciled.at[:19]}Z"
    lost = [worker.id for worker in summary.workers if worker.state == "lost"]
    yield "workers", f"{len(summary.workers)}, {len(lost)} lost" if lost else "all reported"
    if not result.is_over:
        yield "end", "the run did not come to its end"


def _profile(settings: Mapping[str, Any]) -> str:
    """Return the settings as a profile, which `--load-profile` takes."""
    kept = {
        name: value
        for name, value in settings.items()
        if name not in _CHOSEN_ELSEWHERE and value is not None
    }
    return as_yaml(kept) if kept else ""


def _share(count: int, of: int) -> str:
    return f"{count / of:.2%}" if of else "–"
