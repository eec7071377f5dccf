"""The live view: shows each run of this process on its terminal while it goes on."""

from __future__ import annotations

import logging
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

import gevent
from gevent.lock import BoundedSemaphore
from locust.event import EventHook

from convoy import terminal
from convoy.engine.alarm import A_POLL_S
from convoy.plugin.screen import Relay, Screen, ViewLine
from convoy.results.criteria import Criterion, CriterionResult
from convoy.results.findings import Findings
from convoy.results.result import RunResult
from convoy.results.summary import Summary, summarise
from convoy.results.verdict import judge

if TYPE_CHECKING:
    from convoy.plugin.live_run import LiveRun

logger = logging.getLogger(__name__)

_DRAWN_EVERY_S = 1.0
_LOOKS_EVERY_S = 0.1


def view_on_terminal(environ: Mapping[str, str], options: Namespace) -> LiveView | None:
    """Return what shows runs on the terminal of this process, None where it is not to.

    Locust's table takes its place where that is asked for. Call it before workers are forked.
    """
    if options.print_stats or not terminal.shows_views(environ, sys.stdout, sys.stderr):
        return None
    relay = Relay() if options.processes else None
    return LiveView(sys.stderr, terminal.breaks_anew(environ), relay)


class LiveView:
    """Draws the runs of this process, one after the other, on the terminal that `stream` is.

    `breaks_anew` says what becomes of lines that are too long once that is made narrower. Workers
    with the same terminal send their lines through the `relay`.
    """

    def __init__(self, stream: TextIO, breaks_anew: bool, relay: Relay | None = None) -> None:
        self._stream = stream
        self._breaks_anew = breaks_anew
        self._relay = relay
        # A terminal that is paused may hold the view of the last run when the next one begins.
        self._turn = BoundedSemaphore()

    def share_terminal(self, is_worker: bool, quitting: EventHook) -> None:
        """Have what a worker of the same terminal logs and prints written by the master."""
        relay = self._relay
        if relay is None:
            return
        if is_worker:
            relay.send(self._stream)
            quitting.add_listener(lambda **_: relay.stop_sending())
        else:
            relay.receive()

    def show(self, run: LiveRun) -> None:
        """Show a run until it is over; it goes on without a view where that fails."""
        with self._turn:
            screen = Screen(self._stream, self._breaks_anew)
            going_on = gevent.signal_handler(signal.SIGCONT, screen.forget)
            with screen.receiving():
                try:
                    _Drawing(run, screen).draw_on()
                except Exception:  # the edge of this greenlet
                    logger.exception("the run cannot be shown any more, and goes on")
                finally:
                    going_on.cancel()

    def wait(self) -> None:
        """Wait until nothing is shown any more."""
        with self._turn:
            return


class _Drawing:
    """The view of one run as it changes."""

    def __init__(self, run: LiveRun, screen: Screen) -> None:
        self._run = run
        self._screen = screen
        self._findings = Findings()
        self._looks = 0
        self._looked: tuple[RunResult, Summary] | None = None

    def draw_on(self) -> None:
        """Draw once a second, and as soon as the phase or the terminal's size is another one."""
        drawn, waited_s = None, 0.0
        while not self._run.is_over:
            state = self._run.master.state, self._screen.size
            if state != drawn or waited_s >= _DRAWN_EVERY_S:
                self._screen.draw(self._view())
                drawn, waited_s = state, 0.0
            gevent.sleep(_LOOKS_EVERY_S)
            waited_s += _LOOKS_EVERY_S

    def _view(self) -> Sequence[ViewLine]:
        """Return the lines of the view; what is due is sent between any two of them."""
        # Here, so that a process without a view does not spend a tenth of a second on `rich`.
        from convoy.results.reports.live import drawn, live_view

        result, summary = self._look()
        size, lines = self._screen.size, list[ViewLine]()
        for line in live_view(
            summary,
            result,
            self._run.master.progress(),
            width=size.columns,
            # The last line stays free, because the cursor stands there.
            height=max(1, size.lines - 1),
        ):
            lines.append(drawn(line, size.columns))
            gevent.sleep(A_POLL_S)
        return lines

    def _look(self) -> tuple[RunResult, Summary]:
        """Return the result that the view shows, and its summary.

        A new result is taken after the run has taken one of its own (`LiveRun.watch`), and the old
        one is returned until then. Right after a report its histograms are merged step by step, and
        a result that was taken in between would merge all of them at once. A run that is stopped
        takes no more results, so that from then on each call takes one.
        """
        run, is_stopped = self._run, self._run.master.is_stopped
        if self._looked is None or self._looks != run.looks or is_stopped:
            self._looks = run.looks
            result = run.snapshot() if is_stopped else run.master.snapshot()
            gevent.sleep(A_POLL_S)
            self._looked = result, self._summary(result)
        return self._looked

    def _summary(self, result: RunResult) -> Summary:
        prepared, found = self._run.prepared, dict[Criterion, CriterionResult]()
        for criterion in prepared.criteria:
            found[criterion] = self._findings.find(criterion, result)
            gevent.sleep(A_POLL_S)
        on_not_judged = prepared.settings.on_not_judged
        judgement = judge(result, prepared.criteria, on_not_judged, lambda each, _: found[each])
        gevent.sleep(A_POLL_S)
        return summarise(result, judgement)
