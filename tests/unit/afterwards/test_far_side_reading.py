"""Reading a far side that shows things later, by a client that answers from memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from convoy.afterwards.far_side_reading import FarSideReading, ReadingStep
from convoy.afterwards.progress import StepsDone
from convoy.errors import RemoteError, SettingsError
from convoy.remote.api_client import ApiClient
from convoy.results.message_log import LoggedMessage
from convoy.results.outcome import Fate
from convoy.results.reconciled import Markers, compare, visibility
from convoy.routes.catalogue import Route

RUN, T0_S = "run-1", 1_800_000_000.0
Messages = dict[str, dict[int, float]]
"""By conversation the numbers of messages, each with when it can be seen, in seconds after T0."""


def hide(text: str) -> str:
    return text.replace("sesame", "***")


class Platform:
    """A client and its far side: a clock, what can be read when, and what was asked for."""

    is_even, most_at_once, redact = False, 3, staticmethod(hide)

    def __init__(self, messages: Messages, analytics_s: float = 0.0) -> None:
        self.now_s = T0_S + 10
        self.asked: Counter[str] = Counter()
        self.refuses: dict[str, str] = {}
        self.unlisted: set[int] = set()
        self.direction = "inbound"
        self._messages, self._analytics_s = messages, analytics_s

    def clock(self) -> float:
        return self.now_s

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s

    def ask(self, route: Route, values: Mapping[str, str], type: Any, body: Any = None) -> Any:
        self.asked[route.name] += 1
        if code := self.refuses.get(route.name):
            error = RemoteError(f"refused: {code}")
            error.code = code
            raise error
        self.now_s += 0.1
        return msgspec.convert(getattr(self, f"_{route.name}")(body, **values), type)

    def _seen(self, id: str, late_s: float = 0.0) -> list[int]:
        since_s = self.now_s - T0_S - late_s
        return [k for k, at_s in self._messages[id].items() if at_s <= since_s]

    def _message_conversation(self, _: object, conversation_id: str) -> object:
        if conversation_id not in self._messages:
            raise gone()
        listed = [
            {"messageId": f"m-{k}", "messageTime": at(k)}
            for k in self._seen(conversation_id)
            if k not in self.unlisted
        ]
        return {"participants": [{"startTime": at(0), "messages": listed}, {"messages": None}]}

    def _messages_bulk(self, ids: list[str], conversation_id: str) -> object:
        return {"entities": [self._message_details(None, id) for id in reversed(ids)]}

    def _message_details(self, _: object, message_id: str) -> object:
        k = message_id.removeprefix("m-")
        homes = [id for id in self._messages if int(k) in self._seen(id)]
        if not homes:
            raise gone()
        return {
            "id": message_id,
            "timestamp": at(int(k)),
            "conversationId": homes[0],
            "direction": self.direction,
            "normalizedMessage": {"text": f"[convoy:{RUN}:chat:{k}] Hello"},
        }

    def _analytics_details(self, query: Any) -> object:
        ids = [each["value"] for each in query["conversationFilters"][0]["predicates"]]
        return {
            "conversations": [
                {
                    "conversationId": id,
                    "participants": [{"purpose": "customer", "sessions": [session(len(seen))]}],
                }
                for id in ids
                if (seen := self._seen(id, self._analytics_s))
            ]
        }


def gone() -> RemoteError:
    error = RemoteError("gone")
    error.code = "404 not.found"
    return error


def session(count: int) -> object:
    return {"metrics": [{"name": "oMessageCount", "value": count}, {"name": "nConnected"}]}


def at(second: float) -> str:
    return datetime.fromtimestamp(T0_S + second, UTC).isoformat()


def logged(k: int, conversation_id: str = "c-1") -> LoggedMessage:
    ids = f"m-{k}", conversation_id
    return LoggedMessage("chat", k, Fate.ACCEPTED, "", *ids, 1000 * k, 1000 * k + 100)


def reading(
    platform: Platform, sent: list[LoggedMessage], folder: Path, wait_s: float = 30
) -> FarSideReading:
    progress = StepsDone(folder / "steps.jsonl", ReadingStep)
    return FarSideReading(
        cast(ApiClient, platform),
        Markers(RUN, {"chat": 1_000}),
        T0_S,
        sent,
        progress,
        wait_s=wait_s,
        tell=lambda line: None,
        clock=platform.clock,
        sleep=platform.sleep,
    )


def lost(found: FarSideReading, sent: list[LoggedMessage]) -> list[int | None]:
    return [each.k for each in compare(sent, found.found, lambda key: None)]


SENT = [logged(0), logged(1), logged(2, "c-2")]


def test_each_conversation_is_read_once_where_all_is_there(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}})

    found = reading(platform, SENT, tmp_path)
    found.read()

    assert lost(found, SENT) == []
    assert [each.text for each in found.found] == [each.text for each in found.found if each.text]
    assert platform.asked == {"message_conversation": 2, "messages_bulk": 2, "analytics_details": 1}


@pytest.mark.parametrize(
    ("said", "kept"),
    [("Outbound", "outbound"), ("aTq7HeadAA.Mixed_case-Token", ""), ("", "")],
)
def test_of_a_direction_nothing_else_is_kept(tmp_path: Path, said: str, kept: str) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}})
    platform.direction = said

    found = reading(platform, SENT, tmp_path)
    found.read()

    assert {each.direction for each in found.found} == {kept}


def test_what_comes_late_is_waited_for_and_what_never_comes_is_lost(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 22}, "c-2": {}})

    found = reading(platform, SENT, tmp_path, wait_s=30)
    found.read()

    assert lost(found, SENT) == [2]
    assert 30 <= platform.now_s - T0_S - 10 < 33
    # Only where something is missing is read again, now and then.
    assert platform.asked["message_conversation"] < 2 * 30 / 5


def test_what_analytics_shows_later_is_looked_at_until_it_does(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}}, analytics_s=15)

    found = reading(platform, SENT, tmp_path)
    found.read()

    assert platform.is_even
    seen = visibility(SENT, found.found, found.looks, T0_S)
    times_s = [time_s for time_s, _ in seen.times.durations()]
    assert (seen.times.censored, seen.at_first_look) == (0, 0)
    # Each at most one look after it was visible, 15 s after it was sent.
    assert all(15 <= time_s <= 15 + 2.7 for time_s in times_s), times_s


def test_another_reading_goes_on_from_what_was_read(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}})
    platform.refuses["messages_bulk"] = "500 internal.server.error"
    with pytest.raises(RemoteError):
        reading(platform, SENT, tmp_path).read()
    platform.refuses.clear()
    first = reading(platform, SENT[:2], tmp_path)
    first.read()
    platform.asked.clear()

    second = reading(platform, SENT, tmp_path)
    second.read()

    assert lost(second, SENT) == []
    assert platform.asked["message_conversation"] == platform.asked["messages_bulk"] == 1


def test_without_the_route_for_many_messages_they_are_asked_for_one_by_one(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}})
    platform.refuses["messages_bulk"] = "404 not.found"

    found = reading(platform, SENT, tmp_path)
    found.read()

    assert lost(found, SENT) == []
    assert platform.asked["message_details"] == 3


def test_without_the_permission_for_analytics_the_rest_is_read(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}})
    platform.refuses["analytics_details"] = "403 missing.any.permissions"

    found = reading(platform, SENT, tmp_path)
    found.read()

    assert lost(found, SENT) == []
    assert found.no_analytics == "refused: 403 missing.any.permissions"
    assert not platform.is_even
    assert platform.asked["analytics_details"] == 1


def test_where_no_conversation_exists_nothing_is_waited_for(tmp_path: Path) -> None:
    platform = Platform({})
    platform.refuses["analytics_details"] = "403 missing.any.permissions"

    found = reading(platform, SENT, tmp_path)
    found.read()

    assert found.is_nobody_there
    assert platform.now_s - T0_S - 10 < 1


def test_messages_whose_answers_named_no_conversation_are_located_first(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0, 1: 22}, "c-2": {2: 2}})
    nowhere = [replace(each, conversation_id="") for each in (*SENT, logged(3))]

    found = reading(platform, nowhere, tmp_path)
    found.read()
    platform.asked.clear()
    again = reading(platform, nowhere, tmp_path, wait_s=0)
    again.read()

    assert lost(found, nowhere) == lost(again, nowhere) == [3]
    assert sorted(each.k for each in found.found) == [0, 1, 2]
    assert platform.asked == {"message_details": 1}


def test_a_message_that_no_conversation_lists_is_asked_for_by_its_id_before_it_is_lost(
    tmp_path: Path,
) -> None:
    platform = Platform({"c-1": {0: 0, 1: 1}, "c-2": {2: 2}, "c-3": {}})
    platform.unlisted = {1, 2}
    sent = [*SENT, logged(3, "c-3")]

    found = reading(platform, sent, tmp_path, wait_s=6)
    found.read()

    assert lost(found, sent) == [3]
    assert lost(reading(platform, sent, tmp_path), sent) == [3], "what was kept has them, too"


def test_a_message_that_is_in_another_conversation_is_changed_and_not_lost(tmp_path: Path) -> None:
    platform = Platform({"c-1": {0: 0}, "c-9": {1: 1}, "c-2": {2: 2}})

    found = reading(platform, SENT, tmp_path, wait_s=6)
    found.read()

    [one] = compare(SENT, found.found, lambda key: None)
    assert (one.kind, one.k, one.conversation_id) == ("changed", 1, "c-9")


class Echoing(Platform):
    """A far side whose ids, and what it says otherwise, hold a secret."""

    def ask(self, route: Route, values: Mapping[str, str], type: Any, body: Any = None) -> Any:
        known = {name: each.replace("-sesame", "") for name, each in values.items()}
        ids = [each.replace("-sesame", "") for each in body] if isinstance(body, list) else body
        answer = super().ask(route, known, object, ids)
        told = msgspec.json.encode(answer).decode()
        for named in ("m-1", "m-2", "inbound", "c-2"):
            told = told.replace(f'"{named}"', f'"{named}-sesame"')
        return msgspec.json.decode(told, type=type)


def test_no_secret_that_the_far_side_says_is_kept(tmp_path: Path) -> None:
    platform = Echoing({"c-1": {1: 0}, "c-2": {2: 0}})
    platform.refuses["analytics_details"] = "403 open.sesame"
    nowhere = replace(logged(2), conversation_id="")

    read = reading(platform, [logged(1), nowhere], tmp_path, wait_s=1)
    read.read()

    assert [each.id for each in read.found] == ["m-1-***"]
    assert read.no_analytics == "refused: 403 open.***"
    assert read.conversations == 1, "what is kept is no id that could be asked for"
    assert "sesame" not in (tmp_path / "steps.jsonl").read_text()


@pytest.mark.parametrize("named", ["sesame", "Ada Lovelace", "c" * 1_000_000])
def test_nothing_that_stands_in_place_of_a_scenario_is_kept(tmp_path: Path, named: str) -> None:
    platform = Platform({"c-1": {1: 0}})
    text = {"normalizedMessage": {"text": f"[convoy:{RUN}:{named}:1] Hello"}}
    details = platform._message_details
    platform._message_details = lambda _, message_id: details(_, message_id) | text  # type: ignore[method-assign]

    read = reading(platform, [logged(1)], tmp_path)
    read.read()

    assert [(each.id, each.scenario, each.k) for each in read.found] == [("m-1", "", -1)]
    assert named not in (tmp_path / "steps.jsonl").read_text()


def test_no_conversation_of_an_id_of_any_length_is_asked_for(tmp_path: Path) -> None:
    platform = Platform({"c" * 129: {1: 0}})

    read = reading(platform, [replace(logged(1), conversation_id="")], tmp_path, wait_s=1)
    read.read()

    assert read.conversations == 0 and not (tmp_path / "steps.jsonl").exists()


def test_an_answer_about_another_message_than_was_asked_for_is_no_fault(tmp_path: Path) -> None:
    platform = Platform({"c-1": {1: 0, 2: 0}})
    details = platform._message_details
    platform.refuses["messages_bulk"] = "404 not.found"
    platform._message_details = lambda _, message_id: details(_, message_id) | {"id": "m-9"}  # type: ignore[method-assign]

    read = reading(platform, [logged(1), logged(2)], tmp_path)
    read.read()

    assert [each.id for each in read.found] == ["m-1", "m-2"]


@pytest.mark.parametrize("wait_s", [5.5, 6.0, 6.5, 7.0, 7.5])
def test_what_was_read_last_is_looked_for_once_more(tmp_path: Path, wait_s: float) -> None:
    sent = [logged(0), logged(1), logged(2, "c-2"), logged(9, "c-9")]
    platform = Platform({"c-1": {0: 0, 1: 10.9}, "c-2": {2: 9}, "c-9": {}}, analytics_s=5)

    found = reading(platform, sent, tmp_path, wait_s=wait_s)
    found.read()

    assert lost(found, sent) == [9]
    assert visibility(sent, found.found, found.looks, T0_S).times.censored == 0


FOUND = {"id": "m", "conversation_id": "c", "direction": "inbound", "at_s": 1e308}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({"at_s": 1e308}, id="look"),
        pytest.param({"at_s": 1.0, "began_s": 1e308}, id="beginning"),
        pytest.param({"at_s": 1.0, "messages": [FOUND]}, id="message"),
    ],
)
def test_progress_with_a_moment_beyond_all_time_is_not_gone_on_with(
    tmp_path: Path, step: dict[str, object]
) -> None:
    (tmp_path / "steps.jsonl").write_text(json.dumps(step) + "\n")

    with pytest.raises(SettingsError, match=r"steps.jsonl: cannot be gone on with"):
        StepsDone(tmp_path / "steps.jsonl", ReadingStep)
