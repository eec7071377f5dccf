"""Messages that are lost, doubled, delayed, reordered or corrupted after they were accepted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator.faults import BadFault, Faults
from simulator.model.defects import DAMAGE, SOUND, Defect, Defects, damaged
from simulator.model.marker import Marker, find_marker
from tests.simulator.in_process import (
    MESSAGES,
    START_WALL_S,
    Organisation,
    inbound,
    open_message,
)

KINDS = ("lose", "double", "delay", "reorder", "corrupt")


def text(k: int, run: str = "r") -> str:
    return f"hello [convoy:{run}:chat:{k}]"


def happenings(organisation: Organisation, run: str | None = "r") -> list[dict[str, Any]]:
    path = "/simulator/ledger" + (f"?run_id={run}" if run else "")
    found: list[dict[str, Any]] = organisation.get(path)["after_acceptance"]
    return found


def fate_of(organisation: Organisation, *texts: str) -> tuple[list[str], list[str]]:
    """The texts that are found after these were accepted, and what the ledger says happened."""
    for each in texts:
        organisation.now_s += 1.0
        conversation = organisation.receive(text=each)
    found = organisation.texts(conversation)
    return found, [f"{each['what']} {each['marker']}" for each in happenings(organisation)]


def test_without_defects_nothing_happens() -> None:
    found, happened = fate_of(Organisation(), text(1), text(2))

    assert (found, happened) == ([text(1), text(2)], [])


def test_a_lost_message_is_accepted_and_nowhere_found() -> None:
    organisation = Organisation("--fault", "lose=1")

    answered = organisation.post(inbound(), open_message(text=text(1)))

    [happening] = happenings(organisation)
    assert happening["what"] == "lost"
    assert happening["marker"] == "[convoy:r:chat:1]"
    assert happening["message_ids"] == [answered["id"]]
    assert organisation.world.ledger.account("r").accepted == 1
    assert organisation.code("GET", f"{MESSAGES}/{answered['id']}/details") == "404 not.found"


def test_a_doubled_message_is_found_twice_under_two_ids() -> None:
    organisation = Organisation("--fault", "double=1")

    found, happened = fate_of(organisation, text(1))

    [happening] = happenings(organisation)
    assert (found, happened) == ([text(1)] * 2, ["doubled [convoy:r:chat:1]"])
    assert sorted(happening["message_ids"]) == sorted(
        organisation.message_ids(happening["conversation_id"])
    )
    assert organisation.world.ledger.account("r").accepted == 1
    assert organisation.world.ledger.account("r").duplicates == 0


def test_a_delayed_message_is_found_when_its_delay_is_over() -> None:
    organisation = Organisation("--fault", "delay=5s:1")
    id = organisation.post(inbound(), open_message(text=text(1)))["id"]
    path = f"{MESSAGES}/{id}/details"

    codes = []
    for step_s in (0.0, 4.9, 0.1):
        organisation.now_s += step_s
        codes.append(organisation.ask("GET", path).status)

    assert codes == [404, 404, 200]
    assert [each["what"] for each in happenings(organisation)] == ["delayed"]


def test_a_corrupted_message_keeps_its_marker() -> None:
    organisation = Organisation("--fault", "corrupt=1")

    [found], happened = fate_of(organisation, text(1))

    assert find_marker(found) == Marker("r", "chat", 1)
    assert found != text(1)
    assert len(found) == len(text(1))
    assert happened == ["corrupted [convoy:r:chat:1]"]


def test_a_reordered_message_is_behind_the_next_of_its_conversation() -> None:
    organisation = Organisation("--fault", "reorder=1")

    alone, nothing = fate_of(organisation, text(1))
    both, happened = fate_of(organisation, text(2))
    all_four, more = fate_of(organisation, text(3), text(4))

    assert (alone, nothing) == ([text(1)], [])
    assert (both, happened) == ([text(2), text(1)], ["reordered [convoy:r:chat:1]"])
    assert all_four == [text(2), text(1), text(4), text(3)]
    assert more == [*happened, "reordered [convoy:r:chat:3]"]


def test_a_lost_message_overtakes_none() -> None:
    defects = ("--fault", "reorder=1", "--fault", "lose=0.5")
    organisation = Organisation(*defects)

    found, happened = fate_of(organisation, *(text(k) for k in range(40)))

    in_order = sorted(found, key=lambda each: find_marker(each) or Marker("", "", 0))
    lost = {each.removeprefix("lost ") for each in happened if each.startswith("lost")}
    behind = {each.removeprefix("reordered ") for each in happened if "reordered" in each}
    assert len(found) == 40 - len(lost) and 5 < len(lost) < 35
    inverted = {
        f"[convoy:r:chat:{number_in(later)}]"
        for earlier, later in zip(found, found[1:], strict=False)
        if in_order.index(later) < in_order.index(earlier)
    }
    assert inverted == behind


def test_a_reply_is_overtaken_by_replies_only() -> None:
    organisation = Organisation("--fault", "reorder=1")
    conversation = organisation.receive(text="question")
    path = organisation.reply_path(conversation)

    organisation.post(path, {"textBody": text(1)}, client="public-user")
    before = len(happenings(organisation))
    organisation.post(path, {"textBody": text(2)}, client="public-user")

    assert before == 0
    assert organisation.texts(conversation) == ["question", text(2), text(1)]


def test_emptying_the_ledger_forgets_what_would_be_overtaken() -> None:
    organisation = Organisation("--fault", "reorder=1")
    organisation.receive(text=text(1))
    organisation.ask("DELETE", "/simulator/ledger")

    organisation.receive(text=text(2))

    assert happenings(organisation, None) == []


@pytest.mark.parametrize("kind", ["lose", "double", "corrupt"])
def test_a_share_of_the_messages_is_struck_and_the_ledger_names_each(kind: str) -> None:
    organisation = Organisation("--fault", f"{kind}=0.1")
    texts = [text(k) for k in range(800)]

    found, happened = fate_of(organisation, *texts)

    markers = [f"[convoy:r:chat:{number_in(each)}]" for each in found]
    counts = {each: markers.count(each) for each in (f"[convoy:r:chat:{k}]" for k in range(800))}
    observed = {
        "lose": {each for each, count in counts.items() if count == 0},
        "double": {each for each, count in counts.items() if count == 2},
        "corrupt": {marker for marker, each in zip(markers, found, strict=True) if DAMAGE in each},
    }[kind]
    assert 45 < len(observed) < 115
    assert observed == {each.partition(" ")[2] for each in happened}


def test_what_the_ledger_tells_is_what_can_be_found_with_all_defects_at_once() -> None:
    specs = ("lose=0.05", "double=0.05", "delay=60s:0.05", "reorder=0.05", "corrupt=0.05")
    organisation = Organisation(*(word for spec in specs for word in ("--fault", spec)))
    for k in range(1_000):
        organisation.now_s += 0.01
        organisation.receive(f"vu-{k % 10}", text(k))
    at_once = {k for k, *_ in found_by_analytics(organisation)}
    organisation.now_s += 60.0
    found = found_by_analytics(organisation)

    times = {k: [one for one, _, _ in found].count(k) for k in range(1_000)}
    first_seen = list(dict.fromkeys((conversation, k) for k, conversation, _ in found))
    highest: dict[str, int] = {}
    behind = set()
    for conversation, k in first_seen:
        if k < highest.get(conversation, -1):
            behind.add(k)
        highest[conversation] = max(k, highest.get(conversation, -1))
    observed = {
        "lost": {k for k, count in times.items() if count == 0},
        "doubled": {k for k, count in times.items() if count == 2},
        "delayed": {k for k, *_ in found} - at_once,
        "corrupted": {k for k, _, seen in found if seen != text(k)},
        "reordered": behind,
    }
    told: dict[str, set[int]] = {what: set() for what in observed}
    for each in happenings(organisation):
        told[each["what"]].add(number_in(each["marker"]))
    assert all(20 < len(numbers) < 90 for numbers in told.values())
    assert observed == told
    assert organisation.world.ledger.account("r").accepted == 1_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_strikes_the_same_messages_in_whatever_order_and_run(kind: str) -> None:
    first, second, other = Defects(1), Defects(1), Defects(2)
    for each in (first, second, other):
        each.set([Defect(kind, 0.3, 1.0 if kind == "delay" else 0.0)])
    numbers = range(500)

    fates = {k: first.fate(Marker("one", "chat", k)) for k in numbers}

    assert fates == {k: second.fate(Marker("two", "chat", k)) for k in reversed(numbers)}
    assert fates != {k: other.fate(Marker("one", "chat", k)) for k in numbers}
    assert 100 < sum(fate != SOUND for fate in fates.values()) < 200


def test_kinds_of_defects_strike_independently_of_each_other() -> None:
    defects = Defects(1)
    defects.set([Defect("double", 0.5), Defect("corrupt", 0.5)])

    fates = [defects.fate(Marker("r", "chat", k)) for k in range(400)]

    both = sum(fate.copies == 2 and fate.is_corrupted for fate in fates)
    assert 60 < both < 140


def test_messages_without_a_marker_are_struck_too_and_in_the_whole_only() -> None:
    organisation = Organisation("--fault", "lose=1")

    organisation.receive(text="no marker")

    [happening] = happenings(organisation, None)
    assert (happening["what"], happening["marker"]) == ("lost", None)
    assert happenings(organisation) == []


def test_messages_of_the_thread_s_dialect_are_struck_too() -> None:
    organisation = Organisation("--fault", "double=1", "--conversations", "1")
    [conversation] = organisation.get("/api/v2/conversations", client="demo")["entities"]
    body = {
        "to": {"id": conversation["id"], "type": "conversation"},
        "from": {"name": "Ada"},
        "text": text(1),
    }

    answered = organisation.post(MESSAGES, body, client="demo")

    [happening] = happenings(organisation)
    assert happening["what"] == "doubled"
    assert happening["message_ids"][0] == answered["id"]
    assert organisation.world.ledger.account("r").as_json()["accepted"] == 1


def test_defects_are_listed_added_and_cleared_as_other_faults_are() -> None:
    organisation = Organisation("--fault", "lose=0.5")

    listed = organisation.post("/simulator/faults", {"faults": ["delay=5s:0.01", "drop=0"]})
    organisation.ask("DELETE", "/simulator/faults")
    organisation.receive(text=text(1))

    assert listed == {"faults": ["lose=0.5", "delay=5s:0.01", "drop=0"]}
    assert organisation.get("/simulator/faults") == {"faults": []}
    assert happenings(organisation) == []


@pytest.mark.parametrize(
    "spec",
    [
        "lose",
        "lose=2",
        "delay=0.1",
        "delay=5s",
        "delay=9999s:0.1",
        "corrupt=x",
        "error=no.code:0.1",
    ],
)
def test_a_wrong_defect_is_refused_by_name(spec: str) -> None:
    with pytest.raises(BadFault, match=spec.partition("=")[0]):
        Faults(1).add([spec], 0.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("abc", f"{DAMAGE}bc"),
        ("[convoy:r:s:1] abc", f"[convoy:r:s:1]{DAMAGE}abc"),
        ("[convoy:r:s:1]", f"[convoy:r:s:1]{DAMAGE}"),
        ("", DAMAGE),
    ],
)
def test_damage_spares_the_marker(before: str, after: str) -> None:
    assert damaged(before) == after


def test_every_code_can_be_injected_by_name() -> None:
    organisation = Organisation("--fault", "error=conversation.message.limit.exceeded:1")

    # Faults strike before the call is answered, in the application.
    effect = organisation.world.faults.effect(organisation.now_s)

    assert effect.error_code == "conversation.message.limit.exceeded"
    assert json.loads(json.dumps(organisation.world.faults.specs)) == [
        "error=conversation.message.limit.exceeded:1"
    ]


def number_in(marked: str) -> int:
    marker = find_marker(marked)
    assert marker is not None
    return marker.k


def found_by_analytics(organisation: Organisation) -> list[tuple[int, str, str]]:
    """Number, conversation and text of each message, by time, as a client of the API finds it."""
    day = datetime.fromtimestamp(START_WALL_S, UTC).date()
    query = {"interval": f"{day}T00:00:00Z/{day}T23:59:59Z"}
    path = "/api/v2/analytics/conversations/details/query"
    found = []
    for each in organisation.post(path, query)["conversations"]:
        conversation = each["conversationId"]
        for seen in organisation.texts(conversation):
            found.append((number_in(seen), conversation, seen))
    return found
