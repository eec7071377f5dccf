"""`report.html`: what it says, and that nothing from outside becomes markup."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from convoy.results.counts import Counts
from convoy.results.criteria import CriterionResult
from convoy.results.far_side import FarSide
from convoy.results.grammar import Known, parse
from convoy.results.outcome import Cause
from convoy.results.reports.charts import MOST_POINTS, charts, thinned
from convoy.results.reports.html import html_report
from convoy.results.result import Change, GeneratorStep, RunFacts, RunResult
from convoy.results.samples import CodeSamples, ErrorSample
from convoy.results.summary import summarise
from convoy.results.verdict import judge
from tests.unit.results import counts_of, result_of, run_of

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> <!-- {{ 7*7 }} &amp;'
SETTINGS = {
    "profile": "smoke",
    "target": {"name": "simulator", "api_url": "http://127.0.0.1:8080", "embedded_simulator": True},
    "rate": 20.0,
    "users": 10,
    "stages": None,
    "criteria": ["share(failures[*]) < 1%"],
}
SECONDS = [counts_of(accepted=18, rejected=1, unknown=1)] * 6
RUN = replace(
    result_of(messages=Counts.total(SECONDS)),
    duration_s=6.0,
    series=run_of(
        *SECONDS, times_s=[[0.1] * 54, [0.2] * 54], censored_s=[[30.0] * 3, [30.0] * 3]
    ).series,
    facts=RunFacts(
        yaml.safe_dump(SETTINGS), "locust --headless --seed 7", {"convoy": "1"}, {"build": "12"}
    ),
    generator={step: GeneratorStep(10, 0.25, 1.5) for step in range(6)},
)


class Page(HTMLParser):
    """The texts of a page by the element they stand in, and its elements' attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._script = ""
        self.data: dict[str, Any] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._script = str(dict(attributes).get("id", tag)) if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if self._script == "data":
            self.data = json.loads(data)
        elif not self._script:
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def report_of(result: RunResult, *lines: str) -> str:
    known = Known(result.scenarios, duration_s=60)
    return html_report(summarise(result, judge(result, parse(lines, known))), result)


def page_of(result: RunResult, *lines: str) -> Page:
    return Page(report_of(result, *lines))


@pytest.mark.parametrize(
    "said",
    [
        "fail smoke against simulator",
        "share(failures[*]) < 1%: observed 10%",
        "20 messages a second for 6 s",
        "by 10 users, profile smoke",
        "sent 120 of 120 messages",
        "accepted 108 (90.00%)",
        "answer yes",
        "not compared: the run is not over",
        "build 12",
        "400 invalid_payload 6 (5.00%)",
        "messages: response time 114 101.0",
        "locust --headless --seed 7",
        "--load-profile repeat.yaml",
    ],
)
def test_the_page_says_what_was_asked_and_what_happened(said: str) -> None:
    assert said in page_of(RUN, "share(failures[*]) < 1%").text


def test_changes_of_the_run_are_said_by_the_numbers_that_the_charts_have() -> None:
    changes = tuple(Change(float(number), "rate", 9.0) for number in range(1, 13))

    page = page_of(replace(RUN, changes=changes))

    assert "change 1 rate of 9/s from 1.0 s on change 2 rate of 9/s from 2.0 s on" in page.text
    assert "change 10 rate of 9/s from 10.0 s on changes and 2 more" in page.text
    assert page.data["marks"][1] == [2.0, "2"]


def test_refusals_that_were_asked_for_are_shown_as_such() -> None:
    counts = dataclasses.replace(counts_of(rejected=6), failures={})

    partly = dataclasses.replace(counts_of(rejected=6), failures={"400 invalid_payload": 2})

    assert "400 invalid_payload as expected 6 (100.00%)" in page_of(run_of(counts)).text
    shown = page_of(run_of(partly)).text
    assert "400 invalid_payload 2 (33.33%)" in shown
    assert "400 invalid_payload as expected 4 (66.67%)" in shown


def test_a_run_that_is_invalid_is_not_to_be_believed() -> None:
    page = page_of(replace(RUN, is_over=False, problems=("the run was interrupted",)))

    assert "invalid" in page.text and "the run was interrupted" in page.text
    assert "answer no, for the reasons above" in page.text
    assert "end the run did not come to its end" in page.text


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(run_of(), id="nothing at all"),
        pytest.param(replace(run_of(), scenarios={}, series={}, workers=()), id="no scenario"),
        pytest.param(run_of(counts_of(accepted=1), times_s=[[0.1]]), id="one message"),
        pytest.param(run_of(counts_of(unknown=3), censored_s=[[30.0]]), id="no answer"),
        pytest.param(run_of(counts_of(accepted=3), due=[]), id="nothing scheduled"),
        pytest.param(
            replace(RUN, far_side=FarSide("", 110, 2), changes=(Change(2.0, "rate", 9.0),)),
            id="changed, and compared",
        ),
        pytest.param(replace(RUN, facts=RunFacts("a: " + "b" * 2**20)), id="too many settings"),
    ],
)
def test_any_run_has_a_page(result: RunResult) -> None:
    page = page_of(result)

    assert "None: nothing was asked of this run." in page.text
    assert set(page.data) >= {"rate", "times", "errors", "load", "percentiles", "heat"}


def hostile_run() -> RunResult:
    """A run in which every name from outside holds markup."""
    sample = ErrorSample(HOSTILE, HOSTILE, 1, 1.0, 400, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    [scenario] = RUN.scenarios.values()
    counts = with_code(scenario.counts, HOSTILE)
    return replace(
        RUN,
        target=HOSTILE,
        profile=HOSTILE,
        problems=(HOSTILE,),
        samples={HOSTILE: CodeSamples(1.0, 2.0, (sample,))},
        scenarios={HOSTILE: replace(scenario, counts=counts)},
        series={HOSTILE: RUN.series["messages"]},
        facts=RunFacts(
            yaml.safe_dump(SETTINGS | {"x": HOSTILE}), HOSTILE, {"a": HOSTILE}, {HOSTILE: HOSTILE}
        ),
        changes=(),
        aborted=CriterionResult(HOSTILE, 1.0, 1.0, "fail"),
    )


def test_nothing_from_outside_becomes_markup() -> None:
    text, plain = report_of(hostile_run()), report_of(RUN)

    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 3
    assert not any(tag == "img" or "onerror" in found for tag, found in page.elements)
    assert text.count("<script") == plain.count("<script")
    assert HOSTILE in page.data["marks"][0][1]
    assert page.text.count(HOSTILE) >= 10


def with_code(counts: Counts, code: str) -> Counts:
    """Return counts in which every error has this code."""
    number = sum(counts.errors.values())
    return dataclasses.replace(counts, errors={code: number}, failures={code: number})


def test_only_the_pages_own_scripts_and_style_may_run() -> None:
    [policy] = [
        found["content"]
        for tag, found in page_of(RUN).elements
        if found.get("http-equiv") == "Content-Security-Policy"
    ]

    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy


def test_the_page_asks_nothing_of_any_network() -> None:
    page = page_of(RUN)

    for tag, found in page.elements:
        assert not {"src", "href", "srcset", "action"} & found.keys(), (tag, found)


@pytest.mark.parametrize("length", [0, 1, 599, 600, 601, 14_400])
def test_a_line_has_at_most_600_points_and_keeps_its_extremes(length: int) -> None:
    points = [(float(at), float((at * 7919) % 1000)) for at in range(length)]

    kept = thinned(points)

    assert len(kept) <= MOST_POINTS
    assert set(kept) <= set(points)
    assert kept == sorted(kept)
    if points:
        values = [value for _, value in points]
        assert {min(values), max(values)} <= {value for _, value in kept}
        assert kept[0][0] <= 96 and kept[-1][0] >= length - 97


def test_moments_without_a_value_stay_gaps() -> None:
    points = [(float(at), None if 300 <= at < 900 else 1.0) for at in range(1200)]

    assert None in [value for _, value in thinned(points)]


def test_charts_hold_what_the_run_counted() -> None:
    result = replace(
        run_of(
            counts_of(accepted=9, not_sent={Cause.LIMITS: 1}),
            counts_of(accepted=5, rejected=5, late={Cause.TARGET: 2}),
            times_s=[[0.1] * 14],
            duration_s=2.0,
        ),
        generator={0: GeneratorStep(7, 0.5, 3.0)},
        changes=(Change(1.0, "rate", 5.0),),
    )

    found = charts(result)

    assert found["rate"]["configured"] == [(0, 10), (1, 10)]
    assert found["rate"]["achieved"] == [(0, 9), (1, 10)]
    assert found["rate"]["notSent"] == [(0, 1), (1, 0)]
    assert found["rate"]["late"] == [(0, 0), (1, 2)]
    assert found["errors"] == [("400 invalid_payload", [(0, 0), (1, 5)])]
    assert found["load"]["users"] == [(0, 7), (1, None)]
    assert found["load"]["cpu"][0] == (0, 50)
    assert found["times"]["p50"] == [(0, pytest.approx(100, rel=0.001))]
    assert found["marks"] == [(1.0, "1")]
    assert sum(count for *_, count in found["heat"]["cells"]) == 14
    assert found["percentiles"]["response"][-1][1] == pytest.approx(100, rel=0.001)


def test_of_many_codes_the_rare_ones_are_shown_together() -> None:
    seconds = [counts_of(rejected=200)]
    seconds[0].errors = {f"400 code{number}": number + 1 for number in range(200)}

    lines = dict(charts(run_of(*seconds))["errors"])

    assert len(lines) == 11
    assert list(lines)[0] == "400 code199"
    assert lines["other codes"][0][1] == sum(range(1, 191))


def test_the_settings_on_the_page_are_those_of_a_profile() -> None:
    text = report_of(RUN)

    found = re.search(r'aria-label="Settings">(.*?)</pre>', text, re.DOTALL)
    assert found is not None
    assert yaml.safe_load(found[1].replace("&lt;", "<")) == {
        "rate": 20.0,
        "users": 10,
        "criteria": ["share(failures[*]) < 1%"],
    }


def test_many_scenarios_and_codes_over_a_long_time_stay_below_two_megabytes() -> None:
    names = [f"scenario_{number}" for number in range(50)]
    codes = {f"400 code_{number}": 1 for number in range(15)}
    second = dataclasses.replace(counts_of(rejected=15), errors=codes, failures=codes)
    series = run_of(*[second] * 700, times_s=[[0.1, 0.2]] * 220).series["messages"]
    result = replace(
        result_of(**{name: dataclasses.replace(second) for name in names}),
        duration_s=700.0,
        series=dict.fromkeys(names, series),
        facts=RUN.facts,
    )

    text = report_of(result)

    page = Page(text)
    assert len(text.encode()) < 2_000_000
    assert page.text.count("scenario_49: response time") == 1
    assert len(page.data["errors"]) == 11
    assert max(len(line) for line in page.data["rate"].values()) <= MOST_POINTS
