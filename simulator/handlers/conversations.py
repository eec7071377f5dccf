"""Reading conversations in the thread's dialect: the paged listing and a single one."""

from __future__ import annotations

from simulator.answers import Answer, json_answer
from simulator.calls import Call
from simulator.handlers.reading import page_of
from simulator.model.conversations import Conversation
from simulator.model.rejection import conversation_not_found
from simulator.world import World


def list_page(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations?pageSize=25&pageNumber=1`, closed conversations included."""
    page, ordered = page_of(call), world.pool.ordered
    return json_answer(page.listing([_as_json(each) for each in page.of(ordered)], len(ordered)))


def show(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/{id}`."""
    conversation = world.pool.by_id.get(call.path_values[0])
    if conversation is None:
        raise conversation_not_found()
    return json_answer(_as_json(conversation))


def _as_json(conversation: Conversation) -> dict[str, object]:
    return {
        "id": conversation.id,
        "state": conversation.state,
        "type": conversation.type,
        "participants": conversation.participants,
        "selfUri": f"/api/v2/conversations/{conversation.id}",
    }
