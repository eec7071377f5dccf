"""The parts of an approved rate: whatever workers own, together they may send no more."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from convoy.plan.lanes import LANES, numbers_between
from convoy.settings import Settings
from convoy.settings.model import Approval
from convoy.swarm.lease_book import LeaseBook
from tests.unit.settings.configuration import settings_of

BOTH = ("conversation_messages", "guest_messages")


def approved(most: int, *rates: float) -> Settings:
    settings = settings_of(f"scenarios=[{','.join(BOTH)}]", f"rate={sum(rates)}")
    own = {
        name: settings.scenario[name].model_copy(update={"rate": rate})
        for name, rate in zip(BOTH, rates, strict=True)
    }
    approval = Approval(ticket="1", organisation_id="o", highest_rate=most)
    target = settings.target.model_copy(update={"approval": approval})
    return settings.model_copy(update={"target": target, "scenario": own})


def parts(settings: Settings, owners: Mapping[str, LeaseBook], workers: list[str]) -> list[int]:
    """Return how many messages each worker may send in a second with the lanes it owns."""
    permits = settings.permits_by_scenario()
    return [
        sum(
            numbers_between(lane, permits[name].start, permits[name].stop)
            for name, book in owners.items()
            for lane in book.lanes_of(worker)
        )
        for worker in workers
    ]


@given(
    most=st.integers(1, 2000),
    shares=st.lists(st.integers(1, 50), min_size=1, max_size=7),
    rates=st.tuples(st.sampled_from([0.5, 1.0, 7.0, 100.0]), st.sampled_from([0.1, 1.0, 40.0])),
)
def test_whatever_workers_own_they_may_send_as_much_as_one_alone(
    most: int, shares: list[int], rates: tuple[float, float]
) -> None:
    workers = [f"worker-{number}" for number in range(len(shares))]
    books = {name: LeaseBook([10_000] * LANES) for name in BOTH}
    for book in books.values():
        book.deal(dict(zip(workers, shares, strict=True)), 0.0)

    assert sum(parts(approved(most, *rates), books, workers)) == most


@given(most=st.integers(1, 600), count=st.integers(1, 7))
def test_workers_alike_may_send_alike(most: int, count: int) -> None:
    workers = [f"worker-{number}" for number in range(count)]
    books = {name: LeaseBook([10_000] * LANES) for name in BOTH}
    for book in books.values():
        book.deal(dict.fromkeys(workers, 1.0), 0.0)

    each = parts(approved(most, 3.0, 2.0), books, workers)

    assert max(each) - min(each) <= 3
