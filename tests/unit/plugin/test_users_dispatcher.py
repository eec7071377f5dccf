"""How users are dealt to workers, asked in a process of its own: Locust has to be imported first.

Locust patches `ssl`, which other tests of the same session have long imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[3]
ANSWERING = """
import json
import sys

import locust
from locust.runners import WorkerNode

from convoy.plugin.users_dispatcher import EvenUsersDispatcher, deal_users

def dispatch(workers, shares, steps):
    "Return what the workers were told to run, one after the other, in each run of the steps."
    classes = [type(name, (locust.User,), {"abstract": False}) for name in shares]
    nodes = {worker: WorkerNode(worker) for worker in workers}
    dispatcher = EvenUsersDispatcher(
        list(nodes.values()),
        classes,
        begin=lambda users, rate: (users, rate),
        shares=lambda: shares,
        may_have_users=lambda worker: worker not in left_out,
    )
    runs, left_out = [], set()
    for step, *arguments in steps:
        if step == "join":
            nodes[arguments[0]] = WorkerNode(arguments[0])
            dispatcher.add_worker(nodes[arguments[0]])
        elif step == "leave":
            dispatcher.remove_worker(nodes.pop(arguments[0]))
        elif step == "leave out":
            left_out.add(arguments[0])
        elif step == "let in":
            left_out.remove(arguments[0])
            assert dispatcher.is_to_deal_anew()
            dispatcher.deal_anew()
        else:
            dispatcher.new_dispatch(*arguments)
            runs.append(list(dispatcher))
            told = runs[-1][-1]
            assert told.items() <= dispatcher.assigned().items()
    return runs

ANSWERS = {"deal_users": deal_users, "dispatch": dispatch}
for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(ANSWERS[name](*arguments)), flush=True)
"""
"""Answers `[function, arguments …]`, one a line."""

Ask = Callable[..., Any]


class Deal(NamedTuple):
    """So many users, the shares of their classes, the workers, and each user's worker and class."""

    total: int
    shares: dict[str, int]
    workers: list[str]
    dealt: list[tuple[str, str]]

    @property
    def counts(self) -> dict[str, int]:
        of_class = Counter(name for _, name in self.dealt)
        return {name: of_class[name] for name in self.shares}


SHARES = [{"A": 1}, {"A": 1, "B": 1}, {"A": 8, "B": 1, "C": 1}, {"A": 1000, "B": 1}]
TOTALS = (0, 1, 2, 3, 10, 50, 97)
WORKERS = [[f"worker-{number}" for number in range(size)] for size in (1, 2, 3, 7)]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Ask a process that has imported Locust first: `ask(function, arguments …)`."""
    with subprocess.Popen(
        [sys.executable, "-c", ANSWERING],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        questions, answers = process.stdin, process.stdout

        def ask(name: str, *arguments: object) -> Any:
            questions.write(json.dumps([name, *arguments]) + "\n")
            questions.flush()
            return json.loads(answers.readline())

        yield ask


def deal(ask: Ask, total: int, shares: dict[str, int], workers: list[str]) -> Deal:
    dealt = ask("deal_users", total, shares, workers)
    return Deal(total, shares, workers, [(worker, name) for worker, name in dealt])


def deals(ask: Ask) -> list[Deal]:
    """Return the deal of every total of the tables above, by every shares, to all their workers."""
    return [deal(ask, *each) for each in product(TOTALS, SHARES, WORKERS)]


def test_users_are_split_exactly_and_in_proportion(ask: Ask) -> None:
    for each in deals(ask):
        whole = sum(each.shares.values())

        assert len(each.dealt) == each.total
        for name, share in each.shares.items():
            assert each.counts[name] < each.total * share / whole + len(each.shares)


def test_every_class_has_a_user_when_there_are_enough(ask: Ask) -> None:
    for each in deals(ask):
        assert min(each.counts.values()) >= 1 or each.total < len(each.shares)


@pytest.mark.parametrize(
    ("total", "shares", "counts"),
    [
        pytest.param(50, {"A": 1, "B": 1}, {"A": 25, "B": 25}, id="halves"),
        pytest.param(50, {"A": 8, "B": 1, "C": 1}, {"A": 40, "B": 5, "C": 5}, id="by share"),
        pytest.param(10, {"A": 1000, "B": 1}, {"A": 9, "B": 1}, id="one at least"),
        pytest.param(2, {"A": 1000, "B": 1}, {"A": 1, "B": 1}, id="as many as classes"),
    ],
)
def test_a_split(ask: Ask, total: int, shares: dict[str, int], counts: dict[str, int]) -> None:
    assert deal(ask, total, shares, ["worker-1", "worker-2"]).counts == counts


def test_twenty_five_of_each_on_two_workers_are_spread_over_both(ask: Ask) -> None:
    dealt = deal(ask, 50, {"A": 1, "B": 1}, ["worker-1", "worker-2"]).dealt

    assert Counter(dealt) == {
        ("worker-1", "A"): 13,
        ("worker-2", "A"): 12,
        ("worker-1", "B"): 12,
        ("worker-2", "B"): 13,
    }


def test_dealing_gives_every_user_to_one_worker(ask: Ask) -> None:
    for each in deals(ask):
        assert {worker for worker, _ in each.dealt} <= set(each.workers)
        assert {name for _, name in each.dealt} <= each.shares.keys()


def test_workers_have_as_many_users_as_each_other_of_every_class_and_in_all(ask: Ask) -> None:
    for each in deals(ask):
        users, of_class = Counter(worker for worker, _ in each.dealt), Counter(each.dealt)

        in_all = [users[worker] for worker in each.workers]
        assert max(in_all) - min(in_all) <= 1
        for name in each.shares:
            by_worker = [of_class[worker, name] for worker in each.workers]
            assert max(by_worker) - min(by_worker) <= 1


def test_classes_are_spawned_in_turn(ask: Ask) -> None:
    dealt = deal(ask, 4, {"A": 3, "B": 1}, ["worker-1"]).dealt

    assert [name for _, name in dealt] == ["A", "B", "A", "A"]


def test_locust_starts_the_users_as_dealt_on_every_worker(ask: Ask) -> None:
    [run] = ask("dispatch", WORKERS[1], {"A": 1, "B": 1}, [["run", 50, 1000]])

    assert run[-1] == {"worker-0": {"A": 13, "B": 12}, "worker-1": {"A": 12, "B": 13}}


def test_users_that_are_added_later_go_where_they_would_have_gone_at_once(ask: Ask) -> None:
    shares = {"A": 2, "B": 1}

    few, more = ask("dispatch", WORKERS[1], shares, [["run", 6, 1000], ["run", 12, 1000]])

    [at_once] = ask("dispatch", WORKERS[1], shares, [["run", 12, 1000]])
    assert more[-1] == at_once[-1]
    for worker, counts in few[-1].items():
        assert all(more[-1][worker][name] >= count for name, count in counts.items())


@pytest.mark.parametrize(
    ("workers", "change", "users"),
    [
        pytest.param(
            WORKERS[1],
            ["join", "worker-2"],
            {"worker-0": 4, "worker-1": 4, "worker-2": 4},
            id="a worker joins",
        ),
        pytest.param(
            WORKERS[2], ["leave", "worker-1"], {"worker-0": 6, "worker-2": 6}, id="leaves"
        ),
    ],
)
def test_users_are_dealt_anew_when_workers_come_and_go(
    ask: Ask, workers: list[str], change: list[str], users: dict[str, int]
) -> None:
    run = ["run", 12, 1000]

    _, after = ask("dispatch", workers, {"A": 1, "B": 1}, [run, change, run])

    assert {worker: sum(counts.values()) for worker, counts in after[-1].items()} == users
    assert all(min(counts.values()) >= 2 for counts in after[-1].values())


def test_a_worker_that_takes_no_part_gets_no_users_until_it_does(ask: Ask) -> None:
    shares, run = {"A": 1, "B": 1}, ["run", 12, 1000]
    steps = [["leave out", "worker-1"], run, ["let in", "worker-1"], run]

    before, after = ask("dispatch", WORKERS[2], shares, steps)  # who is not told has none

    of_each = [
        {worker: sum(users.values()) for worker, users in each[-1].items()}
        for each in (before, after)
    ]
    assert of_each == [
        {"worker-0": 6, "worker-2": 6},
        {"worker-0": 4, "worker-1": 4, "worker-2": 4},
    ]


def test_where_nobody_takes_part_nobody_gets_users(ask: Ask) -> None:
    steps = [["leave out", "worker-0"], ["run", 3, 1000]]

    [run] = ask("dispatch", ["worker-0"], {"A": 1}, steps)

    assert run[-1] == {"worker-0": {"A": 0}}
