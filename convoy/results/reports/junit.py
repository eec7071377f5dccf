"""`junit.xml`: a run as test cases, one for each criterion, for what shows those of a pipeline.

Where the exit code is not 0 some case is an error or a failure, and nowhere else. Three cases stand
before the criteria's, so that the number of cases depends on the criteria only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from msgspec.structs import replace

from convoy.results.criteria import CriterionResult
from convoy.results.reports.escaping import xml_text
from convoy.results.result import RunResult
from convoy.results.summary import Summary
from convoy.results.verdict import Verdict, load_not_taken

VALID = "the run is valid"
LOAD_TAKEN = "the target took the load"
JUDGED = "the run is judged"
_WORTH_NOTHING = "the run is invalid, so that its figures say nothing"
_LENGTH_TO_SECONDS = 19
"""Of `2026-11-22T12:00:00`: readers of JUnit know no fraction and no time zone."""


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    outcome: Literal["passed", "failure", "error", "skipped"] = "passed"
    message: str = ""
    lines: Sequence[str] = ()


def junit_report(summary: Summary, result: RunResult) -> str:
    """Return the document as text; an invalid run's criteria are skipped."""
    cases = list(_cases(summary, result))
    counted = {
        "tests": f"{len(cases)}",
        "failures": f"{sum(each.outcome == 'failure' for each in cases)}",
        "errors": f"{sum(each.outcome == 'error' for each in cases)}",
        "skipped": f"{sum(each.outcome == 'skipped' for each in cases)}",
        "time": f"{summary.duration_s:.3f}",
    }
    suites = Element("testsuites", {"name": "convoy", **counted})
    name = xml_text(f"{summary.profile} against {summary.target}")
    timestamp = summary.started_at[:_LENGTH_TO_SECONDS]
    suite = SubElement(suites, "testsuite", {"name": name, **counted, "timestamp": timestamp})
    properties = SubElement(suite, "properties")
    for key, value in _properties(summary):
        SubElement(properties, "property", {"name": xml_text(key), "value": xml_text(value)})
    for each in cases:
        _add(suite, each, summary)
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, "unicode") + "\n"


def _add(suite: Element, case: _Case, summary: Summary) -> None:
    # The whole of the time is the first one's: the others look at the same seconds.
    time_s = summary.duration_s if case.name == VALID else 0.0
    attributes = {
        "classname": xml_text(f"convoy.{summary.profile}"),
        "name": xml_text(case.name),
        "time": f"{time_s:.3f}",
    }
    element = SubElement(suite, "testcase", attributes)
    if case.outcome != "passed":
        found = SubElement(element, case.outcome, {"message": xml_text(case.message)})
        if case.outcome != "skipped":
            found.set("type", summary.verdict)
            found.text = xml_text("\n".join(case.lines))


def _properties(summary: Summary) -> Iterator[tuple[str, str]]:
    for name in ("run_id", "seed", "plan_hash", "target", "profile", "started_at", "verdict"):
        yield name, str(getattr(summary, name))
    yield "exit_code", f"{summary.exit_code:d}"
    for name, value in summary.labels.items():
        yield f"label.{name}", value
    for name, value in summary.versions.items():
        yield f"version.{name}", value


def _cases(summary: Summary, result: RunResult) -> Iterator[_Case]:
    if summary.verdict is Verdict.INVALID:
        yield _Case(VALID, "error", summary.reasons[0], summary.reasons)
        yield _Case(LOAD_TAKEN, "skipped", _WORTH_NOTHING)
        yield _Case(JUDGED, "skipped", _WORTH_NOTHING)
        for each in summary.criteria:
            yield _Case(each.criterion, "skipped", f"{_WORTH_NOTHING}: {_observed(each)}")
        return
    yield _Case(VALID)
    missed = list(load_not_taken(result))
    yield _Case(LOAD_TAKEN, "failure", missed[0], missed) if missed else _Case(LOAD_TAKEN)
    unjudged = list(_unjudged(summary))
    yield _Case(JUDGED, "failure", unjudged[0], unjudged) if unjudged else _Case(JUDGED)
    yield from map(_criterion, summary.criteria)


def _unjudged(summary: Summary) -> Iterator[str]:
    """Yield the reasons that are the want of a judgement."""
    if summary.verdict is Verdict.NOT_JUDGED:
        yield from summary.reasons
    for each in summary.criteria:
        # Among the reasons only where what is not judged makes the run fail.
        if each.verdict == "not judged" and each.sentence in summary.reasons:
            yield each.sentence


def _criterion(found: CriterionResult) -> _Case:
    if found.verdict == "pass":
        return _Case(found.criterion)
    if found.verdict == "fail":
        return _Case(found.criterion, "failure", _observed(found), (found.sentence,))
    return _Case(found.criterion, "skipped", f"not judged, because {found.reason}")


def _observed(found: CriterionResult) -> str:
    limit = replace(found, observed=found.limit, at_least=False).shown
    return f"observed {found.shown}{found.when} against limit {limit}"
