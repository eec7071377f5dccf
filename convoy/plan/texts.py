"""The texts of messages: the corpus they are drawn from, and the draws of a template itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from convoy.errors import ConvoyError, ExitCode
from convoy.plan.draws import draw, draw_below, draws, stream_key

LONGEST_TEXT_BYTES = 4_096
"""What the remote takes as the text of a message, in UTF-8: said in
https://forum.sggu.com/t/guest-api-post-conversations-messages-returns-400-bad-request-with-invalid-payload-when-bypassing-messenger-widget/10121,
read 2026-11-22."""
MOST_CORPUS_BYTES = 10_000_000

SENTENCES = (
    "Hello, I have a question about my last order.",
    "Could you tell me when my parcel arrives?",
    "I would like to change my delivery address.",
    "The invoice I received shows the wrong amount.",
    "How do I reset my password?",
    "Thank you, that solved it.",
    "Is somebody there?",
    "I would like to speak to a person, please.",
)
"""Texts for the variable `text` where the settings name no corpus."""

_WIDEST = 2**63
_T = TypeVar("_T")


class CorpusError(ConvoyError):
    """A corpus that cannot be used; the message names the line (from 1) and the problem."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class TextRule:
    """The texts of a scenario; `choice` is `random`, or `sequence` for one after the other."""

    texts: Sequence[str] = SENTENCES
    choice: str = "random"


class TextChoice:
    """Which text each message carries."""

    def __init__(self, rule: TextRule, seed: int, scenario: str) -> None:
        self._texts = rule.texts
        self._is_sequence = rule.choice == "sequence"
        self._key = stream_key(seed, scenario, "text")

    def texts(self, ks: Sequence[int]) -> list[str]:
        """Return the text of each message."""
        texts, count = self._texts, len(self._texts)
        if self._is_sequence:
            return [texts[k % count] for k in ks]
        return [texts[(drawn * count) >> 64] for drawn in draws(self._key, ks)]


class Draws:
    """The functions `choice` and `number` of a template: the n-th call is a function of k and n."""

    def __init__(self, key: int, k: int) -> None:
        self._key = draw(key, k)
        self._calls = 0

    def choice(self, *options: _T) -> _T:
        """Return one of the options; raises ValueError when there is none."""
        if not options:
            raise ValueError("choice needs at least one option")
        return options[self._next(len(options))]

    def number(self, lowest: int, highest: int) -> int:
        """Return a whole number, both ends included; raises ValueError."""
        span = highest - lowest + 1
        if not isinstance(span, int) or not 0 < span <= _WIDEST:
            raise ValueError("number needs two whole numbers, the lower one first")
        return lowest + self._next(span)

    def _next(self, limit: int) -> int:
        self._calls += 1
        return draw_below(self._key, self._calls, limit)


def parse_corpus(content: bytes) -> tuple[str, ...]:
    """Return the texts of a corpus, UTF-8 with one a line; raises CorpusError.

    Blank lines are left out; a text that stands there twice is drawn twice as often.
    """
    if len(content) > MOST_CORPUS_BYTES:
        raise CorpusError(f"is larger than {MOST_CORPUS_BYTES:,} bytes")
    texts: list[str] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        text = _text_of(number, line)
        if text:
            texts.append(text)
    if not texts:
        raise CorpusError("holds no text; write one a line")
    return tuple(texts)


def _text_of(number: int, line: bytes) -> str:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(" \t\r")
    except UnicodeDecodeError as error:
        raise CorpusError(f"is not UTF-8 text in line {number}") from error
    if len(text.encode()) > LONGEST_TEXT_BYTES:
        raise CorpusError(f"is longer than {LONGEST_TEXT_BYTES:,} bytes in line {number}")
    return text
