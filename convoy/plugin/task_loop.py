"""The loop over the tasks of a user, without Locust's pauses where nothing needs them."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from locust import User
from locust.user.task import LOCUST_STATE_STOPPING, DefaultTaskSet, TaskSet

_TASKS_IN_A_ROW = 64
"""A pause after each of them would cost a switch to the event loop that nothing needs."""


class TaskLoop(DefaultTaskSet):
    """Locust's loop over the tasks of a user, which yields to the event loop once in 64 tasks.

    Locust's own loop sleeps after each task, if only for 0 s, and draws the next task anew. A user
    waits for its message and for the answer, so that it yields often enough by itself: where it has
    one task and no `wait_time` of its own, the loop goes on at once. It sleeps after 64 tasks all
    the same, because a task may end at once without waiting for anything. After an exception it
    calls `pause`. A user that is ended in a task can `leave`.
    """

    def __init__(self, user: User, leave: Callable[[], None], pause: Callable[[], None]) -> None:
        super().__init__(user)
        self._leave = leave
        self._pause = pause

    def execute_next_task(self) -> None:
        try:
            try:
                self._execute_tasks()
            except (Exception, gevent.Timeout):
                self._pause()  # in which the user may be ended as well
                raise
        except gevent.Timeout as error:
            # It is no Exception, so that it would end the user and not the task.
            raise TimeoutError(f"a time limit of the scenario's own has passed: {error}") from error
        except Exception:
            raise
        except BaseException:
            # Here as well as in `on_stop`, which a scenario may have overridden badly.
            self._leave()
            raise

    def _execute_tasks(self) -> None:
        super().execute_next_task()  # type: ignore[no-untyped-call]  # Locust's own
        user = self.user
        if len(user.tasks) != 1 or type(user).wait_time is not User.wait_time:
            return
        task = user.tasks[0]
        if isinstance(task, (type, TaskSet)):
            return
        for _ in range(_TASKS_IN_A_ROW - 1):
            if user._state == LOCUST_STATE_STOPPING or self._task_queue:
                return
            task(user)
