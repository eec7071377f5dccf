"""Finding a pool: from a real simulator, from files of any form, or from the settings."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import gevent
import pytest

from convoy.clock import clock_s
from convoy.errors import ExitCode, RefusedError, RemoteError, SettingsError
from convoy.plan.picks import PickRule
from convoy.plan.pool import NO_CONVERSATION, Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve
from convoy.plan.scenario import ScenarioInputs
from convoy.prepare.checklist import Checklist, Status
from convoy.prepare.pools import (
    check_pool_size,
    find_pool,
    given_pool,
    open_conversations,
    share_out,
)
from convoy.prepare.scenarios import KnownScenario, Opening
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections
from convoy.remote.oauth import Credentials
from convoy.remote.session import Session
from convoy.routes.catalogue import CLIENT, NO_ROUTE
from convoy.secrets import Secret
from convoy.settings import Settings
from tests.simulator_process import SimulatorProcess
from tests.unit.plan import pool_of
from tests.unit.remote.clients import client_at
from tests.unit.remote.exchanges import LONG_S
from tests.unit.settings.configuration import settings_of

SCENARIO = "conversation_messages"
NOBODY = client_at("http://127.0.0.1:1")
CSV = "id,customer_id,agent_id\na,customer-1,agent-1\nb,,\n"
BOTH = [Conversation("a", "customer-1", "agent-1"), Conversation("b")]


def settings_with(url: str = "http://127.0.0.1:1", **conversations: object) -> Settings:
    """Return settings of this pool; nothing listens at the address unless another is given."""
    pool = ", ".join(f"{name}: {value}" for name, value in conversations.items())
    setting = f"scenario.{SCENARIO}.conversations={{{pool}}}"
    return settings_of(setting, command_line={"host": url})


def listed(settings: Settings) -> ConversationPool:
    demo = Credentials(Secret("demo"), Secret("demo"))
    connections = Connections(settings, {CLIENT: demo}, lambda token: None)
    with ApiClient(connections.open_session(), settings) as client:
        return find_pool(settings, SCENARIO, client)


def entries(pool: ConversationPool) -> list[Conversation]:
    return [pool[index] for index in range(len(pool))]


def fault_of(settings: Settings) -> str:
    with pytest.raises(SettingsError) as caught:
        find_pool(settings, SCENARIO, NOBODY)
    assert caught.value.exit_code is ExitCode.USAGE
    [fault] = caught.value.faults
    return str(fault)


def test_ids_may_stand_in_the_settings() -> None:
    settings = settings_with(source="inline", ids="[b, a]")

    assert find_pool(settings, SCENARIO, NOBODY).ids == ("b", "a")


def test_users_that_make_their_own_conversations_have_a_pool_that_names_none() -> None:
    settings = settings_with(source="none")

    assert find_pool(settings, SCENARIO, NOBODY) == NO_CONVERSATION


def test_customers_that_make_their_own_conversations_are_numbered() -> None:
    settings = settings_with(source="none", count="3", pick="round_robin")

    pool = find_pool(settings, SCENARIO, NOBODY)

    assert [(each.id, each.customer_id) for each in pool] == [("", "0"), ("", "1"), ("", "2")]
    assert not pool.has_ids


class Door:
    """A session that opens conversations; every one from the number `fails_at` on fails."""

    def __init__(self, fails_at: int = 1_000, fault: Exception | None = None) -> None:
        self.opened = self.sessions = self.highest = 0
        self.noted: list[str] = []
        self._fails_at = fails_at
        self._fault = fault
        self.attempts, self.sent_s = 0, None

    def known(self) -> KnownScenario:
        return KnownScenario(NO_ROUTE, (), {}, (), lambda *_: self, Door.open_conversation)

    def open(self) -> None:
        self.sessions += 1
        self.highest = max(self.highest, self.sessions)

    def close(self) -> None:
        self.sessions -= 1

    def ready_at(self, now_s: float) -> float:
        return now_s

    def open_conversation(self, opening: Opening) -> str:
        number, self.opened = self.opened, self.opened + 1
        gevent.sleep(0)
        if number >= self._fails_at:
            if self._fault is None:
                gevent.sleep(60)
            else:
                raise self._fault
        return f"c-{number}"


def opened_by(door: Door, count: int, *more: str) -> ConversationPool:
    settings = settings_of(
        f"scenario.{SCENARIO}.conversations={{source: opened, count: {count}}}", *more
    )
    demo = Credentials(Secret("demo"), Secret("demo"))
    connections = Connections(settings, {CLIENT: demo}, lambda token: None)

    return open_conversations(
        door.known(), connections, settings, SCENARIO, "a-run", door.noted.append
    )


def test_conversations_are_opened_a_few_at_a_time_and_each_session_is_closed() -> None:
    door = Door()

    pool = opened_by(door, 25)

    assert sorted(pool.ids) == sorted(f"c-{number}" for number in range(25))
    assert (door.opened, door.highest, door.sessions) == (25, 10, 0)
    assert sorted(door.noted) == sorted(pool.ids)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (RemoteError("no more of them"), "no more of them"),
        (KeyError("id"), "KeyError: 'id'"),
        (None, r"prepare_timeout_s \(0.2 s\) is over"),
    ],
    ids=["refused", "a mistake in the hook", "too slow"],
)
def test_a_run_whose_conversations_cannot_be_opened_is_refused(
    fault: Exception | None, why: str
) -> None:
    door = Door(3, fault)

    with pytest.raises(RefusedError, match=f"only 3 of 25 .* {why}"):
        opened_by(door, 25, "prepare_timeout_s=0.2")
    assert door.sessions == 0
    # They are there, although the run is not.
    assert sorted(door.noted) == ["c-0", "c-1", "c-2"]


def test_outside_of_a_run_none_are_opened() -> None:
    settings = settings_with(source="opened", count=2)
    named = given_pool(settings, SCENARIO)
    assert named is not None and named.ids == (f"{SCENARIO}-0", f"{SCENARIO}-1")

    with pytest.raises(RefusedError, match="are opened when a run begins"):
        find_pool(settings, SCENARIO, NOBODY)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("pool.csv", CSV.encode(), id="plain"),
        pytest.param("pool.csv", b"\xef\xbb\xbf" + CSV.encode(), id="byte order mark"),
        pytest.param("pool.csv", CSV.replace("\n", "\r\n").encode(), id="line ends of Windows"),
        pytest.param("pool.csv", CSV.replace("\n", "\r").encode(), id="line ends of old Macs"),
        pytest.param("pool.csv.gz", gzip.compress(CSV.encode()), id="packed"),
        pytest.param(
            "pool.gz", gzip.compress(CSV[:30].encode()) + gzip.compress(CSV[30:].encode()), id="two"
        ),
    ],
)
def test_a_file_may_hold_the_pool(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    pool = find_pool(settings_with(source="file", path=tmp_path / name), SCENARIO, NOBODY)

    assert entries(pool) == BOTH


def test_everything_else_has_its_turns_while_a_long_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "pool.txt").write_text("\n".join(f"conversation-{n}" for n in range(50_000)))
    turns = []

    def take_turns() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    pool = find_pool(settings_with(source="file", path=tmp_path / "pool.txt"), SCENARIO, NOBODY)
    other.kill()

    assert len(pool) == 50_000
    assert len(turns) >= 10


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        pytest.param("pool.txt", None, " cannot be read: No such file or directory", id="missing"),
        pytest.param("pool.txt", b"a\nb c\n", ": line 2: 'b c' is no conversation id", id="a line"),
        pytest.param(
            "pool.txt", b"a\n\xff\xfe\n", " cannot be read: it is not UTF-8", id="not UTF-8"
        ),
        pytest.param("pool.gz", b"a\nb\n", " cannot be read: it is no gzip file", id="not packed"),
        pytest.param("pool.gz", gzip.compress(CSV.encode())[:-9], " cannot be read: ", id="cut"),
        pytest.param(
            "pool.gz",
            gzip.compress(CSV.encode())[:10] + b"\xff" * 20,
            " cannot be read: ",
            id="bad",
        ),
        pytest.param(
            "pool.gz", gzip.compress(b"\xff\xfe"), " cannot be read: it is", id="in a pack"
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_fault_of_the_settings(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    fault = fault_of(settings_with(source="file", path=path))

    assert fault.startswith(f"scenario.{SCENARIO}.conversations.path: the file {path}{problem}")


def test_a_folder_is_no_pool_file(tmp_path: Path) -> None:
    fault = fault_of(settings_with(source="file", path=tmp_path))

    assert fault.endswith("is no file, but a folder")


def test_a_file_without_a_conversation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.txt"
    path.write_text("# nothing yet\n", encoding="utf-8")

    with pytest.raises(RefusedError, match=f"is empty: no conversation in the file {path}"):
        find_pool(settings_with(source="file", path=path), SCENARIO, NOBODY)


def test_what_the_remote_lists_is_kept_and_read_without_it_the_next_time(tmp_path: Path) -> None:
    cache = tmp_path / "kept.jsonl"
    with SimulatorProcess("--conversations", "30") as simulator:
        settings = settings_with(simulator.url, cache=cache)
        found = listed(settings)

    kept = find_pool(settings, SCENARIO, NOBODY)

    assert 0 < len(found) <= 30
    assert all(each.customer_id and each.agent_id for each in entries(found))
    assert kept.hash == found.hash


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "listed for .*'webchat'.*, and .*'telephone'.* is asked", id="another"),
        pytest.param('{"id": "c"}\n', "was not written as a cache", id="a pool file"),
        pytest.param("", "was not written as a cache", id="an empty file"),
    ],
)
def test_a_cache_of_another_listing_is_refused(
    content: str | None, told: str, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    cache = tmp_path / "kept.jsonl"
    settings = settings_with(simulator.url, cache=cache)
    listed(settings)
    if content is not None:
        cache.write_text(content)

    with pytest.raises(SettingsError, match=told):
        find_pool(settings_with(simulator.url, type="telephone", cache=cache), SCENARIO, NOBODY)


def test_another_state_lists_other_conversations(simulator: SimulatorProcess) -> None:
    connected = settings_with(simulator.url)
    every = settings_with(simulator.url, state="any", type="any")

    pools = [set(listed(each).ids) for each in (connected, every)]

    assert pools[0] <= pools[1]


def test_nothing_is_kept_of_an_empty_listing(simulator: SimulatorProcess, tmp_path: Path) -> None:
    cache = tmp_path / "kept.jsonl"
    settings = settings_with(simulator.url, type="telephone", cache=cache)

    with pytest.raises(RefusedError, match=r"\(state connected, type telephone\)"):
        listed(settings)

    assert not cache.exists()


def test_a_place_that_cannot_be_written_is_a_fault_of_the_settings(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    settings = settings_with(simulator.url, cache=tmp_path / "missing" / "kept.jsonl")

    with pytest.raises(SettingsError, match="conversations.cache: .*cannot be written"):
        listed(settings)


def test_without_a_cache_the_remote_is_asked() -> None:
    with pytest.raises(RemoteError):
        find_pool(settings_with(), SCENARIO, NOBODY)


def test_a_session_that_has_to_wait_for_its_limits_holds_up_no_other() -> None:
    left_s = [0.01]
    waits = SimpleNamespace(
        open=lambda: None, ready_at=lambda now_s: now_s + (left_s.pop() if left_s else 0.0)
    )
    prompt = SimpleNamespace(open=lambda: None, ready_at=lambda now_s: now_s)
    done: list[tuple[object, int]] = []

    share_out(
        range(3),
        [cast(Session, each) for each in (waits, prompt)],
        lambda session, item: done.append((session, item)),
        LONG_S,
    )

    assert done == [(prompt, 1), (prompt, 2), (waits, 0)]


def test_nobody_goes_on_with_work_that_was_broken_off() -> None:
    """As by the kill switch, which is off again with the next run."""
    session = cast(Session, SimpleNamespace(open=lambda: None, ready_at=lambda now_s: now_s + 0.05))
    done: list[int] = []

    with pytest.raises(RefusedError), gevent.Timeout(0.01, RefusedError("STOP")):
        share_out([1], [session], lambda _, item: done.append(item), LONG_S)
    session.ready_at = lambda now_s: now_s  # type: ignore[method-assign]
    gevent.sleep(0.1)

    assert done == []


def test_the_time_for_the_work_counts_from_its_beginning_whatever_was_done_before() -> None:
    session = cast(Session, SimpleNamespace(open=lambda: None, ready_at=lambda now_s: now_s))
    done: list[int] = []

    def work(_: Session, item: int) -> None:
        for _ in range(3):
            gevent.sleep(0.001)
        done.append(item)

    gevent.sleep(0.001)
    busy_until_s = clock_s() + 0.3  # so long the loop does not look at the clock
    while clock_s() < busy_until_s:
        pass
    faults = share_out([1], [session], work, timeout_s=0.2)

    assert (done, faults) == ([1], [])


LARGER = "use a larger pool or fewer users"
NOT_SENT = f"{LARGER}, or messages may not be sent by cause pool"
RECYCLE = "use a larger pool, or on_exhausted: recycle"
FOUR, PICK = pool_of(4), "4 conversations, pick"
READ = "; ids as read: conversation-0, conversation-1, conversation-2, …"


@pytest.mark.parametrize(
    ("pool", "users", "rule", "messages", "told", "fix"),
    [
        pytest.param(FOUR, 9, PickRule(), 99, f"{PICK} random{READ}", "", id="any of them"),
        pytest.param(
            FOUR, 4, PickRule("exclusive"), 99, f"{PICK} exclusive{READ}", "", id="one for each"
        ),
        pytest.param(
            FOUR,
            5,
            PickRule("exclusive"),
            99,
            f"5 users share 4 conversations, one message at a time{READ}",
            NOT_SENT,
            id="fewer than users",
        ),
        pytest.param(
            FOUR, 4, PickRule("sticky"), 99, f"{PICK} sticky{READ}", "", id="one to keep for each"
        ),
        pytest.param(
            FOUR,
            5,
            PickRule("sticky"),
            99,
            f"5 users keep 4 conversations: some share one{READ}",
            LARGER,
            id="fewer to keep than users",
        ),
        pytest.param(
            FOUR, 9, PickRule(on_exhausted="fail"), 4, f"{PICK} random{READ}", "", id="used once"
        ),
        pytest.param(
            FOUR,
            9,
            PickRule(on_exhausted="fail"),
            5,
            f"5 messages use up 4 conversations; the rest fails{READ}",
            RECYCLE,
            id="used up",
        ),
        pytest.param(
            FOUR,
            9,
            PickRule(on_exhausted="fail"),
            None,
            f"{PICK} random{READ}",
            "",
            id="nobody knows how many messages",
        ),
        pytest.param(
            pool_of(3),
            1,
            PickRule(),
            9,
            "3 conversations, pick random; ids as read: conversation-0, conversation-1, "
            "conversation-2",
            "",
            id="all ids",
        ),
        pytest.param(
            ConversationPool.of_customers(7),
            1,
            PickRule(),
            9,
            "7 conversations, pick random, each made by a customer of its own",
            "",
            id="customers",
        ),
        pytest.param(
            NO_CONVERSATION,
            9,
            PickRule("exclusive"),
            9,
            "none; users make their own conversations",
            "",
            id="none",
        ),
    ],
)
def test_a_pool_is_compared_with_the_users_and_messages_that_need_it(
    pool: ConversationPool, users: int, rule: PickRule, messages: int | None, told: str, fix: str
) -> None:
    checklist = Checklist()
    inputs = ScenarioInputs(SCENARIO, 1, RateCurve([]), pool, {}, {}, users, rule)

    check_pool_size(inputs, messages, checklist)

    [found] = checklist.findings
    assert found.told == told
    assert (found.status, found.fix) == (Status.WARNING if fix else Status.OK, fix)
