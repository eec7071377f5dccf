"""The simulator's own routes, which no real API has: ledger, faults, revoking and closing."""

from __future__ import annotations

import hmac

import msgspec

from simulator import VERSION
from simulator.answers import NO_CONTENT, Answer, json_answer
from simulator.calls import Call
from simulator.fault_words import BadFault
from simulator.model.clients import CLIENTS
from simulator.model.rejection import Rejection, conversation_not_found
from simulator.world import World


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body that sets faults."""

    faults: list[str]


class CodeOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body that asks for an authorization code, in place of a person who logs in."""

    client_id: str


def show(world: World, call: Call) -> Answer:
    """`GET /simulator[?challenge=…]`: by this a client tells the simulator from a real target.

    What it is asked comes back as an HMAC by its key, where it has one, with the address that it
    was asked at: what another host passes on proves nothing for that host.
    """
    challenge = call.parameters.get("challenge")
    proof = ""
    if challenge is not None and world.key:
        proven = f"{challenge} {call.came_to}"
        proof = hmac.new(world.key, proven.encode(), "sha256").hexdigest()
    return json_answer(
        {
            "simulator": "convoy",
            "version": VERSION,
            "started_by": world.options.started_by,
            "proof": proof,
            "seed": world.options.seed,
            "conversations": world.options.conversations,
        }
    )


def show_ledger(world: World, call: Call) -> Answer:
    """`GET /simulator/ledger[?run_id=…]`; without a run the whole, and which runs there are."""
    run_id, since = call.parameters.get("run_id"), {"since": world.ledger.since}
    if run_id is not None:
        return json_answer(world.ledger.account(run_id).as_json() | since)
    return json_answer(world.ledger.whole.as_json() | since | {"runs": world.ledger.runs})


def clear_ledger(world: World, call: Call) -> Answer:
    """`DELETE /simulator/ledger`, its file included."""
    world.clear_ledger()
    return NO_CONTENT


def show_faults(world: World, call: Call) -> Answer:
    """`GET /simulator/faults`."""
    return json_answer({"faults": world.faults.specs})


def add_faults(world: World, call: Call) -> Answer:
    """`POST /simulator/faults` with `{"faults": [SPEC, …]}`; a wrong one changes nothing."""
    try:
        order = msgspec.json.decode(call.body, type=FaultOrder)
        world.add_faults(order.faults)
    except BadFault as exc:
        raise Rejection("bad.request", str(exc), field="faults") from None
    except (ValueError, RecursionError) as exc:
        sentence = f'The body must be {{"faults": [SPEC, ...]}}: {exc}'
        raise Rejection("bad.request", sentence, field="faults") from None
    return show_faults(world, call)


def clear_faults(world: World, call: Call) -> Answer:
    """`DELETE /simulator/faults`."""
    world.clear_faults()
    return NO_CONTENT


def issue_code(world: World, call: Call) -> Answer:
    """`POST /simulator/oauth/codes` with `{"client_id": …}`: a code, good for one login."""
    try:
        order = msgspec.json.decode(call.body, type=CodeOrder)
    except (ValueError, RecursionError) as exc:
        sentence = f'The body must be {{"client_id": ...}}: {exc}'
        raise Rejection("bad.request", sentence, field="client_id") from None
    client = CLIENTS.get(order.client_id)
    if client is None or not client.is_user_grant:
        raise Rejection("bad.request", "No client of users has this id.", field="client_id")
    return json_answer({"code": world.grants.issue_code(client)})


def revoke_tokens(world: World, call: Call) -> Answer:
    """`POST /simulator/tokens/revoke`: every access token issued so far; no refresh token."""
    world.tokens.revoke_all()
    return NO_CONTENT


def close_conversation(world: World, call: Call) -> Answer:
    """`POST /simulator/conversations/{id}/close`, of either dialect."""
    conversation_id = call.path_values[0]
    conversation = world.messaging.by_id.get(conversation_id)
    if conversation is not None:
        world.end(conversation)
    elif not world.pool.close(conversation_id):
        raise conversation_not_found()
    return NO_CONTENT
