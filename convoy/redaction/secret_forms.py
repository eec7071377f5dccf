"""The forms in which secrets are written, and where in a text those of many secrets stand."""

from __future__ import annotations

import re
import struct
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from convoy.redaction.escapes import layers
from convoy.untrusted_text import LONGEST_PART, on_one_line, printable_lines, unbroken

T = TypeVar("T")
SHORTEST = 4
"""Values of fewer characters are not hidden, because they would match ordinary words."""
SHORTEST_PART = 8
"""Of a header, of a secret in other letters, and without the padding of base64."""
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOST_LENGTHS = 16
"""Of forms that begin alike, whatever a far side says: each is tried wherever a text has that
beginning. Tokens of one service have one length, or a few."""
_LAST_OF_FIRST_PLANE = "\uffff"
_RUN = re.compile(r"[^\s\"'<>\\]*+")
"""What is hidden behind a beginning: a token, an address or what is left of one."""


@dataclass(slots=True)
class _Lengths:
    """How many forms of each length begin alike: those found whole, and those by a beginning."""

    whole: Counter[int] = field(default_factory=Counter)
    begun: Counter[int] = field(default_factory=Counter)


class SecretForms:
    """The forms of values, found in a text by a hash of each, by first characters and length.

    So the cost of a search depends on the length of the text, and not on the number of values or
    on what they begin with. Nor does it on their lengths: of those that begin alike only so many
    are looked for whole, and a form of another length by its beginning, of a power of two of
    characters, and hidden with whatever stands behind that without a gap.
    """

    def __init__(self) -> None:
        self._whole: Counter[int] = Counter()
        self._begun: Counter[int] = Counter()
        self._by_start: dict[str, _Lengths] = {}
        self._begun_of: dict[str, set[int]] = {}
        """By value the hashes of those of its forms that are found by a beginning."""

    def __contains__(self, text: str) -> bool:
        return hash(text) in self._whole or hash(_beginning(text)) in self._begun

    def add(self, value: str, *, is_whole: bool = False) -> None:
        """Look for a value from now on, whatever its length where it `is_whole`."""
        begun = set()
        for form in _parts_of_forms(value):
            lengths = self._by_start.setdefault(form[:SHORTEST], _Lengths())
            if is_whole or len(form) in lengths.whole or len(lengths.whole) < _MOST_LENGTHS:
                lengths.whole[len(form)] += 1
                self._whole[hash(form)] += 1
            else:
                begun.add(hash(form))
                beginning = _beginning(form)
                lengths.begun[len(beginning)] += 1
                self._begun[hash(beginning)] += 1
        if begun:
            self._begun_of[value] = begun

    def drop(self, value: str) -> None:
        """Look no longer for a value that was added, once and not as a whole."""
        begun = self._begun_of.pop(value, ())
        for form in _parts_of_forms(value):
            start = form[:SHORTEST]
            lengths = self._by_start[start]
            if hash(form) in begun:
                beginning = _beginning(form)
                take_one(lengths.begun, len(beginning))
                take_one(self._begun, hash(beginning))
            else:
                take_one(lengths.whole, len(form))
                take_one(self._whole, hash(form))
            if not lengths.whole and not lengths.begun:
                del self._by_start[start]

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield from where to where a form stands in a text that has no further escapes."""
        by_start, size, run_end = self._by_start, len(text), 0
        last = size - SHORTEST + 1
        for begin in [at for at in range(last) if text[at : at + SHORTEST] in by_start]:
            lengths = by_start[text[begin : begin + SHORTEST]]
            for length in lengths.whole:
                end = begin + length
                if end <= size and hash(text[begin:end]) in self._whole:
                    yield begin, end
            for length in lengths.begun:
                end = begin + length
                # What ends within a run that was found ends with it, too.
                if run_end < end <= size and hash(text[begin:end]) in self._begun:
                    found = _RUN.match(text, end)
                    run_end = end if found is None else found.end()
                    yield begin, run_end


def take_one(counts: Counter[T], key: T) -> None:
    """Count one less, and nothing where that was the last."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


def _beginning(form: str) -> str:
    """Return the half of a form or more by which it is found among those of many lengths."""
    return form[: 1 << len(form).bit_length() - 1]


def _parts_of_forms(value: str) -> set[str]:
    """Return the forms of a value; of a long one its parts, by which it is found in a cut text.

    Each overlaps with the next, so that all of them are hidden as one.
    """
    parts = {part for form in _forms(value) for part in _parts(form)}
    return {part for part in parts if part == value or part.strip(" ?")}


def _parts(form: str) -> Iterator[str]:
    last = max(0, len(form) - LONGEST_PART)
    for begin in (*range(0, last, LONGEST_PART - 1), last):
        yield form[begin : begin + LONGEST_PART]


def _forms(text: str) -> set[str]:
    """Return the forms in which a secret is looked for, in each layer of escapes of a text."""
    utf8 = text.encode("utf-8", "surrogatepass")
    argument = utf8.decode("ascii", "surrogateescape")  # as read in a locale of ASCII
    in_clear = {text, argument, text.replace("\0", "")}
    for _ in range(3):  # as headers are read; whoever passes it on may do so again, and escape it
        read = utf8.decode("latin-1")
        in_clear.add(read)
        utf8 = read.encode()
    if max(text, default="") > _LAST_OF_FIRST_PLANE:
        halves = [_halves(each) for each in text]  # as by JavaScript, and these in UTF-8
        encoded = [each.encode("utf-8", "surrogatepass").decode("latin-1") for each in halves]
        pairs = zip(text, encoded, strict=True)
        mixed = (each if each <= _LAST_OF_FIRST_PLANE else two for each, two in pairs)
        in_clear.update(map("".join, (halves, encoded, mixed)))
    if not text.isascii():  # browsers read some numbers of HTML as Windows-1252
        in_clear.add("".join(map(_as_windows_1252, text)))
    forms = set(in_clear)
    for each in _encoded(text):
        forms |= {each.hex(), each.hex().upper(), *_base64_forms(each)}
    for clean in (unbroken, on_one_line, printable_lines):  # a text is often redacted after them
        forms.update(map(clean, in_clear))
    if UUID.fullmatch(text):
        for written in (text, text.replace("-", "")):
            forms |= {written.lower(), written.upper()}
    if len(bare := text.rstrip("=")) >= SHORTEST_PART:  # what base64 is padded with, is taken off
        forms.add(bare)
    for form in tuple(forms):
        # A layer of escapes is taken off the secret together with what surrounds it, and a
        # backslash at its end together with what follows.
        forms.update(layer.text for layer in layers(form.removesuffix("\\")))
        forms.update(layer.text for layer in layers(form))
    return {form for form in forms if len(form) >= SHORTEST}


def _halves(character: str) -> str:
    """Return a character as UTF-16 has it, in two halves where it is beyond the first plane."""
    utf16 = character.encode("utf-16-be", "surrogatepass")
    return "".join(map(chr, struct.unpack(f"!{len(utf16) // 2}H", utf16)))


def _as_windows_1252(character: str) -> str:
    return character.encode("cp1252", "ignore").decode("latin-1") or character


def _encoded(text: str) -> Iterator[bytes]:
    yield text.encode("utf-8", "surrogatepass")
    if max(text, default="") > _LAST_OF_FIRST_PLANE:
        yield "".join(map(_halves, text)).encode("utf-8", "surrogatepass")
    if not text.isascii():
        with suppress(UnicodeEncodeError):
            yield text.encode("latin-1")


def _base64_forms(value: bytes) -> Iterator[str]:
    """Yield the forms of `value` inside a longer base64 text, one for each offset modulo three.

    The characters at both ends also hold bits of the neighbouring bytes, so they are left out; less
    than one byte of the secret stays readable at either end.
    """
    for bytes_before, mixed_characters in ((0, 0), (1, 2), (2, 3)):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(b"\0" * bytes_before + value).decode("ascii")
            whole_characters = (bytes_before + len(value)) * 8 // 6
            form = encoded[mixed_characters:whole_characters]
            if len(form) >= SHORTEST:
                yield form
