"""A scenario with a mistake in its own code: what it costs, what the run says, and that it ends."""

from __future__ import annotations

from pathlib import Path

from tests.locust_process import (
    UNHURRIED,
    Ended,
    run_locust,
    swarm_ports,
)
from tests.simulator_process import SimulatorProcess

LOCUSTFILE = '''
import locust
import os

from locust import task

from convoy.plugin import hooks
from convoy.plugin.message_user import MessageUser
from scenarios.guest_messages import GuestMessages
from scenarios.invalid_messages import InvalidMessages


class Mistaken(MessageUser):
    """Makes a mistake with one message of twelve."""

    scenario = "conversation_messages"

    @task
    def act(self):
        message = self.next_message()
        if message.due.k % 12 == 7 and {in_task}:
            raise KeyError(message.due.k)
        self.post(message)

    def is_ok(self, message, attempt):
        if message.due.k % 12 == 7 and {in_is_ok}:
            raise KeyError(message.due.k)
        return super().is_ok(message, attempt)


hooks.install(os.environ)
'''
SHAPE = ["-t", "3s", "-u", "6", "--rate", "40", *UNHURRIED]


def run(folder: Path, simulator: SimulatorProcess, *options: str, **where: bool) -> Ended:
    locustfile = folder / "locustfile.py"
    mistakes = {"in_task": False, "in_is_ok": False} | where
    locustfile.write_text(LOCUSTFILE.format(**mistakes))
    place = ["-f", str(locustfile), "-H", simulator.url]
    return run_locust(folder, *place, *SHAPE, *options)


def test_an_exception_over_an_answer_costs_nothing_but_a_sentence(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    ended = run(tmp_path, simulator, in_is_ok=True)

    assert ended.exit_code == 0, ended.output
    assert ended.scenario["accepted"] == 120
    assert ended.run["reasons"] == [
        "conversation_messages: 10 exceptions in the scenario's own code, the first of type "
        "KeyError; Locust's exceptions show them"
    ]


def test_an_exception_before_a_message_is_posted_costs_that_message(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    two_workers = ["--processes", "2", *swarm_ports()]

    ended = run(tmp_path, simulator, *two_workers, in_task=True)

    assert ended.exit_code == 5, ended.output
    assert (ended.scenario["accepted"], ended.scenario["not_sent"]) == (110, {"scenario": 10})
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 110
    reasons = "\n".join(ended.run["reasons"])
    assert "were late or not sent by cause scenario" in reasons
    assert "10 exceptions in the scenario's own code, the first of type KeyError" in reasons
