"""Every message is entered once: in the account, in the samples and in Locust's rows."""

from __future__ import annotations

from typing import Any

import pytest
from locust.env import Environment

from convoy.engine.dispatch import DueMessage
from convoy.engine.rendered_ahead import Message
from convoy.plan.message import PlannedMessage
from convoy.plan.pool import Conversation
from convoy.plugin.rows import Rows
from convoy.results.account import ScenarioRecorder
from convoy.results.outcome import Attempt, Cause, Fate, Outcome, Phase
from convoy.swarm.accounting import Accounting

DUE_S = 100.0
TIMEOUT_S = 30.0


class Desk:
    """An accounting with everything that it enters messages into."""

    def __init__(self) -> None:
        self.environment = Environment()
        self.environment.create_local_runner()
        types = {"messages": "POST", "messages/first_reply": "TIMING"}
        self.rows = Rows(self.environment, types)
        self.recorder = ScenarioRecorder(0.010, TIMEOUT_S)
        self.samples: list[tuple[str, bytes, bytes]] = []
        self.accounting = Accounting(
            "messages", self.recorder, self.rows, self._keep_sample, TIMEOUT_S
        )

    def enter(
        self,
        fate: Fate = Fate.ACCEPTED,
        code: str = "",
        is_ok: bool = True,
        *,
        handed_after_s: float = 0.0,
        sent_after_s: float = 0.0,
        late_cause: Cause = Cause.TARGET,
        attempts: int = 1,
        waited_s: float = 0.0,
    ) -> None:
        sent_s, done_s = DUE_S + sent_after_s, DUE_S + 0.5
        attempt = Attempt(fate, code, sent_s, done_s, attempts, 200, b"answer", waited_s)
        handed_s = DUE_S + handed_after_s
        due = DueMessage(7, DUE_S, Phase.MEASURE, late_cause, handed_s)
        planned = PlannedMessage(7, 7, Conversation("c"), 0, False, "text", "hello")
        self.accounting.enter(Message(due, planned, b"request"), attempt, is_ok)

    @property
    def row(self) -> Any:
        return self.environment.stats.entries["messages", "POST"]

    def _keep_sample(self, outcome: Outcome, request: bytes) -> None:
        self.samples.append((outcome.failure, request, outcome.attempt.body))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_accepted_messages_are_all_there_after_a_flush(desk: Desk) -> None:
    for _ in range(5):
        desk.enter()

    for _ in range(2):
        desk.accounting.flush()
        desk.rows.flush()

    assert (desk.recorder.counts.sent, desk.recorder.counts.accepted) == (5, 5)
    assert (desk.row.num_requests, desk.row.total_response_time) == (5, 2500)
    assert desk.samples == []


def test_accepted_messages_do_not_wait_for_ever(desk: Desk) -> None:
    for _ in range(1000):
        desk.enter()

    assert desk.recorder.counts.accepted > 900


def test_an_accepted_message_that_was_sent_late_is_late_by_its_cause(desk: Desk) -> None:
    desk.enter(sent_after_s=0.009)
    desk.enter(handed_after_s=0.02, sent_after_s=0.02, late_cause=Cause.GENERATOR)
    desk.enter(sent_after_s=0.02, late_cause=Cause.GENERATOR, waited_s=0.02)
    desk.enter(sent_after_s=0.02, late_cause=Cause.GENERATOR)

    desk.accounting.flush()

    assert desk.recorder.counts.late == {
        Cause.GENERATOR: 1,
        Cause.TARGET: 1,
        Cause.SCENARIO: 1,
    }
    assert desk.recorder.counts.accepted == 4


def test_an_accepted_message_that_took_two_attempts_was_resent(desk: Desk) -> None:
    desk.enter(attempts=2)
    desk.enter()

    desk.accounting.flush()

    counts = desk.recorder.counts
    assert (counts.sent, counts.attempts, counts.resent) == (2, 3, 1)


def test_failure_is_entered_at_once_with_its_sample_and_what_waited_before_it(
    desk: Desk,
) -> None:
    desk.enter()

    desk.enter(Fate.REJECTED, "400 invalid_payload", is_ok=False)

    assert (desk.recorder.counts.accepted, desk.recorder.counts.rejected) == (1, 1)
    assert desk.samples == [("400 invalid_payload", b"request", b"answer")]
    assert [repr(error.error) for error in desk.environment.stats.errors.values()] == [
        "400 invalid_payload"
    ]


def test_what_should_have_been_refused_is_a_failure_of_its_own(desk: Desk) -> None:
    desk.enter(is_ok=False)

    assert desk.recorder.counts.accepted == 1
    assert desk.row.num_failures == 1
    assert len(desk.samples) == 1


def test_what_got_no_answer_lasted_until_its_deadline_and_what_never_left_no_time(
    desk: Desk,
) -> None:
    desk.enter(Fate.UNKNOWN, "timeout", is_ok=False)
    desk.enter(Fate.FAILED, "dns", is_ok=False)

    assert (desk.row.num_requests, desk.row.num_none_requests) == (2, 1)
    assert desk.row.max_response_time == TIMEOUT_S * 1000


def test_whoever_listens_to_locust_hears_of_each_message_at_once(desk: Desk) -> None:
    heard: list[str] = []
    desk.enter()
    desk.environment.events.request.add_listener(lambda name, **_: heard.append(name))

    desk.enter()

    assert heard == ["messages"]
    desk.rows.flush()
    assert desk.row.num_requests == 2


def test_a_timing_has_a_row_of_its_matched_pairs_unless_its_step_has_one(desk: Desk) -> None:
    heard: list[str] = []
    desk.environment.events.request.add_listener(lambda name, **_: heard.append(name))
    desk.accounting.declare(["read"], ["first_reply", "read"])
    for name, id, is_measured in (
        ("first_reply", "a", True),
        ("first_reply", "b", False),
        ("read", "a", True),
    ):
        timing = desk.accounting.timing(name)
        timing.sent(id, DUE_S, is_measured)
        timing.received(id, DUE_S + 0.25, is_measured)
    desk.accounting.timing("first_reply").sent("never answered", DUE_S, True)

    desk.accounting.flush()
    desk.rows.flush()

    rows = desk.environment.stats.entries
    assert list(rows) == [("messages/first_reply", "TIMING")]
    row = rows["messages/first_reply", "TIMING"]
    assert (row.num_requests, row.total_response_time) == (1, 250)
    assert heard == []  # it may be the event loop that enters them
