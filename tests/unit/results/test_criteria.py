"""What a criterion's selector chooses, and how an observed figure is shown."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from convoy.results.criteria import CriterionResult, selects

PIECES = st.text(alphabet="ab5*?", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "code", "is_selected"),
    [
        ("", "timeout", True),
        ("*", "timeout", True),
        ("timeout", "timeout", True),
        ("timeout", "timeouts", False),
        ("429*", "429 too.many.requests", True),
        ("429", "429 too.many.requests", True),
        ("42?", "429 too.many.requests", True),
        ("too.many.requests", "429 too.many.requests", True),
        ("429 too.many.requests", "429 too.many.requests", True),
        ("429 too.many.requests", "429 too.many.requests.retry.after", False),
        ("*.requests*", "429 too.many.requests.retry.after", True),
        ("5??", "503 service.unavailable", True),
        ("5??", "5xx other", True),
        ("5??", "429 too.many.requests", False),
        ("connection *", "connection reset", True),
        ("connection", "connection reset", False),
        ("reset", "connection reset", False),
        ("Timeout", "timeout", False),
        ("4??", "", False),
    ],
)
def test_a_selector_is_held_against_code_status_and_name(
    pattern: str, code: str, is_selected: bool
) -> None:
    assert selects(pattern, code) is is_selected


@given(pattern=PIECES.filter(bool), code=st.text(alphabet="ab5", min_size=1, max_size=8))
def test_stars_and_question_marks_mean_what_they_mean_for_files(pattern: str, code: str) -> None:
    word = f"x{code}"

    assert selects(f"x{pattern}", word) is fnmatch.fnmatchcase(word, f"x{pattern}")


@pytest.mark.parametrize(
    ("observed", "unit", "at_least", "shown"),
    [
        (None, "ms", False, "nothing"),
        (0.0, "", False, "0"),
        (1234.0, "", False, "1,234"),
        (100.0, "%", False, "100%"),
        (0.0, "%", False, "0%"),
        (0.125, "%", False, "0.125%"),
        (12.345, "ms", False, "12.3 ms"),
        (0.8, "ms", False, "0.8 ms"),
        (9.9996, "ms", False, "10 ms"),
        (1.23456, "ms", False, "1.23 ms"),
        (0.0004567, "%", False, "0.000457%"),
        (10.04, "%", False, "10%"),
        (19.98, "/s", False, "20/s"),
        (30000.4, "ms", True, "≥ 30,000.4 ms"),
    ],
)
def test_a_figure_is_shown_with_its_unit_and_as_many_digits_as_matter(
    observed: float | None, unit: str, at_least: bool, shown: str
) -> None:
    found = CriterionResult("a line", observed, 5.0, "pass", unit, at_least=at_least)

    assert found.shown == shown


@pytest.mark.parametrize(
    ("observed", "limit", "unit", "shown", "limit_shown"),
    [
        (99.97, 100.0, "%", "99.97%", "100%"),
        (99.9996, 100.0, "%", "99.9996%", "100%"),
        (99.985, 99.99, "%", "99.98%", "99.99%"),
        (400.02, 400.0, "ms", "400.02 ms", "400 ms"),
        (499.96, 500.0, "/s", "499.96/s", "500/s"),
        (5.0004, 5.0, "ms", "5.0004 ms", "5 ms"),
        (500.0, 500.0, "/s", "500/s", "500/s"),
        (0.3 - 0.1, 0.2, "%", "0.2%", "0.2%"),
    ],
)
def test_a_figure_is_never_shown_on_the_other_side_of_its_limit(
    observed: float, limit: float, unit: str, shown: str, limit_shown: str
) -> None:
    found = CriterionResult("a line", observed, limit, "fail", unit)

    assert (found.shown, replace(found, observed=limit).shown) == (shown, limit_shown)
