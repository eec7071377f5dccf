"""What an organisation says of itself: whose a token is, its limits, and what an id stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from convoy.remote.api_client import ApiClient
from convoy.routes.catalogue import ROUTES, Route
from convoy.untrusted_text import UNREADABLE, unbroken

T = TypeVar("T")


class _Named(msgspec.Struct):
    id: str
    name: object = ""


class _Token(msgspec.Struct):
    organization: _Named
    OAuthClient: object = None


class _Listing(msgspec.Struct):
    entities: list[msgspec.Raw]


class _Limit(msgspec.Struct):
    key: str
    value: int


@dataclass(frozen=True, slots=True)
class OwnToken:
    """Whose a token is; empty where the API does not say. `client` and `grant` are OAuth's."""

    organisation_id: str
    organisation: str = ""
    client: str = ""
    grant: str = ""

    def __str__(self) -> str:
        name = f" ({self.organisation})" * bool(self.organisation)
        client = f", by client {self.client}" * bool(self.client)
        grant = f" with grant {self.grant}" * bool(self.client and self.grant)
        return f"{self.organisation_id}{name}{client}{grant}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a GET of one thing answers: its name and state, "" where it says nothing of them.

    `made` is how far its creation went: `Initiated`, `Completed` or `Error`; `id` is its own.
    """

    name: str = ""
    status: str = ""
    made: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Asks the organisation behind the API of a target, each method by one GET.

    All raise RemoteError, with the code of an answer that refuses.
    """

    client: ApiClient

    def own_token(self) -> OwnToken:
        """Return whose the token is."""
        found = self.client.ask(ROUTES["own_token"], {}, _Token)
        organisation, client = found.organization, found.OAuthClient
        of_client = client if isinstance(client, dict) else {}
        return OwnToken(
            organisation.id,
            _word(organisation.name),
            _word(of_client.get("name")) or _word(of_client.get("id")),
            _word(of_client.get("authorizedGrantType")),
        )

    def limits(self, namespace: str) -> tuple[dict[str, int], int]:
        """Return the limits in force by their key, and how many of the answer cannot be read."""
        answer = self.client.ask(ROUTES["limits"], {"namespace": namespace}, _Listing)
        read = _those_of(answer.entities, _Limit)
        return {_word(each.key): each.value for each in read}, len(answer.entities) - len(read)

    def show(self, route: Route, variables: Mapping[str, str]) -> Shown:
        """Return what a route shows of the thing that variables of its path name."""
        found = self.client.ask(route, variables, dict[str, object])
        return Shown(*(_word(found.get(name)) for name in ("name", "status", "createStatus", "id")))

    def listed(self, route: Route) -> list[str]:
        """Return names and ids of the first of those things that a route shows one of."""
        all_of_them = replace(route, path=route.path.rpartition("/")[0])
        found = _those_of(self.client.ask(all_of_them, {}, _Listing).entities, _Named)
        return [f"{_word(each.name) or 'no name'} {_word(each.id)}" for each in found]


def _those_of(entities: Iterable[msgspec.Raw], type: type[T]) -> list[T]:
    """Return those entities that have this form."""
    found = []
    for entity in entities:
        with suppress(*UNREADABLE):
            found.append(msgspec.json.decode(entity, type=type))
    return found


def _word(value: object) -> str:
    return unbroken(value) if isinstance(value, str) else ""
