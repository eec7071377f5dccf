"""Conversations of the public routes: listed, shown, ended; and the messages in them."""

from __future__ import annotations

from typing import Any

from simulator.answers import NO_CONTENT, Answer, json_answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.handlers.reading import body_of, page_of
from simulator.handlers.renderings import (
    Json,
    conversation,
    message_conversation,
    message_data,
)
from simulator.model import bodies
from simulator.model.messaging import Message, MessagingConversation
from simulator.model.rejection import Rejection, conversation_not_found
from simulator.world import World

ACCEPTED = Answer(202)


def list_conversations(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations`: "active conversations for the logged in user"."""
    active, now_s = _active(world, call), world.now_s()
    page = page_of(call)
    entities = [conversation(each, now_s) for each in page.of(active)]
    return json_answer(page.listing(entities, len(active)))


def list_message_conversations(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/messages`."""
    active, now_s = _active(world, call), world.now_s()
    page = page_of(call)
    entities = [message_conversation(each, now_s) for each in page.of(active)]
    return json_answer(page.listing(entities, len(active)))


def show(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/{conversationId}`."""
    return json_answer(conversation(_named(world, call, rejection("not.found")), world.now_s()))


def show_message_conversation(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/messages/{conversationId}`."""
    found = _named(world, call, conversation_not_found())
    return json_answer(message_conversation(found, world.now_s()))


def update(world: World, call: Call) -> Answer:
    """`PATCH /api/v2/conversations/messages/{conversationId}`: disconnects all of it."""
    found = _named(world, call, rejection("not.found"))
    body_of(call, bodies.conversation_update)
    world.end(found)
    return json_answer(conversation(found, world.now_s()))


def end(world: World, call: Call) -> Answer:
    """`DELETE /api/v2/conversations/{conversationId}`."""
    world.end(_named(world, call, conversation_not_found()))
    return NO_CONTENT


def disconnect(world: World, call: Call) -> Answer:
    """`POST /api/v2/conversations/{id}/disconnect`; what string it answers is unknown."""
    world.end(_named(world, call, conversation_not_found()))
    return json_answer("", 202)


def update_participant(world: World, call: Call) -> Answer:
    """`PATCH …/participants/{participantId}`; with either side gone the conversation is over."""
    found = _with_participant(world, call)
    body: dict[str, Any] = body_of(call, bodies.state_update)
    state = body.get("state")
    if state not in (None, "disconnected"):
        raise rejection("conversation.participant.update.invalid", field="state")
    if found.is_over:
        raise rejection("conversation.error.participant.no.active.conversations")
    if state:
        world.end(found)
    return ACCEPTED


def update_attributes(world: World, call: Call) -> Answer:
    """`PATCH …/participants/{participantId}/attributes`; those of either side are the same."""
    found = _with_participant(world, call)
    body: dict[str, Any] = body_of(call, bodies.attributes_update)
    found.attributes |= body["attributes"]
    return json_answer({"attributes": found.attributes}, 202)


def update_communication(world: World, call: Call) -> Answer:
    """`PATCH …/participants/{participantId}/communications/{communicationId}`."""
    found = _with_participant(world, call)
    is_own = call.path_values[2] in (found.communication_id, found.customer_communication_id)
    if not is_own:
        raise rejection("not.found")
    body: dict[str, Any] = body_of(call, bodies.state_update)
    if body.get("state") != "disconnected":
        raise rejection("communication.state.required", field="state")
    world.end(found)
    return json_answer({})


def show_message(world: World, call: Call) -> Answer:
    """`GET …/messages/{conversationId}/messages/{messageId}`."""
    conversation_id, message_id = call.path_values
    found = world.messaging.message(message_id, world.now_s())
    if found.conversation_id != conversation_id:
        raise rejection("not.found")
    return json_answer(message_data(found))


def show_message_details(world: World, call: Call) -> Answer:
    """`GET /api/v2/conversations/messages/{messageId}/details`."""
    return json_answer(message_data(world.messaging.message(call.path_values[0], world.now_s())))


def list_messages(world: World, call: Call) -> Answer:
    """`POST …/messages/{conversationId}/messages/bulk` with ids; those not found are left out.

    What the real one does with an id that it does not find is not documented.
    """
    found = _named(world, call, rejection("not.found"))
    ids: list[str] = body_of(call, bodies.message_ids)
    return json_answer({"entities": _messages(world, found, ids)})


def _messages(world: World, found: MessagingConversation, ids: list[str]) -> list[Json]:
    rendered = []
    for id in ids:
        message = _found(world, id)
        if message is not None and message.conversation_id == found.id:
            rendered.append(message_data(message))
    return rendered


def _found(world: World, message_id: str) -> Message | None:
    try:
        return world.messaging.message(message_id, world.now_s())
    except Rejection:
        return None


def _active(world: World, call: Call) -> list[MessagingConversation]:
    """Of the one user all that have an agent; with client credentials there is no user."""
    if call.token is not None and not call.token.client.is_user_grant:
        if world.options.are_userless_listings_refused:
            raise rejection("not.a.user")
        return []
    return [each for each in world.messaging.by_id.values() if each.agent_id and not each.is_over]


def _named(world: World, call: Call, unknown: Rejection) -> MessagingConversation:
    found = world.messaging.by_id.get(call.path_values[0])
    if found is None:
        raise unknown
    return found


def _with_participant(world: World, call: Call) -> MessagingConversation:
    found = _named(world, call, rejection("not.found"))
    participant_id = call.path_values[1]
    if participant_id not in (found.customer_id, found.agent_id):
        raise rejection("not.found")
    return found
