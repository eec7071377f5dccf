"""The life of Locust's test around a run: what Locust is set to at its begin, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, Runner

from convoy.errors import ExitCode
from convoy.plugin.rows import rows_of
from convoy.results.result import Row
from convoy.settings import Settings

_POLL_S = 0.05
_PAGE_ASKS_EVERY_S = 2.2
"""Locust's page does so every two seconds."""


class TestState(StrEnum):
    """Where Locust's test is."""

    IDLE = "idle"
    EXPECTED = "expected"
    """Locust starts it: the next dispatch of users begins a run."""
    BEGINNING = "beginning"
    """That dispatch goes on, and Locust must not end the test before it is done."""
    GOING_ON = "going on"
    ENDING = "ending"
    """The run is over, and Locust's page still asks for its figures."""


class Lifecycle:
    """Locust's test of a local or master runner, one after the other.

    With `is_attended` a person at the web UI decides when the process ends.
    """

    def __init__(
        self,
        environment: Environment,
        runner: Runner,
        *,
        is_attended: bool,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self.state = TestState.IDLE
        self.is_attended = is_attended
        self._environment = environment
        self._runner = runner
        self._sleep = sleep
        self._users = 0
        self._is_reset = False
        environment.events.test_start.add_listener(self._on_start)
        environment.events.reset_stats.add_listener(self._on_reset)

    def begin(self) -> None:
        """Begin the test that was expected, with rows of its own."""
        self.state, self._is_reset = TestState.BEGINNING, False

    def configure(self, settings: Settings, spawn_rate: float) -> None:
        """Give Locust the settings of the run: it knows only its own options or its form."""
        self._environment.process_exit_code = ExitCode.INVALID
        self._environment.stop_timeout = settings.stop_timeout_s
        self._environment.host = settings.target.api_url
        # Locust has noted the numbers that it was asked to start with. By these it waits for users
        # to be ready, and deals them anew when a worker is lost.
        self._runner.target_user_count = self._users = settings.users
        if isinstance(self._runner, MasterRunner):
            self._runner.spawn_rate = spawn_rate
        self.cancel_timer()

    def cancel_timer(self) -> None:
        """Cancel Locust's timer: it starts before users are ready and would cut the run short."""
        if self._environment.web_ui is not None:
            self._environment.web_ui._cancel_run_time_timer()

    def take_users(self, users: int) -> int:
        """Note that the test may have so many users from now on; return the number."""
        self._users = users
        return users

    def keep_users(self) -> int:
        """Have Locust keep as many users as were allowed last; return their number.

        That is not how many there are: Locust counts what workers say, some of them twice while
        they are dealt anew, and a stranger's.
        """
        self._runner.target_user_count = self._users
        return self._users

    def rows(self, scenarios: Iterable[str]) -> dict[str, Row]:
        """Return Locust's rows of these scenarios; none where they were reset in mid-run."""
        return {} if self._is_reset else rows_of(self._environment, scenarios)

    def end(self, *, is_stopped: bool = False) -> None:
        """Have Locust stop its users, and end the process unless a person is to end it.

        A test that `is_stopped`, by a person or because the last worker has gone, Locust ends by
        itself, and waits in that for the run.
        """
        while self.state is TestState.BEGINNING:
            self._sleep(_POLL_S)
        if not self.is_attended:
            self._runner.quit()
            return
        if not is_stopped:
            # The page asks for figures, the verdict among them, only until the test is stopped.
            self.state = TestState.ENDING
            self._sleep(_PAGE_ASKS_EVERY_S)
            self._runner.stop()
            if self.state is TestState.ENDING:  # Locust may have started the next one meanwhile
                self.state = TestState.IDLE
        options = self._environment.parsed_options
        if options is not None and options.autostart and options.autoquit >= 0:
            self._sleep(options.autoquit)
            self._runner.quit()
            if self._environment.web_ui is not None:
                self._environment.web_ui.stop()

    def _on_start(self, **_: object) -> None:
        self.state = TestState.EXPECTED

    def _on_reset(self, **_: object) -> None:
        self._is_reset = True
