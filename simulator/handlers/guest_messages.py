"""What guests say and do: messages, buttons, typing, coming, clearing; and the bot's answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from simulator import guest_frames as frames
from simulator.guest_orders import Order
from simulator.handlers.guest_sessions import clear
from simulator.ids import new_digits, new_id
from simulator.model.bot import Reply
from simulator.model.guest_errors import (
    ATTACHMENT_NOT_FOUND,
    ATTACHMENT_NOT_UPLOADED,
    ATTRIBUTES_TOO_LARGE,
    FORBIDDEN,
    READ_ONLY,
    REQUEST_FAILED,
    TOO_LONG,
    GuestError,
)
from simulator.model.guest_rates import GuestLimits
from simulator.model.guest_requests import custom_attributes
from simulator.model.guests import Session
from simulator.model.messaging import INBOUND, OUTBOUND, Message, MessagingConversation
from simulator.model.organisation import DEFAULT_QUEUE
from simulator.world import World

Json = dict[str, Any]
WEB = "webmessaging"
GUEST_NAME = "Guest"
MEDIA_TYPES = {"image": "Image", "video": "Video", "audio": "Audio"}


def send(world: World, order: Order) -> None:
    """`onMessage`: anything that a guest says or does in the conversation."""
    session, message = order.session(world), order.body["message"]
    world.guests.rates.spend_message(session.messages, world.now_s())
    if message.get("type") == "Event":
        _take_events(world, order, session, message.get("events") or [])
    else:
        _take_message(world, order, session, message)


def _take_message(world: World, order: Order, session: Session, given: Json) -> None:
    text, attributes = given.get("text") or "", custom_attributes(order.body)
    if session.is_read_only:
        raise GuestError(READ_ONLY)
    _check_sizes(world.guests.limits, text, attributes)
    content = [_content(order, session, each) for each in given.get("content") or ()]
    if not text and not content:
        raise GuestError(REQUEST_FAILED, "Request failed. The message has no text and no content.")
    conversation = _conversation(world, session)
    conversation.attributes |= attributes
    message = Message(
        id=new_digits(),
        conversation_id=conversation.id,
        direction=INBOUND,
        messenger_type=WEB,
        integration_id=session.deployment.id,
        address=session.guest_id,
        text=text,
        at_s=world.wall_s(),
        visible_at_s=world.now_s(),
        kind=given.get("type") or "Text",
        content=content or None,
        metadata=given.get("metadata") or None,
        provider_id=new_id(),
    )
    # Made now: a defect may change the stored message, not what its sender is told.
    copy = frames.frame(
        frames.MESSAGE,
        frames.STRUCTURED,
        frames.message_body(message),
        tracing_id=order.tracing_id,
    )
    world.deliver(message, order.raw)
    world.guests.touch(session, world.now_s())
    world.push(session, copy)
    pressed = [each["buttonResponse"]["text"] for each in content if "buttonResponse" in each]
    _let_bot_answer(world, session, text or "".join(pressed[:1]))


def _check_sizes(limits: GuestLimits, text: str, attributes: dict[str, str]) -> None:
    size = len(text.encode())
    if size > limits.text_bytes_max:
        sentence = f"Message length {size} is larger than {limits.text_bytes_max}"
        raise GuestError(TOO_LONG, sentence)
    most = limits.attributes_bytes_max
    if attributes and len(msgspec.json.encode(attributes)) > most:
        sentence = f"Custom Attributes in channel metadata is larger than {most} bytes"
        raise GuestError(ATTRIBUTES_TOO_LARGE, sentence)


def _content(order: Order, session: Session, given: Json) -> Json:
    """A content as it is stored and comes back; raises `GuestError`, also for an absent file."""
    kind = given["contentType"]
    if kind == "ButtonResponse" and given.get("buttonResponse"):
        return {"contentType": kind, "buttonResponse": given["buttonResponse"]}
    if kind != "Attachment" or not given.get("attachment"):
        raise GuestError(REQUEST_FAILED, f"Request failed. There is no {kind} in the content.")
    attachment = session.attachments.get(given["attachment"]["id"])
    if attachment is None:
        raise GuestError(ATTACHMENT_NOT_FOUND)
    if not attachment.is_uploaded:
        raise GuestError(ATTACHMENT_NOT_UPLOADED)
    shown = {
        "id": attachment.id,
        "mediaType": MEDIA_TYPES.get(attachment.type.partition("/")[0], "File"),
        "url": order.connection.base_url + frames.upload_path(attachment),
        "mime": attachment.type,
        "filename": attachment.name,
        "fileSize": attachment.size,
    }
    return {"contentType": kind, "attachment": shown}


def _take_events(world: World, order: Order, session: Session, events: list[Json]) -> None:
    if len(events) != 1:
        raise GuestError(REQUEST_FAILED, "Request failed. There must be one event.")
    event = events[0]
    about = event.get("presence") if event["eventType"] == "Presence" else event.get("typing")
    if about is None:
        raise GuestError(REQUEST_FAILED, f"Request failed. There is no {event['eventType']}.")
    kind = about["type"]
    if kind == "Clear" and not session.deployment.allows_clear:
        raise GuestError(FORBIDDEN, "Presence events Conversation Clear are not supported")
    if kind == "Join":
        if session.is_read_only:
            raise GuestError(READ_ONLY)
        _conversation(world, session)
        session.is_joined = True
    # Whether typing comes back as the other events do is not documented.
    world.push(session, frames.own_event(event, world.wall_s(), order.tracing_id))
    if kind == "Join":
        _let_bot_answer(world, session, "", is_join=True)
    elif kind == "Clear":
        clear(world, session)
    elif kind == "Disconnect" and session.conversation is not None:
        world.end(session.conversation)


def _conversation(world: World, session: Session) -> MessagingConversation:
    """The session's conversation, taken up again or begun."""
    deployment, messaging = session.deployment, world.messaging
    latest = messaging.latest(deployment.id, session.guest_id)
    if latest is None or not messaging.is_within_window(latest, world.now_s()):
        latest = messaging.begin(
            integration_id=deployment.id,
            messenger_type=WEB,
            address=session.guest_id,
            customer_name=GUEST_NAME,
            direction=INBOUND,
            queue_id=DEFAULT_QUEUE.id,
            has_agent=deployment.has_agent,
            wall_s=world.wall_s(),
        )
        world.guests.converse(session, latest)
    elif latest.is_over:
        latest.connect(deployment.has_agent)
    return latest


def _let_bot_answer(world: World, session: Session, text: str, *, is_join: bool = False) -> None:
    if session.deployment.has_bot and session.conversation is not None:
        replies = world.bot.replies(text, is_join=is_join)
        _prepare_next(world, session, session.conversation, replies)


def _prepare_next(
    world: World,
    session: Session,
    conversation: MessagingConversation,
    replies: Iterator[Reply],
) -> None:
    """Let the next reply come when it is due, and the one after it from then on."""
    for reply in replies:
        if reply.is_typed:
            world.push(session, frames.typing(world.wall_s()))
        if reply.delay_s:
            go_on = partial(_go_on, world, session, conversation, reply, replies)
            world.later(reply.delay_s, go_on)
            return
        if not _give(world, session, conversation, reply):
            return


def _go_on(
    world: World,
    session: Session,
    conversation: MessagingConversation,
    reply: Reply,
    replies: Iterator[Reply],
) -> None:
    if _give(world, session, conversation, reply):
        _prepare_next(world, session, conversation, replies)


def _give(
    world: World, session: Session, conversation: MessagingConversation, reply: Reply
) -> bool:
    """Say or do what a reply is; False if the conversation is over, so that nothing more comes."""
    if session.conversation is not conversation or conversation.is_over:
        return False
    if reply.ends:
        world.end(conversation)
    elif reply.frame is not None:
        world.push(session, frames.frame(frames.MESSAGE, reply.frame, {}))
    else:
        world.say(session, _said(world, session, conversation, reply))
    return True


def _said(
    world: World, session: Session, conversation: MessagingConversation, reply: Reply
) -> Message:
    return Message(
        id=new_digits(),
        conversation_id=conversation.id,
        direction=OUTBOUND,
        messenger_type=WEB,
        integration_id=session.deployment.id,
        address=session.guest_id,
        text=reply.text,
        at_s=world.wall_s(),
        visible_at_s=world.now_s(),
        kind="Structured" if reply.content else "Text",
        content=reply.content,
        status="sent",
    )
