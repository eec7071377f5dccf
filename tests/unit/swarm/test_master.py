"""The master of a run: what it makes of the reports of its workers, at any moment."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from msgspec.structs import replace

from convoy.clock import clock_s
from convoy.errors import ExitCode, RefusedError
from convoy.results.account import Durations, PoolReport, ScenarioReport, StepReport
from convoy.results.counts import Counts
from convoy.results.equations import violations
from convoy.results.health import HealthReport, HealthSecond
from convoy.results.histograms import BucketCounts
from convoy.results.message_log import MessageLog
from convoy.results.outcome import Attempt, Cause, Fate
from convoy.results.record import SERIES, begin_record, read_result
from convoy.results.result import Change, RunFacts, RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import Verdict, judge
from convoy.swarm import master as master_module
from convoy.swarm.master import Master
from convoy.swarm.messages import VERSION, Hello, ToMaster, ToWorker
from convoy.swarm.phases import RunState
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.worker_states import Users
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID, ReportingWorker

PLANNED = 600
"""Twenty messages a second for half a minute."""


CODE = "the code"
HELLO = Hello(VERSION, CODE)


class Silence:
    """A channel on which nobody answers, to two workers that stay and have said `hello`.

    `sent` is what they were sent.
    """

    def __init__(self, hello: Hello | None = HELLO) -> None:
        self.sent: list[tuple[str, str]] = []
        self.hellos = {} if hello is None else dict.fromkeys(("worker-1", "worker-2"), hello)

    def to_master(self, message: Hello | ToMaster) -> None: ...

    def to_worker(self, worker: str, message: ToWorker) -> None:
        self.sent.append((worker, type(message).__name__))

    def workers(self) -> set[str]:
        return {"worker-1", "worker-2"}

    def assigned_users(self) -> Users:
        return {}


def master_of(silence: Silence, *sets: str) -> Master:
    """Return the master of a run of which nobody has been told yet."""
    settings = settings_of("run_time_s=30", *sets)
    return Master(
        RunInputs(RUN_ID, settings, {"conversation_messages": INPUTS}),
        silence,
        silence,
        code=CODE,
        spawning_s=0.0,
        is_local=False,
        sent_before=0,
        end_early=lambda reason: None,
        facts=RunFacts(),
        redact=str,
        enter_messages=lambda packed: None,
    )


@pytest.fixture
def master() -> Master:
    """The master of a run of which two workers have been told."""
    master = master_of(Silence())
    master._look()
    return master


def counts_in(result: RunResult) -> Counts:
    return result.scenarios["conversation_messages"].counts


def test_a_result_can_be_had_before_anybody_has_reported(master: Master) -> None:
    result = master.snapshot()

    assert (result.run_id, result.target, result.profile) == (RUN_ID, "simulator", "smoke")
    assert [(worker.id, worker.state, worker.sent) for worker in result.workers] == [
        ("worker-1", "reported", 0),
        ("worker-2", "reported", 0),
    ]
    assert counts_in(result) == Counts()
    assert result.scenarios["conversation_messages"].planned == PLANNED
    assert result.scenarios["conversation_messages"].configured_per_s == 20


def test_secrets_in_the_names_of_target_and_profile_are_hidden() -> None:
    master = master_of(Silence())
    master.redact = lambda text: text.replace("simulator", "***").replace("smoke", "###")

    result = master.snapshot()

    assert (result.target, result.profile) == ("***", "###")


@pytest.mark.parametrize("is_local", [False, True], ids=["another process", "this process"])
def test_the_log_of_another_process_is_redacted(is_local: bool) -> None:
    parts: list[bytes] = []
    master = master_of(Silence())
    master.is_local, master.enter_messages = is_local, parts.append
    master.redact = lambda text: text.replace("sesame", "***")
    master._look()
    log = MessageLog()
    log.add("conversation_messages", 1, "", Attempt(Fate.REJECTED, "400 sesame", 0.0, 1.0))
    packed = log.take(0.0)

    # Without lanes it has sent nothing, and is not believed.
    worker = ReportingWorker()
    master.on_report("worker-1", replace(worker.report(), messages=packed).to_bytes())
    assert parts == []
    master._protocol.workers.status["worker-1"].granted_epoch = 1
    master.on_report("worker-1", replace(worker.report(), messages=packed).to_bytes())

    # One in this process has redacted its log by the same secrets.
    assert [b"sesame" in gzip.decompress(each) for each in parts] == [is_local]


def test_a_report_with_a_log_that_cannot_be_read_is_left_out(master: Master) -> None:
    report = replace(ReportingWorker().report(), messages=b"no gzip")

    master.on_report("worker-1", report.to_bytes())

    assert len(master.problems) == 1
    assert "its part of the log of messages cannot be read" in master.problems[0]


def test_in_mid_run_all_equations_hold_but_that_all_was_scheduled_and_has_ended(
    master: Master,
) -> None:
    one, two = ReportingWorker(), ReportingWorker()
    one.send(accepted=40, rejected=2, in_flight=3)
    two.send(accepted=50, in_flight=1)
    master.on_report("worker-1", one.report().to_bytes())
    master.on_report("worker-2", two.report().to_bytes())

    result = master.snapshot()

    counts = counts_in(result)
    assert isinstance(result, RunResult)
    assert (counts.scheduled, counts.sent, counts.errors) == (96, 92, {"400 invalid_payload": 2})
    assert [sentence.split(" does not")[0] for sentence in violations(counts, PLANNED)] == [
        "planned = scheduled",
        "scheduled = sent + not sent",
    ]
    assert [worker.sent for worker in result.workers] == [42, 50]
    assert len(result.samples["400 invalid_payload"].samples) == 2


def test_a_snapshot_stays_while_the_run_goes_on_to_its_last_result(master: Master) -> None:
    worker = ReportingWorker()
    worker.send(accepted=100)
    master.on_report("worker-1", worker.report().to_bytes())
    before = master.snapshot()

    worker.send(accepted=PLANNED - 101, rejected=1)
    master.on_report("worker-1", worker.report().to_bytes())

    after = master.snapshot()
    assert (counts_in(before).sent, before.samples) == (100, {})
    assert before.scenarios["conversation_messages"].durations.response.count == 100
    assert judge(after).exit_code is ExitCode.NOT_ACCEPTED
    summary: Summary = summarise(after, judge(after))
    assert (summary.totals.sent, summary.totals.failures) == (PLANNED, {"400 invalid_payload": 1})
    assert summary.scenarios["conversation_messages"].pool.redirected == 1


def test_a_report_that_cannot_be_read_is_a_problem_and_so_is_the_gap_it_leaves(
    master: Master,
) -> None:
    worker = ReportingWorker()
    worker.report()
    worker.send(accepted=PLANNED)

    master.on_report("worker-1", b"\x81\xa6run_id\x07")
    master.on_report("worker-1", worker.report().to_bytes())

    result = master.snapshot()
    left_out, missing = result.problems
    assert left_out.startswith("a report of worker worker-1 was left out: ")
    assert "`$.run_id`" in left_out
    assert missing == "1 reports of worker worker-1 are missing"
    assert counts_in(result).accepted == PLANNED
    assert judge(result).verdict is Verdict.INVALID


def test_the_log_of_messages_in_a_report_is_entered_once(master: Master) -> None:
    entered: list[bytes] = []
    master.enter_messages = entered.append
    master._protocol.workers.status["worker-1"].granted_epoch = 1
    packed = gzip.compress(b"")
    report = replace(ReportingWorker().report(), messages=packed).to_bytes()

    master.on_report("worker-1", report)
    master.on_report("worker-1", report)

    assert entered == [packed]


def test_a_report_of_another_run_is_left_out(master: Master) -> None:
    worker = ReportingWorker()
    worker.send(accepted=5)

    master.on_report("worker-1", replace(worker.report(), run_id="another").to_bytes())

    assert counts_in(master.snapshot()) == Counts()
    assert master.snapshot().problems == ()


def test_a_scenario_that_nobody_runs_is_left_out(master: Master) -> None:
    report = ReportingWorker().report()
    [part] = report.scenarios.values()

    master.on_report("worker-1", replace(report, scenarios={"unknown": part}).to_bytes())

    assert list(master.snapshot().scenarios) == ["conversation_messages"]


def test_changes_and_problems_are_in_the_result(master: Master) -> None:
    master.changes.pause(2.0)
    master.problems.append("interrupted: Ctrl-C")

    result = master.snapshot()

    assert result.changes == (Change(2.0, "pause"),)
    assert "paused; preparing" in str(master.progress())
    assert judge(result).reasons[0] == "interrupted: Ctrl-C"


def test_the_progress_has_the_rate_until_the_last_report(master: Master) -> None:
    phases, worker = master._protocol.phases, ReportingWorker()
    phases.t0_s, phases.state = clock_s() - 2.6, RunState.MEASURING
    for _ in range(2):
        worker.send(accepted=20)
        master.on_report("worker-1", worker.report().to_bytes())

    assert "40 sent (20.0/s)" in str(master.progress())


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        pytest.param(
            Hello(0, ""),
            f"it speaks version 0 of Convoy's messages, this is {VERSION}",
            id="older than any hello",
        ),
        pytest.param(
            Hello(VERSION + 1, CODE),
            f"it speaks version {VERSION + 1} of Convoy's messages, this is {VERSION}",
            id="newer",
        ),
        pytest.param(
            Hello(VERSION, "other code"),
            "its scenarios, or the code of plan and routes, are not those of the master",
            id="other code",
        ),
    ],
)
def test_a_worker_that_would_send_other_messages_is_refused_before_the_load(
    hello: Hello, reason: str
) -> None:
    silence = Silence(hello)
    master = master_of(silence)

    with pytest.raises(RefusedError, match=f"worker worker-[12] takes no part: {reason}"):
        master.run()

    assert silence.sent == []
    assert not master.may_have_users("worker-1")


def test_a_worker_that_does_not_say_in_time_that_it_runs_convoy_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silence = Silence(None)
    master = master_of(silence)
    master._look()  # it has some time
    monkeypatch.setattr(master_module, "_HELLO_S", 0.0)
    late = master_of(silence)

    with pytest.raises(RefusedError, match="it does not run Convoy's locustfile"):
        late.run()

    assert silence.sent == []


def test_a_message_that_cannot_be_read_is_a_problem(master: Master) -> None:
    master.hear("worker-1", b"\x81\xa4type\x01")

    [problem] = master.snapshot().problems
    assert problem.startswith("a message of worker worker-1 was left out: ")
    assert judge(master.snapshot()).verdict is Verdict.INVALID


def test_of_very_many_problems_the_first_are_kept(
    master: Master, caplog: pytest.LogCaptureFixture
) -> None:
    report = ReportingWorker().report()

    for number in range(0, -1000, -1):
        master.on_report("worker-1", replace(report, number=number).to_bytes())

    problems = master.snapshot().problems
    assert len(problems) == len(caplog.messages) == 101
    assert problems[99:] == (
        "report -99 of worker worker-1 came again, and was left out",
        "there were more problems, which are not listed",
    )


@pytest.mark.parametrize(
    ("counts", "steps", "problem"),
    [
        (Counts(failures={"made up": -3}), {}, "a report of worker worker-1 was left out"),
        (Counts(accepted=-1), {}, "a report of worker worker-1 was left out"),
        (Counts(), {"typing\x1b[31m\u202e": Counts()}, "a step whose name cannot be printed"),
    ],
)
def test_what_no_worker_counts_is_left_out(
    master: Master, counts: Counts, steps: dict[str, Counts], problem: str
) -> None:
    nothing = Durations.of(BucketCounts)
    reports = {name: StepReport(each, nothing, {}) for name, each in steps.items()}
    scenario = ScenarioReport(counts, nothing, {}, PoolReport({}, 0), reports, {})
    report = replace(
        ReportingWorker().report(), number=1, scenarios={"conversation_messages": scenario}
    )

    master.on_report("worker-1", report.to_bytes())

    [told] = master.snapshot().problems
    assert problem in told
    assert master.snapshot().totals == Counts()


def test_the_record_can_be_written_whatever_a_worker_reports(
    master: Master, tmp_path: Path
) -> None:
    each = 10**12
    counts = Counts(*(each,) * 11, errors={"400 x": each}, failures={"400 x": each})
    counts.late[Cause.TARGET] = counts.not_sent[Cause.STOPPED] = each
    durations = Durations.of(lambda: BucketCounts.of([(0x41D * 1024 - 1, 2**32 - 1), (0, 9)]))
    step = StepReport(counts, durations, {0: counts, 10**8 - 1: counts})
    pool = PoolReport({10**8 - 1: "400 x"}, each)
    seconds = {10**8 - 1: HealthSecond(1e9, 1e9), 0: HealthSecond(-1e9, -1e9)}
    health = HealthReport(-1e9, 1e9, 1e9, 1e9, 1e9, BucketCounts(), seconds)
    plain = ReportingWorker().report()
    for number in (1, 2):
        scenario = ScenarioReport(
            counts, durations, step.seconds, pool, {"typing": step}, {"reply": step}
        )
        report = replace(
            plain,
            number=number,
            at_s=1e9,
            health=health,
            scenarios={"conversation_messages": scenario},
        )
        for worker in ("worker-1", "worker-2"):
            master.on_report(worker, report.to_bytes())

    result = replace(master.snapshot(), is_over=True, duration_s=30.0)
    summary = summarise(result, judge(result))
    record = begin_record(tmp_path, "20261126-120000-abcdef", "")
    record.close(summary, result)

    assert judge(result).verdict is Verdict.INVALID
    assert any("reported of second 1000000000" in problem for problem in result.problems)
    assert len((record.folder / SERIES).read_text("utf-8").splitlines()) == 30
    again = read_result(record.folder)
    assert again.totals == result.totals
    assert again.scenarios["conversation_messages"].durations.response.count > 2**33


def test_a_message_that_cannot_be_read_is_none_of_a_worker_without_a_part(
    master: Master, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        master.hear("a stranger", b"\xc1")

    assert master.snapshot().problems == ()
    [said] = caplog.messages
    assert said.startswith("a message of worker a stranger was left out: ")


def test_an_abandoned_run_is_over_at_once(master: Master) -> None:
    master.stop()
    master.abandon()

    master.run()

    assert master.is_stopped
