"""A structured message, the one frame with parts of its own: contents, choices, events.

Its source is named in `guest_frames`, which reads the other frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from convoy.remote import guest_events as events
from convoy.remote.guest_events import Choice, Event
from convoy.untrusted_text import unbroken

_MS_PER_S = 1000.0
_T = TypeVar("_T")
_Few = Annotated[list[_T], Meta(max_length=100)]
"""What a frame may hold of one kind; one with more is not read."""


class Struct(msgspec.Struct, rename="camel", gc=False):
    """A part of a frame. Members that are not listed are allowed, as the schema says."""


class Body(Struct, kw_only=True):
    tracing_id: str | None = None


class _Button(Struct):
    """A quick reply, or an action of a card."""

    type: str | None = None
    text: str | None = None
    payload: str | None = None


class _Card(Struct):
    actions: _Few[_Button] = []


class _Carousel(Struct):
    cards: _Few[_Card] = []


class _Item(Struct):
    id: str
    title: str


class _Section(Struct):
    items: _Few[_Item] = []


class _ListPicker(Struct):
    sections: _Few[_Section] = []


class _Moment(Struct):
    date_time: str


class _DatePicker(Struct):
    available_times: _Few[_Moment] = []


class _Content(Struct):
    content_type: str
    quick_reply: _Button | None = None
    card: _Card | None = None
    carousel: _Carousel | None = None
    list_picker: _ListPicker | None = None
    date_picker: _DatePicker | None = None

    def choices(self) -> Iterator[Choice]:
        if self.quick_reply is not None:
            yield Choice("QuickReply", self.quick_reply.text or "", self.quick_reply.payload or "")
        cards = [self.card] if self.card is not None else []
        for card in self.carousel.cards if self.carousel is not None else cards:
            for action in card.actions:
                if action.type != "Link":  # a link leads elsewhere, and is no answer
                    yield Choice("Button", action.text or "", action.payload or "")
        for section in self.list_picker.sections if self.list_picker is not None else ():
            for item in section.items:
                yield Choice("ListPicker", item.title, item.id)
        for moment in self.date_picker.available_times if self.date_picker is not None else ():
            yield Choice("DatePicker", moment.date_time, moment.date_time)


class _Typing(Struct):
    """Its length in milliseconds, which the schema and Genesys' web client name differently."""

    duration: float | None = None
    duration_ms: float | None = None


class _Presence(Struct):
    type: str = ""


class _MessageEvent(Struct):
    event_type: str
    typing: _Typing | None = None
    presence: _Presence | None = None

    def told(self, id: str, is_read_only: bool) -> Event:
        if self.typing is not None:
            length_ms = self.typing.duration or self.typing.duration_ms or 0.0
            return events.Typing(id, length_ms / _MS_PER_S)
        if self.presence is None:
            return events.Unknown(id, unbroken(self.event_type))
        if self.presence.type == "Disconnect":
            return events.Disconnected(id, is_read_only)
        return events.Presence(id, unbroken(self.presence.type))


class _Channel(Struct):
    time: str | None = None


class _Metadata(Struct):
    """The schema has texts here; a truth or a number as such says the same."""

    read_only: str | bool | None = None
    expiration_date: str | float | None = None


class Message(Body):
    type: str | None = None
    direction: str | None = None
    id: str | None = None
    text: str | None = None
    originating_entity: str | None = None
    channel: _Channel | None = None
    metadata: _Metadata | None = None
    content: _Few[_Content] | None = None
    events: _Few[_MessageEvent] | None = None

    @property
    def expires_s(self) -> float | None:
        """When the session expires, as the answer to an echo says it."""
        with suppress(AttributeError, TypeError, ValueError):
            number = float(self.metadata.expiration_date)  # type: ignore
            return number if isfinite(number) else None
        return None

    def told(self, id: str) -> tuple[Event, ...]:
        """Return what it says, to a request of this tracing id if it answers one."""
        if self.direction == "Inbound":
            return (events.OwnCopy(id, self.id or "", self._time_s),)
        if self.type != "Event":
            return (
                events.Reply(
                    id,
                    self.id or "",
                    self.originating_entity or "",
                    self.text or "",
                    # Of lists, because a generator takes nearly twice as long.
                    tuple([each.content_type for each in self.content or ()]),
                    tuple([choice for each in self.content or () for choice in each.choices()]),
                    self._time_s,
                ),
            )
        if self.events:
            is_read_only = self.metadata and str(self.metadata.read_only).lower() == "true"
            return tuple([each.told(id, bool(is_read_only)) for each in self.events])
        return (events.Unknown(id, "Event"),)

    @property
    def _time_s(self) -> float | None:
        """When the server sent it, in Unix seconds; None where that is missing or malformed."""
        try:
            moment = datetime.fromisoformat((self.channel and self.channel.time) or "")
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
