"""What guests say and are told: copies, conversations, agents, the ledger, files, history."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.guest_in_process import (
    AGENTS_ONLY,
    Guest,
    brief,
    briefs,
    validator,
)
from tests.simulator.in_process import MESSAGES, Organisation

USER = "public-user"


def test_a_message_comes_back_to_all_connections_with_its_tracing_id() -> None:
    organisation = Organisation()
    other = Guest(organisation)
    guest = Guest(organisation, token=other.token)

    came = guest.ask(
        "onMessage", message={"text": "hi", "type": "Text", "metadata": {"id": "m"}}, tracingId="t"
    )[0]

    body = came["body"]
    assert other.frames[1] == came
    assert (came["type"], came["code"], came["tracingId"]) == ("message", 200, "t")
    assert (body["direction"], body["type"], body["metadata"]) == ("Inbound", "Text", {"id": "m"})
    assert len(body["id"]) == 32 and len(body["channel"]["messageId"]) == 36
    assert body["channel"]["time"].endswith("Z")


def test_a_guest_s_conversation_is_found_by_every_route() -> None:
    organisation = Organisation()
    guest = Guest(organisation)
    copy = guest.ask(
        "onMessage",
        message={"text": "find me", "channel": {"metadata": {"customAttributes": {"in": "1"}}}},
        channel={"metadata": {"customAttributes": {"top": "2"}}},
    )[0]
    id = guest.conversation
    guest.hear()

    details = organisation.get(f"{MESSAGES}/{copy['body']['id']}/details")
    [customer, agent] = organisation.get(f"/api/v2/conversations/{id}")["participants"]
    listed = organisation.get("/api/v2/conversations", client=USER)["entities"]
    query = {
        "interval": "2026-01-01T00:00:00Z/2027-01-01T00:00:00Z",
        "segmentFilters": [
            {
                "type": "and",
                "predicates": [{"dimension": "messageType", "value": "webmessaging"}],
            }
        ],
    }
    found = organisation.post("/api/v2/analytics/conversations/details/query", query)

    assert (details["conversationId"], details["direction"]) == (id, "inbound")
    assert details["normalizedMessage"]["channel"]["platform"] == "WebMessaging"
    assert (customer["purpose"], agent["purpose"]) == ("customer", "agent")
    assert customer["attributes"] == {"in": "1", "top": "2"}
    assert guest.token not in json.dumps([customer, agent, details])
    assert [each["id"] for each in listed] == [id]
    assert [each["conversationId"] for each in found["conversations"]] == [id]
    assert organisation.texts(id) == ["find me", "I see. Can you tell me more?"]


def test_what_an_agent_posts_and_types_is_pushed_to_all_connections() -> None:
    organisation = Organisation()
    guest = Guest(organisation, AGENTS_ONLY)
    other = Guest(organisation, AGENTS_ONLY, token=guest.token)
    guest.say("anybody?")
    silence = guest.hear()

    organisation.post(
        organisation.reply_path(guest.conversation, "typing"),
        {"typing": {"type": "On", "duration": 3000}},
        client=USER,
    )
    organisation.post(organisation.reply_path(guest.conversation), {"textBody": "me"}, client=USER)
    typing, reply = guest.frames[-2:]

    assert silence == []
    assert other.frames[-2:] == [typing, reply]
    assert typing["body"]["events"][0]["typing"] == {"type": "On", "duration": 3000}
    assert (reply["type"], "tracingId" in reply) == ("message", False)
    assert (brief(reply), reply["body"]["direction"]) == ("me", "Outbound")
    assert reply["body"]["originatingEntity"] == "Human"
    assert reply["body"]["channel"]["from"] == {"nickname": "Convoy Agent"}
    assert reply["body"]["id"] == organisation.message_ids(guest.conversation)[-1]


@pytest.mark.parametrize(
    ("spec", "heard"),
    [("lose=1", []), ("double=1", ["me", "me"]), ("delay=5s:1", ["me"])],
)
def test_defects_strike_what_agents_post_to_guests(spec: str, heard: list[str]) -> None:
    organisation = Organisation()
    guest = Guest(organisation, AGENTS_ONLY)
    guest.say("anybody?")
    path = organisation.reply_path(guest.conversation)
    organisation.post("/simulator/faults", {"faults": [spec]})
    before = len(guest.frames)

    organisation.post(path, {"textBody": "me"}, client=USER)
    at_once = briefs(guest.frames[before:])
    guest.hear(5.0)

    assert briefs(guest.frames[before:]) == heard
    assert at_once == ([] if spec.startswith("delay") else heard)


def test_the_ledger_counts_guests_messages_by_marker_and_refusals_by_code() -> None:
    organisation = Organisation("--bot", "echo", "--guest-messages-per-second", "4")
    guest = Guest(organisation)
    attributes = {"channel": {"metadata": {"customAttributes": {"a": "x" * 2_048}}}}

    for text, members in (
        ("[convoy:r:s:1]", {}),
        ("[convoy:r:s:1] again", {}),
        ("[convoy:r:s:2]" + "x" * 4_096, {}),
        ("[convoy:r:s:3]", attributes),
        ("[convoy:r:s:4] too fast", {}),
    ):
        guest.say(text, **members)
    guest.hear()
    guest.put(b"not JSON [convoy:r:s:5]")
    account = organisation.world.ledger.account("r")

    assert (account.accepted, account.duplicates) == (2, 1)
    assert account.rejected == {"guest 4011": 1, "guest 4013": 1, "guest 4029": 1, "guest 400": 1}
    assert sum(organisation.world.ledger.whole.rejected.values()) == 4


@pytest.mark.parametrize(
    ("options", "message", "answer"),
    [
        pytest.param((), {"text": "x" * 4_097}, "4011", id="too long"),
        pytest.param((), {"text": "é" * 2_049}, "4011", id="too many bytes"),
        pytest.param((), {"text": "é" * 2_048}, "é" * 2_048, id="just not"),
        pytest.param(("--guest-text-bytes-max", "3"), {"text": "four"}, "4011", id="by option"),
        pytest.param(
            ("--guest-attributes-bytes-max", "10"),
            {"text": "x", "channel": {"metadata": {"customAttributes": {"a": "0123"}}}},
            "4013",
            id="attributes",
        ),
        pytest.param((), {"text": ""}, "400", id="nothing"),
        pytest.param((), {"type": "Event", "events": []}, "400", id="no event"),
        pytest.param(
            (), {"type": "Event", "events": [{"eventType": "Typing"}]}, "400", id="half an event"
        ),
        pytest.param(
            (),
            {"content": [{"contentType": "Attachment", "attachment": {"id": "none"}}]},
            "4009",
            id="unknown file",
        ),
        pytest.param((), {"content": [{"contentType": "Attachment"}]}, "400", id="absent file"),
    ],
)
def test_what_may_not_be_said_is_refused_by_its_code(
    options: tuple[str, ...], message: dict[str, Any], answer: str
) -> None:
    organisation = Organisation(*options)
    guest = Guest(organisation)

    came = guest.ask("onMessage", message=message, tracingId="t")[0]

    assert brief(came) == answer
    assert came["tracingId"] == "t"


def announced(guest: Guest, **members: object) -> dict[str, Any]:
    file = {"fileName": "a.png", "fileType": "image/png", "fileSize": 5, "attachmentId": "a"}
    return guest.only("onAttachment", **(file | members))


def sent(guest: Guest, answer: dict[str, Any], content: bytes, **headers: str) -> int:
    """The status of a PUT to where an answer says."""
    address = answer["body"]
    given = address["headers"] | headers
    answer_ = guest.organisation.ask(
        "PUT",
        address["url"].removeprefix("http://simulator:8080"),
        content,
        token="",
        headers={b"host": b"simulator:8080"}
        | {name.encode(): value.encode() for name, value in given.items()},
    )
    return answer_.status


def test_a_file_is_announced_sent_and_said_and_can_be_fetched() -> None:
    guest = Guest(Organisation())
    answer = announced(guest)
    reference = [{"contentType": "Attachment", "attachment": {"id": "a"}}]

    too_early = guest.ask("onMessage", message={"content": reference})
    status = sent(guest, answer, b"12345")
    success = guest.frames[-1]
    said = guest.ask("onMessage", message={"content": reference})[0]
    refreshed = guest.only("getAttachment", attachmentId="a")
    fetched = guest.organisation.ask(
        "GET", success["body"]["downloadUrl"].removeprefix("http://simulator:8080"), token=""
    )

    assert briefs(too_early) == ["4010"]
    assert (status, brief(success)) == (200, "UploadSuccessEvent")
    assert success["body"]["attachmentId"] == "a"
    assert said["body"]["content"][0]["attachment"]["filename"] == "a.png"
    assert said["body"]["type"] == "Text"
    assert (refreshed["body"]["headers"], refreshed["body"]["fileSize"]) == ({}, 5)
    assert (fetched.body, fetched.content_type) == (bytes(5), b"image/png")


def test_a_file_of_another_size_or_without_its_headers_is_refused() -> None:
    guest = Guest(Organisation())
    answer = announced(guest)

    unsigned = sent(guest, answer, b"12345", **{"x-amz-tagging": "other"})
    short = sent(guest, answer, b"1234")
    failure = guest.frames[-1]
    again = sent(guest, answer, b"12345"), sent(guest, answer, b"12345")

    assert (unsigned, short, again) == (403, 400, (200, 403))
    assert brief(failure) == "UploadFailureEvent 4002"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"fileType": "image/tiff"}, 4001),
        ({"fileName": "a.EXE"}, 4001),
        ({"fileSize": 10_240 * 1_024 + 1}, 4002),
        ({"fileName": "a" * 1_024}, 4005),
        ({"fileSize": 0}, 4102),
    ],
)
def test_a_file_that_may_not_be_is_refused_by_its_code(
    members: dict[str, object], code: int
) -> None:
    answer = announced(Guest(Organisation()), **members)

    assert (answer["code"], brief(answer)) == (400, f"GenerateUrlError {code}")
    assert answer["body"]["attachmentId"] == "a"


def test_a_file_can_be_deleted_and_belongs_to_its_guest() -> None:
    organisation = Organisation()
    guest, stranger = Guest(organisation), Guest(organisation)
    answer = announced(guest)

    of_stranger = stranger.ask("getAttachment", attachmentId="a")
    deleted = guest.only("deleteAttachment", attachmentId="a")

    assert briefs(of_stranger) == ["4009"]
    assert brief(deleted) == "AttachmentDeletedResponse"
    assert briefs(guest.ask("deleteAttachment", attachmentId="a")) == ["4009"]
    assert sent(guest, answer, b"12345") == 404


def history(guest: Guest, jwt: str, query: str = "") -> Any:
    answer = guest.organisation.ask("GET", f"/api/v2/webmessaging/messages{query}", token=jwt)
    body = json.loads(answer.body)
    return body if answer.status == 200 else f"{answer.status} {answer.code}"


def test_the_history_is_had_with_a_guest_s_token_newest_first_in_pages() -> None:
    guest = Guest(Organisation("--bot", "echo"))
    for text in ("one", "two", "three"):
        guest.say(text)
    guest.hear()
    jwt = guest.only("getJwt")["body"]["jwt"]

    first = history(guest, jwt, "?pageSize=4&pageNumber=1")
    second = history(guest, jwt, "?pageSize=4&pageNumber=2")

    assert {name: first[name] for name in ("pageSize", "pageNumber", "pageCount", "total")} == {
        "pageSize": 4,
        "pageNumber": 1,
        "pageCount": 2,
        "total": 6,
    }
    directions = [each["direction"] for each in first["entities"]]
    assert sorted(directions) == ["Inbound", "Outbound", "Outbound", "Outbound"]
    assert [each["text"] for each in second["entities"]] == ["two", "one"]
    for each in first["entities"]:
        validator("CleanMessage").validate(each)


def test_a_history_needs_a_good_token_of_a_session_that_is_there() -> None:
    organisation = Organisation()
    guest, other = Guest(organisation), Guest(organisation)
    jwt = guest.only("getJwt")["body"]["jwt"]
    head, claims, signature = jwt.split(".")
    of_other = other.only("getJwt")["body"]["jwt"].split(".")[1]
    wrong = (f"{head}.{claims}", f"{head}.{of_other}.{signature}", f"é.{signature}", "..", "x")

    codes = [history(guest, text) for text in wrong]
    empty = history(guest, jwt)
    guest.do("Clear")
    cleared = history(guest, jwt)
    organisation.pass_time(3_600)

    assert codes == ["401 bad.credentials"] * 5
    assert history(guest, "") == "401 authentication.required"
    assert (empty["entities"], empty["total"], empty["pageCount"]) == ([], 0, 0)
    assert (cleared, history(guest, jwt)) == ("404 session.not.found", "401 bad.credentials")


def test_a_history_ends_with_its_session() -> None:
    guest = Guest(Organisation("--guest-session-life-s", "60"))
    jwt = guest.only("getJwt")["body"]["jwt"]
    guest.leave(1000)

    guest.organisation.pass_time(60)

    assert history(guest, jwt) == "404 session.expired"


def test_histories_of_a_session_are_limited() -> None:
    guest = Guest(Organisation("--guest-histories-per-minute", "2"))
    jwt = guest.only("getJwt")["body"]["jwt"]

    answers = [history(guest, jwt) for _ in range(3)]

    assert answers[2] == "429 too.many.requests.retry.after"
