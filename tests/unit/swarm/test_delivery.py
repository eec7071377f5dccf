"""What a channel that drops messages delivers: all of them, in order, each once, before a lease."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from convoy.swarm.delivery import Inbox, Outbox
from convoy.swarm.messages import Farewell, Lease, Over, Release, SaidOnce, Stop, ToWorker
from tests.unit.swarm import RUN_ID

LEASE = Lease(RUN_ID, 1.0, 2.0)


def release(number: int) -> Release:
    return Release(RUN_ID, {f"scenario {number}": [number]})


def test_what_is_said_once_is_numbered_and_a_lease_says_how_much_there_was() -> None:
    outbox = Outbox()

    sent = [outbox.number(each) for each in (release(1), LEASE, Farewell(RUN_ID), LEASE)]

    said = [each.number if isinstance(each, SaidOnce) else each.said for each in sent]  # type: ignore[union-attr]
    assert said == [1, 1, 2, 2]


def test_without_what_came_before_a_lease_is_not_taken_but_a_stop_is() -> None:
    outbox, inbox = Outbox(), Inbox()
    outbox.number(release(1))
    lost, lease = outbox.number(release(2)), outbox.number(LEASE)
    later = outbox.number(release(3))

    assert (inbox.takes(lease), inbox.misses(lease)) == (False, True)
    assert (inbox.takes(later), inbox.misses(later)) == (False, True)
    assert inbox.takes(Stop(RUN_ID)) and inbox.takes(Over(RUN_ID))
    assert [inbox.takes(each) for each in outbox.after(inbox.received)] == [True, True]
    assert (inbox.takes(lost), inbox.misses(lost)) == (False, False)
    assert inbox.takes(lease)


@given(st.lists(st.tuples(st.sampled_from(["say", "lease"]), st.booleans()), max_size=40))
def test_whatever_is_dropped_all_is_followed_in_order_and_no_lease_before_it(
    sendings: list[tuple[str, bool]],
) -> None:
    outbox, inbox = Outbox(), Inbox()
    outbox.number(release(1))
    followed, said = [1], 1
    # The last lease gets through: as long as none does, the worker has none.
    for kind, is_dropped in [*sendings, ("lease", False)]:
        said += kind == "say"
        sent: deque[ToWorker] = deque([outbox.number(release(said) if kind == "say" else LEASE)])
        while sent and not is_dropped:
            message = sent.popleft()
            if inbox.takes(message):
                if isinstance(message, Release):
                    followed += message.lanes[f"scenario {len(followed) + 1}"]
                else:
                    assert len(followed) == said
            elif inbox.misses(message):
                sent += outbox.after(inbox.received)

    assert followed == list(range(1, said + 1))
