"""The pool of a scenario: found by the API, read from a file or the settings, or opened."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar, cast

import gevent
import msgspec

from convoy.clock import clock_s
from convoy.engine.alarm import A_POLL_S
from convoy.errors import ConvoyError, Fault, RefusedError, SettingsError
from convoy.files import FileError, text_lines
from convoy.plan.pool import (
    NO_CONVERSATION,
    Conversation,
    ConversationPool,
    PoolFileError,
    parse_pool,
)
from convoy.plan.scenario import ScenarioInputs
from convoy.prepare.checklist import Checklist
from convoy.prepare.scenarios import KnownScenario, Opening
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.remote.listing import find_conversations
from convoy.remote.session import Session
from convoy.settings import Settings
from convoy.untrusted_text import UNREADABLE

AT_ONCE = 10
"""So many sessions work before load: enough to be quick, and no load by themselves."""
_LINES_AT_ONCE = 5_000
_LISTED = "listed"
_MOST_BYTES = 2**29
"""Of a pool file, unpacked: some millions of conversations."""

S = TypeVar("S", bound=Session)
T = TypeVar("T")


def find_pool(
    settings: Settings,
    scenario: str,
    client: ApiClient,
    *,
    has_replies: bool = False,
) -> ConversationPool:
    """Return the conversations of a scenario; raises SettingsError, RefusedError, RemoteError.

    The `client` asks for all conversations, or where a user `has_replies` to send for those that he
    is in. What is listed is written to the file that `cache` names, and read
    from there next time; a file with the listing of another address or filter is refused.
    """
    rule = settings.scenario[scenario].conversations
    if rule.source == "opened":
        raise RefusedError(
            f"the {rule.count} conversations of scenario {scenario} are opened when a run begins; "
            "give one with --conversation"
        )
    given = given_pool(settings, scenario)
    if given is not None:
        return given
    route = "message_conversations" if has_replies else "conversations"
    listed = {"api_url": settings.target.api_url, "state": rule.state, "type": rule.type}
    listed |= {"listing": "of a user's messages"} if has_replies else {}
    cache = Path(rule.cache) if rule.cache is not None else None
    if cache is not None and cache.exists():
        _check_cache(cache, scenario, listed)
        pool = _read(cache, scenario, "cache", is_cache=True)
        return _not_empty(pool, scenario, f"the cache {cache}")
    pool = _listed(client, rule.state, rule.type, route)
    if cache is not None and len(pool):
        _keep(pool, cache, scenario, listed)
    where = f"{settings.target.api_url} (state {rule.state}, type {rule.type})"
    return _not_empty(pool, scenario, where)


def _listed(client: ApiClient, state: str, type: str, route: str) -> ConversationPool:
    found, left_out = find_conversations(client, state=state, type=type, route=route)
    note = f"{left_out:,} of the listing left out, because they have no readable "
    return replace(
        ConversationPool.of(found),
        note=f"{note}id, state, type or participants" if left_out else "",
    )


def given_pool(settings: Settings, scenario: str) -> ConversationPool | None:
    """Return the conversations of a scenario as far as they are known without the target.

    There are names in the place of those that are to be opened; None where the API lists them.
    Raises SettingsError, RefusedError.
    """
    rule = settings.scenario[scenario].conversations
    if rule.source == "inline":
        pool = ConversationPool.of([Conversation(each) for each in rule.ids])
        return _not_empty(pool, scenario, "the settings")
    if rule.source == "file":
        assert rule.path is not None
        pool = _read(Path(rule.path), scenario, "path")
        return _not_empty(pool, scenario, f"the file {rule.path}")
    if rule.source == "none":
        return ConversationPool.of_customers(rule.count) if rule.count else NO_CONVERSATION
    if rule.source == "opened":
        names = [f"{scenario}-{number}" for number in range(cast(int, rule.count))]
        return ConversationPool.of(Conversation(each, communication_id=each) for each in names)
    return None


def _not_empty(pool: ConversationPool, scenario: str, where: str) -> ConversationPool:
    if not len(pool):
        raise RefusedError(
            f"the pool of scenario {scenario} is empty: no conversation in {where}; open some "
            "conversations or name others"
        )
    return pool


def open_conversations(
    known: KnownScenario,
    connections: Connections,
    settings: Settings,
    scenario: str,
    run_id: str,
    note: Callable[[str], None],
) -> ConversationPool:
    """Open the conversations of a scenario, at most ten at a time, and return them.

    `note` takes the id of each as soon as it is open. Raises RefusedError unless all are open after
    `prepare_timeout_s`.
    """
    count = cast(int, settings.scenario[scenario].conversations.count)
    ids: dict[int, str] = {}
    open_one = cast(Callable[[Session, Opening], str], known.open_conversation)

    def open_number(session: Session, number: int) -> None:
        marker = f"[convoy:{run_id}-opened:{scenario}:{number}]"
        variables = {"customers": run_id, **settings.scenario[scenario].variables}
        opening = Opening(number, marker, variables, settings.request_timeout_s)
        ids[number] = id = open_one(session, opening)
        note(id)

    sessions = [known.opening_session(connections, settings) for _ in range(min(count, AT_ONCE))]
    try:
        faults = share_out(range(count), sessions, open_number, settings.prepare_timeout_s)
    finally:
        for session in sessions:
            session.close()
    if len(ids) < count:
        why = (
            faults[0] if faults else f"prepare_timeout_s ({settings.prepare_timeout_s:g} s) is over"
        )
        raise RefusedError(
            f"only {len(ids)} of {count} conversations of scenario {scenario} were opened: {why}"
        )
    return ConversationPool.of(Conversation(ids[number]) for number in range(count))


def share_out(
    items: Iterable[T], sessions: Iterable[S], work: Callable[[S, T], None], timeout_s: float
) -> list[str]:
    """Work on items by several sessions, each when its limits allow; return what went wrong.

    A session on which anything goes wrong does no more, and after `timeout_s` none does.
    """
    left = iter(items)  # one for all greenlets, so that each item is taken once
    faults: list[str] = []

    def work_on_some(session: S) -> None:
        try:
            session.open()
            for item in left:
                while (now_s := clock_s()) < (ready_s := session.ready_at(now_s)):
                    gevent.sleep(ready_s - now_s)
                work(session, item)
        except ConvoyError as error:
            faults.append(str(error))
        except Exception as error:  # the edge of this greenlet: the hook may raise anything
            faults.append(f"{type(error).__name__}: {error}")

    greenlets = [gevent.spawn(work_on_some, session) for session in sessions]
    # Timers count from when the loop last looked at the clock, perhaps seconds before.
    gevent.get_hub().loop.update_now()
    try:
        gevent.joinall(greenlets, timeout=timeout_s)
    finally:  # also by the kill switch, which is off again with the next run
        gevent.killall(greenlets)
    return faults


def _check_cache(cache: Path, scenario: str, asked: Mapping[str, str]) -> None:
    """Raise SettingsError unless the first line of a cache says that it holds what is asked."""
    try:
        with text_lines(cache, _MOST_BYTES) as lines:
            heading = json.loads(next(lines, ""))
    except (FileError, *UNREADABLE):
        heading = None
    if not isinstance(heading, dict) or _LISTED not in heading:
        problem = " was not written as a cache; name another file, or use `source: file` to read it"
        raise _unreadable(scenario, "cache", cache, problem)
    if heading[_LISTED] != asked:
        problem = f" holds what was listed for {heading[_LISTED]}, and {dict(asked)} is asked now"
        raise _unreadable(scenario, "cache", cache, f"{problem}; remove it to have it listed anew")


def _read(path: Path, scenario: str, setting: str, *, is_cache: bool = False) -> ConversationPool:
    try:
        with text_lines(path, _MOST_BYTES) as lines:
            return parse_pool(_in_turns(islice(lines, int(is_cache), None)))
    except PoolFileError as error:
        raise _unreadable(scenario, setting, path, f": {error}") from error
    except FileError as error:
        raise _unreadable(scenario, setting, path, f" {error}") from error


def _in_turns(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number % _LINES_AT_ONCE == 0:
            # A long file takes seconds, and a web UI should answer meanwhile.
            gevent.sleep(A_POLL_S)
        yield line


def _keep(pool: ConversationPool, cache: Path, scenario: str, listed: Mapping[str, str]) -> None:
    try:
        opener: Callable[..., IO[str]] = gzip.open if cache.suffix == ".gz" else open
        with opener(cache, "wt", encoding="utf-8") as file:
            file.write(json.dumps({_LISTED: listed}) + "\n")
            for index in range(len(pool)):
                file.write(json.dumps(msgspec.structs.asdict(pool[index])) + "\n")
    except OSError as error:
        problem = f" cannot be written: {error.strerror}"
        raise _unreadable(scenario, "cache", cache, problem) from error


def _unreadable(scenario: str, setting: str, path: Path, problem: str) -> SettingsError:
    where = f"scenario.{scenario}.conversations.{setting}"
    return SettingsError([Fault(where, f"the file {path}{problem}")])


def check_pool_size(inputs: ScenarioInputs, messages: int | None, checklist: Checklist) -> None:
    """Compare the size of a pool with the users that share it and the messages that use it up."""
    size, pick = len(inputs.pool), inputs.pick
    check, as_read = f"pool of {inputs.scenario}", _as_read(inputs.pool)
    if inputs.pool == NO_CONVERSATION:
        checklist.ok(check, "none; users make their own conversations")
    elif pick.is_exclusive and size < inputs.users:
        told = f"{inputs.users} users share {size:,} conversations, one message at a time{as_read}"
        fix = "use a larger pool or fewer users, or messages may not be sent by cause pool"
        checklist.warn(check, told, fix)
    elif pick.binds_users and size < inputs.users:
        told = f"{inputs.users} users keep {size:,} conversations: some share one{as_read}"
        checklist.warn(check, told, "use a larger pool or fewer users")
    elif pick.on_exhausted == "fail" and messages is not None and messages > size:
        told = f"{messages:,} messages use up {size:,} conversations; the rest fails{as_read}"
        checklist.warn(check, told, "use a larger pool, or on_exhausted: recycle")
    else:
        checklist.ok(check, f"{size:,} conversations, pick {pick.name}{as_read}")


def _as_read(pool: ConversationPool) -> str:
    """Return the first ids, so that a person sees whether it is them that were read."""
    if not pool.has_ids:
        return ", each made by a customer of its own"
    note = f"; {pool.note}" * bool(pool.note)
    return f"; ids as read: {', '.join(pool.ids[:3])}{', …' * (len(pool) > 3)}{note}"
