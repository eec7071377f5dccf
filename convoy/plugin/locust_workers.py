"""Locust's workers, for the master of a run: who is connected, has which users, and says what."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, STATE_RUNNING, MasterRunner, Runner

from convoy.clock import clock_s
from convoy.plugin.users import ScenarioUser
from convoy.plugin.users_dispatcher import EvenUsersDispatcher, Shares
from convoy.swarm.master import Master
from convoy.swarm.messages import Hello, read_hello
from convoy.swarm.worker_states import Users

LOCAL_WORKER = "local"
_LOOKS_EVERY_S = 0.2
_HEARD_WITHIN_S = 3.0
"""So much longer than its users may take to stop a worker has more than it was dealt, before it is
told again."""


class LocustWorkers:
    """The `swarm.worker_states.Swarm` of a local or master runner.

    What the workers say goes to the `master` of the present run; `hellos` has who said that it runs
    Convoy.
    """

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self.master: Master | None = None
        self.hellos: dict[str, Hello] = {}
        self._environment = environment
        self._runner = runner
        self._surplus_by_s = inf

    @property
    def are_local(self) -> bool:
        """True where the users run in this process, its only worker."""
        return not isinstance(self._runner, MasterRunner)

    def workers(self) -> set[str]:
        if not isinstance(self._runner, MasterRunner):
            return {LOCAL_WORKER}
        # Locust keeps a worker that it misses among its clients for another minute.
        return {node.id for node in self._runner.clients.all if node.state != STATE_MISSING}

    def assigned_users(self) -> Users:
        dispatcher = self._runner._users_dispatcher
        if not isinstance(dispatcher, EvenUsersDispatcher):
            return {}
        scenarios = {name: scenario for scenario, name in self.user_classes().items()}
        return {
            worker: {scenarios[name]: number for name, number in users.items()}
            for worker, users in dispatcher.assigned().items()
        }

    def user_classes(self) -> dict[str, str]:
        """Return `{scenario: class name}` of the user classes that Locust has loaded."""
        return {
            user_class.scenario: user_class.__name__
            for user_class in self._environment.user_classes
            if issubclass(user_class, ScenarioUser)
        }

    def shares(self) -> Shares:
        """Return each user class's share of the users: its scenario's share of the messages."""
        assert self.master is not None  # no worker may have users otherwise
        classes = self.user_classes()
        return {
            classes[name]: sum(stage.messages for stage in each.curve.stages) or 1.0
            for name, each in self.master.inputs.scenarios.items()
        }

    def may_have_users(self, worker: str) -> bool:
        """Return whether a worker takes part in the present run."""
        return self.master is not None and self.master.may_have_users(worker)

    def greet(self, worker: str, data: object) -> None:
        """Take in a worker's hello, which may come before any run."""
        self.hellos[worker] = read_hello(data)

    def hear(self, worker: str, data: bytes) -> None:
        """Take in a worker's message."""
        if self.master is not None:
            self.master.hear(worker, data)

    def absorb(self, worker: str, report: bytes | None) -> None:
        """Take in a worker's report, if there is one and a run goes on."""
        if report is not None and self.master is not None:
            self.master.on_report(worker, report)

    def deal_anew_where_needed(self) -> None:
        """Have Locust deal the users anew where other workers may have some than those that do.

        Locust does so itself only when a worker comes or goes after all users have started. It says
        to each worker once how many it has; one that has more for long is told again.
        """
        runner, dispatcher = self._runner, self._runner._users_dispatcher
        # Locust has the same two conditions: while users are starting, a dispatch goes on already.
        if (
            isinstance(runner, MasterRunner)
            and isinstance(dispatcher, EvenUsersDispatcher)
            and runner.spawning_completed
            and runner.state == STATE_RUNNING
            and ((is_new := dispatcher.is_to_deal_anew()) or self._is_unheard())
        ):
            if is_new:
                dispatcher.deal_anew()
            runner.start(runner.target_user_count, runner.spawn_rate)

    def _is_unheard(self) -> bool:
        """Return whether a worker has had more users than it was dealt for a while."""
        now_s, within_s = clock_s(), self._environment.stop_timeout or 0.0
        has_surplus = self.master is not None and self.master.has_surplus
        is_unheard = has_surplus and now_s > self._surplus_by_s
        if is_unheard or not has_surplus:
            self._surplus_by_s = now_s + within_s + _HEARD_WITHIN_S
        return is_unheard


def end_where_workers_are_missing(
    runner: MasterRunner,
    wanted: int,
    timeout_s: float,
    is_waiting: Callable[[], bool],
    end: Callable[[str], None],
) -> None:
    """Call `end` with a reason where fewer workers than wanted come in time.

    Once Locust has begun to start users, so that it `is_waiting` no longer, enough had come,
    however many there are by now. Its own state does not say so: without a worker that is ready it
    is "stopped" before a run as well.
    """
    deadline_s = clock_s() + timeout_s
    while is_waiting():
        # Locust waits for so many in that state, and looks once a second: one may leave before.
        came = len(runner.clients.ready)
        if came < wanted and clock_s() > deadline_s:
            end(
                f"no load was started: {came} of {wanted} workers came within {timeout_s:g} s "
                "(--expect-workers asks for them; --expect-workers-max-wait, or prepare_timeout_s "
                "without it, sets how long to wait)"
            )
            return
        gevent.sleep(_LOOKS_EVERY_S)
