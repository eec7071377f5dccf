"""The protocol of a run over processes, as tables: what is heard, and what is done for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from convoy.plan.lanes import LANES, numbers_between
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ArrivalRule, ScenarioPlan
from convoy.remote.approved_total import TotalBook
from convoy.results.counts import Counts
from convoy.settings.model import Approval
from convoy.swarm.actions import Action, Doubt, EndEarly, Forgo, Lose, Refuse, Send, Tell
from convoy.swarm.messages import (
    Ask,
    Change,
    Drained,
    Enough,
    Farewell,
    Grant,
    LateChange,
    Lease,
    Leaving,
    Missed,
    Over,
    Prepare,
    Ready,
    Refusal,
    Release,
    Released,
    Stop,
    ToMaster,
    ToWorker,
)
from convoy.swarm.phases import RunState
from convoy.swarm.protocol import ProtocolError, RunProtocol
from convoy.swarm.run_inputs import RunInputs
from convoy.swarm.run_lanes import RunLanes
from convoy.swarm.worker_states import WorkerState
from tests.unit.plan.test_scenario import INPUTS
from tests.unit.settings.configuration import settings_of
from tests.unit.swarm import RUN_ID

NAME = "conversation_messages"
PLAN_HASH = "a plan"
PLANNED = 600
"""Twenty messages a second for half a minute."""


class Run:
    """A protocol with workers that ask for their leases, on a clock that the test sets."""

    def __init__(
        self,
        *sets: str,
        workers: int = 2,
        lease_s: float | None = 2.5,
        spawning_s: float = 0.0,
        approval: Approval | None = None,
        total: TotalBook | None = None,
    ) -> None:
        names = [f"worker-{number}" for number in range(workers)]
        settings = settings_of("run_time_s=30", "users=4", "warm_up_s=0", *sets)
        target = settings.target.model_copy(update={"approval": approval})
        settings = settings.model_copy(update={"target": target})
        self.lead_s = 4.5 if approval else 0.5
        closed = replace(INPUTS, arrivals=ArrivalRule("closed", 600, 0.0))
        plans = {NAME: ScenarioPlan(INPUTS if settings.is_scheduled else closed)}
        self.lanes = RunLanes(plans, settings.request_timeout_s)
        self.counts: dict[str, Counts] = {}
        self.now_s = 1000.0
        self.protocol = RunProtocol(
            RunInputs(RUN_ID, settings, {NAME: INPUTS}),
            self.lanes,
            PLAN_HASH,
            lambda worker, _: self.counts.get(worker, Counts()),
            workers_at_first=workers,
            spawning_s=spawning_s,
            now_s=self.now_s,
            lease_s=lease_s,
            total=total or TotalBook(None),
        )
        self.alive: set[str] = set()
        self.users: dict[str, dict[str, int]] = {}
        self.leased_s: dict[str, float] = {}
        self.silent: set[str] = set()
        self.sent: dict[str, list[ToWorker]] = {}
        self.done: list[Action] = []
        for name in names:
            self.connect(name)
            self.users[name] = {NAME: 4 // workers}

    def connect(self, name: str) -> None:
        self.alive.add(name)
        self._note(self.protocol.connect(name))

    def hear(self, name: str, message: ToMaster) -> None:
        self._note(self.protocol.hear(name, message, self.now_s))

    def make_ready(self, name: str, users: int = 2) -> None:
        self.users[name] = {NAME: users}
        self.hear(name, Ready(RUN_ID, PLAN_HASH, {NAME: users}))

    def look(self) -> None:
        self._note(self.protocol.look(self.now_s, set(self.alive), self.users))

    def pass_time(self, for_s: float) -> None:
        """Let so much time pass; whoever is alive and not silent keeps asking for its lease."""
        for _ in range(round(for_s / 0.1)):
            self.now_s += 0.1
            for name in sorted(self.alive - self.silent):
                self.hear(name, Ask(RUN_ID, self.now_s, self.leased_s.get(name, 0.0)))
            self.look()

    def begin(self) -> None:
        """Take the run to T0, its workers with lanes."""
        for name in sorted(self.alive):
            self.make_ready(name)
        self.pass_time(self.lead_s)
        assert self.protocol.state is RunState.MEASURING
        assert all(self.state_of(name) is WorkerState.HOLDING for name in self.alive)

    def state_of(self, name: str) -> WorkerState:
        return self.protocol.workers.status[name].state

    def lanes_of(self, name: str) -> dict[int, int]:
        """Return the lanes that a worker was granted, by its messages, less those it gave back."""
        lanes: dict[int, int] = {}
        for message in self.sent[name]:
            if isinstance(message, Grant):
                lanes |= message.lanes[NAME]
        return lanes

    def last(self, name: str, kind: type[Any]) -> Any:
        return next(each for each in reversed(self.sent[name]) if isinstance(each, kind))

    def heard(self, name: str, kind: type[ToWorker]) -> bool:
        return any(isinstance(each, kind) for each in self.sent[name])

    def actions(self, kind: type[Action]) -> list[Any]:
        return [each for each in self.done if isinstance(each, kind)]

    def _note(self, actions: list[Action]) -> None:
        for action in actions:
            self.done.append(action)
            if isinstance(action, Send):
                self.sent.setdefault(action.worker, []).append(action.message)
                if isinstance(action.message, Lease):
                    self.leased_s[action.worker] = action.message.now_s


def cursors_at(run: Run, name: str, elapsed_s: float) -> dict[int, int]:
    """Return the lanes of a worker, each with the first number that is due later."""
    arrivals = run.lanes.plans[NAME].arrivals
    return {lane: arrivals.first_due_after(lane, elapsed_s) for lane in run.lanes_of(name)}


def test_a_run_goes_through_its_phases_and_ends_when_all_lanes_have_drained() -> None:
    run, seen = Run(), []
    run.begin()
    assert run.lanes.plans[NAME].arrivals.duration_s == 30

    for _ in range(320):
        run.pass_time(0.1)
        if run.protocol.state not in seen:
            seen.append(run.protocol.state)
        if run.protocol.state is RunState.DRAINING:
            break
    for name in sorted(run.alive):
        run.hear(name, Drained(RUN_ID, run.protocol.workers.status[name].granted_epoch, {}))
    run.look()

    assert seen == [RunState.MEASURING, RunState.DRAINING]
    assert run.protocol.state is RunState.ENDED
    assert run.protocol.phases.measured_s(30) == 30
    assert run.actions(Doubt) == run.actions(Lose) == []


def test_every_lane_is_granted_once_and_t0_lies_ahead_of_all() -> None:
    run = Run()

    run.begin()

    one, two = run.lanes_of("worker-0"), run.lanes_of("worker-1")
    assert sorted([*one, *two]) == list(range(LANES))
    assert {run.last(name, Grant).t0_s for name in run.alive} == {run.protocol.phases.t0_s}


def test_no_load_begins_before_all_users_are_ready_and_all_leases_arrive() -> None:
    run = Run()

    run.make_ready("worker-0")
    run.pass_time(1)
    assert run.protocol.state is RunState.PREPARING

    run.silent.add("worker-1")
    run.pass_time(3)
    run.make_ready("worker-1")
    run.pass_time(2)
    assert run.protocol.state is RunState.PREPARING

    run.silent.clear()
    run.pass_time(0.5)
    assert run.protocol.state is RunState.MEASURING


@pytest.mark.parametrize("arrivals", ["even", "closed"])
def test_by_an_approval_nobody_is_granted_lanes_before_who_hears_nothing_has_no_lease(
    arrivals: str,
) -> None:
    approval = Approval(ticket="1", organisation_id="o", highest_rate=7)
    run = Run(f"arrivals={arrivals}", approval=approval)
    for name in sorted(run.alive):
        run.make_ready(name)

    for _ in range(20):
        if not run.protocol.state.has_load:
            run.pass_time(0.1)
    run.pass_time(2.3)
    before = [run.lanes_of(name) for name in sorted(run.alive)]
    told = run.last("worker-0", Lease)
    run.pass_time(0.4)

    assert told.has_load and before == [{}, {}]
    assert sum(len(run.lanes_of(name)) for name in run.alive) == LANES


def test_users_have_the_time_to_get_ready_on_top_of_that_in_which_they_start() -> None:
    run = Run("prepare_timeout_s=3", spawning_s=2.0)

    run.pass_time(4.9)
    assert run.actions(Refuse) == []
    run.pass_time(0.3)

    assert "after 5 s only 0 of 4 users" in run.actions(Refuse)[0].reason


def test_users_that_never_get_ready_end_the_run_before_its_load() -> None:
    run = Run("prepare_timeout_s=3")
    run.hear("worker-0", Ready(RUN_ID, PLAN_HASH, {NAME: 1}, "the login took too long"))

    run.pass_time(3.5)

    assert run.actions(Refuse)[0].reason == (
        "no load was started: after 3 s only 1 of 4 users are logged in and ready: the login took "
        "too long (prepare_timeout_s sets how long to wait)"
    )
    assert not run.actions(Lose)


def test_a_late_worker_gets_its_share_from_the_others() -> None:
    run = Run()
    run.begin()

    run.connect("worker-2")
    run.make_ready("worker-2")
    run.pass_time(0.5)
    moved = run.last("worker-0", Release).lanes[NAME]
    assert not run.heard("worker-2", Grant)
    cursors = {lane: k for lane, k in cursors_at(run, "worker-0", 1).items() if lane in moved}
    run.hear("worker-0", Released(RUN_ID, {NAME: cursors}))

    assert run.last("worker-2", Grant).lanes == {NAME: cursors}
    assert run.state_of("worker-2") is WorkerState.HOLDING
    assert isinstance(run.sent["worker-2"][0], Prepare)


def test_a_worker_gets_lanes_when_all_its_users_are_ready_and_keeps_them_while_more_start() -> None:
    run = Run()
    run.begin()
    run.connect("worker-2")
    run.users["worker-2"] = {NAME: 2}

    run.hear("worker-2", Ready(RUN_ID, PLAN_HASH, {NAME: 1}))
    run.pass_time(0.3)
    assert not run.heard("worker-0", Release)

    run.make_ready("worker-2", users=2)
    run.pass_time(0.3)
    for name in ("worker-0", "worker-1"):
        moved = run.last(name, Release).lanes[NAME]
        run.hear(name, Released(RUN_ID, {NAME: dict.fromkeys(moved, 0)}))
    run.users["worker-2"] = {NAME: 3}
    run.pass_time(0.3)
    assert not run.heard("worker-2", Release)


def test_a_worker_that_announces_itself_again_or_after_a_stop_is_not_prepared() -> None:
    run = Run()
    run.begin()

    run.connect("worker-0")
    run._note(run.protocol.stop(run.now_s))
    run.connect("worker-2")

    assert sum(isinstance(each, Prepare) for each in run.sent["worker-0"]) == 1
    assert "worker-2" not in run.sent


def test_a_late_worker_may_send_nothing_before_it_has_lanes() -> None:
    run = Run(approval=Approval(ticket="1", organisation_id="o", highest_rate=7))

    run.connect("worker-2")

    permits = [run.last(name, Prepare).share.permits for name in sorted(run.sent)]
    assert permits == [3, 3, 0]
    numbers = [run.last(name, Prepare).share.number for name in sorted(run.sent)]
    assert numbers == [0, 1, 2]


@pytest.mark.parametrize("kind", ["turns", "starts"])
def test_a_late_worker_logs_in_at_turns_that_nobody_else_has(kind: str) -> None:
    run = Run(approval=Approval(ticket="1", organisation_id="o", highest_rate=7, logins_per_s=2))
    run.connect("worker-2")

    for _ in range(40):
        run.now_s += 0.1
        for name in sorted(run.alive):
            run.hear(name, Ask(RUN_ID, run.now_s, 0.0, **{kind: 9}))

    turns = sorted(
        turn
        for name in run.alive
        for message in run.sent[name]
        if isinstance(message, Lease)
        for turn in getattr(message, kind)
    )
    assert 8 <= len(turns) <= 12
    assert min(b - a for a, b in zip(turns, turns[1:], strict=False)) == pytest.approx(0.55)


def test_no_turns_are_given_once_the_run_is_stopped() -> None:
    run = Run(approval=Approval(ticket="1", organisation_id="o", highest_rate=7, logins_per_s=2))
    run.begin()

    run._note(run.protocol.stop(run.now_s))
    run.hear("worker-0", Ask(RUN_ID, run.now_s, 0.0, turns=9, starts=9))

    lease = run.last("worker-0", Lease)
    assert (lease.turns, lease.starts) == ([], [])


def test_a_turn_to_log_in_takes_none_of_those_to_begin() -> None:
    run = Run(approval=Approval(ticket="1", organisation_id="o", highest_rate=7, logins_per_s=2))

    run.hear("worker-0", Ask(RUN_ID, run.now_s, 0.0, turns=1, starts=1))

    lease = run.last("worker-0", Lease)
    assert lease.turns == lease.starts != []


def test_all_that_are_there_hear_that_the_run_is_over() -> None:
    run = Run(workers=3)
    run.begin()
    run.alive.discard("worker-2")
    run.look()

    run._note(run.protocol.dismiss())

    assert [name for name in sorted(run.sent) if Over(RUN_ID) in run.sent[name]] == [
        "worker-0",
        "worker-1",
    ]


def test_every_worker_hears_with_its_lease_that_the_load_has_begun() -> None:
    run = Run()
    run.hear("worker-0", Ask(RUN_ID, run.now_s, 0.0))
    before = run.last("worker-0", Lease)

    run.begin()
    run.hear("worker-0", Ask(RUN_ID, run.now_s, 0.0))

    assert (before.has_load, run.last("worker-0", Lease).has_load) == (False, True)


def test_turns_are_farther_apart_where_a_worker_does_not_know_the_masters_clock_well() -> None:
    run = Run(approval=Approval(ticket="1", organisation_id="o", highest_rate=7, logins_per_s=2))

    for name in sorted(run.alive):
        run.hear(name, Ask(RUN_ID, run.now_s, 0.0, turns=1, unsure_s=0.2))

    first, second = (run.last(name, Lease).turns[0] for name in sorted(run.alive))
    assert second - first == pytest.approx(0.55 + 0.2 + 0.2)


def test_workers_get_no_more_beyond_their_plans_than_the_total_has() -> None:
    total = TotalBook(150)
    total.planned = 140
    run = Run(total=total)
    run.connect("worker-2")

    given: dict[str, list[tuple[int, bool]]] = {name: [] for name in sorted(run.alive)}
    for wanted in (1, 4, 9):
        for name, each in given.items():
            run.hear(name, Ask(RUN_ID, run.now_s, 0.0, beyond=wanted))
            lease = run.last(name, Lease)
            each.append((lease.beyond, lease.is_used_up))

    assert given == {
        "worker-0": [(1, False), (3, False), (1, True)],
        "worker-1": [(1, False), (2, False), (0, True)],
        "worker-2": [(1, False), (1, False), (0, True)],
    }
    assert [each.sentence.split(" but ")[0] for each in run.actions(Tell)] == [
        "the approved total is used up"
    ]


def test_a_late_worker_hears_of_the_changes_before_it() -> None:
    run = Run()
    run.begin()
    curve = RateCurve([Stage(20, 20, 10), Stage(40, 40, 20)])
    run._note(run.protocol.change({NAME: curve}, 10.0, run.now_s))

    run.connect("worker-2")

    assert run.last("worker-0", Change).at_s == 10
    change = run.last("worker-2", Change)
    assert (change.at_s, change.stages) == (inf, {NAME: list(curve.stages)})


def test_after_a_change_of_the_plan_workers_with_lanes_have_to_drain_anew() -> None:
    run = Run()
    run.begin()
    run.connect("worker-2")
    for name in ("worker-0", "worker-1"):
        run.hear(name, Drained(RUN_ID, run.protocol.workers.status[name].granted_epoch, {}))

    run._note(run.protocol.change({NAME: RateCurve([Stage(20, 20, 60)])}, 29.0, run.now_s))
    run.pass_time(0.2)
    states = [run.protocol.state]
    changed = run.last("worker-0", Change).epoch
    for name in ("worker-0", "worker-1"):
        run.hear(name, Drained(RUN_ID, changed, {}))
    run.look()
    states.append(run.protocol.state)

    assert states == [RunState.MEASURING, RunState.ENDED]
    assert run.lanes.planned(NAME, is_whole=True) == 2 * PLANNED


def test_a_worker_that_drained_before_it_was_granted_more_has_to_drain_again() -> None:
    run = Run()
    run.begin()
    for name in sorted(run.alive):
        run.hear(name, Drained(RUN_ID, run.protocol.workers.status[name].granted_epoch, {}))
    mine = cursors_at(run, "worker-0", 1)

    run.hear("worker-0", Leaving(RUN_ID, {NAME: mine}))
    run.look()
    before = run.protocol.state
    run.hear("worker-1", Drained(RUN_ID, run.last("worker-1", Grant).epoch, {}))
    run.look()

    assert run.last("worker-1", Grant).lanes == {NAME: mine}
    assert (before, run.protocol.state) == (RunState.MEASURING, RunState.ENDED)


def test_a_worker_that_leaves_in_order_passes_its_lanes_on_and_is_acknowledged() -> None:
    run = Run()
    run.begin()
    mine = cursors_at(run, "worker-0", 1)

    run.hear("worker-0", Leaving(RUN_ID, {NAME: mine}))

    assert run.heard("worker-0", Farewell)
    assert run.last("worker-1", Grant).lanes == {NAME: mine}

    sent = sum(numbers_between(lane, lane, k) for lane, k in mine.items())
    run.counts["worker-0"] = Counts(scheduled=sent, sent=sent, accepted=sent)
    run.alive.remove("worker-0")
    run.pass_time(0.2)
    assert run.state_of("worker-0") is WorkerState.LEFT
    assert run.actions(Lose) == run.actions(Doubt) == []


def test_two_that_leave_at_once_give_back_what_they_are_granted_meanwhile() -> None:
    run = Run(workers=3)
    for name in sorted(run.alive):
        run.make_ready(name, users=2)
    run.users = {name: {NAME: 2} for name in run.alive}
    run.pass_time(0.5)

    run.hear("worker-0", Leaving(RUN_ID, {NAME: cursors_at(run, "worker-0", 0.2)}))
    to_one = run.last("worker-1", Grant).lanes
    run.hear("worker-1", Leaving(RUN_ID, {NAME: cursors_at(run, "worker-1", 0.2)}))
    run.hear("worker-1", Released(RUN_ID, to_one))

    last = run.lanes_of("worker-2")
    assert sorted(last) == list(range(LANES))
    assert not isinstance(run.sent["worker-1"][-1], Grant)
    assert run.heard("worker-1", Farewell)


DEATHS: dict[str, tuple[Callable[[Run], None], WorkerState, bool]] = {
    "before it took part": (lambda run: None, WorkerState.LEFT, False),
    "ready": (lambda run: run.make_ready("worker-0"), WorkerState.LEFT, False),
    "holding": (lambda run: run.begin(), WorkerState.LOST, True),
}


@pytest.mark.parametrize(("bring", "state", "is_lost"), DEATHS.values(), ids=list(DEATHS))
def test_death_in_each_state(
    bring: Callable[[Run], None], state: WorkerState, is_lost: bool
) -> None:
    run = Run()
    bring(run)

    run.alive.remove("worker-0")
    run.look()

    assert run.state_of("worker-0") is state
    assert bool(run.actions(Lose)) is is_lost


def test_a_lost_worker_may_have_sent_what_was_due_and_is_not_reported() -> None:
    run = Run()
    run.begin()
    run.pass_time(2)
    elapsed_s = run.now_s - (run.protocol.phases.t0_s or 0)
    due = sum(
        numbers_between(lane, lane, k) for lane, k in cursors_at(run, "worker-0", elapsed_s).items()
    )
    run.counts["worker-0"] = Counts(scheduled=9, sent=5, accepted=5)

    run.alive.remove("worker-0")
    run.look()

    assert run.actions(Lose) == [Lose("worker-0", {NAME: due - 5})]
    assert sorted(run.lanes_of("worker-1")) == list(range(LANES))


def test_a_silent_worker_loses_its_lanes_only_after_its_lease_has_ended() -> None:
    run = Run()
    run.begin()

    run.silent.add("worker-0")
    run.pass_time(2.4)
    assert run.state_of("worker-0") is WorkerState.HOLDING
    run.pass_time(0.2)

    assert run.state_of("worker-0") is WorkerState.SILENT
    assert sorted(run.lanes_of("worker-1")) == list(range(LANES))
    assert sorted(run.last("worker-0", Release).lanes[NAME]) == sorted(run.lanes_of("worker-0"))
    assert run.actions(Tell) == [Tell("worker worker-0 is silent; others go on with its messages")]


@pytest.mark.parametrize("end", ["silent", "gone"])
@pytest.mark.parametrize(
    "unsure",
    [{"unsure_s": 0.8}, {"t0_unsure_s": 0.8}, {"unsure_s": 0.001, "t0_unsure_s": 0.8}],
    ids=["T0 not known yet", "T0 known", "the time better known since"],
)
def test_others_go_on_behind_what_a_worker_may_have_sent_by_its_own_clock(
    unsure: dict[str, float], end: str
) -> None:
    run = Run()
    run.begin()
    run.hear("worker-0", Ask(RUN_ID, run.now_s, run.leased_s["worker-0"], **unsure))
    lanes = run.lanes_of("worker-0")

    if end == "gone":
        run.alive.remove("worker-0")
        run.look()
    else:
        run.silent.add("worker-0")
        run.pass_time(2.6)

    revoked_s = run.now_s - (run.protocol.phases.t0_s or 0)
    first_due_after = run.lanes.plans[NAME].arrivals.first_due_after
    taken = run.last("worker-1", Grant).lanes[NAME]
    # It was found silent by the look before at the earliest.
    assert sorted(taken) == sorted(lanes)
    assert all(k >= first_due_after(lane, revoked_s - 0.11 + 0.8) for lane, k in taken.items())


def test_of_the_warm_up_of_lanes_that_move_nothing_goes_with_them_that_may_have_been_sent() -> None:
    run = Run("warm_up_s=5")
    run.make_ready("worker-0")
    run.make_ready("worker-1")
    run.pass_time(1)
    assert run.protocol.state is RunState.WARMING_UP

    run.hear("worker-0", Ask(RUN_ID, run.now_s, run.leased_s["worker-0"], t0_unsure_s=0.8))
    run.hear("worker-0", Leaving(RUN_ID, {NAME: run.lanes_of("worker-0")}))
    run.look()

    grants = [each for each in run.sent["worker-1"] if isinstance(each, Grant)]
    so_far_s = run.now_s - (run.protocol.phases.t0_s or 0)
    assert [each.warm_up_from_s for each in grants] == [-inf, so_far_s + 0.8]


def test_a_silent_worker_that_comes_back_takes_part_again_and_nothing_is_counted_twice() -> None:
    run = Run()
    run.begin()
    elapsed_s = run.now_s - (run.protocol.phases.t0_s or 0)
    reached = cursors_at(run, "worker-0", elapsed_s)
    run.silent.add("worker-0")
    run.pass_time(3)
    taken = run.last("worker-1", Grant).lanes[NAME]

    run.silent.clear()
    run.hear("worker-0", Released(RUN_ID, {NAME: reached}))

    missed = sum(numbers_between(lane, k, taken[lane]) for lane, k in reached.items())
    assert 20 < missed < 40
    assert run.actions(Forgo) == [Forgo(NAME, missed)]
    assert run.state_of("worker-0") is WorkerState.HOLDING
    assert run.lanes.planned(NAME, is_whole=True) == PLANNED
    run.pass_time(0.5)
    assert run.last("worker-1", Release).lanes[NAME]


def test_leases_that_arrive_too_late_are_not_given_until_the_lanes_are_back() -> None:
    run = Run()
    run.begin()
    stale_s = run.leased_s["worker-0"]
    answered = 0

    for _ in range(50):
        run.now_s += 0.1
        run.hear("worker-1", Ask(RUN_ID, run.now_s, run.leased_s["worker-1"]))
        before = len(run.sent["worker-0"])
        run.hear("worker-0", Ask(RUN_ID, run.now_s, stale_s))
        if run.state_of("worker-0") is WorkerState.HOLDING:
            answered += len(run.sent["worker-0"]) - before
        run.look()

    assert answered in range(20, 24)
    assert run.state_of("worker-0") is WorkerState.SILENT
    assert sorted(run.lanes_of("worker-1")) == list(range(LANES))


def test_a_worker_whose_leases_stay_too_late_gets_no_lanes_again() -> None:
    run = Run()
    run.begin()
    answers: list[tuple[float, float]] = []

    for _ in range(200):
        run.now_s += 0.1
        run.hear("worker-1", Ask(RUN_ID, run.now_s, run.leased_s["worker-1"]))
        known_s = max((given_s for at_s, given_s in answers if at_s <= run.now_s), default=1.0)
        before = len(run.sent["worker-0"])
        run.hear("worker-0", Ask(RUN_ID, run.now_s, known_s))
        answers += [
            (run.now_s + 4, each.now_s)
            for each in run.sent["worker-0"][before:]
            if isinstance(each, Lease)
        ]
        run.look()
        if run.state_of("worker-0") is WorkerState.SILENT:
            run.hear("worker-0", Released(RUN_ID, {NAME: run.lanes_of("worker-0")}))

    granted = [each for each in run.sent["worker-0"] if isinstance(each, Grant)]
    assert len(granted) == 1
    assert len(answers) > 100


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("looks_first", [True, False], ids=["looks first", "hears first"])
@pytest.mark.parametrize("paused_s", [1.5, 3.0, 20.0])
def test_a_master_that_stood_still_does_not_take_its_workers_for_silent(
    workers: int, looks_first: bool, paused_s: float
) -> None:
    run = Run(workers=workers)
    for name in run.alive:
        run.make_ready(name, users=4 // workers)
    run.pass_time(0.5)
    granted_s, leased_s = run.now_s, dict(run.leased_s)

    run.now_s += paused_s
    if looks_first:
        run.look()
    for name in sorted(run.alive):  # what was asked meanwhile, with the last lease before
        run.hear(name, Ask(RUN_ID, granted_s + 0.1, leased_s[name]))
    run.look()
    given_s = [run.leased_s[name] for name in run.alive]
    run.pass_time(3)

    assert given_s == [granted_s + paused_s] * workers
    assert all(run.state_of(name) is WorkerState.HOLDING for name in run.alive)
    assert not any(run.heard(name, Release) for name in run.alive)


def test_a_worker_that_says_nothing_after_a_pause_of_the_master_is_silent_a_lease_later() -> None:
    run = Run()
    run.begin()
    run.silent.add("worker-0")

    run.now_s += 5
    for _ in range(9):  # what was asked meanwhile
        run.hear("worker-1", Ask(RUN_ID, run.now_s, run.leased_s["worker-1"]))
    run.pass_time(2.4)
    assert run.state_of("worker-0") is WorkerState.HOLDING
    run.pass_time(0.2)

    assert run.state_of("worker-0") is WorkerState.SILENT


def test_a_worker_in_the_masters_process_needs_no_lease() -> None:
    run = Run(workers=1, lease_s=None)
    run.silent.add("worker-0")
    run.make_ready("worker-0", users=4)

    run.pass_time(9)

    assert run.state_of("worker-0") is WorkerState.HOLDING
    assert run.last("worker-0", Prepare).lease_s is None


@pytest.mark.parametrize(
    ("ready", "is_moved"),
    [
        pytest.param({NAME: 1}, False, id="one is not ready"),
        pytest.param({NAME: 0}, True, id="none is ready"),
        pytest.param({}, True, id="none is there"),
    ],
)
def test_lanes_are_shared_by_the_users_that_were_dealt_as_long_as_any_is_ready(
    ready: dict[str, int], is_moved: bool
) -> None:
    run = Run()
    run.begin()

    run.hear("worker-0", Ready(RUN_ID, PLAN_HASH, ready))
    run.pass_time(0.3)

    assert run.heard("worker-0", Release) is is_moved


STATES: dict[WorkerState, Callable[[Run], None]] = {
    WorkerState.READY: lambda run: run.make_ready("worker-0"),
    WorkerState.HOLDING: lambda run: run.begin(),
    WorkerState.SILENT: lambda run: (run.begin(), run.silent.add("worker-0"), run.pass_time(3))[1],
    WorkerState.LEAVING: lambda run: (run.begin(), run.hear("worker-0", Leaving(RUN_ID, {})))[1],
}


@pytest.mark.parametrize(("state", "bring"), STATES.items(), ids=list(STATES))
def test_a_worker_whose_users_come_and_go_stays_in_its_state(
    state: WorkerState, bring: Callable[[Run], None]
) -> None:
    run = Run()
    bring(run)

    run.hear("worker-0", Ready(RUN_ID, PLAN_HASH, {NAME: 1}))

    assert run.state_of("worker-0") is state


@pytest.mark.parametrize(
    ("bring", "may_have"),
    [
        pytest.param(lambda run: None, False, id="joining"),
        *(
            pytest.param(bring, state is not WorkerState.LEAVING, id=state.value)
            for state, bring in STATES.items()
        ),
    ],
)
def test_users_may_be_dealt_to_workers_that_take_part(
    bring: Callable[[Run], None], may_have: bool
) -> None:
    run = Run()
    bring(run)

    assert run.protocol.workers.may_have_users("worker-0") is may_have
    assert not run.protocol.workers.may_have_users("nobody")


def test_a_worker_has_held_lanes_from_its_first_grant_until_it_gave_them_back() -> None:
    run = Run()
    run.begin()
    run.connect("worker-2")
    t0_s = run.protocol.phases.t0_s or 0.0
    run.pass_time(2)

    run.hear("worker-0", Leaving(RUN_ID, {NAME: cursors_at(run, "worker-0", 2)}))
    left_s = run.now_s - t0_s
    run.pass_time(3)

    held_s = {
        name: status.held_s(t0_s, t0_s + 30) for name, status in run.protocol.workers.status.items()
    }
    assert held_s == pytest.approx({"worker-0": left_s, "worker-1": 30.0, "worker-2": 0.0})


def test_all_workers_gone_end_the_run() -> None:
    run = Run()
    run.begin()

    run.alive.clear()
    run.look()

    assert run.protocol.state is RunState.ENDED
    assert Doubt("every worker is gone") in run.done


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        pytest.param(
            Refusal(RUN_ID, "the login was refused"),
            "worker worker-0 takes no part: the login was refused",
            id="wrong credentials",
        ),
        pytest.param(
            Ready(RUN_ID, "another plan", {NAME: 2}),
            "worker worker-0 takes no part: it computes another plan from the same settings",
            id="another plan",
        ),
    ],
)
def test_a_worker_that_can_take_no_part_ends_the_preparation_and_is_left_out_later(
    message: ToMaster, sentence: str
) -> None:
    early, late = Run(), Run()
    early.hear("worker-0", message)
    assert early.actions(Refuse) == [Refuse(sentence)]

    late.begin()
    late.connect("worker-2")
    late.hear("worker-2", message)
    late.pass_time(1)

    assert late.actions(Tell) == [Tell(sentence.replace("worker-0", "worker-2"))]
    assert not late.protocol.workers.may_have_users("worker-2")
    assert not late.heard("worker-2", Grant)
    assert late.protocol.state is RunState.MEASURING


def test_another_version_is_refused_by_name() -> None:
    run = Run()

    run._note(run.protocol.exclude("worker-9", "it speaks version 1"))

    assert run.actions(Refuse) == [Refuse("worker worker-9 takes no part: it speaks version 1")]
    assert run.state_of("worker-9") is WorkerState.REFUSED


def test_that_a_worker_is_left_out_is_said_once() -> None:
    run = Run()
    run.begin()

    for _ in range(3):
        run._note(run.protocol.exclude("worker-9", "it speaks version 1"))

    assert run.actions(Tell) == [Tell("worker worker-9 takes no part: it speaks version 1")]


def test_lanes_of_a_scenario_that_does_not_run_are_nobodys() -> None:
    run = Run()
    run.begin()

    run.hear("worker-0", Released(RUN_ID, {"unknown": {0: 0}}))

    assert run.actions(Forgo) == run.actions(Lose) == []


UNFIT: dict[str, tuple[ToMaster, Callable[[Run], None], str]] = {
    "released before any grant": (
        Released(RUN_ID, {}),
        lambda run: None,
        "Released of worker worker-0 does not fit its state joining",
    ),
    "drained before any grant": (
        Drained(RUN_ID, 1, {}),
        lambda run: run.make_ready("worker-0"),
        "Drained of worker worker-0 does not fit its state ready",
    ),
    "refused after it took part": (
        Refusal(RUN_ID, "no"),
        lambda run: run.begin(),
        "Refusal of worker worker-0 does not fit its state holding",
    ),
    "leaving twice": (
        Leaving(RUN_ID, {}),
        lambda run: (run.begin(), run.hear("worker-0", Leaving(RUN_ID, {})))[0],
        "Leaving of worker worker-0 does not fit its state leaving",
    ),
}


@pytest.mark.parametrize(("message", "bring", "sentence"), UNFIT.values(), ids=list(UNFIT))
def test_a_message_that_does_not_fit_names_itself_and_the_state(
    message: ToMaster, bring: Callable[[Run], None], sentence: str
) -> None:
    run = Run()
    bring(run)

    with pytest.raises(ProtocolError, match=sentence):
        run.hear("worker-0", message)


def test_messages_of_another_run_or_of_a_stranger_are_not_heard() -> None:
    run = Run()
    run.begin()
    before = len(run.done)

    run.hear("worker-0", Released("another run", {NAME: {0: 0}}))
    run.hear("nobody", Drained(RUN_ID, 1, {}))

    assert len(run.done) == before


def test_the_same_message_twice_changes_nothing_the_second_time() -> None:
    run = Run()
    run.begin()
    run.connect("worker-2")
    run.make_ready("worker-2")
    run.pass_time(0.3)
    moved = run.last("worker-0", Release).lanes[NAME]
    released = Released(RUN_ID, {NAME: {lane: lane for lane in moved}})

    run.hear("worker-0", released)
    run.hear("worker-0", released)

    granted = [each for each in run.sent["worker-2"] if isinstance(each, Grant)]
    assert [sorted(each.lanes[NAME]) for each in granted] == [sorted(moved)]


def test_a_lost_worker_that_comes_back_is_told_to_stop() -> None:
    run = Run()
    run.begin()
    run.alive.remove("worker-0")
    run.look()

    run.hear("worker-0", Ask(RUN_ID, run.now_s, 0.0))
    run.hear("worker-0", Released(RUN_ID, {NAME: {0: 0}}))

    assert [type(each) for each in run.sent["worker-0"]].count(Stop) == 1
    assert isinstance(run.sent["worker-0"][-1], Stop)
    assert run.actions(Forgo) == []


def test_a_run_that_is_stopped_waits_for_what_is_in_flight_and_a_second_stop_adds_nothing() -> None:
    run = Run()
    run.begin()
    run.pass_time(1)
    stopped_s = run.now_s

    run._note(run.protocol.stop(run.now_s))
    told = {name: list(run.sent[name]) for name in run.alive}
    run._note(run.protocol.stop(run.now_s))
    assert run.protocol.state is RunState.STOPPING
    assert run.sent == told
    for name in sorted(run.alive):
        assert sum(isinstance(each, Stop) for each in run.sent[name]) == 1
        run.hear(name, Drained(RUN_ID, 1, {NAME: cursors_at(run, name, 1)}, after_stop=True))
    run.look()

    assert run.protocol.state is RunState.ENDED
    assert run.protocol.phases.measured_s(30) == stopped_s - (run.protocol.phases.t0_s or 0)
    assert run.lanes.planned(NAME, is_whole=False) < PLANNED


def test_a_stop_is_said_again_to_whoever_asks_and_no_lease_is_given_any_more() -> None:
    run = Run()
    run.begin()
    run._note(run.protocol.stop(run.now_s))
    run.sent["worker-0"].clear()

    run.pass_time(0.3)

    assert run.sent["worker-0"] == [Stop(RUN_ID)] * 3


def test_what_a_worker_has_missed_it_is_told_again_in_order() -> None:
    run = Run()
    run.begin()
    run.silent.add("worker-0")
    run.pass_time(2.7)
    said = [each for each in run.sent["worker-0"] if isinstance(each, Grant | Release)]
    run.sent["worker-0"].clear()

    run.hear("worker-0", Missed(RUN_ID, 1))
    run.hear("worker-0", Missed(RUN_ID, len(said)))

    assert isinstance(said[0], Grant) and isinstance(said[-1], Release)
    assert run.sent["worker-0"] == [*said, said[-1]]


def test_what_a_worker_drained_before_a_stop_is_no_answer_to_it() -> None:
    run = Run()
    run.begin()
    run._note(run.protocol.stop(run.now_s))

    for name in sorted(run.alive):
        run.hear(name, Drained(RUN_ID, 1, {}, number=1))
    run.look()
    before = run.protocol.state
    for name in sorted(run.alive):
        run.hear(name, Drained(RUN_ID, 1, {}, number=2, after_stop=True))
    run.look()

    assert (before, run.protocol.state) == (RunState.STOPPING, RunState.ENDED)


def test_the_inputs_of_a_run_are_not_said_again() -> None:
    run = Run()
    run.sent["worker-0"].clear()

    run.hear("worker-0", Missed(RUN_ID, 0))

    assert run.sent["worker-0"] == []


def test_a_pause_of_the_master_makes_no_worker_hear_what_it_did_not() -> None:
    run = Run()
    run.begin()
    status = run.protocol.workers.status["worker-0"]
    heard_s = status.heard_s
    run.now_s += 0.1
    run.hear("worker-0", Ask(RUN_ID, run.now_s, run.leased_s["worker-0"]))

    run.now_s += 1.5
    run.look()

    assert status.leased_s > status.heard_s >= heard_s


def test_before_a_worker_that_was_missed_has_said_it_again_it_has_no_answer() -> None:
    run = Run()
    run.begin()
    lanes = {NAME: cursors_at(run, "worker-0", 1)}
    run.sent["worker-0"].clear()

    run.hear("worker-0", Ask(RUN_ID, run.now_s, run.leased_s["worker-0"], said=1))
    run.hear("worker-0", Drained(RUN_ID, 1, lanes, number=2))
    assert run.sent["worker-0"] == [Missed(RUN_ID, 0)] * 2
    assert run.protocol.workers.status["worker-0"].drained_epoch == -1

    run.hear("worker-0", Released(RUN_ID, {}, number=1))
    run.hear("worker-0", Drained(RUN_ID, 1, lanes, number=2))
    run.hear("worker-0", Ask(RUN_ID, run.now_s, run.leased_s["worker-0"], said=2))
    assert run.protocol.workers.status["worker-0"].drained_epoch == 1
    assert isinstance(run.sent["worker-0"][-1], Lease)


def test_a_stop_waits_also_for_those_whose_lanes_had_drained_before() -> None:
    run = Run()
    run.begin()
    for name in sorted(run.alive):
        run.hear(name, Drained(RUN_ID, run.protocol.workers.status[name].granted_epoch, {}))
    # By the longer plan they have messages in flight again.
    curve = RateCurve([Stage(20, 20, 60)])
    run._note(run.protocol.change({NAME: curve}, 29.0, run.now_s))

    run._note(run.protocol.stop(run.now_s))
    run.pass_time(0.5)

    assert run.protocol.state is RunState.STOPPING


def test_a_worker_without_lanes_answers_a_stop_as_the_others_do() -> None:
    run = Run()
    run.begin()
    run.connect("worker-2")
    run._note(run.protocol.stop(run.now_s))

    for name in sorted(run.alive):
        run.hear(name, Drained(RUN_ID, 0, {}, after_stop=True))
    run.look()

    assert run.protocol.state is RunState.ENDED
    assert run.actions(Doubt) == []


def test_a_final_report_that_does_not_come_is_a_doubt() -> None:
    run = Run("stop_timeout_s=1", "request_timeout_s=1")
    run.begin()

    run._note(run.protocol.stop(run.now_s))
    lanes = {NAME: cursors_at(run, "worker-0", 0)}
    run.hear("worker-0", Drained(RUN_ID, 1, lanes, after_stop=True))
    run.pass_time(12)

    assert run.protocol.state is RunState.ENDED
    assert run.actions(Doubt) == [Doubt("no final report came from worker worker-1")]


@pytest.mark.parametrize(
    ("message", "action"),
    [
        pytest.param(
            LateChange(RUN_ID, 0.5),
            Doubt("worker worker-0 heard of a change of the run 0.50 s too late"),
            id="a change came late",
        ),
        pytest.param(Enough(RUN_ID, "a limit"), EndEarly("a limit"), id="a worker wants the end"),
    ],
)
def test_what_a_worker_says_of_the_run_is_passed_on(message: ToMaster, action: Action) -> None:
    run = Run()
    run.begin()

    run.hear("worker-0", message)

    assert action in run.done


def test_tokens_and_limits_are_shared_among_the_workers_there_are_at_first() -> None:
    run = Run("oauth.tokens=5")

    shares = [run.last(name, Prepare).share for name in run.alive]

    assert {each.share for each in shares} == {0.5}
    assert sorted(each.tokens or 0 for each in shares) == [2, 3]
