"""Conversations as analytics sees them: later than they happened, filtered, in pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.answers import Answer, json_answer
from simulator.calls import Call
from simulator.errors import rejection
from simulator.handlers.reading import PAGE_SIZE, Page, body_of
from simulator.handlers.renderings import PROVIDER, Json
from simulator.model import bodies
from simulator.model.messaging import INBOUND, Message, MessagingConversation
from simulator.model.organisation import USER
from simulator.timestamps import parse_stamp, stamp
from simulator.world import World

DAY_S = 86_400.0
DIMENSIONS: Mapping[str, Callable[[MessagingConversation], str]] = {
    "conversationId": lambda each: each.id,
    "originatingDirection": lambda each: each.direction,
    "addressFrom": lambda each: _ends(each)[0],
    "addressTo": lambda each: _ends(each)[1],
    "direction": lambda each: each.direction,
    "mediaType": lambda each: "message",
    "messageType": lambda each: each.messenger_type,
    "provider": lambda each: PROVIDER,
    "queueId": lambda each: each.queue_id,
    "userId": lambda each: USER.id if each.agent_id else "",
}
"""What a predicate may ask for, of the definition's dimensions, and how it is found."""


def query(world: World, call: Call) -> Answer:
    """`POST /api/v2/analytics/conversations/details/query`."""
    body: dict[str, Any] = body_of(call, bodies.conversation_query)
    first_day, last_day = _days(body["interval"])
    matches = _filter(body)
    now_s = world.now_s() - world.options.analytics_delay_s
    found = [
        each
        for each in world.messaging.by_id.values()
        if first_day <= each.started_s < last_day
        and any(message.visible_at_s <= now_s for message in each.messages)
        and matches(each)
    ]
    # They are held in the order in which they started.
    if body.get("order") == "desc":
        found.reverse()
    paging = body.get("paging") or {"pageSize": PAGE_SIZE, "pageNumber": 1}
    page = Page(paging["pageSize"], paging["pageNumber"])
    shown = [_conversation(each, each.visible(now_s)) for each in page.of(found)]
    return json_answer({"conversations": shown, "totalHits": len(found)})


def _days(interval: str) -> tuple[float, float]:
    """From the first to the end of the last day (UTC) that an interval touches; raises `Rejection`.

    "Results will only include conversations that started on a day touched by the interval."
    """
    begin_text, separator, end_text = interval.partition("/")
    begin_s, end_s = parse_stamp(begin_text), parse_stamp(end_text)
    if not separator or begin_s is None or end_s is None or end_s < begin_s:
        raise rejection("invalid.date", field="interval")
    return begin_s // DAY_S * DAY_S, -(-end_s // DAY_S) * DAY_S


Matches = Callable[[MessagingConversation], bool]


def _filter(body: dict[str, Any]) -> Matches:
    """All filters must match, of each the predicates by its type; raises `Rejection`."""
    given = (body.get("conversationFilters") or []) + (body.get("segmentFilters") or [])
    filters = [
        (any if each["type"] == "or" else all, [_predicate(one) for one in each["predicates"]])
        for each in given
        if each.get("predicates")
    ]
    return lambda each: all(
        combine(predicate(each) for predicate in predicates) for combine, predicates in filters
    )


def _predicate(given: dict[str, Any]) -> Matches:
    dimension, operator = given["dimension"], given.get("operator") or "matches"
    value_of = DIMENSIONS.get(dimension)
    if value_of is None:
        raise rejection("invalid.value", dimension, "dimension", ", ".join(DIMENSIONS))
    if operator == "exists":
        return lambda each: bool(value_of(each))
    if operator == "notExists":
        return lambda each: not value_of(each)
    wanted = given.get("value")
    if wanted is None:
        raise rejection("constraint.validation", "value may not be null", field="value")
    return lambda each: value_of(each) == wanted


def _conversation(found: MessagingConversation, visible: list[Message]) -> Json:
    """AnalyticsConversationWithoutAttributes; ids and texts of messages are not in it."""
    rendered: Json = {
        "conversationId": found.id,
        "conversationStart": stamp(found.started_s),
        "originatingDirection": found.direction,
        "conversationInitiator": "customer" if found.direction == INBOUND else "agent",
        "customerParticipation": any(each.direction == INBOUND for each in visible),
        "participants": [_participant(found, side, visible) for side in found.purposes],
    }
    if found.ended_s is not None:
        rendered["conversationEnd"] = stamp(found.ended_s)
    return rendered


def _participant(found: MessagingConversation, side: str, visible: list[Message]) -> Json:
    """AnalyticsParticipantWithoutAttributes with its one session."""
    is_customer, purpose = side == INBOUND, found.purposes[side]
    own = [each for each in visible if each.direction == side]
    address_from, address_to = _ends(found)
    segment: Json = {
        "segmentType": "interact",
        "segmentStart": stamp(found.started_s),
        "queueId": found.queue_id,
        "conference": False,
    }
    session: Json = {
        "sessionId": found.customer_communication_id
        if is_customer
        else found.communication_id or found.api_id,
        "mediaType": "message",
        "messageType": found.messenger_type,
        "direction": found.direction,
        "provider": PROVIDER,
        "addressFrom": address_from,
        "addressTo": address_to,
        "metrics": [{"name": "oMessageCount", "value": len(own), "emitDate": stamp(own[-1].at_s)}]
        if own
        else [],
        "segments": [segment],
    }
    if found.ended_s is not None:
        segment["segmentEnd"] = stamp(found.ended_s)
        segment["disconnectType"] = "client"
    if found.communication_id:
        peers = found.communication_id, found.customer_communication_id
        session["peerId"] = peers[0] if is_customer else peers[1]
    rendered: Json = {
        "participantId": found.participant_id(side),
        "participantName": {"customer": found.customer_name, "agent": USER.name}.get(purpose, ""),
        "purpose": purpose,
        "sessions": [session],
    }
    if purpose == "agent":
        rendered["userId"] = USER.id
    return rendered


def _ends(found: MessagingConversation) -> tuple[str, str]:
    ends = found.address, found.integration_id
    return ends if found.direction == INBOUND else ends[::-1]
