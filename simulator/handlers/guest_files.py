"""Guests' files: announced and asked for on the socket, sent and fetched over HTTP."""

from __future__ import annotations

from pathlib import PurePosixPath

from simulator import guest_frames as frames
from simulator.answers import Answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.guest_orders import Order
from simulator.ids import new_digits, new_id
from simulator.model.guest_errors import (
    ATTACHMENT_NOT_FOUND,
    EMPTY_FILE,
    FILE_NAME_LENGTH,
    FILE_SIZE,
    FILE_TYPE,
    FileRefused,
    GuestError,
)
from simulator.model.guests import Attachment, Session
from simulator.timestamps import stamp
from simulator.world import World

NAME_CHARACTERS_MAX = 1_023
FILE_BYTES_MAX = frames.FILE_KILOBYTES_MAX * 1_024
_TAGGING = b"x-amz-tagging"


def announce(world: World, order: Order) -> None:
    """`onAttachment`: asks where a file may be sent to."""
    session, body = order.session(world), order.body
    attachment = Attachment(
        id=body.get("attachmentId") or new_id(),
        key=new_digits(),
        name=body["fileName"],
        type=body["fileType"],
        size=body["fileSize"],
    )
    _check(attachment)
    if attachment.id in session.attachments:
        world.guests.detach(session, session.attachments[attachment.id])
    world.guests.attach(session, attachment)
    address = frames.upload_address(attachment, order.connection.base_url)
    order.answer(world, "PresignedUrlResponse", address)


def locate(world: World, order: Order) -> None:
    """`getAttachment`: asks where a file is."""
    attachment = _named(order, order.session(world))
    address = frames.upload_address(attachment, order.connection.base_url)
    order.answer(world, "PresignedUrlResponse", address)


def delete(world: World, order: Order) -> None:
    """`deleteAttachment`."""
    session = order.session(world)
    attachment = _named(order, session)
    world.guests.detach(session, attachment)
    sent = frames.frame(
        frames.MESSAGE,
        "AttachmentDeletedResponse",
        {"attachmentId": attachment.id},
        tracing_id=order.tracing_id,
    )
    world.wire.carry(order.connection, sent, is_push=False)


def take(world: World, call: Call) -> Answer:
    """`PUT /uploads/{key}`: a file of the announced size, whose content is not kept."""
    session, attachment = _uploaded(world, call)
    tagging = call.headers.get(_TAGGING, b"").decode("latin-1")
    if attachment.is_uploaded or tagging != f"key={attachment.key}":
        raise rejection("not.authorized")
    told = {"attachmentId": attachment.id, "timestamp": stamp(world.wall_s())}
    if call.body_bytes != attachment.size:
        sentence = f"{call.body_bytes} bytes came of {attachment.size}"
        failure = told | {"errorCode": FILE_SIZE, "errorMessage": sentence}
        world.push(session, frames.frame(frames.MESSAGE, "UploadFailureEvent", failure))
        raise rejection("bad.request")
    attachment.is_uploaded = True
    told["downloadUrl"] = call.base_url + frames.upload_path(attachment)
    world.push(session, frames.frame(frames.MESSAGE, "UploadSuccessEvent", told))
    return Answer(200)


def fetch(world: World, call: Call) -> Answer:
    """`GET /uploads/{key}`: as many bytes as were sent, all of them zero."""
    _, attachment = _uploaded(world, call)
    if not attachment.is_uploaded:
        raise rejection("not.found")
    return Answer(200, bytes(attachment.size), content_type=attachment.type.encode())


def _check(attachment: Attachment) -> None:
    """Raise `FileRefused` for what may not be sent; which code goes with which is decided here."""
    extension = PurePosixPath(attachment.name).suffix.lower()
    code, sentence = 0, ""
    if attachment.type not in frames.FILE_TYPES:
        code, sentence = FILE_TYPE, f"File type {attachment.type} not supported"
    elif extension in frames.BLOCKED_EXTENSIONS:
        code, sentence = FILE_TYPE, f"File type {extension} not supported"
    elif len(attachment.name) > NAME_CHARACTERS_MAX:
        code = FILE_NAME_LENGTH
    elif attachment.size == 0:
        code = EMPTY_FILE
    elif attachment.size > FILE_BYTES_MAX:
        code, sentence = FILE_SIZE, f"File size {attachment.size} not supported"
    if code:
        raise FileRefused(code, sentence, attachment.id)


def _named(order: Order, session: Session) -> Attachment:
    attachment = session.attachments.get(order.body["attachmentId"])
    if attachment is None:
        raise GuestError(ATTACHMENT_NOT_FOUND)
    return attachment


def _uploaded(world: World, call: Call) -> tuple[Session, Attachment]:
    found = world.guests.uploads.get(call.path_values[0])
    if found is None:
        raise rejection("not.found")
    return found
