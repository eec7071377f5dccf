"""A run on GitHub's pages: rendered from its Markdown, and read as GitHub reads lines."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace

from convoy.results.reports.escaping import (
    command_data,
    command_property,
    markdown_code,
)
from convoy.results.reports.github import (
    MOST_ANNOTATIONS,
    annotate,
    annotations_of,
    step_summary,
)
from convoy.results.result import RunResult
from convoy.results.summary import Summary
from convoy.untrusted_text import printable_lines
from tests.unit.results.pipelines import BAD, EVIL, GOOD, LENIENT, RUNS, STRICT, judged, many

OURS = {"h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code"}
HALF_OF_THE_MOST = 2**19


class Page(HTMLParser):
    """A page by its elements: which there are, and the texts of the cells and of the codes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.codes: list[str] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))

    def handle_starttag(self, tag: str, _: object) -> None:
        self.elements.add(tag)
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "code":
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" in self._open:
            self.codes[-1] += data
        if self.rows and {"td", "th"} & {*self._open}:
            self.rows[-1][-1] += data


def shown(text: str, longest: int = 250) -> str:
    """Return what a page shows of a text: no control characters, and not all of a long one."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(each if each.isprintable() else "\ufffd" for each in cut)


@pytest.mark.parametrize(("summary", "result"), RUNS.values(), ids=RUNS)
def test_the_page_says_how_the_run_ended_why_and_what_it_was(
    summary: Summary, result: RunResult
) -> None:
    text = step_summary(summary)

    heading = f"### Convoy: {summary.verdict.upper()} (exit code {int(summary.exit_code)})"
    page = Page(text)
    assert text.startswith(heading + "\n") and page.elements <= OURS
    assert page.codes[:3] == ["smoke", "simulator", "run-1"]
    assert page.codes[3 : 3 + len(summary.reasons)] == list(summary.reasons)


def test_criteria_that_do_not_pass_stand_first() -> None:
    summary, _ = judged(GOOD, LENIENT, STRICT)

    assert Page(step_summary(summary)).rows[:3] == [
        ["verdict", "observed", "criterion"],
        ["fail", "101 ms", STRICT],
        ["pass", "1%", LENIENT],
    ]


def test_scenarios_and_errors_have_a_row_each() -> None:
    summary, _ = judged(BAD)

    rows = Page(step_summary(summary)).rows

    assert rows[1] == [
        "conversation_messages",
        *("1,000", "1,000", "900", "0", "0"),
        "1,000.00 of 1.00",
        *("101.0", "101.0", "≥ 30,007.8"),
    ]
    assert [row[:3] for row in rows[3:]] == [
        ["60", "6.00%", "400 invalid_payload"],
        ["40", "4.00%", "timeout"],
    ]
    assert all(row[3].startswith(("The body is wrong", "No whole answer")) for row in rows[3:])


def test_a_figure_that_may_be_ours_is_marked() -> None:
    summary, _ = judged(GOOD)
    scenario = summary.scenarios["conversation_messages"]
    times = replace(scenario.response_time_ms, ours=("p95", "p99"))
    changed = {"conversation_messages": replace(scenario, response_time_ms=times)}

    [_, row] = Page(step_summary(replace(summary, scenarios=changed))).rows[:2]

    assert row[-3:] == ["101.0", "101.0*", "101.0*"]


def test_texts_that_do_harm_are_shown_as_they_are() -> None:
    summary, _ = many()

    text = step_summary(summary)

    page = Page(text)
    assert page.elements <= OURS
    assert len(re.findall(r"^and 1\d\d more, which summary.json has$", text, re.MULTILINE)) == 3
    assert page.codes[:2] == [shown(EVIL), shown(EVIL)]
    codes = list(summary.totals.failures)[:50]
    assert {shown(each) for each in codes} <= {*page.codes}


def test_the_page_stays_small_whatever_the_texts_are() -> None:
    summary, _ = many()
    long = "\U000e0100" * 1000
    criteria = tuple(replace(each, criterion=long) for each in summary.criteria)
    scenarios = {f"{number}{long}": each for number, each in enumerate(summary.scenarios.values())}
    totals = replace(summary.totals, failures={f"{number}{long}": 1 for number in range(200)})
    noted = next(iter(summary.error_samples.values()))
    changed = replace(
        summary,
        reasons=(long,) * 200,
        criteria=criteria,
        scenarios=scenarios,
        totals=totals,
        error_samples=dict.fromkeys(totals.failures, noted),
    )

    assert len(step_summary(changed).encode()) < HALF_OF_THE_MOST


@given(st.text(st.characters(codec=None), max_size=400))
def test_any_text_is_one_code_in_its_cell(text: str) -> None:
    page = Page(f"| a |\n| --- |\n| {markdown_code(text)} |\n")

    assert page.elements <= OURS and len(page.rows) == 2
    assert page.codes == [shown(text)]


@pytest.mark.parametrize("text", ["@you", "#1", "www.a.io", "http://a.io", ":tada:", "GH-1 a@b.c"])
def test_github_finds_nothing_to_link_either(text: str) -> None:
    # By extensions of its own, which look at plain text outside of code, or before markup.
    written = markdown_code(text)

    assert written.startswith("<code>")
    assert not re.search(r"[@:.]|(?<!&)#", written)


COMMAND = re.compile(r"::(?P<name>[\w-]+) title=(?P<title>[^,:]*)::(?P<data>.*)")


def unescaped(text: str, *pairs: tuple[str, str]) -> str:
    """Undo what GitHub's runner undoes, in its order."""
    for escaped, sign in (("%0A", "\n"), *pairs, ("%25", "%")):
        text = text.replace(escaped, sign)
    return text


@pytest.mark.parametrize(("summary", "result"), RUNS.values(), ids=RUNS)
def test_each_reason_is_an_annotation(summary: Summary, result: RunResult) -> None:
    commands = [COMMAND.fullmatch(line) for line in annotations_of(summary)]

    assert [each and each["data"] for each in commands] == list(map(command_data, summary.reasons))
    assert {each and each["name"] for each in commands} <= {"error"}
    assert bool(commands) == (summary.exit_code != 0)


@pytest.mark.parametrize("run", ["pass", "criterion broken"])
def test_what_only_makes_careful_is_a_warning(run: str) -> None:
    summary, _ = RUNS[run]
    generator = replace(summary.generator, warnings=("worker-1 stood still for 2.0 s",))

    *_, line = annotations_of(replace(summary, generator=generator))

    assert line == (
        f"::warning title=Convoy%3A {summary.verdict.upper()}%2C smoke against simulator%2C "
        "run run-1::worker-1 stood still for 2.0 s"
    )


def test_reasons_of_a_run_that_passed_are_warnings() -> None:
    summary, _ = judged(GOOD, LENIENT)

    [line] = annotations_of(replace(summary, reasons=("3 exceptions in the scenario's own code",)))

    assert line.startswith("::warning ")


def test_there_are_ten_annotations_at_most_and_the_last_counts_the_rest() -> None:
    summary, _ = many()

    lines = list(annotations_of(summary))

    over = len(summary.reasons) - MOST_ANNOTATIONS + 1
    assert len(lines) == MOST_ANNOTATIONS
    assert all(COMMAND.fullmatch(line) for line in lines)
    assert f"::and {over} more" in lines[-1]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11])
def test_none_is_left_out_that_there_is_room_for(count: int) -> None:
    lines = list(annotate("title", [("error", f"{number}.") for number in range(count)]))

    assert len(lines) == min(count, MOST_ANNOTATIONS)
    assert [line.rpartition("::")[2] for line in lines[: MOST_ANNOTATIONS - 1]] == [
        f"{number}." for number in range(min(count, MOST_ANNOTATIONS - 1))
    ]


@given(st.text(st.characters(codec=None), max_size=400))
def test_any_text_comes_out_of_a_command_as_it_can_be_printed(text: str) -> None:
    [line] = annotate(text, [("error", text)])

    found = COMMAND.fullmatch(line)
    assert found is not None
    assert unescaped(found["data"]) == printable_lines(text)
    assert unescaped(found["title"], ("%3A", ":"), ("%2C", ",")) == printable_lines(text)
    assert command_property(text) == found["title"]
