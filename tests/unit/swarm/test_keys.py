"""Both ends of a swarm come to the same keys by themselves, and nobody else does."""

from __future__ import annotations

import zmq
from zmq.utils import z85

from convoy.secrets import Secret
from convoy.swarm.keys import SwarmKeys

SECRET = Secret("the secret of this swarm")


def test_the_same_secret_leads_to_the_same_keys() -> None:
    assert SwarmKeys.derived_from(SECRET) == SwarmKeys.derived_from(Secret(SECRET.reveal()))


def test_keys_stay_as_they_are_because_swarms_hold_machines_of_several_versions() -> None:
    keys = SwarmKeys.derived_from(SECRET)

    assert keys.master.public == b"9wP+UZ*Q8W]b)NgNd]f&gbfa!85o9d-FM]jUwW>)"
    assert keys.worker.public == b"^)YW{or-ct%d##1vF]TS3Mw!!&^iEbupx3)><agh"


def test_the_public_half_is_that_of_the_private_one() -> None:
    pair = SwarmKeys.derived_from(SECRET).worker

    assert pair.public == zmq.curve_public(pair.private.reveal().encode())
    assert z85.encode(pair.raw_public) == pair.public


def test_master_and_worker_another_secret_and_another_process_have_other_keys() -> None:
    pairs = [
        pair
        for keys in (
            SwarmKeys.derived_from(SECRET),
            SwarmKeys.derived_from(Secret("the secret of this swarm.")),
            SwarmKeys.for_this_process(),
            SwarmKeys.for_this_process(),
        )
        for pair in (keys.master, keys.worker)
    ]

    assert len({pair.public for pair in pairs}) == len(pairs)


def test_no_private_half_is_shown() -> None:
    keys = SwarmKeys.derived_from(SECRET)

    assert keys.master.private.reveal() not in repr(keys)
    assert keys.worker.private.reveal() not in repr(keys)
