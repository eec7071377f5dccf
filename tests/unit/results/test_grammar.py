"""The grammar of criteria: what a line says, every fault at once, no text that takes long."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import ExitCode, SettingsError
from convoy.results.criteria import COMPARISONS, SUBJECTS, Criterion, CriterionWindow
from convoy.results.findings import find
from convoy.results.grammar import LONGEST_LINE, MOST_CRITERIA, Known, parse
from convoy.results.histograms import Recorder
from tests.unit.results import counts_of, run_of

KNOWN = Known({"conversation_messages", "guest_messages"}, duration_s=60)
WITH_STEPS = Known(
    {"conversation_messages"},
    duration_s=60,
    steps={"conversation_messages": ("typing",)},
    timings={"conversation_messages": ("first_reply", "own_copy")},
)
LINE = "p95(response_time) < 400ms"


def parsed(line: str, known: Known = KNOWN) -> Criterion:
    [criterion] = parse([line], known)
    return criterion


def fault_of(line: str, known: Known = KNOWN) -> str:
    """Return what is wrong with a line, without the line itself."""
    with pytest.raises(SettingsError) as refused:
        parse([line], known)
    [fault] = refused.value.faults
    assert fault.path == "criteria" and refused.value.exit_code == ExitCode.USAGE
    return fault.problem.partition(": ")[2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            LINE,
            Criterion(LINE, "p95", "response_time", "", "", "<", 400.0, "ms"),
            id="percentile",
        ),
        pytest.param(
            "p99.9( service_time , guest_messages )>=1.5s for 30s",
            Criterion(
                "p99.9( service_time , guest_messages )>=1.5s for 30s",
                "p99.9",
                "service_time",
                "",
                "guest_messages",
                ">=",
                1500.0,
                "ms",
                CriterionWindow("for", 30),
            ),
            id="scenario and spaces",
        ),
        pytest.param(
            "share(errors[429*]) < 1% over 1m, abort",
            Criterion(
                "share(errors[429*]) < 1% over 1m, abort",
                "share",
                "errors",
                "429*",
                "",
                "<",
                1.0,
                "%",
                CriterionWindow("over", 60),
                aborts=True,
            ),
            id="share, window and action",
        ),
        pytest.param(
            "errors[ 429  too.many.requests ](guest_messages) == 0",
            Criterion(
                "errors[ 429 too.many.requests ](guest_messages) == 0",
                "count",
                "errors",
                "429 too.many.requests",
                "guest_messages",
                "==",
                0.0,
                "",
            ),
            id="no function",
        ),
        pytest.param(
            "achieved_rate >= 99%",
            Criterion("achieved_rate >= 99%", "rate", "achieved_rate", "", "", ">=", 99.0, "%"),
            id="rate in percent",
        ),
        pytest.param(
            "achieved_rate(guest_messages) >= 500/s",
            Criterion(
                "achieved_rate(guest_messages) >= 500/s",
                "rate",
                "achieved_rate",
                "",
                "guest_messages",
                ">=",
                500.0,
                "/s",
            ),
            id="rate per second",
        ),
    ],
)
def test_a_line_says_what_is_measured_where_against_what(line: str, expected: Criterion) -> None:
    assert parsed(line) == expected


@pytest.mark.parametrize(
    ("limit", "limit_ms"), [("20ms", 20), ("3 s", 3_000), ("1.5m", 90_000), ("2h", 7_200_000)]
)
def test_the_limit_of_a_time_is_in_milliseconds(limit: str, limit_ms: float) -> None:
    assert parsed(f"max(response_time) < {limit}").limit == limit_ms


@pytest.mark.parametrize("percent", [0.5, 42.0, 99.99, 100.0])
def test_any_percentile_may_be_asked_for(percent: float) -> None:
    assert parsed(f"p{percent:g}(response_time) < 1s").percent == percent


def test_every_code_is_the_same_as_none() -> None:
    assert parsed("share(failures[*]) < 1%").selector == parsed("share(failures) < 1%").selector


@pytest.mark.parametrize(
    "line",
    [
        "p95(timing[first_reply]) < 3s",
        "p99(service_time, conversation_messages/typing) < 1s",
        "share(errors[429*], conversation_messages/typing) < 1%",
    ],
)
def test_steps_and_timings_are_known_to_the_grammar(line: str) -> None:
    assert parsed(line, WITH_STEPS).text == line


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        (
            "p95(respones_time) < 1s",
            "there is no subject 'respones_time'; there are: response_time",
        ),
        ("p95(respones_time) < 1s", "; did you mean response_time?"),
        ("unkown == 0", "there is no subject 'unkown'; there are: "),
        ("unkown == 0", "; did you mean unknown?"),
        ("avg(response_time) < 1s", "there is no function 'avg'; there are: p50, p90, p95"),
        ("shrae(errors) < 1%", "; did you mean share?"),
        ("p0(response_time) < 1s", "there is no function 'p0'"),
        ("p101(response_time) < 1s", "there is no function 'p101'"),
        ("p9.9.9(response_time) < 1s", "there is no function 'p9.9.9'"),
        ("q97(response_time) < 1s", "there is no function 'q97'"),
        ("response_time < 1s", "should say which response_time, as in p95(response_time) or max"),
        ("p95(failures) < 1s", "p95 does not go with failures; take count or share"),
        ("share(response_time) < 1%", "share does not go with response_time; take a percentile"),
        ("share(scheduled) < 1%", "scheduled is no part of anything, so it has no share"),
        ("p95(achieved_rate) < 1s", "achieved_rate stands by itself, as in achieved_rate >= 99%"),
        ("p95(response_time < 1s", "should have ')' after what is measured, and has '<'"),
        ("p95(response_time)", "should go on with one of <, <=, >, >=, == and a limit, and ends"),
        ("p95(response_time) = 1s", "should go on with one of <, <=, >, >=, == and a limit, and"),
        ("p95(response_time) <", "should have a number as its limit, and ends there"),
        ("p95(response_time) < fast", "should have a number as its limit, and has 'fast'"),
        ("p95(response_time) < 1.2.3s", "should have a number as its limit, and has '1.2.3'"),
        ("p95(response_time) < -1s", "has something that no criterion has, at '-1s'"),
        ("p95(response_time) < 400", "should have a unit, one of ms, s, m, h, and ends there"),
        ("p95(response_time) < 400 days", "should have a unit, one of ms, s, m, h, and has 'days'"),
        ("p95(response_time) < 5%", "should have a unit, one of ms, s, m, h, and has '%'"),
        ("p95(response_time) == 1s", "no time is exactly as long as a limit; take < or >"),
        ("share(failures) < %", "should have a number as its limit, and has '%'"),
        (
            "share(failures) < 0.01",
            "should have '%' after the limit, because a share is in percent",
        ),
        ("share(failures) < 101%", "101% is more than a share can be"),
        ("achieved_rate >= 500", "should have '%' or /s after the limit, and ends there"),
        ("achieved_rate >= 500/m", "should have 's' after the slash, and has 'm'"),
        ("count(failures) < 5%", "should end before '%'"),
        ("unknown == 0 over", "should have a number as its window, and ends there"),
        ("unknown == 0 over 5", "should have a unit, one of ms, s, m, h, and ends there"),
        ("unknown == 0 over 500ms", "its window is 0.5 s, but should be of whole seconds"),
        ("unknown == 0 for 0s", "its window is 0 s, but should be of whole seconds"),
        (
            "unknown == 0 over 61s",
            "its window of 61 s is longer than the run, 60 s; take a longer run, or another window",
        ),
        (
            "max(send_error) < 1s over 2s",
            "its window of 2 s is too short: times are reported every",
        ),
        ("unknown == 0,", "should have 'abort' after the comma, and ends there"),
        ("unknown == 0, stop", "should have 'abort' after the comma, and has 'stop'"),
        ("unknown == 0 abort", "should end before 'abort'"),
        ("accepted > 5, abort", "whether there are enough is only known at the end"),
        ("accepted == 1, abort", "whether there are enough is only known at the end"),
        ("sent[429] == 0", "sent takes nothing in brackets, but has [429]"),
        ("errors[] == 0", "should have a code between the brackets, or * for every one"),
        ("errors[429 == 0", "has something that no criterion has, at '[429 == 0'"),
        (
            "errors(guest_mesages) == 0",
            "there is no scenario 'guest_mesages' in this run; there are: ",
        ),
        ("errors(guest_mesages) == 0", "; did you mean guest_messages?"),
        ("late[generater] == 0", "there is no cause 'generater'; there are: target, limits, pool"),
        ("late[generater] == 0", "; did you mean generator?"),
        ("errors[timeot] == 0", "; did you mean timeout?"),
        ("errors[429 too.many.request] == 0", "there are: 429 too.many.requests, 429 too.many"),
        ("errors[too.many.request] == 0", "; did you mean too.many.requests?"),
        ("errors[999] == 0", "there is no code '999'; there are: 200, 400, 401"),
        ("p95(timing) < 3s", "should say which timing, as in timing[first_reply]"),
        ("p95(timing[*]) < 3s", "no scenario declares a timing, so there is no '*'"),
        ("p95(timing[first_reply]) < 3s", "no scenario declares a timing, so there is no 'first_r"),
        (
            "unknown(guest_messages/typing) == 0",
            "guest_messages declares no steps, so there is no 'guest_messages/typing'",
        ),
    ],
)
def test_a_wrong_line_is_a_fault_that_says_what_there_is(line: str, fault: str) -> None:
    assert fault in fault_of(line)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("p95(timing[first_repyl]) < 3s", "there is no timing 'first_repyl'; there are: "),
        ("p95(timing[first_repyl]) < 3s", "; did you mean first_reply?"),
        (
            "unknown(conversation_messages/typng) == 0",
            "there is no step 'conversation_messages/typng'; there are: "
            "conversation_messages/typing; did you mean conversation_messages/typing?",
        ),
        (
            "late(conversation_messages/typing) == 0",
            "late is for messages; of a step there are: response_time, ",
        ),
    ],
)
def test_a_step_or_timing_that_is_not_there_is_a_fault(line: str, fault: str) -> None:
    assert fault in fault_of(line, WITH_STEPS)


@pytest.mark.parametrize("code", ["418", "418*", "4??", "5*", "499", "4*", "?", "200 unexpected"])
def test_a_status_may_be_one_that_convoy_has_no_code_for(code: str) -> None:
    assert parsed(f"errors[{code}] == 0").selector == code


def test_a_code_that_only_this_run_knows_is_no_fault() -> None:
    known = Known({"messages"}, duration_s=60, codes={"400 shop.closed"})

    assert parsed("errors[shop.closed] == 0", known).selector == "shop.closed"
    assert "did you mean 400 shop.closed?" in fault_of("errors[400 shop.close] == 0", known)


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    with pytest.raises(SettingsError) as refused:
        parse(["p95(respones_time) < 1s", LINE, "unknown = 0"], KNOWN)

    beginnings = [fault.problem.partition(": ")[0] for fault in refused.value.faults]
    assert beginnings == ["'p95(respones_time) < 1s'", "'unknown = 0'"]


def test_too_many_lines_are_one_fault() -> None:
    assert len(parse([LINE] * MOST_CRITERIA, KNOWN)) == MOST_CRITERIA
    with pytest.raises(SettingsError) as refused:
        parse(["nonsense"] * 10_000, KNOWN)

    assert str(refused.value) == "criteria: are 10,000 lines, but 100 is the most"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 10**6, id="brackets"),
        pytest.param(" " * 10**6 + "x", id="spaces"),
        pytest.param("p95(response_time) < " + "9" * 10**6 + "ms", id="digits"),
        pytest.param("p95(response_time) < inf s", id="infinite"),
        pytest.param("p95(response_time) < nan ms", id="no number"),
        pytest.param("p95(response_time) < 1s over inf s", id="an infinite window"),
        pytest.param("p95(response_time) < 1s over nan s", id="a window that is no number"),
        pytest.param("errors[" + "*a" * 90 + "] == 0", id="stars"),
        pytest.param("errors[" + "?" * 150 + "*] == 0", id="question marks"),
        pytest.param("e" * LONGEST_LINE, id="one word"),
    ],
)
def test_hostile_lines_are_refused_at_once(text: str) -> None:
    began_s = time.process_time()

    with pytest.raises(SettingsError) as refused:
        parse([text] * MOST_CRITERIA, KNOWN)

    assert time.process_time() - began_s < 2.0
    assert max(len(fault.problem) for fault in refused.value.faults) < 2_000


WORDS = st.sampled_from(
    [*SUBJECTS, *COMPARISONS, "p95", "share", "count", "(", ")", "[", "429*", "]", ",", "abort"]
    + ["over", "for", "60", "1", "%", "ms", "s", "/", ".", "guest_messages", "*", "\x00", "é"]
)


@given(words=st.lists(WORDS, max_size=14), glue=st.sampled_from(["", " "]))
def test_any_words_are_criteria_that_can_be_judged_or_faults(words: list[str], glue: str) -> None:
    known = Known({"messages", "guest_messages"}, duration_s=60)
    run = run_of(counts_of(accepted=5, rejected=1), times_s=[[0.1]])
    try:
        criteria = parse([glue.join(words)], known)
    except SettingsError as error:
        assert all(fault.problem for fault in error.faults)
        return
    for criterion in criteria:
        if not criterion.place:
            assert find(criterion, run).criterion == criterion.text


PAGE = "docs/criteria.md"


def blocks_of(repository: Path) -> list[list[str]]:
    """Return the lines of the page's examples, block by block."""
    text = (repository / PAGE).read_text("utf-8")
    blocks = re.findall(r"^```(?:yaml)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        [line.strip().removeprefix("- ") for line in block.splitlines() if line != "criteria:"]
        for block in blocks
    ]


def test_every_example_of_the_page_is_judged(repository: Path) -> None:
    yaml, examples, _ = blocks_of(repository)
    run = run_of(*[counts_of(accepted=20)] * 60, times_s=[[0.1] * 60] * 20)
    [scenario], [series] = run.scenarios.values(), run.series.values()
    for durations in (scenario.durations.send_error, scenario.durations.rejected):
        recorder = Recorder()
        recorder.record(0.001)
        durations.add(recorder.take())
    run.scenarios["conversation_messages"] = scenario
    run.series["conversation_messages"] = series

    for line in yaml + examples:
        found = find(parsed(line), run)

        assert found.verdict in ("pass", "fail")
        assert found.criterion == line
    assert len(examples) > 10


def test_what_the_page_says_is_not_there_yet_is_refused_and_is_part_of_the_grammar(
    repository: Path,
) -> None:
    *_, not_yet = blocks_of(repository)

    for line in not_yet:
        assert "declare" in fault_of(line)
        assert parsed(line, WITH_STEPS)


def test_the_page_s_table_has_every_word_and_no_other(repository: Path) -> None:
    rows = re.findall(r"^\| (`.*?) \|", (repository / PAGE).read_text("utf-8"), re.MULTILINE)
    words = set(re.findall(r"`([a-z_]{3,})(?:\[.*?\])?`", " ".join(rows)))

    functions = {"max", "count", "share"}
    assert words == set(SUBJECTS) | functions | {"abort", "conversation_messages"}
    assert set(COMPARISONS) <= set(re.findall(r"`([<>=]+)`", " ".join(rows)))
