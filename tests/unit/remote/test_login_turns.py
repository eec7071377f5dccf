"""Logins of several processes: together they keep to the rate, however they come to log in."""

from __future__ import annotations

import pytest

from convoy.remote import connections
from convoy.remote.connections import Connections, WorkerShare
from convoy.remote.oauth import Credentials
from convoy.routes.catalogue import CLIENT
from convoy.secrets import Secret
from tests.unit.settings.configuration import settings_of

BEGAN_S = 1000.0


class Process:
    """A process with a clock of its own, which its logins move."""

    def __init__(self, logins_per_s: float, share: WorkerShare) -> None:
        self.now_s = BEGAN_S
        demo = Credentials(Secret("demo"), Secret("demo"))
        self._connections = Connections(
            settings_of(f"oauth.logins_per_s={logins_per_s}"),
            {CLIENT: demo},
            lambda token: None,
            share,
            clock=lambda: self.now_s,
        )

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s

    def log_in(self, times: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Return when it may log in, one time after the other."""
        monkeypatch.setattr(connections.gevent, "sleep", self.sleep)
        turns = []
        for _ in range(times):
            self._connections._await_turn()
            turns.append(self.now_s)
        return turns


def closest(moments: list[float]) -> float:
    in_order = sorted(moments)
    return min(after - before for before, after in zip(in_order, in_order[1:], strict=False))


@pytest.mark.parametrize("logins_per_s", [0.3, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("processes", [1, 2, 4, 7])
def test_processes_log_in_in_turn_at_the_beginning_and_after_they_lose_their_tokens(
    monkeypatch: pytest.MonkeyPatch, processes: int, logins_per_s: float
) -> None:
    started = [
        Process(logins_per_s, WorkerShare(share=1 / processes, number=number))
        for number in range(processes)
    ]
    # The master has just logged in, before it gave the shares.
    turns = [BEGAN_S]

    turns += [turn for each in started for turn in each.log_in(5, monkeypatch)]
    for each in started:
        each.now_s = 3000.0123
    again = [turn for each in started for turn in each.log_in(3, monkeypatch)]

    every_s = 1.02 / logins_per_s
    assert closest(turns) > every_s - 1e-6
    assert closest(again) > every_s - 1e-6
    # Nor slower than that: the last of them has waited for the others only.
    assert max(turns) == pytest.approx(BEGAN_S + 5 * processes * every_s, abs=1e-3)


def test_the_only_process_logs_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Process(2.0, WorkerShare()).log_in(3, monkeypatch)

    assert turns == pytest.approx([1000.0, 1000.51, 1001.02])
