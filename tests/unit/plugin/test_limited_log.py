"""The log that others cannot fill."""

from __future__ import annotations

import pytest

from convoy.plugin.limited_log import LimitedLog


def test_each_kind_of_complaint_is_said_every_ten_seconds_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times_s = [0.0, 1.0, 9.0, 10.0, 10.5, 25.0]
    clock = iter([*times_s, times_s[-1]])
    log = LimitedLog(lambda: next(clock))

    for _ in times_s:
        log.say("is bad", "this")
    log.say("is worse", "that")

    assert caplog.messages == [
        "this is bad",
        "this is bad (and 2 times since this was last said)",
        "this is bad (and 1 times since this was last said)",
        "that is worse",
    ]
