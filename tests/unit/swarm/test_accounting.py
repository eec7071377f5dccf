"""Steps are counted by how they end, shown in a row of their own, and never stop a journey."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from gevent import GreenletExit

from convoy.errors import ConvoyError, LoginError, RefusalError, RemoteError, WireError
from convoy.results.account import PoolReport, ScenarioRecorder, StepReport
from convoy.results.histograms import Histogram
from convoy.results.outcome import Cause
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


class Desk:
    """The accounting of a scenario with a step and a timing."""

    def __init__(self) -> None:
        self.shown = Shown()
        recorder = ScenarioRecorder(0.01, 30.0)
        self.accounting = Accounting("calls", recorder, self.shown, lambda *_: None, 30.0)
        self.accounting.declare(["typing"], ["first_reply"])

    @property
    def step(self) -> StepReport:
        return self.accounting.report(PoolReport({}, 0)).steps["typing"]


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
