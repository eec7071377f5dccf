"""The two message routes of the support thread's dialect."""

from __future__ import annotations

import msgspec

from simulator.answers import Answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.handlers.reading import NotJson, json_of
from simulator.ids import new_id
from simulator.model.marker import find_marker
from simulator.model.messages import Message, conversation_message, guest_message
from simulator.model.rejection import INVALID_PAYLOAD, Rejection
from simulator.timestamps import stamp
from simulator.world import World


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The body that answers an accepted message."""

    id: str
    conversationId: str
    direction: str
    timestamp: str
    status: str
    selfUri: str


_encode = msgspec.json.Encoder().encode


def send(world: World, call: Call) -> Answer:
    """`POST /api/v2/conversations/messages`."""
    _check_scope(call, "conversation:write")
    body = _json_body(call)
    return _accept(
        world, conversation_message(body, world.pool, is_lenient=world.options.is_lenient)
    )


def send_as_guest(world: World, call: Call) -> Answer:
    """`POST /api/v2/webmessaging/guests/{guestId}/conversations/messages`."""
    if call.token is not None and call.token.client.is_user_grant:
        raise rejection("not.a.client")
    _check_scope(call, "webmessaging:guest")
    return _accept(world, guest_message(_json_body(call), call.path_values[0], world.pool))


def _check_scope(call: Call, scope: str) -> None:
    if call.token is not None and not call.token.client.may_message:
        raise Rejection(
            "app.not.authorized.for.scope",
            f"App not authorized to use scope [{scope}]",
            params={"scope": scope},
        )


def _json_body(call: Call) -> object:
    try:
        return json_of(call)
    except NotJson:
        raise Rejection(
            INVALID_PAYLOAD,
            "Message payload is invalid. 'body' of the request is not valid JSON.",
            field="body",
        ) from None


def _accept(world: World, message: Message) -> Answer:
    conversation_id = message.conversation.id
    message_id = new_id()
    world.deliveries.accept(find_marker(message.text), conversation_id, "inbound", message_id)
    receipt = Receipt(
        id=message_id,
        conversationId=conversation_id,
        direction="inbound",
        timestamp=stamp(world.wall_s()),
        status="sent",
        selfUri=f"/api/v2/conversations/messages/{conversation_id}/messages/{message_id}",
    )
    return Answer(200, _encode(receipt))
