"""What others say is on one line, bounded, and steers no terminal."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import Fault, SettingsError
from convoy.prepare.checklist import Checklist
from convoy.secrets import STARS, Redactor
from convoy.untrusted_text import (
    LONGEST,
    MARGIN,
    cut,
    on_one_line,
    printable_lines,
    quoted,
    readable,
    shortened,
    told,
    told_lines,
    unbroken,
)

HOSTILE = "a\x1b[2Jb\r\nc\x00d\u202ee\x9bf\u2028g\x7fh\tI"


def test_a_text_within_a_sentence_is_one_line_that_can_be_printed() -> None:
    assert on_one_line(HOSTILE) == "a?[2Jb  c?d?e?f g?h I"


def test_a_text_that_is_to_be_redacted_has_no_lines_and_all_the_rest() -> None:
    assert unbroken(HOSTILE) == HOSTILE.replace("\r\n", "  ").replace("\t", " ")


def test_of_a_value_that_is_too_long_not_even_its_beginning_is_told() -> None:
    assert quoted("s" * 200) == f"'{'s' * 200}'"
    assert quoted("s" * 2_000) == "a text of 2,000 characters"


def test_lines_keep_their_breaks_and_nothing_else_that_steers() -> None:
    assert printable_lines(HOSTILE) == "a?[2Jb?\nc?d?e?f?g?h\tI"


@given(st.text(max_size=300), st.integers(1, 50))
def test_whatever_is_told_is_short_and_printable(text: str, longest: int) -> None:
    line = told(text, str, longest)

    assert len(line) <= longest and line.isprintable()


@given(st.integers(0, 6_000))
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(before: int) -> None:
    redactor = Redactor()
    redactor.register("s3cr3t-" * 20)

    short = shortened("." * before + "s3cr3t-" * 20 + "." * 9_000, 100, redactor.redact)

    assert len(short) <= 100 and "s3cr" not in short


@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
        lambda text: "".join(f"\\u005cu{ord(each):04x}" for each in text),
        lambda text: "".join(f"%25{ord(each):02X}" for each in text),
        lambda text: text.encode().hex(),
        lambda text: b64encode(f"id:{text}!".encode()).decode(),
    ],
    ids=["in clear", "JSON", "JSON in JSON", "URL twice", "hexadecimal", "base64"],
)
@pytest.mark.parametrize("length", [150, 800, 1_023, 1_024, 1_025, 5_280, 20_000])
@pytest.mark.parametrize("before", [0, 1_500, 1_999, 6_000])
def test_no_part_of_a_long_secret_is_left_where_a_text_is_cut(
    write: Callable[[str], str], length: int, before: int
) -> None:
    redactor, draw = Redactor(), Random(f"{length}")
    secret = "".join(draw.choices("GHJKLMNPQRSTUVWXYZ", k=length))
    redactor.register(secret)
    written = write(secret)

    short = shortened("." * before + written + "." * 3_000, LONGEST, redactor.redact)

    left = [at for at in range(0, len(written) - 20, 4) if written[at : at + 20] in short]
    assert left == [] and len(short) <= LONGEST


@pytest.mark.parametrize(
    "write", [str, lambda text: "".join(f"%{ord(each):02x}" for each in text)], ids=["clear", "URL"]
)
@pytest.mark.parametrize("shorten", [cut, lambda text, longest: shortened(text, longest, str)])
def test_no_beginning_of_what_only_another_process_knows_is_left_where_a_text_is_cut(
    write: Callable[[str], str], shorten: Callable[[str, int], str]
) -> None:
    secret = write("Zq7.f3-b_a~b+c/d0f9e8==")

    for before in range(100):
        for after in (" and more" * 20, " and more" * 9_000):
            short = shorten("said: " * 20 + "." * before + "," + secret + after, 200)

            assert secret in short or secret[:2] not in short


def test_of_a_run_that_is_longer_than_a_secret_only_its_end_is_left_out() -> None:
    assert cut("x" * (3 * MARGIN), 2 * MARGIN + 1) == "x" * MARGIN + "…"


def test_each_line_of_what_is_told_is_bounded() -> None:
    lines = told_lines(f"{'!' * 10**6}\nend").split("\n")

    assert [len(each) for each in lines] == [LONGEST, 3]


def test_a_fault_is_one_line_whatever_its_key_or_value_holds() -> None:
    assert str(Fault("a\nb\x1b[2J", "is\r\n'x'")) == "a b?[2J: is  'x'"


def test_so_many_faults_are_counted_and_not_all_printed() -> None:
    error = SettingsError(Fault(f"key{number}", "is no setting") for number in range(90_000))

    lines = str(error).splitlines()

    assert (len(lines), lines[-1], len(error.faults)) == (101, "and 89,900 more", 90_000)


@pytest.mark.parametrize("secret", ["two words and more " * 20, "x" * 300])
def test_a_checklist_hides_secrets_before_it_wraps_them(secret: str) -> None:
    redactor = Redactor()
    redactor.register(secret)
    checklist = Checklist(redact=redactor.redact)

    checklist.ok("target", f"it said {secret} and {HOSTILE}")

    shown = checklist.as_text()
    assert STARS in shown and "two words" not in shown and "xxx" not in shown
    assert shown.replace("\n", "").isprintable()


def test_of_an_answer_without_end_as_much_is_looked_through_as_anybody_reads() -> None:
    looked_through: list[int] = []

    def redact(text: str) -> str:
        looked_through.append(len(text))
        return text

    shown = readable(b"a b " * 10**6, redact)

    assert sum(looked_through) < 10**5
    assert shown.startswith("a b a b") and shown.endswith("…")
    assert readable(b"a b", redact) == "a b"
