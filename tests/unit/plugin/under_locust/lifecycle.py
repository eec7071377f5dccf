"""The end of a run: whether Locust's test ends with it, or the process, and when."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace
from typing import cast

import pytest
from locust.env import Environment
from locust.runners import Runner

from convoy.plugin.lifecycle import Lifecycle
from tests.unit.settings.configuration import settings_of

PAGE_ASKS = "sleep 2.2"


@pytest.mark.parametrize(
    ("is_attended", "options", "did"),
    [
        pytest.param(False, [False, -1], ["quit"], id="headless"),
        pytest.param(True, [False, -1], [PAGE_ASKS, "stop"], id="from the form"),
        pytest.param(True, [True, -1], [PAGE_ASKS, "stop"], id="--autostart"),
        pytest.param(
            True,
            [True, 0],
            [PAGE_ASKS, "stop", "sleep 0", "quit", "close the web UI"],
            id="--autoquit 0",
        ),
        pytest.param(
            True,
            [True, 3],
            [PAGE_ASKS, "stop", "sleep 3", "quit", "close the web UI"],
            id="--autoquit 3",
        ),
    ],
)
def test_a_run_ends_the_process_unless_a_person_is_to_end_it(
    is_attended: bool, options: list[int], did: list[str]
) -> None:
    found: list[str] = []

    _noting(found, is_attended, Namespace(autostart=bool(options[0]), autoquit=options[1])).end()

    assert found == did


def test_a_test_that_locust_ends_by_itself_is_not_stopped_and_may_end_the_process() -> None:
    found: list[str] = []

    _noting(found, True, Namespace(autostart=True, autoquit=1)).end(is_stopped=True)

    assert found == ["sleep 1", "quit", "close the web UI"]


def _noting(found: list[str], is_attended: bool, options: Namespace) -> Lifecycle:
    """Return what ends a test started with Locust's `options`, noting what it does in `found`."""
    environment = Environment(parsed_options=options)
    environment.web_ui = cast(None, SimpleNamespace(stop=lambda: found.append("close the web UI")))
    runner = SimpleNamespace(stop=lambda: found.append("stop"), quit=lambda: found.append("quit"))
    return Lifecycle(
        environment,
        cast(Runner, runner),
        is_attended=is_attended,
        sleep=lambda for_s: found.append(f"sleep {for_s:g}"),
    )


def test_the_users_that_are_kept_are_those_that_were_allowed_whatever_workers_say() -> None:
    runner = SimpleNamespace(target_user_count=0, user_count=1_000_000)
    test = Lifecycle(Environment(), cast(Runner, runner), is_attended=False)
    test.configure(settings_of("users=10"), 1.0)

    kept = [test.keep_users()]
    test.take_users(7)
    kept.append(test.keep_users())

    assert (kept, runner.target_user_count) == ([10, 7], 7)
