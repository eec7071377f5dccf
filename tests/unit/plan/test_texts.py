"""Texts of messages: corpus files, the order they are drawn in, and draws inside a template."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import ExitCode
from convoy.plan.texts import CorpusError, Draws, TextChoice, TextRule, parse_corpus


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        pytest.param(b"one\ntwo\n", ("one", "two"), id="lines"),
        pytest.param(b"one\r\n\r\n  two \r\n", ("one", "two"), id="Windows lines and blanks"),
        pytest.param("\ufeffeins\nzwei".encode(), ("eins", "zwei"), id="byte order mark"),
        pytest.param("a\u2028b\n# c".encode(), ("a\u2028b", "# c"), id="characters of its own"),
        pytest.param(b"twice\ntwice", ("twice", "twice"), id="repeated"),
        pytest.param(b"x" * 4096, ("x" * 4096,), id="as long as can be"),
    ],
)
def test_a_corpus_holds_one_text_a_line(content: bytes, texts: tuple[str, ...]) -> None:
    assert parse_corpus(content) == texts


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"\n \n", "holds no text", id="empty"),
        pytest.param(b"one\n\xff", "is not UTF-8 text in line 2", id="not UTF-8"),
        pytest.param(b"one\ntwo\n" + b"x" * 4097, "4,096 bytes in line 3", id="long line"),
        pytest.param(b"x\n" * 5_000_001, "larger than 10,000,000 bytes", id="large"),
    ],
)
def test_a_corpus_that_cannot_be_used_is_refused_with_its_line(
    content: bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=problem) as caught:
        parse_corpus(content)

    assert caught.value.exit_code is ExitCode.USAGE


@given(content=st.binary())
def test_no_corpus_makes_anything_but_texts_or_an_error(content: bytes) -> None:
    with contextlib.suppress(CorpusError):
        assert all(parse_corpus(content))


def test_a_sequence_takes_the_texts_in_their_order() -> None:
    choice = TextChoice(TextRule(("a", "b", "c"), "sequence"), seed=1, scenario="s")

    assert "".join(choice.texts((k,))[0] for k in range(7)) == "abcabca"


def test_random_texts_are_drawn_alike_and_again_for_the_same_seed() -> None:
    rule = TextRule(("a", "b", "c", "d"))
    first, again, other = (TextChoice(rule, seed, "s") for seed in (1, 1, 2))

    drawn = Counter(first.texts((k,))[0] for k in range(4000))

    assert all(900 < count < 1100 for count in drawn.values()) and len(drawn) == 4
    assert [first.texts((k,))[0] for k in range(50)] == [again.texts((k,))[0] for k in range(50)]
    assert [first.texts((k,))[0] for k in range(50)] != [other.texts((k,))[0] for k in range(50)]


def test_draws_in_a_template_are_a_function_of_message_and_call() -> None:
    def drawn(key: int, k: int) -> list[int]:
        draws = Draws(key, k)
        return [draws.number(1, 10**6) for _ in range(5)]

    assert drawn(1, 7) == drawn(1, 7)
    assert len({*drawn(1, 7), *drawn(1, 8), *drawn(2, 7)}) == 15


@given(lowest=st.integers(-(2**40), 2**40), span=st.integers(0, 2**40), k=st.integers(0, 2**40))
def test_numbers_lie_between_their_bounds(lowest: int, span: int, k: int) -> None:
    assert lowest <= Draws(1, k).number(lowest, lowest + span) <= lowest + span


def test_every_option_is_chosen_sometimes() -> None:
    chosen = Counter(Draws(1, k).choice("a", "b", "c") for k in range(3000))

    assert all(850 < count < 1150 for count in chosen.values()) and len(chosen) == 3


def test_a_draw_from_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one option"):
        Draws(1, 1).choice()
    with pytest.raises(ValueError, match="lower one first"):
        Draws(1, 1).number(2, 1)
