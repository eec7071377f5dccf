"""A live run: from its workers' first word to its verdict, record and report."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from itertools import count

import gevent
from msgspec.structs import replace

from convoy import terminal
from convoy.clock import clock_s
from convoy.engine.alarm import A_POLL_S
from convoy.errors import ConvoyError
from convoy.plugin.locust_workers import LocustWorkers
from convoy.prepare.prepared_run import PreparedRun
from convoy.remote.kill_switch import LOOKS_EVERY_S, KillSwitch
from convoy.results.findings import AbortWatch
from convoy.results.record import Record
from convoy.results.reports import REPORT
from convoy.results.reports.text import WIDTH, closing_report
from convoy.results.result import Row, RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge
from convoy.swarm.ledger_comparison import compare
from convoy.swarm.master import Master

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_MOST_FAULTS = 10
"""Errors of Convoy itself, one after the other, with which a run is still waited for."""
_TOLD_EVERY_S = 10.0
_LOOK_EVERY_S = 1.0
_AFTER_S = 0.005
"""After the end of a second: a wait that ended just before it would have another look at once."""


@dataclass(eq=False, repr=False)
class LiveRun:
    """A run that goes on, with its `master`; once it `is_over`, with its summary and report.

    A run that was `refused` has neither: no load was started. `collect_report` takes in the report
    of a worker in this process; `rows` returns Locust's at the end, none where they were reset.
    What comes of the run is entered in its `record`; `looks` counts how often that was done. With
    `has_links` the report names files so that a terminal can open them. It is long because each of
    its greenlets has to end with the run.
    """

    master: Master
    prepared: PreparedRun
    _: KW_ONLY
    collect_report: Callable[[], None]
    rows: Callable[[], Mapping[str, Row]]
    record: Record
    has_links: bool = False

    def __post_init__(self) -> None:
        self.is_over = False
        self.interruption = ""
        """Why the run was ended early, "" where it was not."""
        self.refused: ConvoyError | None = None
        self.final: Summary | None = None
        self.looks = 0
        self.report = ""
        self._is_recorded = True

    def carry_out(self) -> None:
        """Take the run to its end and conclude it; it is over also where that fails."""
        try:
            self._run_to_its_end()
            if self.refused is None:
                self._conclude()
        except Exception:  # the edge of this greenlet: the run would never end otherwise
            logger.exception("the run cannot be judged")
        finally:
            self.is_over = True

    def await_workers(self, workers: LocustWorkers) -> None:
        """Wait until all connected workers take part, or the run is over before it began."""
        while not self.is_over and not all(map(self.master.may_have_users, workers.workers())):
            gevent.sleep(_POLL_S)

    def keep_workers(self, workers: LocustWorkers) -> None:
        """Have users dealt to those workers that take part, until the run is over."""
        while not self.is_over:
            gevent.sleep(LOOKS_EVERY_S)
            workers.deal_anew_where_needed()

    def watch(self, sleep: Callable[[float], object] = gevent.sleep) -> None:
        """Watch the run while it goes on; it is invalid where that fails."""
        try:
            self._watch(sleep)
        except Exception as error:  # the edge of this greenlet: nobody would miss it otherwise
            logger.exception("the run is not watched any more")
            self.master.problems.note(f"an error of Convoy itself: {error!r}")

    def _watch(self, sleep: Callable[[float], object]) -> None:
        """Collect reports, enter them in the record, and end the run for a criterion that asks.

        A worker in this process reports once in `report_every_s`, and the next result is entered.
        """
        aborts = AbortWatch(self.prepared.criteria)
        report_every_s = self.master.report_every_s if self.master.is_local else 1
        for second in count(1):
            # Until a second of the run's clock is over, so that a report is of whole seconds.
            sleep(_LOOK_EVERY_S - self.master.since_t0_s % _LOOK_EVERY_S + _AFTER_S)
            if self.is_over or self.master.is_stopped:
                return
            if second % report_every_s == 0:
                self.collect_report()
                sleep(A_POLL_S)  # messages that have become due are sent, here and below
            # A large report is merged step by step in the second that follows, because at once it
            # would take so long that messages wait; and nothing is new before the next one.
            if report_every_s > 1 and second % report_every_s != 1:
                continue
            result = self.master.snapshot(with_times=bool(aborts.criteria))
            sleep(A_POLL_S)
            self._enter(result)
            broken = aborts.look(result) if aborts.criteria else None
            if broken is not None:
                logger.error(
                    "the run is ended early, because of %s: observed %s",
                    broken.criterion,
                    broken.shown,
                )
                self.master.aborted = broken
                self.master.stop()
                return

    def _enter(self, result: RunResult) -> None:
        self.looks += 1
        with self._recording():
            for _ in self.record.enter(result) if self._is_recorded else ():
                gevent.sleep(A_POLL_S)

    def enter_messages(self, packed: bytes) -> None:
        """Add a part of the log of messages to the record."""
        with self._recording():
            if self._is_recorded:
                self.record.enter_messages(packed)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Make the run invalid where the record cannot be written inside, or be read again."""
        try:
            yield
        except (OSError, ValueError) as error:
            if self._is_recorded:
                self._is_recorded = False
                self.master.problems.note(f"the record could not be written: {error}")

    def tell_progress(
        self,
        clock: Callable[[], float] = clock_s,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        """Log how far the run is, now and then and where its phase changes, until it is over."""
        told, tell_at_s = None, 0.0
        while not self.is_over:
            now_s, state = clock(), self.master.state
            if state is not told or now_s >= tell_at_s:
                logger.info("%s", self.master.progress())
                told, tell_at_s = state, now_s + _TOLD_EVERY_S
            sleep(LOOKS_EVERY_S)

    def interrupt(self, reason: str) -> None:
        """End the run early; the reason is noted."""
        if not self.master.is_stopped:
            self.interruption = reason
            self.master.problems.note(f"interrupted: {reason}")
            self.master.stop()

    def watch_kill_switch(self, kill_switch: KillSwitch) -> None:
        """End the run when the kill switch comes on."""
        while not self.is_over:
            if reason := kill_switch.reason:
                self.interrupt(reason)
            gevent.sleep(LOOKS_EVERY_S)

    def wait(self) -> None:
        """Wait until the run is over: a process that ended before would lose the record."""
        while not self.is_over:
            try:
                gevent.sleep(_POLL_S)
            except KeyboardInterrupt:
                problem = "interrupted a second time: what was in flight is not known"
                self.master.problems.note(problem)
                self.master.abandon()

    def snapshot(self) -> RunResult:
        """Return the result of the run up to now."""
        self.collect_report()
        return self.master.snapshot()

    def summary(self) -> Summary:
        """Return the summary of the run up to now, or of the whole."""
        return self.final or self._judged(self.snapshot())

    def _run_to_its_end(self) -> None:
        for _ in range(_MOST_FAULTS):
            try:
                self.master.run()
                return
            except ConvoyError as error:
                self.refused = error
            except Exception as error:  # what was counted so far is still to be judged
                self._note_fault(error)
            # Once more, now stopped: it returns when what is in flight has ended and was reported.
            try:
                self.master.stop()
            except Exception as error:
                self._note_fault(error)
        self.master.abandon()

    def _note_fault(self, error: Exception) -> None:
        logger.exception("the run cannot go on")
        self.master.problems.note(f"an error of Convoy itself: {error!r}")

    def _judged(self, result: RunResult) -> Summary:
        on_not_judged = self.prepared.settings.on_not_judged
        return summarise(result, judge(result, self.prepared.criteria, on_not_judged))

    def _conclude(self) -> None:
        """Judge the run and write its record and its report."""
        prepared, master = self.prepared, self.master
        found = compare(
            *(prepared.settings.target, prepared.run_id, prepared.ledger_since),
            *(master.lanes, prepared.admission, master.redact),
        )
        result = replace(master.snapshot(), far_side=found, rows=dict(self.rows()), is_over=True)
        summary = self._judged(result)
        with self._recording():
            self.record.close(summary, result)
        if not self._is_recorded:
            summary = self._judged(replace(result, problems=master.snapshot().problems))
        self.report = self._closing_report(summary)
        self.final = summary

    def _closing_report(self, summary: Summary) -> str:
        folder = self.record.folder
        page = folder / REPORT
        page_shown = terminal.link(page) if self.has_links else str(page)
        return "\n" + closing_report(
            summary,
            record=f"{folder}{'' if self._is_recorded else ', not whole'}",
            report=page_shown if page.exists() else "",
            width=terminal.columns(sys.stdout, WIDTH),
        )
