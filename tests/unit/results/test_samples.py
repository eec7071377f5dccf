"""Error samples: a few of each code, the earliest, bounded and without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.results import samples
from convoy.results.outcome import Outcome
from convoy.results.samples import (
    LONGEST_BODY,
    CodeSamples,
    ErrorSample,
    Kept,
    SampleBook,
    SampleKeeper,
    SamplesReport,
)
from convoy.secrets import STARS, Redactor
from tests.unit.results import REJECTED, changed

SAMPLES_READ = samples._MOST_READ_BYTES
SECRET = "s3cr3t-token-0123456789abcdef"


def untouched(text: str) -> str:
    return text


def keeper_of(*moments_s: float, code: str = "400 invalid_payload") -> SampleKeeper:
    """A keeper that was offered one failure of a code at each of these moments."""
    keeper = SampleKeeper(untouched)
    for k, at_s in enumerate(moments_s):
        keeper.offer(changed(REJECTED, code=code, k=k), at_s, b"request")
    return keeper


def kept_text(request: bytes, kept: Kept = "masked") -> str:
    """What is kept of a request, with `SECRET` registered for redaction."""
    redactor = Redactor()
    redactor.register(SECRET)
    keeper = SampleKeeper(redactor.redact, kept)
    keeper.offer(REJECTED, 1.0, request)
    return sample_of(keeper).request


def test_the_first_few_of_each_code_are_kept_and_the_last_moment_is_known() -> None:
    told = keeper_of(1.0, 2.0, 3.0, 4.0, 9.0).report()["400 invalid_payload"]

    assert [sample.at_s for sample in told.samples] == [1.0, 2.0, 3.0]
    assert (told.first_s, told.last_s) == (1.0, 9.0)


def test_a_sample_holds_what_is_needed_to_ask_about_it() -> None:
    sample = sample_of(keeper_of(1.2345))

    assert sample == ErrorSample(
        code="400 invalid_payload",
        scenario="conversation_messages",
        k=0,
        at_s=1.234,
        status=400,
        correlation_id="correlation-1",
        conversation_id="conversation-1",
        request="request",
        answer="answer",
    )


def test_samples_travel_once_and_times_with_every_report() -> None:
    keeper = keeper_of(1.0)
    keeper.report()
    keeper.offer(REJECTED, 5.0, b"")

    again = keeper.report()["400 invalid_payload"]

    assert [sample.at_s for sample in again.samples] == [5.0]
    assert (again.first_s, again.last_s) == (1.0, 5.0)


def test_codes_beyond_the_bound_are_not_kept() -> None:
    keeper = SampleKeeper(untouched)

    for number in (*range(60), 0):
        keeper.offer(changed(REJECTED, code=f"code {number}"), 1.0, b"")

    assert list(keeper.report()) == [f"code {number}" for number in range(50)]


def test_secrets_are_hidden_in_request_and_answer() -> None:
    assert kept_text(f"before {SECRET} after".encode()) == f"before {STARS} after"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("\u200b".join(SECRET), id="with characters of no width"),
        pytest.param("\u00ad".join(SECRET), id="with soft hyphens"),
        pytest.param("".join(chr(ord(each) + 0xFEE0) for each in SECRET), id="in wide letters"),
    ],
)
@pytest.mark.parametrize("around", [str, json.dumps])
def test_no_secret_is_put_together_where_people_are_masked(
    written: str, around: Callable[[str], str]
) -> None:
    text = kept_text(around(f"the token {written} of ada@example.com is unknown").encode())

    assert STARS in text and "<e-mail address>" in text
    assert SECRET not in text


def test_no_secret_is_put_together_where_json_in_json_is_masked() -> None:
    body = f'"\\u{ord(SECRET[0]):04x}{SECRET[1:]} of ada@example.com"'
    for _ in range(8):
        body = json.dumps({"message": body})

    text = kept_text(body.encode())

    assert STARS in text and SECRET not in text


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_secrets_are_hidden_in_a_body_of_wider_characters(coding: str) -> None:
    text = kept_text(f'{{"message": "no {SECRET}"}}'.encode(coding), "full")

    assert text.endswith(f'{{"message": "no {STARS}"}}')


@pytest.mark.parametrize("kept", ["masked", "full"])
def test_no_part_of_a_secret_is_left_where_what_nobody_sees_fills_what_is_read(kept: Kept) -> None:
    for read in range(SAMPLES_READ - len(SECRET) - 1, SAMPLES_READ + 2):
        nobody_sees = b"\0" * (read - len(SECRET) - 12)

        text = kept_text(b"refused for " + nobody_sees + SECRET.encode() + b" x", kept)

        assert SECRET[:8] not in text


def test_secrets_are_hidden_in_what_is_no_utf8() -> None:
    redactor = Redactor()
    redactor.register("Straßen-sesame")
    keeper = SampleKeeper(redactor.redact)

    keeper.offer(REJECTED, 1.0, "(Straßen-sesame)".encode("latin-1"))

    assert sample_of(keeper).request == f"({STARS})"


def test_authorization_that_nobody_registered_is_hidden() -> None:
    kept = kept_text(b"Authorization: Bearer abcdefghijklmnopqrstuvwxyz.0123")

    assert kept == f"Authorization: Bearer {STARS}"


@given(st.integers(0, 400), st.integers(0, LONGEST_BODY * 4))
def test_no_part_of_a_secret_survives_wherever_a_body_is_cut(repeats: int, before: int) -> None:
    kept = kept_text(b"." * before + SECRET.encode() * repeats + b"." * 9_000)

    assert len(kept) <= LONGEST_BODY
    assert SECRET[:8] not in kept


def test_bodies_are_cut_to_their_bound_and_say_so() -> None:
    assert kept_text(b"x" * LONGEST_BODY) == "x" * LONGEST_BODY
    assert kept_text(b"x " * 5_000) == "x " * (LONGEST_BODY // 2 - 1) + "…"
    assert kept_text("😀".encode() * 10_000) == "😀" * (LONGEST_BODY - 1) + "…"


def test_what_is_too_long_to_be_read_is_masked_as_a_whole() -> None:
    assert kept_text(b"x" * 100_000) == "<text, 100000 bytes>"
    assert kept_text("😀".encode() * 100_000, "full") == "😀" * (LONGEST_BODY - 1) + "…"


def test_the_master_chooses_the_earliest_of_all_workers() -> None:
    book = SampleBook()

    for keeper in (keeper_of(5.0, 6.0, 7.0), keeper_of(1.0, 6.5, 30.0)):
        book.absorb(keeper.report())

    told = book.by_code()["400 invalid_payload"]
    assert [sample.at_s for sample in told.samples] == [1.0, 5.0, 6.0]
    assert (told.first_s, told.last_s) == (1.0, 30.0)


@pytest.mark.parametrize("kept", ["masked", "full"])
def test_what_only_the_master_knows_is_hidden_also_where_a_worker_has_cut_it(kept: Kept) -> None:
    master = Redactor()
    master.register(SECRET)

    for before in range(len(SECRET) + 3):
        told = ". " * 60 + "." * (8 - before % 8) + SECRET
        body = ". " * (LONGEST_BODY // 2 - before) + SECRET + " tail" * 9
        outcome = changed(REJECTED, body=body.encode(), correlation=told, conversation_id=told)
        keeper, book = SampleKeeper(Redactor().redact, kept), SampleBook(master.redact)
        keeper.offer(outcome, 1.0, body.encode())
        book.absorb(keeper.report())

        [sample] = book.by_code()["400 invalid_payload"].samples
        assert SECRET[:4] not in repr(sample)


def test_the_choice_does_not_depend_on_which_report_came_first() -> None:
    reports = [keeper_of(5.0, 6.0).report(), keeper_of(5.0, 1.0).report()]
    books = [SampleBook(), SampleBook()]

    for book, order in zip(books, (reports, reports[::-1]), strict=True):
        for report in order:
            book.absorb(report)

    assert books[0].by_code() == books[1].by_code()


def test_a_book_has_room_for_a_limited_number_of_codes() -> None:
    book = SampleBook()

    for number in (*range(150), 0):
        book.absorb({f"code {number}": CodeSamples(float(number), float(number))})

    assert list(book.by_code()) == [f"code {number}" for number in range(100)]


def test_what_was_taken_from_a_book_stays_as_it_was() -> None:
    book = SampleBook()
    book.absorb(keeper_of(5.0).report())
    before = book.by_code()

    book.absorb(keeper_of(1.0).report())

    assert before["400 invalid_payload"].first_s == 5.0


@pytest.mark.parametrize(
    "outcome",
    [
        changed(REJECTED, scenario="s" * 500),
        changed(REJECTED, conversation_id="c" * 500),
        changed(REJECTED, correlation="demo" * 100),
    ],
    ids=["scenario", "conversation", "short secrets"],
)
def test_whatever_a_message_held_its_sample_can_be_reported(outcome: Outcome) -> None:
    redactor = Redactor()
    redactor.register("demo")
    keeper = SampleKeeper(redactor.redact)

    keeper.offer(changed(outcome, body=b"demo" * 100_000), 1.0, b"x" * 100_000)

    report = keeper.report()
    assert msgspec.convert(msgspec.to_builtins(report), type=SamplesReport) == report


def sample_of(keeper: SampleKeeper) -> ErrorSample:
    [sample] = keeper.report()["400 invalid_payload"].samples
    return sample


def test_samples_that_take_long_to_clean_hold_up_the_messages_for_a_second_at_most() -> None:
    now_s = 0.0

    def slow(text: str) -> str:
        nonlocal now_s
        now_s += 0.3
        return text

    keeper = SampleKeeper(slow, "full", lambda: now_s)
    for number in range(9):
        keeper.offer(changed(REJECTED, code=f"400 code-{number}"), 1.0, b"{}")

    codes = keeper.report()
    assert len(codes) == 9
    assert sum(bool(each.samples) for each in codes.values()) == 1
