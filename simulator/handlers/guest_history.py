"""What guests have said and been told, over HTTP: `GET /api/v2/webmessaging/messages`."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from simulator.answers import Answer, json_answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.guest_frames import message_body
from simulator.handlers.guest_upkeep import expire
from simulator.handlers.reading import page_of
from simulator.model.guests import Session
from simulator.world import World

JWT_LIFE_S = 3_600
_HEAD = b'{"alg":"HS256","typ":"JWT"}'


class _Claims(msgspec.Struct):
    sub: str
    exp: int


def issue_jwt(world: World, session: Session) -> tuple[str, int]:
    """A JSON web token of a guest, and until when it is good, as Unix time."""
    expires_s = int(world.wall_s()) + JWT_LIFE_S
    claims = msgspec.json.encode(_Claims(session.guest_id, expires_s))
    signed = b".".join((urlsafe_b64encode(_HEAD), urlsafe_b64encode(claims))).replace(b"=", b"")
    return f"{signed.decode()}.{_signature(world, signed)}", expires_s


def list_messages(world: World, call: Call) -> Answer:
    """`GET /api/v2/webmessaging/messages?pageSize=25&pageNumber=1`: the newest first."""
    session = _session_of(world, call.token_text)
    world.guests.rates.spend_history(session.histories, world.now_s())
    page, found = page_of(call), session.conversation
    visible = found.visible(world.now_s()) if found is not None else []
    entities = [message_body(each) for each in page.of(visible[::-1])]
    return json_answer(page.listing(entities, len(visible)))


def _session_of(world: World, jwt: str) -> Session:
    if not jwt:
        raise rejection("authentication.required")
    signed, _, signature = jwt.rpartition(".")
    if not hmac.compare_digest(_signature(world, signed.encode()).encode(), signature.encode()):
        raise rejection("bad.credentials")
    payload = signed.partition(".")[2]
    claims = msgspec.json.decode(urlsafe_b64decode(payload + "=="), type=_Claims)
    if claims.exp <= world.wall_s():
        raise rejection("bad.credentials")
    expire(world)
    session = world.guests.by_guest.get(claims.sub)
    if session is None:
        expired = world.guests.has_expired(claims.sub)
        raise rejection("session.expired" if expired else "session.not.found")
    return session


def _signature(world: World, signed: bytes) -> str:
    digest = hmac.digest(world.guests.key, signed, "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
