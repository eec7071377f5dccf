"""Error samples: a few of each code, the earliest, bounded and without secrets."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from convoy.results.samples import LONGEST_BODY, SampleBook, SampleKeeper
from convoy.secrets import STARS, Redactor
from tests.unit.results import REJECTED

SECRET = "s3cr3t-token-0123456789abcdef"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


def untouched(text: str) -> str:
    return text


def hint(code: str) -> str:
    return f"What {code} means."


def keeper_of(*moments_s: float, code: str = "400 invalid_payload") -> SampleKeeper:
    """A keeper that was offered one failure of a code at each of these moments."""
    keeper = SampleKeeper(untouched)
    for k, at_s in enumerate(moments_s):
        keeper.offer(replace(REJECTED, code=code, k=k), at_s, b"request", b"answer")
    return keeper


def kept_text(request: bytes) -> str:
    """What is kept of a request, with `SECRET` registered for redaction."""
    redactor = Redactor()
    redactor.register(SECRET)
    keeper = SampleKeeper(redactor.redact)
    keeper.offer(REJECTED, 1.0, request, b"")
    text: str = keeper.take()["samples"][0]["request"]
    return text


def test_the_first_few_of_each_code_are_kept_and_the_last_moment_is_known() -> None:
    taken = keeper_of(1.0, 2.0, 3.0, 4.0, 9.0).take()

    assert [sample["at_s"] for sample in taken["samples"]] == [1.0, 2.0, 3.0]
    assert list(taken["seen"]["400 invalid_payload"]) == [1.0, 9.0]


def test_a_sample_holds_what_is_needed_to_ask_about_it() -> None:
    [sample] = keeper_of(1.5).take()["samples"]

    assert sample == {
        "code": "400 invalid_payload",
        "scenario": "conversation_messages",
        "k": 0,
        "at_s": 1.5,
        "status": 400,
        "correlation_id": "correlation-1",
        "conversation_id": "conversation-1",
        "request": "request",
        "answer": "answer",
    }


def test_samples_travel_once_and_times_with_every_report() -> None:
    keeper = keeper_of(1.0)
    keeper.take()
    keeper.offer(REJECTED, 5.0, b"", b"")

    again = keeper.take()

    assert [sample["at_s"] for sample in again["samples"]] == [5.0]
    assert list(again["seen"]["400 invalid_payload"]) == [1.0, 5.0]


def test_codes_beyond_the_bound_are_not_kept() -> None:
    keeper = SampleKeeper(untouched, most_codes=2)

    for code in ("a", "b", "c", "a"):
        keeper.offer(replace(REJECTED, code=code), 1.0, b"", b"")

    assert set(keeper.take()["seen"]) == {"a", "b"}


def test_secrets_are_hidden_in_request_and_answer() -> None:
    assert kept_text(f"before {SECRET} after".encode()) == f"before {STARS} after"


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
    assert kept_text(b"x" * 100_000) == "x" * (LONGEST_BODY - 1) + "…"
    assert kept_text("😀".encode() * 100_000) == "😀" * (LONGEST_BODY - 1) + "…"


def test_the_master_chooses_the_earliest_of_all_workers() -> None:
    book = SampleBook(per_code=3)

    for keeper in (keeper_of(5.0, 6.0, 7.0), keeper_of(1.0, 6.5, 30.0)):
        book.absorb(keeper.take())

    told = book.to_plain(["400 invalid_payload"], hint)["400 invalid_payload"]
    assert [sample["at_s"] for sample in told["samples"]] == [1.0, 5.0, 6.0]
    assert (told["first_s"], told["last_s"]) == (1.0, 30.0)
    assert told["hint"] == "What 400 invalid_payload means."


def test_the_choice_does_not_depend_on_which_report_came_first() -> None:
    reports = [keeper_of(5.0, 6.0).take(), keeper_of(5.0, 1.0).take()]
    books = [SampleBook(), SampleBook()]

    for book, order in zip(books, (reports, reports[::-1]), strict=True):
        for report in order:
            book.absorb(report)

    first, second = (book.to_plain(["400 invalid_payload"], hint) for book in books)
    assert first == second


def test_a_report_is_the_same_after_it_went_over_the_wire() -> None:
    taken = keeper_of(1.0, 2.0).take()
    here, there = SampleBook(), SampleBook()

    here.absorb(taken)
    there.absorb(msgspec.msgpack.decode(msgspec.msgpack.encode(taken)))

    assert here.to_plain(["400 invalid_payload"], hint) == there.to_plain(
        ["400 invalid_payload"], hint
    )


def test_a_code_that_only_the_master_counted_has_no_times_and_no_samples() -> None:
    told = SampleBook().to_plain(["worker lost"], hint)

    assert told == {
        "worker lost": {
            "hint": "What worker lost means.",
            "first_s": None,
            "last_s": None,
            "samples": [],
        }
    }


def test_a_book_stays_small_whatever_a_worker_sends() -> None:
    book = SampleBook(per_code=2, most_codes=3)
    huge = {**keeper_of(1.0).take()["samples"][0], "answer": "x" * 100_000}

    for number in range(20):
        samples = [{**huge, "code": f"code {number}", "k": k} for k in range(50)]
        book.absorb({"samples": samples, "seen": {f"other {number}": [0.0, 1.0]}})

    told = book.to_plain([f"code {number}" for number in range(20)], hint)
    kept = [sample for each in told.values() for sample in each["samples"]]
    assert len(kept) <= 3 * 2
    assert all(len(sample["answer"]) <= LONGEST_BODY for sample in kept)


@given(JSON, st.dictionaries(st.text(max_size=9), st.lists(st.floats(), min_size=2, max_size=2)))
def test_a_book_takes_anything_and_stays_writable(junk: Any, seen: dict[str, Any]) -> None:
    book = SampleBook()

    for plain in (junk, {"samples": junk, "seen": seen}, {"samples": [], "seen": seen}):
        book.absorb(plain)

    json.dumps(book.to_plain(seen, hint), allow_nan=False)
