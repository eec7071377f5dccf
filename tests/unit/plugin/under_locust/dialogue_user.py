"""A guest who holds dialogues: which lines it does, how the whole ends, and when it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING

from convoy.clock import clock_s
from convoy.errors import RefusalError, RemoteError
from convoy.plan.dialogue import WHOLE, AnyLine, Close, Expect, Say
from convoy.plugin import dialogue_user
from convoy.plugin.dialogue_user import DialogueUser
from convoy.plugin.users import ScenarioUser
from convoy.remote.guest_events import OwnCopy
from convoy.results.outcome import ACCEPTED, UNKNOWN, Attempt, Cause, Phase
from convoy.swarm.accounting import StepTimes

LINES = [
    Expect(number=2, step="greeted", within_s=1.0),
    Say(number=3, step="told", text="b"),
    Close(number=4, step="close"),
]
DEADLINE_S = 60.0
REFUSED = RefusalError("expect.timeout")


class Played:
    """In place of a `GuestDialogue`: notes the lines that it does, of which one may fail."""

    def __init__(self, done: list[int], fails_at: int) -> None:
        self.is_closed = False
        self.said_s = 0.0
        self.heard: list[object] = []
        self._done = done
        self._fails_at = fails_at

    def do(self, line: AnyLine) -> tuple[float, float]:
        self._done.append(line.number)
        if line.number == self._fails_at:
            raise REFUSED
        self.is_closed = isinstance(line, Close)
        return 1.0, 2.0

    def hear(self, event: object, received_s: float) -> None:
        self.heard.append(event)


class Guest(DialogueUser):
    """A guest's user without a run of its own: what it has posted ended so."""

    abstract = True
    timeout_s = 0.0

    def __init__(self, attempt: Attempt | None, run: Any) -> None:
        self.ended: dict[str, str] = {}
        self.left_out: dict[str, Cause] = {}
        self._state = LOCUST_STATE_RUNNING
        self._phase = Phase.MEASURE
        self._attempt, self._run = attempt, run
        self._measured: Any = SimpleNamespace(end=lambda: None)
        self.session: Any = SimpleNamespace(waited_s=0.0)
        self._work: Any = SimpleNamespace(
            lines=lambda planned: list(LINES),
            accounting=SimpleNamespace(
                leave_out=lambda step, cause, is_measured: self.left_out.update({step: cause})
            ),
        )

    def post(self, message: object) -> Attempt | None:
        return self._attempt

    @contextmanager
    def step(self, name: str) -> Iterator[StepTimes]:  # type: ignore[override]
        self.ended[name] = ""
        try:
            yield StepTimes(0.0)
        except RemoteError as error:
            self.ended[name] = error.code


def answered(fate: Any = ACCEPTED, code: str = "") -> Attempt:
    return Attempt(fate, code, 1.0, 2.0)


OVER, GOES_ON = -inf, inf


@pytest.mark.parametrize(
    ("attempt", "ends_s", "fails_at", "done", "ended", "left_out"),
    [
        pytest.param(
            *(answered(), GOES_ON, 0, [2, 3, 4]),
            {WHOLE: "", "greeted": "", "told": "", "close": ""},
            {},
            id="whole",
        ),
        pytest.param(
            *(answered(), GOES_ON, 2, [2]),
            {WHOLE: "expect.timeout", "greeted": "expect.timeout"},
            {"told": Cause.TARGET, "close": Cause.TARGET},
            id="another reply than expected",
        ),
        pytest.param(
            *(answered(UNKNOWN, "timeout"), GOES_ON, 0, []),
            {WHOLE: "timeout"},
            {"greeted": Cause.TARGET, "told": Cause.TARGET, "close": Cause.TARGET},
            id="its message was not accepted",
        ),
        pytest.param(
            *(None, GOES_ON, 0, []),
            {WHOLE: "other"},
            {"greeted": Cause.TARGET, "told": Cause.TARGET, "close": Cause.TARGET},
            id="its message could not be sent",
        ),
        pytest.param(
            *(answered(), OVER, 0, [2]),
            {WHOLE: "stopped", "greeted": ""},
            {"told": Cause.STOPPED, "close": Cause.STOPPED},
            id="the run is stopped meanwhile",
        ),
    ],
)
def test_what_ends_a_dialogue_leaves_out_the_lines_that_follow(
    monkeypatch: pytest.MonkeyPatch,
    attempt: Attempt | None,
    ends_s: float,
    fails_at: int,
    done: list[int],
    ended: dict[str, str],
    left_out: dict[str, Cause],
) -> None:
    was_done: list[int] = []

    class Run:
        @property
        def is_stopping(self) -> bool:
            return ends_s == OVER and was_done != []

        ends_s = inf

    guest = Guest(attempt, Run())
    monkeypatch.setattr(dialogue_user, "GuestDialogue", lambda session: Played(was_done, fails_at))

    can_go_on = guest.hold(SimpleNamespace(planned=None))  # type: ignore[arg-type]

    assert (was_done, guest.ended, guest.left_out) == (done, ended, left_out)
    assert not can_go_on  # closed by itself, or in the middle of it
    assert guest._state == LOCUST_STATE_RUNNING


def test_a_guest_goes_on_after_a_whole_dialogue_that_closes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest(answered(), SimpleNamespace(is_stopping=False, ends_s=inf))
    guest._work.lines = lambda planned: LINES[:2]
    monkeypatch.setattr(dialogue_user, "GuestDialogue", lambda session: Played([], 0))

    assert guest.hold(SimpleNamespace(planned=None))  # type: ignore[arg-type]


def test_a_dialogue_outlasts_its_run_no_longer_than_a_message_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Waits(Played):
        def do(self, line: AnyLine) -> tuple[float, float]:
            gevent.sleep(DEADLINE_S)
            return super().do(line)

    was_done: list[int] = []
    guest = Guest(answered(), SimpleNamespace(is_stopping=False, ends_s=clock_s() - 1.0))
    monkeypatch.setattr(dialogue_user, "GuestDialogue", lambda session: Waits(was_done, 0))

    guest.hold(SimpleNamespace(planned=None))  # type: ignore[arg-type]

    assert was_done == []
    assert guest.ended == {WHOLE: "stopped", "greeted": "stopped"}
    assert guest.left_out == {"told": Cause.STOPPED, "close": Cause.STOPPED}


@pytest.mark.parametrize(
    ("is_in_one", "force", "is_stopping", "stops"),
    [
        (True, False, False, False),
        (True, True, False, True),
        (True, False, True, True),
        (False, False, False, True),
    ],
)
def test_a_dialogue_is_held_to_its_end_where_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, is_in_one: bool, force: bool, is_stopping: bool, stops: bool
) -> None:
    guest = Guest(None, SimpleNamespace(is_stopping=is_stopping))
    guest._dialogue = Played([], 0) if is_in_one else None  # type: ignore[assignment]
    monkeypatch.setattr(ScenarioUser, "stop", lambda self, force: True)

    assert guest.stop(force) == stops
    assert (guest._state == LOCUST_STATE_STOPPING) == (not stops)


def test_a_dialogue_hears_what_its_guest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    guest, heard = Guest(None, None), list[object]()
    played = guest._dialogue = Played([], 0)  # type: ignore[assignment]
    monkeypatch.setattr(
        dialogue_user.GuestUser, "hear", lambda self, event, received_s: heard.append(event)
    )
    event = OwnCopy("t")

    guest.hear(event, 1.0)

    assert played.heard == heard == [event]
