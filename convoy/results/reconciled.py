"""What the far side has of each accepted message, compared with the log of messages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from typing import Annotated, Literal

import msgspec

from convoy.results.far_side import Ledger
from convoy.results.histograms import Histogram, Recorder
from convoy.results.message_log import LoggedMessage
from convoy.results.outcome import ACCEPTED, LONGEST_NAME, UNKNOWN, Name
from convoy.untrusted_text import told

MOST_NAMED = 100
"""Of each kind in result and summary; the record has all of them in a file of their own."""
APART_MS = 50
"""So far apart two messages of different workers were sent for sure, whatever their clocks."""
_PART = rf"[^:\]]{{1,{LONGEST_NAME}}}"
_MARKER = re.compile(rf"\[convoy:({_PART}):({_PART}):(\d{{1,18}})\]")

Moment = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""In seconds since 1970, of a thousand centuries: neither infinite nor NaN."""
Kind = Literal["lost", "doubled", "changed", "out_of_order", "unexpected"]
Key = tuple[str, int]
"""A message of the run: its scenario, and its number in that."""
Side = tuple[str, str]
"""A conversation and a direction in it."""


class FoundMessage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A message at the far side; `at_s` is its time there, in seconds since 1970.

    `scenario` and `k` are those of its marker, "" and -1 where it has none of this run. `text`
    is the digest of its text.
    """

    id: str
    conversation_id: str
    direction: str
    at_s: Moment
    scenario: Name = ""
    k: int = -1
    text: str = ""


class Discrepancy(msgspec.Struct, frozen=True):
    """A message that is not at the far side as it was accepted, with its ids there.

    Of a lost message they are the ids that its answer named. Where the far side only counts the
    messages of a conversation, `k` is None and there are no message ids.
    """

    kind: Kind
    scenario: str
    k: int | None
    conversation_id: str
    message_ids: tuple[str, ...]


class Look(msgspec.Struct, frozen=True):
    """What analytics showed at a moment, in seconds since 1970: how many messages of a side."""

    at_s: float
    count: int


class Visibility(msgspec.Struct, frozen=True):
    """How long after they were sent messages were seen in analytics, at the latest.

    Those that never were are censored; `at_first_look` of the others were there when analytics was
    asked for the first time, so that they may have been much earlier.
    """

    times: Histogram
    at_first_look: int

    @property
    def matched(self) -> int:
        """How many messages were seen."""
        return self.times.count - self.times.censored


class Named(msgspec.Struct, frozen=True):
    """How many messages have a discrepancy of one kind, and the first of them."""

    count: int
    messages: tuple[Discrepancy, ...]


class Compared(msgspec.Struct, frozen=True):
    """The accepted messages of a run against those at the far side, as of a moment (ISO 8601, UTC).

    Messages of unknown fate are allowed to be there. Of each discrepancy the first hundred messages
    are named. `how` says in sentences what was compared, `not_compared` what was not.
    """

    at: str
    accepted: int
    found: int
    how: tuple[str, ...]
    not_compared: tuple[str, ...]
    lost: Named
    doubled: Named
    changed: Named
    out_of_order: Named
    unexpected: Named


class Reconciled(Compared, frozen=True):
    """What was compared, and the times of `visibility` where analytics was asked."""

    visibility: Visibility | None = None

    @classmethod
    def of(
        cls,
        at: str,
        accepted: int,
        found: Sequence[Discrepancy],
        *,
        not_named: int,
        how: Iterable[str],
        not_compared: Iterable[str],
        visibility: Visibility | None,
    ) -> Reconciled:
        """Return what was found of so many messages; answers have `not_named` so many of them."""
        named = {kind: _named(kind, found) for kind in KINDS}
        return cls(
            at,
            accepted,
            accepted - named["lost"].count - not_named,
            tuple(how),
            tuple(not_compared),
            visibility=visibility,
            **named,
        )

    def failure(self) -> str:
        """Return why the run has failed, "" where nothing was lost, doubled or changed."""
        wrong = {word: getattr(self, word).count for word in _FAILING}
        told = ", ".join(f"{word} {count:,}" for word, count in wrong.items() if count)
        return told and f"of {self.accepted:,} accepted messages the far side has {told}"


KINDS: tuple[Kind, ...] = ("lost", "doubled", "changed", "out_of_order", "unexpected")
_FAILING = KINDS[:3]


def _named(kind: Kind, found: Sequence[Discrepancy]) -> Named:
    own = [each for each in found if each.kind == kind]
    return Named(len(own), tuple(own[:MOST_NAMED]))


def digest_of(text: str) -> str:
    """Return what stands for a text in the record, which keeps none."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Markers:
    """The markers of a run's messages, of which there are so many of each of its `scenarios`.

    What names another scenario, or a number beyond its messages, is no marker of the run: the far
    side may have written anything there, and the number is kept.
    """

    run_id: str
    scenarios: Mapping[str, int]

    def key_in(self, *texts: str) -> Key | None:
        """Return whose marker is in one of these texts, None where none is."""
        for text in texts:
            for run_id, scenario, k in _MARKER.findall(text):
                if run_id == self.run_id and int(k) < self.scenarios.get(scenario, 0):
                    return scenario, int(k)
        return None


def compare(
    sent: Iterable[LoggedMessage],
    found: Iterable[FoundMessage],
    text_of: Callable[[Key], str | None],
    apart_ms: int = 0,
) -> Iterator[Discrepancy]:
    """Yield each discrepancy between the log and what was found, by kind.

    Messages belong together by marker, or else by the id of the answer. `text_of` returns the
    digest of what a message says, None where that is not known. A message is out of order where
    one stands before it, in its conversation and direction, that was sent more than `apart_ms`
    after the first one's answer had come.
    """
    log = {(each.scenario, each.k): each for each in sent}
    by_id = {each.message_id: key for key, each in log.items() if each.message_id}
    copies: defaultdict[Key, dict[str, FoundMessage]] = defaultdict(dict)
    for one in found:
        key = (one.scenario, one.k) if one.scenario else by_id.get(one.id)
        if key is not None:
            copies[key].setdefault(one.id, one)
    there = {key: list(each.values()) for key, each in copies.items()}
    for key, logged in log.items():
        if logged.fate is ACCEPTED and key not in there:
            ids = (logged.message_id,) if logged.message_id else ()
            yield Discrepancy("lost", *key, logged.conversation_id, ids)
    for key, each in there.items():
        if len(each) > 1:
            yield _discrepancy("doubled", key, each)
    for key, each in there.items():
        if changed := [one for one in each if _is_changed(one, log.get(key), text_of(key))]:
            yield _discrepancy("changed", key, changed)
    for key in _overtaken(log, there, apart_ms):
        yield _discrepancy("out_of_order", key, there[key])
    for key, each in there.items():
        if key not in log or log[key].fate not in (ACCEPTED, UNKNOWN):
            yield _discrepancy("unexpected", key, each)


def _discrepancy(kind: Kind, key: Key, copies: Sequence[FoundMessage]) -> Discrepancy:
    return Discrepancy(kind, *key, copies[0].conversation_id, tuple(each.id for each in copies))


def _is_changed(found: FoundMessage, logged: LoggedMessage | None, text: str | None) -> bool:
    if text is not None and found.text != text:
        return True
    where = logged.conversation_id if logged is not None else ""
    return bool(where) and found.conversation_id != where


def _overtaken(
    log: Mapping[Key, LoggedMessage], there: Mapping[Key, Sequence[FoundMessage]], apart_ms: int
) -> Iterator[Key]:
    """Yield the messages that stand behind one that was sent after their answer had come."""
    sides: defaultdict[Side, list[tuple[float, int, LoggedMessage]]] = defaultdict(list)
    # The far side's own order decides between messages of the same millisecond.
    for place, (key, copies) in enumerate(there.items()):
        logged = log.get(key)
        if logged is None or logged.fate is not ACCEPTED:
            continue
        if logged.sent_ms is None or logged.done_ms is None:
            continue
        first = min(copies, key=lambda each: each.at_s)
        sides[first.conversation_id, first.direction].append((first.at_s, place, logged))
    for side in sides.values():
        last_sent_ms = -inf
        for _, _, logged in sorted(side, key=lambda each: each[:2]):
            assert logged.sent_ms is not None and logged.done_ms is not None
            if last_sent_ms > logged.done_ms + apart_ms:
                yield logged.scenario, logged.k
            last_sent_ms = max(last_sent_ms, logged.sent_ms)


def compare_with_ledger(
    run_id: str,
    sent: Iterable[LoggedMessage],
    ledger: Ledger,
    scenarios: Mapping[str, int],
    redact: Callable[[str], str],
) -> Iterator[Discrepancy]:
    """Yield what a simulator's ledger says of messages that it does not store, of these scenarios.

    It names those that something became of, and counts the others by conversation. `scenarios` are
    as in `Markers`. The ids that the ledger says are redacted.
    """
    kinds: Mapping[str, Kind] = {
        "lost": "lost",
        "doubled": "doubled",
        "corrupted": "changed",
        "reordered": "out_of_order",
    }
    markers = Markers(run_id, scenarios)
    for each in ledger.after_acceptance:
        key = markers.key_in(each.marker or "")
        if each.what in kinds and key is not None:
            id, *ids = (
                told(id, redact, LONGEST_NAME) for id in (each.conversation_id, *each.message_ids)
            )
            yield Discrepancy(kinds[each.what], *key, id, tuple(ids))
    least, most, names = defaultdict[str, int](int), defaultdict[str, int](int), dict[str, str]()
    for logged in sent:
        if logged.fate in (ACCEPTED, UNKNOWN):
            least[logged.conversation_id] += logged.fate is ACCEPTED
            most[logged.conversation_id] += 1
            names[logged.conversation_id] = logged.scenario
    for id, scenario in names.items():
        count = ledger.by_conversation.get(id, 0)
        for _ in range(count, least[id]):
            yield Discrepancy("lost", scenario, None, id, ())
        for _ in range(most[id], count):
            yield Discrepancy("unexpected", scenario, None, id, ())


def narrower(earlier: Visibility | None, later: Visibility | None) -> Visibility | None:
    """Return what was found first of two reconciliations, unless the later one has seen more.

    A message that was visible before is found at the first look of the later one, however long ago
    it became so.
    """
    if earlier is None or later is None:
        return later or earlier
    return later if later.matched > earlier.matched else earlier


def visibility(
    sent: Iterable[LoggedMessage],
    found: Iterable[FoundMessage],
    looks: Mapping[Side, Sequence[Look]],
    t0_s: float,
) -> Visibility:
    """Return how long after they were sent the accepted messages that were found were visible.

    Analytics only counts messages: the n-th of a side is visible from when it counts n of them.
    `looks` holds what was seen of each side, in the order of time; `t0_s` is T0 in seconds since
    1970.
    """
    log = {(each.scenario, each.k): each for each in sent if each.fate is ACCEPTED}
    by_id = {each.message_id: key for key, each in log.items() if each.message_id}
    sides: defaultdict[Side, dict[str, FoundMessage]] = defaultdict(dict)
    for each in found:
        sides[each.conversation_id, each.direction].setdefault(each.id, each)
    seen, censored, at_first_look = Recorder(), Recorder(), 0
    for side, messages in sides.items():
        seen_at = iter(looks.get(side, ()))
        look = first = next(seen_at, None)
        last_s = t0_s
        for place, one in enumerate(sorted(messages.values(), key=lambda each: each.at_s), 1):
            while look is not None and look.count < place:
                last_s, look = look.at_s, next(seen_at, None)
            key = (one.scenario, one.k) if one.scenario else by_id.get(one.id, ("", -1))
            logged = log.pop(key, None)
            if logged is None or logged.sent_ms is None:
                continue
            sent_at_s = t0_s + logged.sent_ms / 1000
            if look is None:
                censored.record(max(0.0, last_s - sent_at_s))
            else:
                seen.record(look.at_s - sent_at_s)
                at_first_look += look is first
    times = Histogram()
    times.add(seen.take())
    times.add_censored(censored.take())
    return Visibility(times, at_first_look)
