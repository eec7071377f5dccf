"""The two message routes of the support thread's dialect."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from simulator.answers import Answer, standard_rejection
from simulator.calls import Call
from simulator.ids import new_id
from simulator.model.marker import find_marker
from simulator.model.messages import Message, conversation_message, guest_message
from simulator.model.rejection import INVALID_PAYLOAD, Rejection
from simulator.world import World


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The body that answers an accepted message."""

    id: str
    conversationId: str
    direction: str
    timestamp: str
    status: str
    selfUri: str


_decode = msgspec.json.Decoder().decode
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
        raise Rejection(
            "not.a.client",
            "This request requires a non-user context. User token cannot be used for requests "
            "to this resource.",
        )
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
    content_type = call.headers.get(b"content-type")
    if content_type is not None:
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            raise standard_rejection("unsupported.media.type")
    try:
        return _decode(call.body)
    except (ValueError, RecursionError):
        raise Rejection(
            INVALID_PAYLOAD,
            "Message payload is invalid. 'body' of the request is not valid JSON.",
            field="body",
        ) from None


def _accept(world: World, message: Message) -> Answer:
    conversation_id = message.conversation.id
    world.ledger.accept(find_marker(message.text), conversation_id)
    message_id = new_id()
    receipt = Receipt(
        id=message_id,
        conversationId=conversation_id,
        direction="inbound",
        timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        status="sent",
        selfUri=f"/api/v2/conversations/messages/{conversation_id}/messages/{message_id}",
    )
    return Answer(200, _encode(receipt))
