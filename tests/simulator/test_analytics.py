"""Conversations as analytics finds them: late, filtered, in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.in_process import ACTIVE, START_WALL_S, Organisation

QUERY = "/api/v2/analytics/conversations/details/query"
TODAY = datetime.fromtimestamp(START_WALL_S, UTC).date()


def interval(first_day: int = 0, last_day: int = 1) -> str:
    """From the beginning of one day to that of another, counted from today."""
    first, last = (TODAY + timedelta(days=day) for day in (first_day, last_day))
    return f"{first}T00:00:00.000Z/{last}T00:00:00.000Z"


def query(**members: object) -> dict[str, Any]:
    return {"interval": interval(), **members}


def ids(found: dict[str, Any]) -> list[str]:
    return [each["conversationId"] for each in found["conversations"]]


def only(dimension: str, value: str | None = None, **members: str) -> list[dict[str, Any]]:
    predicate = {"dimension": dimension, "value": value, **members}
    return [{"type": "and", "predicates": [predicate]}]


def test_a_conversation_is_found_once_its_delay_is_over() -> None:
    organisation = Organisation("--analytics-delay-s", "10")
    conversation = organisation.receive()

    found = []
    for step_s in (0.0, 9.9, 0.1):
        organisation.now_s += step_s
        found.append(organisation.post(QUERY, query())["totalHits"])

    assert found == [0, 0, 1]
    assert ids(organisation.post(QUERY, query())) == [conversation]


def test_each_message_is_counted_once_its_own_delay_is_over() -> None:
    organisation = Organisation("--analytics-delay-s", "10")
    organisation.receive()
    organisation.now_s += 5.0
    organisation.receive()

    counts = []
    for _ in range(2):
        organisation.now_s += 5.0
        [found] = organisation.post(QUERY, query())["conversations"]
        [metric] = found["participants"][0]["sessions"][0]["metrics"]
        counts.append((metric["name"], metric["value"]))

    assert counts == [("oMessageCount", 1), ("oMessageCount", 2)]


def test_a_conversation_is_told_as_the_definition_has_it() -> None:
    organisation = Organisation()
    organisation.post(
        organisation.reply_path(organisation.receive()), {"textBody": "hi"}, client="public-user"
    )

    [found] = organisation.post(QUERY, query())["conversations"]

    customer, agent = found["participants"]
    session = customer["sessions"][0]
    assert found["originatingDirection"] == "inbound"
    assert found["customerParticipation"] is True
    assert (customer["purpose"], agent["purpose"]) == ("customer", "agent")
    assert (session["mediaType"], session["messageType"]) == ("message", "open")
    assert (session["addressFrom"], session["addressTo"]) == ("vu-1", ACTIVE)
    assert session["peerId"] == agent["sessions"][0]["sessionId"]
    assert agent["sessions"][0]["metrics"][0]["value"] == 1


def test_the_pages_together_hold_every_conversation_once_in_either_order() -> None:
    organisation = Organisation()
    known = [organisation.receive(f"vu-{number}") for number in range(5)]

    def listed(order: str) -> list[str]:
        pages = [
            organisation.post(
                QUERY, query(order=order, paging={"pageSize": 2, "pageNumber": number})
            )
            for number in (1, 2, 3, 4)
        ]
        assert {page["totalHits"] for page in pages} == {5}
        return [id for page in pages for id in ids(page)]

    assert listed("asc") == known
    assert listed("desc") == known[::-1]


def test_a_page_holds_25_where_none_is_asked_for() -> None:
    organisation = Organisation()
    for number in range(26):
        organisation.receive(f"vu-{number}")

    found = organisation.post(QUERY, query())

    assert (len(found["conversations"]), found["totalHits"]) == (25, 26)


@pytest.mark.parametrize(
    ("days", "is_found"),
    [
        pytest.param((0, 1), True, id="today"),
        pytest.param((-1, 0), False, id="yesterday"),
        pytest.param((1, 2), False, id="tomorrow"),
        pytest.param((-2, 2), True, id="days around it"),
    ],
)
def test_conversations_of_the_days_that_the_interval_touches_are_found(
    days: tuple[int, int], is_found: bool
) -> None:
    organisation = Organisation()
    organisation.receive()

    found = organisation.post(QUERY, query(interval=interval(*days)))

    assert found["totalHits"] == int(is_found)


def test_an_interval_of_a_minute_touches_the_whole_day() -> None:
    organisation = Organisation()
    organisation.receive()
    minute = f"{TODAY}T00:00:00.000Z/{TODAY}T00:01:00.000Z"

    assert organisation.post(QUERY, query(interval=minute))["totalHits"] == 1


@pytest.mark.parametrize(
    ("filters", "senders"),
    [
        ({"segmentFilters": only("addressFrom", "vu-1")}, ["vu-1"]),
        ({"segmentFilters": only("addressTo", ACTIVE)}, ["vu-1", "vu-2"]),
        ({"segmentFilters": only("messageType", "open")}, ["vu-1", "vu-2"]),
        ({"segmentFilters": only("messageType", "sms")}, []),
        ({"segmentFilters": only("userId", operator="exists")}, ["vu-1", "vu-2"]),
        ({"segmentFilters": only("userId", operator="notExists")}, []),
        ({"conversationFilters": only("originatingDirection", "outbound")}, []),
        (
            {
                "segmentFilters": [
                    {
                        "type": "or",
                        "predicates": [
                            {"dimension": "addressFrom", "value": "vu-2"},
                            {"dimension": "addressFrom", "value": "vu-9"},
                        ],
                    }
                ]
            },
            ["vu-2"],
        ),
        (
            {
                "segmentFilters": only("addressFrom", "vu-1"),
                "conversationFilters": only("originatingDirection", "inbound"),
            },
            ["vu-1"],
        ),
    ],
)
def test_filters_choose(filters: dict[str, Any], senders: list[str]) -> None:
    organisation = Organisation()
    known = {sender: organisation.receive(sender) for sender in ("vu-1", "vu-2")}

    found = organisation.post(QUERY, query(**filters))

    assert ids(found) == [known[sender] for sender in senders]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({}, "400 constraint.validation", id="no interval"),
        pytest.param({"interval": "yesterday"}, "400 invalid.date", id="no dates"),
        pytest.param({"interval": "2026-01-02T00:00/2026-01-01T00:00"}, "400 invalid.date", id="b"),
        pytest.param(query(paging={"pageSize": 25}), "400 constraint.validation", id="half a page"),
        pytest.param(
            query(paging={"pageSize": 101, "pageNumber": 1}), "400 invalid.value", id="large page"
        ),
        pytest.param(query(order="sideways"), "400 invalid.value", id="order"),
        pytest.param(
            query(segmentFilters=only("mood", "good")), "400 invalid.value", id="dimension"
        ),
        pytest.param(
            query(segmentFilters=only("addressFrom")), "400 constraint.validation", id="no value"
        ),
    ],
)
def test_a_query_that_is_none_is_refused_by_its_code(body: dict[str, Any], code: str) -> None:
    assert Organisation().code("POST", QUERY, body) == code
