"""The log of messages: a line for each, in gzip members that can be put one after the other."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from convoy.errors import ConvoyError
from convoy.files import FileError
from convoy.results.message_log import LoggedMessage, MessageLog, read_log, redacted
from convoy.results.outcome import LONGEST_NAME, Attempt, Fate, Phase

ANSWER = b'{"id": "m-1", "conversationId": "c-9"}'


def attempt(fate: Fate = Fate.ACCEPTED, code: str = "", body: bytes = ANSWER) -> Attempt:
    return Attempt(fate, code, 1.0, 2.0, status=200, body=body)


def lines_of(packed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def test_a_message_has_what_its_plan_and_its_answer_say() -> None:
    log = MessageLog()

    log.add("chat", 7, "c-1", attempt())

    [line] = lines_of(log.take(0.5))
    assert line == {
        "scenario": "chat",
        "k": 7,
        "fate": "accepted",
        "code": "",
        "message_id": "m-1",
        "conversation_id": "c-1",
        "sent_ms": 500,
        "done_ms": 1500,
    }


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    log, path = MessageLog(), tmp_path / "messages.jsonl.gz"
    log.add("chat", 3, "", attempt(), Phase.WARM_UP)
    log.add("chat", 4, "c-1", attempt(Fate.REJECTED, "400 invalid_payload"))

    path.write_bytes(log.take(2.5))  # T0 is after what was sent in the warm-up

    [warm_up, refused] = read_log(path)
    assert warm_up == LoggedMessage(
        "chat", 3, Fate.ACCEPTED, "", "m-1", "c-9", -1500, -500, Phase.WARM_UP
    )
    assert (refused.fate, refused.message_id) == (Fate.REJECTED, "")


@pytest.mark.parametrize("id", ["m-sesame", "m" * (LONGEST_NAME + 1)], ids=["a secret", "too long"])
def test_an_id_that_cannot_be_kept_as_it_is_is_none(id: str) -> None:
    log = MessageLog(lambda text: text.replace("sesame", "***"))

    log.add("chat", 7, "", attempt(body=json.dumps({"id": id, "conversationId": id}).encode()))

    [line] = lines_of(log.take(0.5))
    assert (line["message_id"], line["conversation_id"]) == ("", "")


def test_what_another_process_packed_holds_no_secret_of_this_one(tmp_path: Path) -> None:
    log, path = MessageLog(), tmp_path / "messages.jsonl.gz"
    log.add("chat", 1, "c-1", attempt())
    log.add("chat", 2, "c-sesame", attempt(body=b'{"id": "m-sesame"}'))
    log.add("chat", 3, "c-1", attempt(Fate.REJECTED, "400 sesame"))

    path.write_bytes(redacted(log.take(0.5), lambda text: text.replace("sesame", "***")))

    first, second, third = read_log(path)
    assert (first.code, first.message_id, first.conversation_id) == ("", "m-1", "c-1")
    assert (second.code, second.message_id, second.conversation_id) == ("", "", "")
    assert (third.code, third.message_id, third.conversation_id) == ("400 ***", "", "c-1")
    assert [each.k for each in (first, second, third)] == [1, 2, 3]


def test_a_part_without_secrets_stays_as_it_was_packed() -> None:
    log = MessageLog()
    log.add("chat", 1, "c-1", attempt())
    packed = log.take(0.5)

    assert redacted(packed, str) == packed
    assert redacted(b"", str) == b""


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"sesame", id="no gzip"),
        pytest.param(gzip.compress(b"sesame\n"), id="no log"),
        pytest.param(gzip.compress(b"")[:-1], id="not whole"),
        pytest.param(gzip.compress(b"") + gzip.compress(b"sesame"), id="more than one member"),
        pytest.param(gzip.compress(b" " * (2**24 + 1)), id="far more than it seems"),
        pytest.param(gzip.compress(b"[" * 100_000), id="too deep"),
    ],
)
def test_a_part_that_cannot_be_read_is_refused(packed: bytes) -> None:
    with pytest.raises(ConvoyError, match="its part of the log of messages"):
        redacted(packed, str)


def line_with(name: str, value: object) -> bytes:
    """Return the log of one message that has another value."""
    line = LoggedMessage("chat", 1, Fate.ACCEPTED, "", "m", "c", 1, 2)
    return gzip.compress(json.dumps(msgspec.to_builtins(line) | {name: value}).encode())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no gzip", id="no gzip"),
        pytest.param(gzip.compress(b'{"k": "one"}\n'), id="no log"),
        pytest.param(line_with("k", 10**400), id="number"),
        pytest.param(line_with("sent_ms", 10**400), id="moment"),
        pytest.param(line_with("done_ms", -(10**400)), id="other moment"),
    ],
)
def test_a_file_that_is_no_log_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "messages.jsonl.gz"
    path.write_bytes(content)

    with pytest.raises(FileError, match="no gzip file|no log of messages"):
        list(read_log(path))


@pytest.mark.parametrize(
    ("conversation_id", "answer", "message_id", "found"),
    [
        pytest.param("", ANSWER, "m-1", "c-9", id="the conversation comes with the answer"),
        pytest.param("c-1", b"", "", "c-1", id="no body"),
        pytest.param("c-1", b"<html>", "", "c-1", id="no JSON"),
        pytest.param("c-1", b'{"id": 7}', "", "c-1", id="an id that is no text"),
        pytest.param("c-1", b"\xff", "", "c-1", id="no text"),
    ],
)
def test_ids_are_read_from_an_answer_as_far_as_it_has_them(
    conversation_id: str, answer: bytes, message_id: str, found: str
) -> None:
    log = MessageLog()

    log.add("chat", 0, conversation_id, attempt(body=answer))

    [line] = lines_of(log.take(0.5))
    assert (line["message_id"], line["conversation_id"]) == (message_id, found)


def test_an_answer_that_says_no_names_no_message() -> None:
    log = MessageLog()

    log.add("chat", 0, "c-1", attempt(Fate.REJECTED, "400 invalid_payload"))

    [line] = lines_of(log.take(0.5))
    assert (line["fate"], line["code"]) == ("rejected", "400 invalid_payload")
    assert line["message_id"] == ""


def test_parts_one_after_the_other_are_one_file_with_each_message_once() -> None:
    log, parts = MessageLog(), [b""]

    for k in range(100):
        log.add("chat", k, "c-1", attempt())
        if k % 10 == 3:
            log.pack(0.5)
        if k % 40 == 39:
            parts.append(log.take(0.5))
    parts += [log.take(0.5), log.take(0.5)]

    assert [line["k"] for line in lines_of(b"".join(parts))] == list(range(100))
    assert parts[-1] == b""
