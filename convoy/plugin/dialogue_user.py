"""The abstract user that is a guest who holds dialogues."""

from __future__ import annotations

from collections import deque

import gevent
from locust.user.task import (
    LOCUST_STATE_RUNNING,
    LOCUST_STATE_STOPPING,
    LOCUST_STATE_WAITING,
)

from convoy.clock import clock_s
from convoy.engine.rendered_ahead import Message
from convoy.errors import RefusalError, WireError
from convoy.plan.dialogue import WHOLE, AnyLine, Attach, Choose, Expect, Say, Wait
from convoy.plugin.guest_user import GuestUser
from convoy.remote.guest_dialogue import PAUSES, GuestDialogue
from convoy.remote.guest_events import Event
from convoy.results.outcome import ACCEPTED, Cause, Phase
from convoy.swarm.accounting import StepTimes

__all__ = ["DialogueUser", "Message"]


class DialogueUser(GuestUser):
    """A guest that can hold a dialogue, where the settings of its scenario name some.

    `GuestDialogue` has what is done for each line of one.
    """

    abstract = True
    _dialogue: GuestDialogue | None = None

    def stop(self, force: bool = False) -> bool:
        """Stop as other users do; where the run goes on, a dialogue is held to its end first."""
        run = self._run
        if self._dialogue is not None and run is not None and not (force or run.is_stopping):
            self._state = LOCUST_STATE_STOPPING
            return False
        return super().stop(force)

    @property
    def has_dialogues(self) -> bool:
        """True where each message is the first line of a dialogue."""
        return bool(self._work.plan.dialogue_steps)

    def hold(self, message: Message) -> bool:
        """Send a message, then do each line of its dialogue as a step.

        Step `dialogue` is the whole, and fails by the code that ended it: of the message, of a
        line, or because the run was stopped, which a dialogue outlasts no longer than a message
        can. The lines after that are left out. Returns whether the guest can go on: it cannot where
        it has closed its session, or the bot may stand anywhere.
        """
        run = self._run
        assert run is not None
        left = deque[AnyLine]()
        self._dialogue = dialogue = GuestDialogue(self.session)
        last_s = run.ends_s + self.timeout_s
        over = WireError("stopped", "", sent_s=last_s, done_s=last_s)
        cause, is_whole = Cause.STOPPED, False
        try:
            with self.step(WHOLE):
                attempt = self.post(message)
                # Not before: the message is due, and a slow template of a line would delay it.
                left.extend(self._work.lines(message.planned))
                if attempt is None or attempt.fate is not ACCEPTED:
                    raise RefusalError(attempt.code if attempt is not None else "other")
                dialogue.said_s = attempt.sent_s
                with gevent.Timeout(max(0.0, last_s - clock_s()), over):
                    while left and not run.is_stopping:
                        self._do(dialogue, left.popleft())
                if left:
                    raise over
                is_whole = True
            is_over = run.is_stopping or clock_s() >= last_s
            cause = Cause.STOPPED if is_over else Cause.TARGET
        finally:
            self._dialogue = None
            for line in left:
                if line.step:
                    self._work.accounting.leave_out(line.step, cause, self._phase is Phase.MEASURE)
        return is_whole and not dialogue.is_closed

    def _do(self, dialogue: GuestDialogue, line: AnyLine) -> None:
        """Do a line as a step; raises what ended it. In a pause Locust can stop the user."""
        if isinstance(line, (Say, Choose, Attach)):
            self._measured.end()
        if isinstance(line, PAUSES) and self._state == LOCUST_STATE_RUNNING:
            self._state = LOCUST_STATE_WAITING

        def do(times: StepTimes) -> None:
            if isinstance(line, Expect):
                times.began_s = dialogue.said_s
            times.began_s, times.done_s = dialogue.do(line)

        try:
            if isinstance(line, Wait):
                dialogue.do(line)
            elif fault := self._try(line.step, do):
                raise fault
        finally:
            if self._state == LOCUST_STATE_WAITING:
                self._state = LOCUST_STATE_RUNNING

    def hear(self, event: Event, received_s: float) -> None:
        if self._dialogue is not None:
            self._dialogue.hear(event, received_s)
        super().hear(event, received_s)
