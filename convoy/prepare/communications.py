"""A pool with the communications by which an agent replies, which are read before load."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from http import HTTPStatus

import gevent
import msgspec

from convoy.clock import clock_s
from convoy.errors import RefusalError, RefusedError
from convoy.plan.pool import ConversationPool
from convoy.prepare.pools import AT_ONCE, find_pool, share_out
from convoy.remote.api_client import ApiClient
from convoy.remote.listing import read_conversation
from convoy.remote.session import ApiSession
from convoy.results.outcome import ACCEPTED, REJECTED
from convoy.routes.catalogue import ROUTES
from convoy.routes.codes import meaning
from convoy.settings import Settings

_ROUTE = ROUTES["message_conversation"]
_PAUSE_S = 0.5


def find_whole_pool(
    settings: Settings,
    scenario: str,
    participants: Collection[str],
    client: ApiClient,
    open_session: Callable[[], ApiSession],
    given: ConversationPool | None = None,
) -> ConversationPool:
    """Return the conversations of a scenario, with communications where `participants` have any.

    They are those that are `given`, or are found. Raises SettingsError, RefusedError, RemoteError.
    """
    has_replies = "communication_id" in participants
    pool = given or find_pool(settings, scenario, client, has_replies=has_replies)
    if not has_replies:
        return pool
    is_opened = settings.scenario[scenario].conversations.source == "opened"
    return with_communications(pool, scenario, settings, open_session, waits=is_opened)


def with_communications(
    pool: ConversationPool,
    scenario: str,
    settings: Settings,
    open_session: Callable[[], ApiSession],
    *,
    waits: bool,
) -> ConversationPool:
    """Return the conversations of a pool that an agent can reply in, each with its communication.

    Where a conversation brings none it is asked for; where it `waits`, again and again until an
    agent is connected or `prepare_timeout_s` is over. Those without one are left out, and the
    pool's note counts them. Raises RefusedError where none is left, or where the API refuses to
    show them.
    """
    found = {number: pool[number].communication_id for number in range(len(pool))}
    unread = {number for number, communication_id in found.items() if not communication_id}
    path_of, answers = _ROUTE.path_to({}), _ROUTE.answers({})

    def read(session: ApiSession, number: int) -> None:
        path, timeout_s = path_of(pool[number]), settings.request_timeout_s
        attempt = session.post(path, None, timeout_s, answers, "", _ROUTE.method)
        status, is_shown = attempt.status, attempt.fate is ACCEPTED
        if not is_shown and status != HTTPStatus.NOT_FOUND:
            if attempt.fate is REJECTED and status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS:
                raise RefusalError(attempt.code, meaning(attempt.code))
            return  # another time it may be shown
        shown = read_conversation(attempt.body) if is_shown else None
        found[number] = shown.for_pool().communication_id if shown else ""
        if found[number] or not waits:
            unread.remove(number)

    ends_s = clock_s() + settings.prepare_timeout_s
    sessions = [open_session() for _ in range(min(len(unread), AT_ONCE))]
    faults: list[str] = []
    try:
        while unread and not faults and (left_s := ends_s - clock_s()) > 0:
            faults = share_out(sorted(unread), sessions, read, left_s)
            gevent.sleep(_PAUSE_S * bool(unread))
    finally:
        for session in sessions:
            session.close()
    if faults:
        raise RefusedError(f"the conversations of scenario {scenario} cannot be read: {faults[0]}")
    return _those_with_one(pool, found, scenario)


def _those_with_one(
    pool: ConversationPool, found: dict[int, str], scenario: str
) -> ConversationPool:
    kept = [
        msgspec.structs.replace(pool[number], communication_id=communication_id)
        for number, communication_id in found.items()
        if communication_id
    ]
    left_out = len(pool) - len(kept)
    if not kept:
        raise RefusedError(
            f"none of the {left_out:,} conversations of scenario {scenario} has a communication to "
            "reply by: no agent is connected in any; have them answered, or name others"
        )
    notes = [pool.note] * bool(pool.note)
    notes += [f"{left_out:,} left out, because no agent is connected in them"] * bool(left_out)
    return replace(ConversationPool.of(kept), note="; ".join(notes))
