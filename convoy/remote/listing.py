"""The listings of the API: conversations to write to, page by page, and who takes part in each."""

from __future__ import annotations

import msgspec

from convoy.errors import RefusedError
from convoy.plan.pool import Conversation
from convoy.remote.api_client import ApiClient
from convoy.routes.catalogue import ROUTES
from convoy.untrusted_text import UNREADABLE

ANY = "any"
"""As `state` or `type`: no filter."""
PAGE_SIZE = 100
_MOST_PAGES = 200
"""20,000 conversations at 100 a page; well below what a token may ask for in a minute."""
_AGENTS = ("agent", "user")
_CONNECTED = "connected"


class _Participant(msgspec.Struct):
    id: str
    purpose: str = ""
    state: str | None = None
    type: str | None = None
    peer: str | None = None


_NOBODY = _Participant("")


class ShownConversation(msgspec.Struct):
    """One conversation of an answer; state and type are its own, or else those of its customer.

    The published definition has them in each participant's leg.
    """

    id: str
    state: str = ""
    type: str = ""
    participants: list[_Participant] = []

    def is_of(self, state: str | None, type: str | None) -> bool:
        """Return whether it has this state and type; None stands for any."""
        customer = self._first("customer")
        own_state, own_type = self.state or customer.state, self.type or customer.type
        return state in (None, own_state) and type in (None, own_type)

    def for_pool(self) -> Conversation:
        """Return it with the ids of its participants.

        It has a communication where an agent is connected: the customer's `peer`, which may be
        another's before (https://github.com/MyPureCloud/developer-center-blog,
        `source/2024-09-27-agentless-sms-api`, read 2026-11-22).
        """
        customer = self._first("customer")
        agents = (each for each in self.participants if each.purpose in _AGENTS)
        is_answered = any(each.state == _CONNECTED for each in agents)
        communication_id = customer.peer if is_answered else None
        return Conversation(self.id, customer.id, self._first("agent").id, communication_id or "")

    def _first(self, purpose: str) -> _Participant:
        return next((each for each in self.participants if each.purpose == purpose), _NOBODY)


def read_conversation(entity: bytes | msgspec.Raw) -> ShownConversation | None:
    """Return a conversation of an answer, None where a part of it has another form."""
    try:
        read = msgspec.json.decode(entity, type=ShownConversation)
    except UNREADABLE:
        return None
    return read if read.id else None


class _Page(msgspec.Struct, rename="camel"):
    entities: list[msgspec.Raw]
    page_count: int | None = None


def find_conversations(
    client: ApiClient,
    *,
    page_size: int = PAGE_SIZE,
    state: str = "connected",
    type: str = "webchat",
    route: str = "conversations",
) -> tuple[list[Conversation], int]:
    """Return the conversations in `state` and of `type` of a listing, each once, sorted by id.

    They are sorted so that the pool does not depend on the order in which the remote lists them.
    With them comes the number of those that were left out, because their id, state, type or
    participants are not what they should be. `route` is the listing.
    Raises RemoteError with the remote's code and correlation id, RefusedError for a listing of more
    than 200 pages.
    """
    asked_for = [None if each == ANY else each for each in (state, type)]
    found: dict[str, Conversation] = {}
    left_out = 0
    for number in range(1, _MOST_PAGES + 1):
        page = client.ask(ROUTES[route], {}, _Page, pageSize=page_size, pageNumber=number)
        for each in map(read_conversation, page.entities):
            if each is None:
                left_out += 1
            elif each.is_of(*asked_for):
                found[each.id] = each.for_pool()
        is_last = len(page.entities) < page_size
        if page.page_count is not None:
            is_last = number >= page.page_count
        if is_last:
            return [found[id] for id in sorted(found)], left_out
    raise RefusedError(
        f"{client.url}{ROUTES[route].path} lists more than {_MOST_PAGES} pages of {page_size} "
        "conversations; give the conversations in a file instead"
    )
