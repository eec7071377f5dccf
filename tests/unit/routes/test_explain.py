"""From an answer that says no to the field that is wrong and the change to make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.routes.codes import KNOWN_CODES, SECTIONS
from convoy.routes.explain import Explanation, as_text, explain, explain_code

CONTRACT = Path(__file__).parents[2] / "contract"
CONVERSATION = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
OTHER = "1b2c3d4e-5f60-4b7c-9d8e-0f1a2b3c4d5e"
CUSTOMER = "2c3d4e5f-6071-4c8d-8e9f-1a2b3c4d5e6f"
NAMES = {
    "<conversation>": CONVERSATION,
    "<other conversation>": OTHER,
    "<closed conversation>": "3d4e5f60-7182-4d9e-9f0a-2b3c4d5e6f70",
    "<customer>": CUSTOMER,
    "<agent>": "4e5f6071-8293-4eaf-8a0b-3c4d5e6f7081",
    "<4097 bytes>": "x" * 4097,
}
SEED_ANSWER = {
    "code": "invalid_payload",
    "message": "Message payload is invalid. 'to' field requires a valid participant ID or address "
    "object with type 'webchat'.",
    "status": 400,
}
TO = {"id": CONVERSATION, "type": "conversation"}
FROM = {"name": "Ada", "address": "ada@example.com", "type": "user"}
RIGHT = {"to": TO, "from": FROM, "text": "hello", "type": "text"}


def filled(value: Any) -> Any:
    text = json.dumps(value)
    for name, meaning in NAMES.items():
        text = text.replace(name, meaning)
    return json.loads(text)


def refusals() -> list[dict[str, Any]]:
    """The literal refusals of the contract, with the payloads they answer."""
    examples = [
        example
        for name in ("bodies.json", "failures.json")
        for example in json.loads((CONTRACT / name).read_text("utf-8"))
    ]
    return [each for each in examples if each["answer"].get("status", 200) != 200]


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


REFUSALS = refusals()
BODY_REFUSALS = [
    each
    for each in REFUSALS
    if each["answer"]["code"] == "invalid_payload" and "body" in each["request"]
]


@pytest.mark.parametrize("example", REFUSALS, ids=lambda each: each["name"])
def test_every_literal_refusal_is_explained(example: dict[str, Any]) -> None:
    answer, payload = example["answer"], filled(example["request"].get("body"))

    explained = explain(json.dumps(answer["body"]).encode(), payload)

    assert explained.code == f"{answer['status']} {answer['code']}"
    assert explained.problem and explained.change
    assert explained.correlation_id == answer["body"]["contextId"]


@pytest.mark.parametrize("example", BODY_REFUSALS, ids=lambda each: each["name"])
def test_the_field_that_the_answer_names_is_the_one_explained(example: dict[str, Any]) -> None:
    answer, payload = example["answer"]["body"], filled(example["request"]["body"])

    explained = explain(answer, payload)

    assert explained.field == answer["details"][0]["fieldName"]
    assert explained.field in explained.headline


@pytest.mark.parametrize("example", BODY_REFUSALS, ids=lambda each: each["name"])
def test_the_field_is_found_when_the_answer_names_none(example: dict[str, Any]) -> None:
    payload = filled(example["request"]["body"])

    explained = explain(SEED_ANSWER, payload)

    assert explained.field == example["answer"]["body"]["details"][0]["fieldName"]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "to missing": (without(RIGHT, "to"), "to", "missing"),
    "to a list": (RIGHT | {"to": [TO]}, "to", "guests/{guestId}"),
    "to a text": (RIGHT | {"to": CONVERSATION}, "to", "a string"),
    "to without type": (RIGHT | {"to": without(TO, "type")}, "to.type", "is missing"),
    "to of an unknown type": (RIGHT | {"to": TO | {"type": "phone"}}, "to.type", '"phone"'),
    "to without id": (RIGHT | {"to": without(TO, "id")}, "to.id", "missing"),
    "a placeholder": (RIGHT | {"to": TO | {"id": "YOUR_ID"}}, "to.id", '"YOUR_ID"'),
    "an invented id": (
        RIGHT | {"to": TO | {"id": "00000000-0000-0000-0000-000000000000"}},
        "to.id",
        "made up",
    ),
    "a participant's id as conversation": (
        RIGHT | {"to": TO | {"id": CUSTOMER}, "conversationId": CONVERSATION},
        "to.id",
        "participant",
    ),
    "a conversation's id as participant": (
        RIGHT | {"to": {"id": CONVERSATION, "type": "webchat"}, "conversationId": CONVERSATION},
        "to.id",
        "conversation's id",
    ),
    "two conversations": (
        RIGHT | {"to": TO | {"conversationId": OTHER}},
        "to.conversationId",
        OTHER,
    ),
    "conversationId beside to": (
        RIGHT | {"conversationId": CONVERSATION},
        "conversationId",
        "beside",
    ),
    "from missing": (without(RIGHT, "from"), "from.name", "missing"),
    "from with an id only": (RIGHT | {"from": {"id": CUSTOMER}}, "from.name", "does not stand in"),
    "from a text": (RIGHT | {"from": "Ada"}, "from", "a string"),
    "an address that is none": (RIGHT | {"from": FROM | {"address": 7}}, "from.address", "number"),
    "text missing": (without(RIGHT, "text"), "text", "missing"),
    "text empty": (RIGHT | {"text": ""}, "text", "empty"),
    "text a number": (RIGHT | {"text": 7}, "text", "a number"),
    "text too long by one byte": (RIGHT | {"text": "ü" * 2048 + "x"}, "text", "4,097 bytes"),
    "text named body": (without(RIGHT, "text") | {"body": "hello"}, "text", "`body`"),
    "another type": (RIGHT | {"type": "image"}, "type", '"image"'),
    "the public operation's body": (
        {"queueId": "q", "toAddress": "a", "toAddressMessengerType": "open"},
        "queueId",
        "an agent starts",
    ),
    "open messaging's body": ({"channel": {}, "text": "hello"}, "channel", "open messaging"),
}


@pytest.mark.parametrize(("payload", "field", "said"), WRONG.values(), ids=WRONG)
def test_each_wrong_payload_leads_to_its_field(
    payload: dict[str, Any], field: str, said: str
) -> None:
    explained = explain({"code": "invalid_payload", "status": 400}, payload)

    assert explained.field == field
    assert said in explained.problem
    assert explained.change


GUEST_WRONG: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "an object instead of a list": (
        "to",
        "'to' must be a list of exactly one address on this route.",
        RIGHT,
        "an object",
    ),
    "no type": ("to[0].type", "", {"to": [{"id": CONVERSATION}], "body": "x"}, "is missing"),
    "empty text": ("body", "", {"to": [TO], "body": ""}, "empty"),
    "text in text": ("body", "", {"to": [TO], "text": "hello"}, "`text`"),
}


@pytest.mark.parametrize(
    ("field", "said", "payload", "problem"), GUEST_WRONG.values(), ids=GUEST_WRONG
)
def test_the_guest_route_has_rules_of_its_own(
    field: str, said: str, payload: dict[str, Any], problem: str
) -> None:
    details = [{"errorCode": "invalid_payload", "fieldName": field}]
    answer = {"code": "invalid_payload", "message": said, "status": 400, "details": details}

    explained = explain(answer, payload)

    assert explained.field == field
    assert problem in explained.problem
    assert list(json.loads(explained.example)) == ["to", "body"]


def test_the_example_is_the_canonical_body_with_what_the_payload_knew() -> None:
    payload = {"conversationId": CONVERSATION, "to": {"id": CUSTOMER}, "text": "hello"}

    example = json.loads(explain(SEED_ANSWER, payload | {"from": FROM}).example)

    assert example == RIGHT


def test_an_explained_example_has_nothing_left_to_explain() -> None:
    for payload, _, _ in WRONG.values():
        example = explain(SEED_ANSWER, payload | {"conversationId": CONVERSATION}).example

        again = explain({"code": "invalid_payload", "status": 400}, json.loads(example))

        assert again.field is None and again.also == ()


def test_what_else_is_wrong_is_said_too() -> None:
    payload = filled(REFUSALS[0]["request"]["body"])

    explained = explain(SEED_ANSWER, payload)

    assert explained.field == "to.type"
    assert any("`from.name` is missing" in each for each in explained.also)
    assert any("conversationId" in each for each in explained.also)


def test_without_a_payload_the_named_field_still_has_its_change() -> None:
    answer = SEED_ANSWER | {"details": [{"fieldName": "from.name"}]}

    explained = explain(answer)

    assert explained.field == "from.name"
    assert '"from": {"name"' in explained.change


def test_the_seed_message_alone_leads_to_the_addressee() -> None:
    explained = explain(SEED_ANSWER)

    assert explained.field == "to"
    assert "`type`" in explained.problem


def test_a_payload_that_breaks_no_rule_is_not_blamed() -> None:
    explained = explain({"code": "invalid_payload", "status": 400}, RIGHT)

    assert explained.field is None
    assert "breaks no rule" in explained.problem


@pytest.mark.parametrize("name", ["$.to.type", "/to/type", "to.type"])
def test_a_field_is_known_however_its_path_is_written(name: str) -> None:
    answer = {"code": "constraint.validation", "status": 400, "details": [{"fieldName": name}]}

    assert explain(answer, RIGHT | {"to": {"id": CONVERSATION}}).field == "to.type"


def test_a_field_named_only_within_the_errors_of_an_answer_is_found() -> None:
    inner = {"code": "invalid.value", "details": [{"fieldName": "text"}]}

    assert explain({"code": "bad.request", "status": 400, "errors": [inner]}).field == "text"


@pytest.mark.parametrize("code", KNOWN_CODES)
def test_every_known_code_is_explained(code: str) -> None:
    explained = explain_code(code)

    assert explained.code == code
    assert explained.problem.endswith(".") and explained.change.endswith(".")


@pytest.mark.parametrize("code", sorted(KNOWN_CODES.keys() - SECTIONS["opinion"].keys()))
def test_every_answer_with_a_known_code_is_explained(code: str) -> None:
    status, _, name = code.partition(" ")
    answer = {"status": int(status), "code": name} if status.isdigit() else {"code": code}

    explained = explain(answer)

    assert explained.code == code
    assert explained.problem.endswith(".") and explained.change.endswith(".")


@pytest.mark.parametrize("code", sorted(SECTIONS["outbound"]))
def test_codes_of_the_public_operation_say_that_it_is_another_one(code: str) -> None:
    status, name = code.split()

    assert "public API" in explain({"status": int(status), "code": name}, RIGHT).problem


def test_a_public_answer_that_wants_a_queue_says_that_it_is_another_operation() -> None:
    answer = {"status": 400, "code": "constraint.validation", "message": "queueId is required"}

    assert "another operation" in explain(answer, RIGHT).problem


def test_a_refused_login_is_explained() -> None:
    explained = explain({"error": "invalid_client", "error_description": "authentication failed"})

    assert explained.code == "400 invalid_client"
    assert "CONVOY_CLIENT_SECRET" in explained.change
    assert explained.said == "authentication failed"


def test_an_unknown_conversation_points_to_its_id() -> None:
    answer = {"status": 404, "code": "conversation.error.conversation.not.found"}

    assert explain(answer, RIGHT).field == "to.id"
    assert explain(answer, {"to": [TO], "body": "x"}).field == "to[0].id"


def test_a_gateway_answers_by_its_status_alone() -> None:
    assert explain(b"<html>Bad Gateway</html>", RIGHT, status=502).code == "502 bad.gateway"


@pytest.mark.parametrize(
    "answer",
    [{}, {"id": "x", "status": "sent"}, {"status": 200, "code": "x"}, b"", b"nonsense", b"[1]"],
)
def test_what_is_no_refusal_has_no_code(answer: Any) -> None:
    assert explain(answer).code == ""


def test_the_text_shows_field_problem_change_and_example() -> None:
    text = as_text(explain(SEED_ANSWER, {"to": {"id": CUSTOMER}}), width=100)

    headline = text.splitlines()[0]
    assert headline == "400 invalid_payload: the field `to.type` is wrong"
    assert all(label in text for label in ("problem", "change", "then also", "a right body"))
    assert max(map(len, text.splitlines())) <= 100


def test_nothing_in_an_answer_can_steer_the_terminal() -> None:
    evil = "\x1b[2J\r\n\u202e\ud800"
    answer = {"code": "invalid_payload", "message": evil, "contextId": evil, "status": 400}
    payload = {"to": {"id": evil, "type": evil, "conversationId": evil}, "text": "x\ud800"}

    text = as_text(explain(answer | {"details": [{"fieldName": "to.id"}]}, payload))

    text.encode()
    assert all(character.isprintable() or character == "\n" for character in text)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
WORDS = st.sampled_from(
    ["to", "from", "text", "body", "id", "type", "conversation", "webchat", CONVERSATION]
    + ["code", "status", "message", "details", "errors", "fieldName", "invalid_payload", "to[0]"]
    + ["to.type", "'to' is wrong", "must be a list", "conversationId", "name", "queueId", "error"]
)
JSON = st.recursive(
    SCALARS | WORDS | st.sampled_from([400, 404, 200, 503]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS | st.text(max_size=5), JSON, max_size=6)


@given(OBJECTS, st.none() | OBJECTS, st.none() | st.integers(100, 599))
def test_anything_is_explained_or_called_no_error(
    answer: dict[str, Any], payload: dict[str, Any] | None, status: int | None
) -> None:
    explained = explain(answer, payload, status=status)

    assert isinstance(explained, Explanation)
    as_text(explained).encode()


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(answer: bytes) -> None:
    as_text(explain(answer, status=500)).encode()


@pytest.mark.parametrize(
    ("code", "answer", "named"),
    [
        pytest.param(
            "missing.permissions",
            {"messageParams": {"permissions": "[conversation:message:receive]"}},
            "conversation:message:receive",
            id="parameters",
        ),
        pytest.param(
            "missing.permissions",
            {"message": "You are missing the following permission(s): [a:b:c, d:e:*]", "x": 1},
            "a:b:c, d:e:*",
            id="message",
        ),
        pytest.param(
            "missing.any.permissions",
            {"messageParams": {"0": "a:b:c"}, "message": "at least one of: a:b:c, d:e:f"},
            "a:b:c, d:e:f",
            id="both",
        ),
        pytest.param(
            "missing.division.permission",
            {"message": "the following permission 'a:b:c' in the provided division(s)."},
            "a:b:c",
            id="division",
        ),
        pytest.param(
            "missing.permissions", {"messageParams": ["a:b:c"], "message": 7}, "", id="odd"
        ),
        pytest.param("not.authorized", {"message": "You lack a:b:c"}, "", id="another code"),
    ],
)
def test_the_permissions_that_a_refusal_names_are_told(
    code: str, answer: dict[str, Any], named: str
) -> None:
    found = explain({"code": code, "status": 403, **answer})

    assert found.code == f"403 {code}"
    assert found.problem.endswith(f": {named}." if named else found.problem)
    assert (": " in found.problem) == bool(named)
    assert not named or "Admin," in found.change


def test_no_part_of_a_long_word_is_told_as_a_permission() -> None:
    words = (f"a:b:{'s' * 85}", f"{' ' * 3990}a:b:{'s' * 30}", f"a:b:c:{'s' * 9}")
    words += ("q.a:b:c", "q+a:b:c", "a:b:c/q", "a:b:c-q", "a:b:c.q", "a:b:*=")
    params = {str(number): word for number, word in enumerate(words)}

    found = explain({"code": "missing.permissions", "status": 403, "messageParams": params})

    assert found.problem.endswith(f": a:b:{'s' * 30}.")


def test_no_more_than_twenty_permissions_are_told() -> None:
    many = " ".join(f"a:b:p{number}" for number in range(300))

    found = explain({"code": "missing.permissions", "status": 403, "message": many})

    assert found.problem.count("a:b:p") == 20


def frame(kind: str, code: int, body: Any) -> dict[str, Any]:
    return {"type": "response", "class": kind, "code": code, "body": body}


FRAMES: dict[str, tuple[dict[str, Any], str, str]] = {
    "too long": (frame("string", 4011, "message too long"), "guest 4011", "message too long"),
    "a limit": (
        frame("TooManyRequestsErrorMessage", 429, {"errorCode": 4029, "errorMessage": "too fast"}),
        "guest 4029",
        "too fast",
    ),
    "a file": (
        frame("UploadFailureEvent", 200, {"errorCode": 4001, "errorMessage": "tiff"}),
        "guest 4001",
        "tiff",
    ),
    "expired": (frame("SessionExpiredEvent", 200, {}), "guest 4006", ""),
    "somebody's number": (frame("string", 4915550199, "no"), "guest other", "no"),
    "a code of none": (frame("string", 4999, "new"), "guest 4999", "new"),
    "a session": (frame("SessionResponse", 200, {"connected": True}), "", ""),
    "no code": (frame("string", 200, {"errorCode": "x"}), "", ""),
}


@pytest.mark.parametrize(("answer", "code", "said"), FRAMES.values(), ids=FRAMES)
def test_a_guests_frame_is_explained_by_its_code(
    answer: dict[str, Any], code: str, said: str
) -> None:
    explained = explain(json.dumps(answer).encode())

    assert (explained.code, explained.said) == (code, said)
    assert bool(explained.problem) == bool(code)
