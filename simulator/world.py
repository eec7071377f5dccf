"""Everything one simulator holds: conversations, tokens, ledger, faults and its clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import msgspec

from simulator import guest_frames
from simulator.faults import Faults
from simulator.ids import organisation_of
from simulator.model.bot import Bot
from simulator.model.clients import clients_with
from simulator.model.conversations import ConversationPool
from simulator.model.defects import Defects
from simulator.model.deliveries import Deliveries, Delivery
from simulator.model.guests import Guests, Session
from simulator.model.ledger import Ledger
from simulator.model.ledger_file import LedgerFile
from simulator.model.marker import find_marker, find_marker_in_bytes
from simulator.model.messaging import OUTBOUND, Message, Messaging, MessagingConversation
from simulator.model.rates import MINUTE_S, OutboundUsage, RateLimit, SharedLimits
from simulator.model.tokens import Grants, Tokens
from simulator.options import Options
from simulator.wire import Later, Wire

SHORTEST_KEY, _LONGEST_KEY = 16, 65_536


@dataclass(frozen=True, slots=True)
class World:
    """The state behind all routes; `now_s` is a monotonic clock, `wall_s` Unix time, in seconds.

    `later` calls a function after so many seconds.
    """

    options: Options
    pool: ConversationPool
    messaging: Messaging
    tokens: Tokens
    grants: Grants
    ledger: Ledger
    ledger_file: LedgerFile | None
    deliveries: Deliveries
    faults: Faults
    defects: Defects
    token_rate: RateLimit
    shared_limits: SharedLimits
    outbound_usage: OutboundUsage
    guests: Guests
    wire: Wire
    bot: Bot
    key: bytes
    now_s: Callable[[], float]
    wall_s: Callable[[], float]
    later: Later

    @property
    def organisation(self) -> dict[str, str]:
        """The organisation's id and name; each seed is another organisation."""
        return {"id": organisation_of(self.options.seed), "name": "Convoy simulator"}

    @property
    def rate_limit(self) -> RateLimit:
        """The token limit in force: a fault's, else the configured one."""
        return self.faults.rate_limit or self.token_rate

    def deliver(self, message: Message, body: bytes) -> None:
        """Accept a message of a public route, whose marker is in its text or else in the body."""
        marker = find_marker(message.text) or find_marker_in_bytes(body)
        delivery = self.deliveries.accept(
            marker, message.conversation_id, message.direction, message.id
        )
        if delivery.ids:
            self.messaging.store(message, delivery)
            if message.direction == OUTBOUND:
                self._push_delivered(message, delivery)

    def say(self, session: Session, message: Message) -> None:
        """Store and push a message of the bot, which is nobody's to account for."""
        self.messaging.store(message, Delivery((message.id,)))
        self.push(session, guest_frames.pushed_message(message))

    def push(self, session: Session, frame: bytes) -> None:
        """Send a frame that answers no request to a guest's every connection."""
        for connection in session.connections:
            self.wire.carry(connection, frame, is_push=True)

    def end(self, conversation: MessagingConversation) -> None:
        """Disconnect a conversation; a guest who is in it hears of it."""
        if conversation.is_over:
            return
        conversation.disconnect(self.now_s(), self.wall_s())
        session = self.guests.by_conversation.get(conversation.id)
        if session is not None:
            session.is_read_only = session.deployment.is_read_only_at_end
            frame = guest_frames.disconnection(self.wall_s(), is_read_only=session.is_read_only)
            self.push(session, frame)

    def _push_delivered(self, message: Message, delivery: Delivery) -> None:
        session = self.guests.by_conversation.get(message.conversation_id)
        if session is None:
            return
        for id in delivery.ids:
            frame = guest_frames.pushed_message(msgspec.structs.replace(message, id=id))
            if delivery.fate.delay_s:
                self.later(delivery.fate.delay_s, partial(self.push, session, frame))
            else:
                self.push(session, frame)

    def clear_ledger(self) -> None:
        if self.ledger_file is not None:
            self.ledger_file.clear()
        self.ledger.clear()
        self.deliveries.forget()

    def add_faults(self, specs: list[str]) -> None:
        """Set these faults too; raises `BadFault`, and sets none, if one is wrong."""
        self.faults.add(specs, self.now_s())
        self.defects.set(self.faults.defects)

    def clear_faults(self) -> None:
        self.faults.clear()
        self.defects.set(())


class BadKey(Exception):
    """The key file holds no key."""


def _key_in(path: str) -> bytes:
    if not Path(path).is_file():
        raise BadKey(f"the key file {path} cannot be read: there is no such file")
    try:
        with open(path, "rb") as file:
            key = file.read(_LONGEST_KEY).strip()
    except OSError as exc:
        raise BadKey(f"the key file {path} cannot be read: {exc.strerror}") from None
    if len(key) < SHORTEST_KEY:
        raise BadKey(f"the key file {path} holds fewer than {SHORTEST_KEY} characters")
    return key


def _later(delay_s: float, do: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(delay_s, do)


def build_world(
    options: Options,
    now_s: Callable[[], float] = time.monotonic,
    wall_s: Callable[[], float] = time.time,
    later: Later = _later,
) -> World:
    """A world as configured.

    Raises OSError, `BrokenLedgerFile`, `BadKey`, `BadFault` or `BadScript`.
    """
    ledger_file = LedgerFile(options.ledger_file) if options.ledger_file else None
    ledger = Ledger(keep=ledger_file.append if ledger_file else None)
    if ledger_file is not None:
        ledger.load(ledger_file.read())
    clients, defects = clients_with(options.permissions), Defects(options.seed)
    faults = Faults(options.seed)
    world = World(
        options=options,
        pool=ConversationPool(options.seed, options.conversations),
        messaging=Messaging(options.threading_window_minutes * MINUTE_S, options.messages_kept),
        tokens=Tokens(options.token_lifetime_s, clients),
        grants=Grants(is_rotating=options.are_refresh_tokens_rotated, clients=clients),
        ledger=ledger,
        ledger_file=ledger_file,
        deliveries=Deliveries(ledger, defects),
        faults=faults,
        defects=defects,
        token_rate=RateLimit(options.token_rate_per_minute, MINUTE_S),
        shared_limits=SharedLimits(
            _per_minute(options.organisation_rate_per_minute),
            RateLimit(options.app_user_rate_per_minute, MINUTE_S),
        ),
        outbound_usage=OutboundUsage(options.outbound_usage_max),
        guests=Guests(options.guests),
        wire=Wire(faults.sockets, now_s, later),
        bot=Bot(options.bot, options.bot_delay, Random(f"{options.seed}:bot")),
        key=_key_in(options.key_file) if options.key_file else b"",
        now_s=now_s,
        wall_s=wall_s,
        later=later,
    )
    world.add_faults(list(options.faults))
    return world


def _per_minute(count: int | None) -> RateLimit | None:
    return None if count is None else RateLimit(count, MINUTE_S)
