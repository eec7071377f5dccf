"""Steps are counted by how they end, shown in a row of their own, and never stop a journey."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import pytest
from gevent import GreenletExit

from convoy.clock import clock_s
from convoy.engine.dispatch import DueMessage
from convoy.engine.rendered_ahead import Message
from convoy.errors import ConvoyError, LoginError, RefusalError, RemoteError, WireError
from convoy.plan.message import PlannedMessage
from convoy.plan.pool import Conversation
from convoy.results.account import PoolReport, ScenarioRecorder, ScenarioReport, StepReport
from convoy.results.histograms import Histogram
from convoy.results.message_log import MessageLog
from convoy.results.outcome import Attempt, Cause, Fate, Outcome, Phase
from convoy.secrets import STARS, Redactor
from convoy.swarm.accounting import Accounting, code_namer


class Shown:
    """Rows that note what they are given: name, code of the failure, whether it has a time."""

    is_alone = True

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, bool]] = []

    def add(
        self, name: str, response_time_ms: float | None, answer_bytes: int, failure: str = ""
    ) -> None:
        self.rows.append((name, failure, response_time_ms is not None))

    def gather(self, name: str, response_times_s: Sequence[float], answer_bytes: int) -> None:
        self.rows += [(name, "", True)] * len(response_times_s)

    def flush(self) -> None:
        """Nothing is kept back."""


ACCEPTED = Attempt(Fate.ACCEPTED, "", 100.02, 100.5)


class Desk:
    """The accounting of a scenario with a step and a timing."""

    def __init__(self, **facts: Any) -> None:
        self.shown = Shown()
        self.samples: list[str] = []
        recorder = ScenarioRecorder(0.01, 30.0)
        self.accounting = Accounting(
            "calls", recorder, self.shown, self._keep_sample, 30.0, **facts
        )
        self.accounting.declare(["typing"], ["first_reply"])

    def enter(
        self,
        attempt: Attempt = ACCEPTED,
        phase: Phase = Phase.MEASURE,
        conversation: str = "c",
        is_ok: bool = True,
    ) -> None:
        due = DueMessage(7, 100.0, phase, Cause.TARGET, 100.0)
        planned = PlannedMessage(7, 7, Conversation(conversation), 0, False, "text", "hello")
        self.accounting.enter(Message(due, planned, b"request"), attempt, is_ok)

    @property
    def report(self) -> ScenarioReport:
        self.accounting.flush()
        return self.accounting.report(PoolReport({}, 0))

    @property
    def step(self) -> StepReport:
        return self.report.steps["typing"]

    def _keep_sample(self, outcome: Outcome, request: bytes) -> None:
        self.samples.append(outcome.failure)


ENDS: dict[str, tuple[Exception, str, str, bool]] = {
    "refused": (RefusalError("409 busy"), "rejected", "409 busy", True),
    "never left": (WireError("dns", "", sent_s=None, done_s=1.0), "failed", "dns", False),
    "no answer": (WireError("timeout", "", sent_s=1.0, done_s=2.0), "unknown", "timeout", True),
    "no login": (LoginError("401 bad.credentials", "", refused=True), "rejected", "401 bad", True),
    "something else of the remote's": (RemoteError("what?"), "rejected", "other", True),
}


def test_a_step_that_succeeds_is_counted_with_its_time() -> None:
    desk = Desk()

    with desk.accounting.step("typing", is_measured=True):
        pass

    assert (desk.step.counts.sent, desk.step.counts.accepted) == (1, 1)
    assert desk.shown.rows == [("calls/typing", "", True)]
    assert desk.accounting.report(PoolReport({}, 0)).counts.sent == 0


@pytest.mark.parametrize(("fault", "fate", "code", "has_time"), ENDS.values(), ids=ENDS)
def test_what_the_remote_says_no_to_is_counted_under_its_code_and_goes_no_further(
    fault: Exception, fate: str, code: str, has_time: bool
) -> None:
    desk = Desk()

    with desk.accounting.step("typing", is_measured=True):
        raise fault

    counts = desk.step.counts
    [(counted, number)] = counts.errors.items()
    assert (counts.sent, getattr(counts, fate), number) == (1, 1, 1)
    assert counted.startswith(code)
    assert desk.shown.rows == [("calls/typing", counted, has_time)]


def test_the_times_of_a_step_can_be_corrected_inside() -> None:
    desk = Desk()

    with desk.accounting.step("typing", is_measured=True) as times:
        times.began_s, times.done_s = 10.0, 10.25

    response = Histogram()
    response.add(desk.step.durations.response)
    assert (round(response.total_s, 3), response.count) == (0.25, 1)


def test_a_step_that_is_left_out_is_counted_and_has_no_time() -> None:
    desk = Desk()

    for is_measured in (True, False):
        desk.accounting.leave_out("typing", Cause.TARGET, is_measured)

    step = desk.step
    assert (step.counts.scheduled, step.counts.sent, step.counts.ended) == (1, 0, 1)
    assert dict(step.counts.not_sent) == {Cause.TARGET: 1}
    assert not step.durations.response and not step.durations.censored
    assert desk.shown.rows == []


def test_an_exception_in_a_step_of_the_warm_up_is_in_no_figure() -> None:
    desk = Desk()

    with pytest.raises(ZeroDivisionError), desk.accounting.step("typing", is_measured=False):
        raise ZeroDivisionError

    assert (desk.step.counts.scheduled, desk.step.counts.ended) == (0, 0)


def test_an_exception_of_the_scenarios_own_passes_and_is_no_error_of_the_remote() -> None:
    desk = Desk()

    with pytest.raises(ZeroDivisionError), desk.accounting.step("typing", is_measured=True):
        raise ZeroDivisionError

    counts = desk.step.counts
    assert (counts.sent, counts.errors, counts.not_sent) == (0, {}, {"scenario": 1})
    assert counts.scheduled == counts.ended
    assert desk.shown.rows == []


def test_a_step_in_which_the_user_is_stopped_is_unknown() -> None:
    desk = Desk()

    with pytest.raises(GreenletExit), desk.accounting.step("typing", is_measured=True):
        raise GreenletExit

    assert desk.step.counts.errors == {"stopped": 1}


@pytest.mark.parametrize(("sent_s", "errors"), [(None, {}), (1.0, {"stopped": 1})])
def test_a_step_of_which_nothing_left_before_the_end_was_not_done(
    sent_s: float | None, errors: dict[str, int]
) -> None:
    desk = Desk()

    with desk.accounting.step("typing", is_measured=True):
        raise WireError("stopped", "", sent_s=sent_s, done_s=2.0)

    counts = desk.step.counts
    assert dict(counts.errors) == errors
    assert dict(counts.not_sent) == ({} if errors else {Cause.STOPPED: 1})
    assert counts.scheduled == counts.ended == 1


def test_a_step_of_the_warm_up_is_in_no_figure() -> None:
    desk = Desk()

    with desk.accounting.step("typing", is_measured=False):
        raise RefusalError("409 busy")

    assert (desk.step.counts.scheduled, desk.step.counts.sent) == (0, 0)
    assert desk.shown.rows == []


@pytest.mark.parametrize(
    ("code", "is_measured", "shortages"),
    [
        pytest.param("EMFILE", True, {"EMFILE": 1}, id="no means"),
        pytest.param("EMFILE", False, {}, id="no means in the warm-up"),
        pytest.param("dns", True, {}, id="another fault"),
    ],
)
def test_a_step_for_which_this_machine_has_no_means_is_a_shortage(
    code: str, is_measured: bool, shortages: dict[str, int]
) -> None:
    desk = Desk()

    with desk.accounting.step("typing", is_measured):
        raise WireError(code, "", sent_s=None, done_s=1.0)

    assert desk.report.counts.shortages == shortages


@pytest.mark.parametrize(
    ("phase", "code", "not_sent", "shortages"),
    [
        pytest.param(Phase.MEASURE, "", {Cause.LIMITS: 1}, {}, id="by its cause"),
        pytest.param(Phase.MEASURE, "EMFILE", {Cause.GENERATOR: 1}, {"EMFILE": 1}, id="no means"),
        pytest.param(Phase.WARM_UP, "EMFILE", {}, {}, id="in the warm-up"),
    ],
)
def test_a_message_that_was_taken_and_not_sent_is_counted_by_its_cause_or_as_a_shortage(
    phase: Phase, code: str, not_sent: dict[str, int], shortages: dict[str, int]
) -> None:
    desk = Desk()

    desk.accounting.give_up(DueMessage(7, 100.0, phase, Cause.TARGET, 100.0), Cause.LIMITS, code)

    counts = desk.report.counts
    assert (counts.not_sent, counts.shortages) == (not_sent, shortages)


@pytest.mark.parametrize(
    ("phase", "conversation", "logged", "counted"),
    [
        pytest.param(Phase.MEASURE, "c", 1, 1, id="measured"),
        pytest.param(Phase.WARM_UP, "c", 0, 0, id="warm-up"),
        pytest.param(Phase.WARM_UP, "", 1, 0, id="warm-up that opens a conversation"),
    ],
)
def test_messages_of_the_warm_up_are_in_no_figure_and_logged_where_they_open_a_conversation(
    phase: Phase, conversation: str, logged: int, counted: int
) -> None:
    log = MessageLog()
    desk = Desk(log=log)

    desk.enter(phase=phase, conversation=conversation)

    counts, packed = desk.report.counts, log.take(0.0)
    assert (counts.sent, counts.accepted, len(desk.shown.rows)) == (counted, counted, counted)
    assert gzip.decompress(packed).count(b"\n") == logged


def test_messages_that_are_entered_together_have_their_times_and_are_counted_once() -> None:
    desk = Desk()

    desk.enter(Attempt(Fate.ACCEPTED, "", 100.02, 100.5, attempts=2))
    first = desk.report
    desk.enter(ACCEPTED)
    second = desk.report

    assert [each.counts.sent for each in (first, second)] == [1, 2]
    assert [each.counts.resent for each in (first, second)] == [1, 1]
    times_s = {}
    for name in ("response", "service", "send_error"):
        histogram = Histogram()
        histogram.add(getattr(second.durations, name))
        times_s[name] = (histogram.count, round(histogram.total_s, 2))
    assert times_s == {"response": (1, 0.5), "service": (1, 0.48), "send_error": (1, 0.02)}


def test_a_code_is_entered_under_its_name_without_secrets() -> None:
    log = MessageLog()
    desk = Desk(log=log, name_code=lambda code: code.replace("token", STARS))

    desk.enter(Attempt(Fate.REJECTED, "400 token", 100.02, 100.5), is_ok=False)

    hidden = f"400 {STARS}"
    assert desk.report.counts.errors == {hidden: 1}
    assert (desk.samples, desk.shown.rows) == ([hidden], [("calls", hidden, True)])
    assert b"token" not in gzip.decompress(log.take(0.0))


def test_a_refusal_that_was_expected_is_shown_as_no_failure() -> None:
    desk = Desk()

    desk.enter(Attempt(Fate.REJECTED, "400 invalid_payload", 100.02, 100.5), is_ok=True)

    counts = desk.report.counts
    assert (counts.rejected, counts.not_ok) == (1, 0)
    assert desk.shown.rows == [("calls", "", True)]


def test_what_is_timed_is_missing_after_its_timeout_or_when_nobody_waits_any_more() -> None:
    desk, missing = Desk(), []
    timing = desk.accounting.timing("first_reply")
    timing.sent("long ago", clock_s() - 1000, True)
    timing.sent("to come", clock_s() + 1000, True)

    for is_over in (False, True):
        desk.accounting.expire_timings(is_over=is_over)
        missing.append(sum(desk.report.timings["first_reply"].counts.not_sent.values()))

    assert missing == [1, 2]


def test_what_the_class_does_not_declare_is_refused_by_name() -> None:
    desk = Desk()

    with (
        pytest.raises(ConvoyError, match="'typign' is not among the `steps`"),
        desk.accounting.step("typign", is_measured=True),
    ):
        pass
    with pytest.raises(ConvoyError, match="'reply' is not among the `timings`"):
        desk.accounting.timing("reply")


def test_what_is_declared_is_reported_before_it_has_happened() -> None:
    report = Desk().accounting.report(PoolReport({}, 0))

    assert {name: each.counts.sent for name, each in report.steps.items()} == {"typing": 0}
    assert report.timings.keys() == {"first_reply"}


def test_a_secret_in_a_code_is_hidden_as_soon_as_it_is_registered() -> None:
    redactor = Redactor()
    name = code_namer(redactor.redact)
    before = name("400 the-next-token")
    redactor.register("the-next-token")

    after = name("400 the-next-token")

    assert (before, after) == ("400 the-next-token", f"400 {STARS}")
