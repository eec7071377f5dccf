"""What is measured of a guest's messages, whatever comes after them and in which order."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from convoy.plugin.guest_timings import FIRST_REPLY, OWN_COPY, REPLY_BURST, GuestTimings
from convoy.remote.guest_events import Choice, Event, OwnCopy, Reply
from convoy.results.outcome import ACCEPTED, REJECTED, UNKNOWN, Attempt, Fate
from convoy.results.steps import TimingRecorder
from tests.unit.engine import let_the_loop_run

SENT_S, TIMEOUT_S = 100.0, 30.0
OFFER = Reply("", choices=(Choice("QuickReply", "Yes", "yes"),))


class Guest:
    """A guest whose messages leave at 100 s; `took_s` has what came of its timings."""

    def __init__(self) -> None:
        self.took_s: dict[str, list[float]] = {}
        self._recorders: dict[str, TimingRecorder] = {}
        names = (OWN_COPY, FIRST_REPLY, REPLY_BURST)
        self.timings = GuestTimings(self._recorder, names)

    def _recorder(self, name: str) -> TimingRecorder:
        took_s = self.took_s[name] = []
        self._recorders[name] = TimingRecorder(TIMEOUT_S, took_s.extend)
        return self._recorders[name]

    def begin(self, id: str = "k1") -> Guest:
        self.timings.begin(id, True)
        return self

    def sent(self, fate: Fate = ACCEPTED) -> Guest:
        self.timings.note_sent(Attempt(fate, "", SENT_S, SENT_S + 1))
        return self

    def hear(self, event: Event, after_s: float) -> Guest:
        self.timings.hear(event, SENT_S + after_s, SENT_S, True)
        return self

    def end(self) -> Guest:
        self.timings.end()
        return self

    def found(self) -> dict[str, object]:
        """Return seconds of the pairs, and what else was counted, by the timing's name."""
        found: dict[str, object] = {}
        for name, recorder in self._recorders.items():
            recorder.flush()
            counts = recorder.counts
            in_flight = counts.scheduled - counts.accepted
            found[name] = (self.took_s[name], in_flight, dict(counts.errors))
        return found


COPY, REPLY = OwnCopy("k1"), Reply("")
NOTHING: tuple[list[float], int, dict[str, int]] = ([], 0, {})
PLAYED: dict[str, tuple[Callable[[Guest], Guest], object, object, object]] = {
    "a copy alone": (
        lambda guest: guest.begin().hear(COPY, 0.5).sent().end(),
        ([0.5], 0, {}),
        ([], 1, {}),
        NOTHING,
    ),
    "a copy and replies": (
        lambda guest: guest.begin().hear(COPY, 0.5).sent().hear(REPLY, 1).hear(REPLY, 3).end(),
        ([0.5], 0, {}),
        ([1.0], 0, {}),
        ([3.0], 0, {}),
    ),
    "a reply before the copy": (
        lambda guest: guest.begin().hear(REPLY, 0.25).hear(COPY, 0.5).sent().end(),
        ([0.5], 0, {}),
        ([0.25], 0, {}),
        ([0.25], 0, {}),
    ),
    "a reply, and an end before it is known what came of the message": (
        lambda guest: guest.begin().hear(REPLY, 0.25).end(),
        NOTHING,
        ([0.25], 0, {}),
        ([0.25], 0, {}),
    ),
    "a copy twice": (
        lambda guest: guest.begin().hear(COPY, 0.5).sent().hear(COPY, 0.75).end(),
        ([0.5], 0, {"duplicate": 1}),
        ([], 1, {}),
        NOTHING,
    ),
    "a copy of no message": (
        lambda guest: guest.hear(OwnCopy("k0"), 0.5),
        ([], 0, {"unexpected": 1}),
        NOTHING,
        NOTHING,
    ),
    "copies of steps": (
        lambda guest: guest.begin().hear(OwnCopy("17"), 0.1).hear(OwnCopy("told-3"), 0.2),
        NOTHING,
        NOTHING,
        NOTHING,
    ),
    "no copy": (
        lambda guest: guest.begin().sent(UNKNOWN).end(),
        ([], 1, {}),
        NOTHING,
        NOTHING,
    ),
    "a refusal": (
        lambda guest: guest.begin().sent(REJECTED).hear(REPLY, 1).end(),
        NOTHING,
        NOTHING,
        NOTHING,
    ),
    "a reply after the end": (
        lambda guest: guest.begin().hear(COPY, 0.5).sent().end().hear(REPLY, 1),
        ([0.5], 0, {}),
        ([], 1, {}),
        NOTHING,
    ),
}


@pytest.mark.parametrize(("play", "copy", "first", "burst"), PLAYED.values(), ids=PLAYED)
def test_each_timing_has_what_belongs_to_it(
    play: Callable[[Guest], Guest], copy: object, first: object, burst: object
) -> None:
    found = play(Guest()).found()

    assert found == {OWN_COPY: copy, FIRST_REPLY: first, REPLY_BURST: burst}


def test_the_latest_choices_that_were_offered_are_kept_until_the_next_message() -> None:
    guest = Guest().begin().hear(OFFER, 1).hear(REPLY, 2)

    assert guest.timings.offer is OFFER
    assert guest.end().timings.offer is None


def test_a_reply_is_waited_for_unless_it_is_there() -> None:
    guest = Guest().begin().sent()
    waiting = gevent.spawn(guest.timings.await_reply, TIMEOUT_S)
    let_the_loop_run()
    assert not waiting.dead

    guest.hear(REPLY, 1)
    waiting.join(TIMEOUT_S)

    assert waiting.dead
    guest.timings.await_reply(TIMEOUT_S)
