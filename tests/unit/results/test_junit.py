"""`junit.xml`, read back by a library that pipelines use."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml, TestCase, TestSuite

from convoy.results.reports.escaping import xml_text
from convoy.results.reports.junit import JUDGED, LOAD_TAKEN, VALID, junit_report
from convoy.results.result import RunFacts, RunResult
from convoy.results.summary import Summary
from tests.unit.results.pipelines import (
    ABORTED,
    EVIL,
    GOOD,
    LENIENT,
    RUNS,
    STRICT,
    WITHOUT_SAMPLES,
    judged,
    many,
)

PASSED = "passed"


def read(summary: Summary, result: RunResult) -> TestSuite:
    [suite] = JUnitXml.fromstring(junit_report(summary, result).encode())
    assert isinstance(suite, TestSuite)
    return suite


def outcome(case: TestCase) -> str:
    return case.result[0]._tag if case.result else PASSED


def outcomes(summary: Summary, result: RunResult) -> dict[str | None, str]:
    return {case.name: outcome(case) for case in read(summary, result)}


@pytest.mark.parametrize(("summary", "result"), RUNS.values(), ids=RUNS)
def test_the_document_is_red_where_the_exit_code_is_not_0_and_nowhere_else(
    summary: Summary, result: RunResult
) -> None:
    suite = read(summary, result)
    found = [outcome(case) for case in suite]

    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
        len(found),
        found.count("failure"),
        found.count("error"),
        found.count("skipped"),
    )
    assert (suite.failures + suite.errors > 0) == (summary.exit_code != 0)
    assert len(found) == 3 + len(summary.criteria)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("pass", [PASSED, PASSED, PASSED, PASSED]),
        ("criterion broken", [PASSED, PASSED, PASSED, PASSED, "failure"]),
        ("load not taken", [PASSED, "failure", PASSED, PASSED]),
        ("load not taken, and a criterion broken", [PASSED, "failure", PASSED, "failure"]),
        ("criterion not judged, which fails", [PASSED, PASSED, "failure", PASSED, "skipped"]),
        ("criterion not judged, which passes", [PASSED, PASSED, PASSED, "skipped"]),
        ("not judged", [PASSED, PASSED, "failure"]),
        ("invalid", ["error", "skipped", "skipped", "skipped"]),
        ("invalid, and all else broken", ["error", *["skipped"] * 4]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_end_of_a_run_has_its_cases(run: str, expected: list[str]) -> None:
    summary, result = RUNS[run]

    names = [VALID, LOAD_TAKEN, JUDGED, *(each.criterion for each in summary.criteria)]
    assert outcomes(summary, result) == dict(zip(names, expected, strict=True))


def test_a_broken_criterion_says_what_was_observed_and_what_the_limit_is() -> None:
    summary, result = RUNS["criterion broken"]

    [case] = [case for case in read(summary, result) if case.name == STRICT]

    assert case.result[0].message == "observed 101 ms against limit 50 ms"
    assert case.result[0].text == f"{STRICT}: observed 101 ms"


def test_a_criterion_that_ended_the_run_says_so_and_when() -> None:
    [case] = [case for case in read(*RUNS["ended early"]) if case.name == ABORTED.criterion]

    assert case.result[0].message == "observed 512 ms at 7 s against limit 50 ms"
    assert "the run was ended early for it" in case.result[0].text


def test_all_reasons_of_an_invalid_run_are_in_its_error() -> None:
    summary, result = RUNS["invalid, and all else broken"]

    error = next(iter(read(summary, result))).result[0]

    assert error.message == "interrupted: Ctrl-C"
    assert error.text.splitlines() == list(summary.reasons)


@pytest.mark.parametrize("name", [WITHOUT_SAMPLES, JUDGED], ids=["the criterion", "the run"])
def test_what_is_not_judged_says_why(name: str) -> None:
    cases = read(*RUNS["criterion not judged, which fails"])

    [case] = [case for case in cases if case.name == name]

    assert "there were no samples" in case.result[0].message


def test_the_suite_names_the_run_and_what_it_was_made_of() -> None:
    facts = RunFacts(labels={"build": "1234"}, versions={"convoy": "0.1.0"})
    summary, result = judged(GOOD, LENIENT, facts=facts)

    suite = read(summary, result)

    assert suite.name == "smoke against simulator"
    assert suite.timestamp == "2026-11-22T12:00:00"
    assert suite.time == sum(case.time for case in suite) == summary.duration_s
    assert {case.classname for case in suite} == {"convoy.smoke"}
    assert {each.name: each.value for each in suite.properties()} == {
        "run_id": "run-1",
        "seed": "7",
        "plan_hash": "0123456789abcdef",
        "target": "simulator",
        "profile": "smoke",
        "started_at": "2026-11-22T12:00:00Z",
        "verdict": "pass",
        "exit_code": "0",
        "label.build": "1234",
        "version.convoy": "0.1.0",
    }


def test_markup_and_control_characters_are_text() -> None:
    summary, result = many()

    suite = read(summary, result)

    assert suite.name == xml_text(f"{EVIL} against {EVIL}")
    assert (suite.tests, suite.errors) == (3 + len(summary.criteria), 1)
    assert {case.name for case in suite} > {xml_text(each.criterion) for each in summary.criteria}
    assert not {*"\x00\x1b\ud800\uffff"} & {*xml_text(EVIL)}


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_written_and_what_xml_can_hold_comes_back(text: str) -> None:
    element = ElementTree.Element("a", {"b": xml_text(text)})

    read_back = ElementTree.fromstring(ElementTree.tostring(element))

    assert read_back.get("b") == xml_text(text)
