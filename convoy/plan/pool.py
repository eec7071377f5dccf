"""The pool of conversations, its order a part of the plan, and the files it is read from."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

import msgspec

from convoy.errors import ConvoyError, ExitCode

_ID_COLUMNS = ("id", "conversation_id", "conversationId")
_CUSTOMER_COLUMNS = ("customer_id", "customerId", "guest_id", "guestId")
_AGENT_COLUMNS = ("agent_id", "agentId")
_LONGEST_ID = 1000
_NOT_IN_AN_ID = re.compile(r'[,; \t"\[\]{}]')


# A structure, and untracked by the collector: one is made per message.
class Conversation(msgspec.Struct, frozen=True, gc=False):
    """One conversation and its participants; ids are empty where the pool does not say."""

    id: str
    customer_id: str = ""
    agent_id: str = ""


@dataclass(frozen=True, slots=True)
class ConversationPool:
    """Conversations as columns of equal length; a million of them are three flat tuples.

    The columns of participants are empty when the source names none.
    """

    ids: Sequence[str]
    customer_ids: Sequence[str] = ()
    agent_ids: Sequence[str] = field(default=())

    @classmethod
    def of(cls, conversations: Iterable[Conversation]) -> ConversationPool:
        """Return the pool of these conversations, in this order, each id once."""
        first: dict[str, Conversation] = {}
        for each in conversations:
            first.setdefault(each.id, each)
        customer_ids = tuple(each.customer_id for each in first.values())
        agent_ids = tuple(each.agent_id for each in first.values())
        return cls(
            tuple(first),
            customer_ids if any(customer_ids) else (),
            agent_ids if any(agent_ids) else (),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Conversation:
        return Conversation(
            self.ids[index],
            self.customer_ids[index] if self.customer_ids else "",
            self.agent_ids[index] if self.agent_ids else "",
        )

    @property
    def hash(self) -> str:
        """A fingerprint of the pool and its order."""
        columns = (self.ids, self.customer_ids, self.agent_ids)
        text = "\0".join("\n".join(column) for column in columns)
        return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


NO_CONVERSATION = ConversationPool(("",))
"""The pool of a scenario whose users make their own conversations: the plan knows none of them."""


class PoolFileError(ConvoyError):
    """A pool file that cannot be read; the message names the line (from 1) and the problem."""

    exit_code = ExitCode.USAGE


def parse_pool(lines: Iterable[str]) -> ConversationPool:
    """Return the pool that these lines hold; raises PoolFileError.

    The first line tells the form: a JSON object, a CSV header with a column `id` or
    `conversation_id`, or an id. Blank lines and lines that begin with `#` are left out; an id that
    stands there twice counts once.
    """
    kept = _without_comments(lines)
    first = next(kept, None)
    if first is None:
        return ConversationPool(())
    numbered = chain([first], kept)
    if first[1].startswith("{"):
        return ConversationPool.of(_from_json(number, line) for number, line in numbered)
    header = _values(*first)
    if any(name in _ID_COLUMNS for name in header):
        return ConversationPool.of(_from_csv(header, kept))
    return ConversationPool.of(_from_text(number, line) for number, line in numbered)


def _without_comments(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip().lstrip("\ufeff")
        if text and not text.startswith("#"):
            yield number, text


def _from_text(number: int, line: str) -> Conversation:
    if _NOT_IN_AN_ID.search(line):
        raise PoolFileError(
            f"line {number}: {line[:60]!r} is no conversation id; for columns, the first line "
            f"should name them, one of them {' or '.join(_ID_COLUMNS)}"
        )
    return Conversation(_id(number, line))


def _from_json(number: int, line: str) -> Conversation:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PoolFileError(f"line {number}: is no JSON ({error})") from error
    if not isinstance(entry, dict):
        raise PoolFileError(f"line {number}: should be a JSON object with an id")
    return Conversation(
        _id(number, _first(entry, _ID_COLUMNS)),
        _id_or_none(number, _first(entry, _CUSTOMER_COLUMNS)),
        _id_or_none(number, _first(entry, _AGENT_COLUMNS)),
    )


def _from_csv(header: list[str], kept: Iterable[tuple[int, str]]) -> Iterator[Conversation]:
    for number, line in kept:
        entry = dict(zip(header, _values(number, line), strict=False))
        yield Conversation(
            _id(number, _first(entry, _ID_COLUMNS)),
            _id_or_none(number, _first(entry, _CUSTOMER_COLUMNS)),
            _id_or_none(number, _first(entry, _AGENT_COLUMNS)),
        )


def _values(number: int, line: str) -> list[str]:
    try:
        return [value.strip() for value in next(csv.reader([line]))]
    except csv.Error as error:
        raise PoolFileError(f"line {number}: is no CSV ({error})") from error


def _first(entry: Mapping[str, object], names: Iterable[str]) -> str:
    value = next((entry[name] for name in names if entry.get(name)), "")
    return value if isinstance(value, str) else ""


def _id(number: int, text: str) -> str:
    if not text:
        raise PoolFileError(f"line {number}: has no conversation id")
    if len(text) > _LONGEST_ID or not text.isprintable():
        raise PoolFileError(f"line {number}: {text[:40]!r} is no conversation id")
    return text


def _id_or_none(number: int, text: str) -> str:
    return _id(number, text) if text else ""
