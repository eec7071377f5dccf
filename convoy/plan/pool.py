"""The pool of conversations, its order a part of the plan, and the files it is read from."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, islice

import msgspec

from convoy.errors import ConvoyError, ExitCode
from convoy.untrusted_text import UNREADABLE, quoted

_ID_COLUMNS = ("conversationid", "id")
_COLUMNS = (_ID_COLUMNS, ("customerid", "guestid"), ("agentid",), ("communicationid",))
"""Names as `_name` makes them; of several the first one counts."""

_DELIMITERS = ",;\t|"
_LOOKED_AT = 100
"""So many ids at the beginning tell what form they have."""
_LONGEST_ID = 1000
_NOT_IN_AN_ID = re.compile(r'[,;|\s"\[\]{}]')
_UUID = re.compile(r"\A[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_NO_ID = re.compile(r"(?i)null|none|nan|true|false|undefined|\.\.?|\d{4}-\d\d-\d\d(?:[t:].*)?")
"""What stands in the columns of a table that hold something else."""
_HEADERS = re.compile(r"(?:conversation|interaction|call|chat)(?:id|uuid|guid)?s?|ids|[ug]uids?")
_SHORTEST_NUMERIC_ID = 10
"""Digits: a column of shorter numbers counts rows or messages, and is taken for one of no ids."""
_DIGIT = re.compile(r"\d")


# Untracked by the collector, and short where it is packed: there may be a million.
class Conversation(msgspec.Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """One conversation and its participants; ids are empty where the pool does not say.

    `communication_id` is the agent's communication with the customer, by which he answers.
    """

    id: str
    customer_id: str = ""
    agent_id: str = ""
    communication_id: str = ""


@dataclass(frozen=True, slots=True)
class ConversationPool:
    """Conversations in an order that is part of the plan.

    `note` is what a person should know of how they were read.
    """

    conversations: tuple[Conversation, ...]
    note: str = field(default="", compare=False)

    @classmethod
    def of(cls, conversations: Iterable[Conversation]) -> ConversationPool:
        """Return the pool of these conversations, in this order, each id once."""
        first: dict[str, Conversation] = {}
        for each in conversations:
            first.setdefault(each.id, each)
        return cls(tuple(first.values()))

    @classmethod
    def of_customers(cls, count: int) -> ConversationPool:
        """Return the pool of customers, numbered from 0, who make their own conversations."""
        return cls(tuple(Conversation("", str(number)) for number in range(count)))

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(each.id for each in self.conversations)

    @property
    def has_ids(self) -> bool:
        """False where users make their own conversations."""
        return any(each.id for each in self.conversations)

    def __len__(self) -> int:
        return len(self.conversations)

    def __getitem__(self, index: int) -> Conversation:
        return self.conversations[index]

    @property
    def hash(self) -> str:
        """A fingerprint of the pool and its order."""
        columns = [[getattr(each, name) for each in self.conversations] for name in _FIELDS]
        # An empty column would change the fingerprint of every pool that has none.
        columns = columns if any(columns[-1]) else columns[:-1]
        text = "\0".join("\n".join(column if any(column) else ()) for column in columns)
        return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


_FIELDS = Conversation.__struct_fields__
NO_CONVERSATION = ConversationPool((Conversation(""),))
"""The pool of a scenario whose users make their own conversations: the plan knows none of them."""


class PoolFileError(ConvoyError):
    """A pool file that cannot be read; the message names the line (from 1) and the problem."""

    exit_code = ExitCode.USAGE


def parse_pool(lines: Iterable[str]) -> ConversationPool:
    """Return the pool that these lines, with their ends, hold; raises PoolFileError.

    The first character tells the form: `[` a JSON array, `{` JSON lines or one object with a list
    of `entities` such as the API's own listing, anything else CSV, or an id a line where its first
    line is no header. Blank lines and lines that begin with `#` are left out; an id that stands
    there twice counts once.
    """
    kept = _without_comments(lines)
    first = next(kept, None)
    if first is None:
        return ConversationPool(())
    numbered = chain([first], kept)
    begins = first[1].lstrip()[0]
    if begins == "[" or (begins == "{" and not _is_json(first[1])):
        return ConversationPool.of(_from_json(*each) for each in _whole_json(numbered))
    if begins == "{":
        return ConversationPool.of(_from_json(*each) for each in _json_lines(numbered))
    return _from_table(numbered)


def _without_comments(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines from the first one on that says something, each with its number."""
    has_begun = False
    for number, line in enumerate(lines, start=1):
        text = line.lstrip("\ufeff") if number == 1 else line
        has_begun = has_begun or bool(text.strip() and not text.lstrip().startswith("#"))
        if has_begun:
            yield number, text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except UNREADABLE:
        return False
    return True


def _json_lines(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[str, object]]:
    """Yield the value of each line, with its place."""
    for number, line in numbered:
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                yield f"line {number}", json.loads(text)
            except UNREADABLE as error:
                raise PoolFileError(f"line {number}: is no JSON ({error})") from error


def _whole_json(numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[str, object]]:
    """Yield the entries of a JSON array, each with its place."""
    first, text = next(numbered)
    text += "".join(line for _, line in numbered)
    try:
        value = json.loads(text)
    except UNREADABLE as error:
        line = first + getattr(error, "lineno", 1) - 1
        raise PoolFileError(f"line {line}: is no JSON ({error})") from error
    entries = value.get("entities") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise PoolFileError(f"line {first}: should be a list, or an object with `entities`")
    for number, entry in enumerate(entries, start=1):
        yield f"entry {number}", entry


def _from_json(place: str, entry: object) -> Conversation:
    if isinstance(entry, str):
        return Conversation(checked_id(place, entry))
    if not isinstance(entry, dict):
        raise PoolFileError(f"{place}: should be a JSON object with an id")
    return _named(place, {_name(key): value for key, value in entry.items()})


def _named(place: str, named: Mapping[str, object]) -> Conversation:
    """Return a conversation by the names of its ids, as `_name` makes them."""
    id, *others = (_first(named, names) for names in _COLUMNS)
    return Conversation(
        checked_id(place, id), *(each and checked_id(place, each) for each in others)
    )


def _from_table(numbered: Iterator[tuple[int, str]]) -> ConversationPool:
    """Return the pool in CSV, or in lines of ids, which is CSV of one column without a header."""
    first = next(numbered)
    delimiter = _delimiter(first[1])
    records = _records(first, numbered, delimiter)
    number, header = next(records, (0, []))
    if not header:
        raise PoolFileError(f"line {first[0]}: has no conversation id")
    names = [_name(each) for each in header]
    name = next((each for each in _ID_COLUMNS if each in names), "")
    if names.count(name) > 1:
        several = " and ".join(repr(each) for each in header if _name(each) == name)
        raise PoolFileError(f"line {number}: which of the columns {several} holds the ids?")
    column = names.index(name) if name else None
    if column is None:
        if len(header) > 1 or _NOT_IN_AN_ID.search(header[0]):
            raise PoolFileError(
                f"line {number}: {quoted(first[1].strip())} is no conversation id; for columns, "
                "the first line should name them, one of them id or conversation_id"
            )
        return ConversationPool.of(_from_text(chain([(number, header)], records)))
    pool = ConversationPool.of(
        # Of columns with the same name the first one counts.
        _named(f"line {number}", dict(reversed([*zip(names, record, strict=False)])))
        for number, record in records
    )
    if len(pool) and all(id.isdigit() and len(id) < _SHORTEST_NUMERIC_ID for id in pool.ids):
        problem = f"the column {header[column]!r} holds numbers and no ids"
        raise PoolFileError(f"line {number}: {problem}; name the column of ids conversation_id")
    return replace(pool, note=f"ids from the column {header[column]!r}")


def _delimiter(line: str) -> str:
    """Return what separates the columns of a header: what makes known names of it, else a comma."""
    for each in _DELIMITERS:
        if any(_name(part.strip().strip('"')) in _ID_COLUMNS for part in line.split(each)):
            return each
    return _DELIMITERS[0]


def _records(
    first: tuple[int, str], rest: Iterable[tuple[int, str]], delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of CSV, each with the line that it begins in; line breaks may be quoted."""
    begins, is_new = first[0], True

    def lines() -> Iterator[str]:
        nonlocal begins, is_new
        is_quoted = False
        for number, line in chain([first], rest):
            if is_quoted or not line.lstrip().startswith("#"):
                begins, is_new = number if is_new else begins, False
                is_quoted ^= line.count('"') % 2 == 1
                yield line

    try:
        for record in csv.reader(lines(), delimiter=delimiter, skipinitialspace=True, strict=True):
            values = [value.strip() for value in record]
            if any(values):
                yield begins, values
            is_new = True
    except csv.Error as error:
        raise PoolFileError(f"line {begins}: is no CSV ({error})") from error


def _from_text(records: Iterator[tuple[int, list[str]]]) -> Iterator[Conversation]:
    """Yield the conversations of a file with an id a line.

    Raises PoolFileError where the first line alone has another form than those below it.
    """
    firsts = [(number, _plain_id(number, record)) for number, record in islice(records, _LOOKED_AT)]
    (number, id), below = firsts[0], [text for _, text in firsts[1:]]
    is_odd = below and any(
        all(map(form.search, below)) and not form.search(id) for form in (_UUID, _DIGIT)
    )
    if is_odd or _HEADERS.fullmatch(_name(id)):
        raise PoolFileError(
            f"line {number}: {quoted(id)} is no id as those below it; remove it, or write "
            "id or conversation_id in its place"
        )
    yield from (Conversation(text) for _, text in firsts)
    yield from (Conversation(_plain_id(*each)) for each in records)


def _plain_id(number: int, record: Sequence[str]) -> str:
    return checked_id(f"line {number}", ",".join(record))


# Cached, because each line of JSON has the same names again.
@lru_cache(maxsize=256)
def _name(header: str) -> str:
    """Return a column's name without what people write differently."""
    return re.sub(r"[\s_-]", "", header).lower()


def _first(entry: Mapping[str, object], names: Iterable[str]) -> str:
    value = next((entry[name] for name in names if name in entry), "")
    return value if isinstance(value, str) else ""


def checked_id(place: str, text: str) -> str:
    """Return an id as it is given at a place; raises PoolFileError where it is none."""
    text = text.strip()
    if not text:
        raise PoolFileError(f"{place}: has no conversation id")
    is_id = len(text) <= _LONGEST_ID and text.isprintable() and not _NOT_IN_AN_ID.search(text)
    if not is_id or _NO_ID.fullmatch(text):
        raise PoolFileError(f"{place}: {quoted(text)} is no conversation id")
    return text
