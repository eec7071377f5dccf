"""Reading conversations: the paged listing and a single one."""

from __future__ import annotations

from simulator.answers import Answer, json_answer
from simulator.calls import Call
from simulator.model.conversations import Conversation
from simulator.model.rejection import Rejection, conversation_not_found
from simulator.world import World

PAGE_SIZE = 25
PAGE_SIZE_MAX = 100
PAGE_NUMBER_MAX = 999_999_999


def list_page(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations?pageSize=25&pageNumber=1`, closed conversations included."""
    parameters = call.parameters
    page_size = _whole_number(parameters, "pageSize", PAGE_SIZE, PAGE_SIZE_MAX)
    page_number = _whole_number(parameters, "pageNumber", 1, PAGE_NUMBER_MAX)
    ordered = world.pool.ordered
    start = (page_number - 1) * page_size
    return json_answer(
        {
            "entities": [_as_json(each) for each in ordered[start : start + page_size]],
            "pageSize": page_size,
            "pageNumber": page_number,
            "pageCount": -(-len(ordered) // page_size),
            "total": len(ordered),
        }
    )


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


def _whole_number(parameters: dict[str, str], name: str, default: int, highest: int) -> int:
    value = parameters.get(name)
    if value is None:
        return default
    if value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= highest:
        return int(value)
    allowable = f"1 to {highest}"
    raise Rejection(
        "invalid.query.param.value",
        f"Value [{value}] is not valid for parameter [{name}]. Allowable values are: {allowable}",
        params={"value": value, "parameter": name, "allowableValues": allowable},
    )
