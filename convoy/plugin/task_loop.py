"""The task loop: a user's tasks one after the other, without a detour by the event loop."""

from __future__ import annotations

from locust import User
from locust.user.task import LOCUST_STATE_STOPPING, DefaultTaskSet, TaskSet

_TASKS_IN_A_ROW = 64


class TaskLoop(DefaultTaskSet):
    """Locust's loop over the tasks of a user, which yields to others once in a while only.

    Locust lets every user pause after each task, if only for no time at all, and draws the next
    task anew. A user that waits for its message and for the answer yields often enough, so where
    it has one task and no `wait_time` of its own, the loop goes on at once; it pauses all the
    same after some tasks, since one that fails at once does not wait for anything.
    """

    def execute_next_task(self) -> None:
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
