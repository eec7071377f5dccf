"""Secrets stay stars wherever they are printed, packed or logged."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
from base64 import b64encode
from collections.abc import Callable
from typing import cast
from urllib.parse import quote_plus

import pytest

from convoy.errors import Fault, SettingsError
from convoy.secrets import STARS, RedactingFilter, Redactor, Secret
from convoy.untrusted_text import on_one_line, printable_lines, unbroken

PASSWORD = "s3cr3t/pass word+ü"


def logged(redactor: Redactor, log: str, *arguments: object, exc_info: bool = False) -> str:
    """Return what a handler with the filter writes for one record."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(redactor))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.error(log, *arguments, exc_info=exc_info)
    return stream.getvalue()


def test_a_secret_prints_as_stars() -> None:
    secret = Secret(PASSWORD)

    printed = [repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!r:>20}"]

    assert all(STARS in text and PASSWORD not in text for text in printed)
    assert secret.reveal() == PASSWORD


def test_secrets_are_equal_when_their_values_are() -> None:
    assert Secret("one value") == Secret("one value")
    assert Secret("one value") != Secret("another")
    assert Secret("one value") != "one value"
    assert len({Secret("one value"), Secret("one value")}) == 1


def test_a_secret_refuses_to_leave_the_process_in_clear() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(PASSWORD))
    with pytest.raises(TypeError):
        json.dumps(Secret(PASSWORD))


def test_a_secret_survives_copying() -> None:
    assert copy.deepcopy([Secret(PASSWORD)]) == [Secret(PASSWORD)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"before {PASSWORD} after", id="in clear"),
        pytest.param(f"?client_secret={quote_plus(PASSWORD)}", id="in a form"),
        pytest.param(f"{PASSWORD}{PASSWORD}", id="twice"),
        pytest.param(ascii({"password": PASSWORD}), id="in an escaped text"),
    ],
)
def test_a_registered_value_is_hidden(text: str) -> None:
    redactor = Redactor()
    redactor.register(Secret(PASSWORD))

    redacted = redactor.redact(text)

    assert STARS in redacted
    assert "s3cr3t" not in redacted and "word" not in redacted.replace("password", "")


@pytest.mark.parametrize("client_id", ["a", "ab", "abc"])
def test_a_login_in_base64_is_hidden_however_long_the_client_id_is(client_id: str) -> None:
    redactor = Redactor()
    redactor.register(PASSWORD)
    basic = b64encode(f"{client_id}:{PASSWORD}".encode()).decode()

    redacted = redactor.redact(f"Authorization: Basic {basic}")

    assert STARS in redacted
    assert basic[8:-4] not in redacted


def test_the_longest_of_overlapping_values_is_hidden() -> None:
    redactor = Redactor()
    redactor.register("token-1")
    redactor.register("token-1234")

    redacted = redactor.redact("token-1234 token-1")

    assert redacted == f"{STARS} {STARS}"


def test_short_values_and_other_texts_are_left_alone() -> None:
    redactor = Redactor()
    redactor.register("abc")
    redactor.register("")

    text = "abc and nothing else"

    assert redactor.redact(text) is text


def test_old_tokens_are_forgotten_and_credentials_never() -> None:
    redactor = Redactor(keep=2)
    redactor.register("client-secret", permanent=True)
    for number in range(5):
        redactor.register(f"token-{number}")

    redacted = redactor.redact("client-secret token-0 token-2 token-3 token-4")

    assert redacted == f"{STARS} token-0 token-2 {STARS} {STARS}"


def test_a_value_that_is_used_again_is_remembered_longer() -> None:
    redactor = Redactor(keep=2)
    for token in ("token-a", "token-b", "token-a", "token-c"):
        redactor.register(token)

    assert redactor.redact("token-a token-b") == f"{STARS} token-b"


def test_a_token_in_use_is_hidden_however_many_come_after_it() -> None:
    redactor = Redactor(keep=2)
    in_use, again = Secret("token-in-use"), Secret("token-in-use")
    redactor.register(in_use)
    redactor.register(again)
    for number in range(5):
        redactor.register(f"token-{number}")
    del again
    redactor.register("token-5")
    redactor.register("token-6")
    redactor.register("token-7")

    assert redactor.redact("token-in-use token-5 token-6") == f"{STARS} token-5 {STARS}"
    assert in_use.reveal() == "token-in-use"


def test_a_token_that_is_no_longer_used_is_hidden_until_so_many_others_have_come() -> None:
    redactor = Redactor(keep=2)
    used = Secret("token-used")
    redactor.register(used)
    for number in range(5):
        redactor.register(f"token-{number}")
    del used

    redactor.register("token-5")
    assert redactor.redact("token-used token-4") == f"{STARS} token-4"
    redactor.register("token-6")
    assert redactor.redact("token-used token-5") == f"token-used {STARS}"


def test_what_a_far_side_says_pushes_out_nothing_else() -> None:
    redactor = Redactor(keep=2)
    redactor.register("token-obtained")
    redactor.register("token-obtained", is_heard=True)
    for number in range(5):
        redactor.register(Secret(f"token-{number}"), is_heard=True)
    redactor.register("token-next")

    redacted = redactor.redact("token-obtained token-2 token-3 token-4")

    assert redacted == f"{STARS} token-2 {STARS} {STARS}"


def test_log_messages_and_their_arguments_are_redacted() -> None:
    redactor = Redactor()
    redactor.register(PASSWORD)

    written = logged(redactor, "login with %s as %r", PASSWORD, {"password": PASSWORD})

    assert written.count(STARS) == 2
    assert PASSWORD not in written


def test_tracebacks_in_the_log_are_redacted() -> None:
    redactor = Redactor()
    redactor.register(PASSWORD)

    try:
        raise ValueError(f"refused: {PASSWORD}")
    except ValueError:
        written = logged(redactor, "it failed", exc_info=True)

    assert "ValueError" in written and STARS in written
    assert PASSWORD not in written


def test_a_record_that_cannot_be_formatted_is_logged_without_its_arguments() -> None:
    redactor = Redactor()

    written = logged(redactor, "%d messages", PASSWORD)

    assert "could not be formatted" in written
    assert PASSWORD not in written


def test_a_message_that_cannot_be_shown_is_logged_by_its_type() -> None:
    class Unshown:
        def __str__(self) -> str:
            raise ValueError(PASSWORD)

    written = logged(Redactor(), cast("str", Unshown()))

    assert "a Unshown that raises ValueError when it is shown" in written
    assert PASSWORD not in written


def test_no_argument_is_left_in_a_record_whose_message_does_not_show_it() -> None:
    args = {"name": "ann", "password": PASSWORD}
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%(name)s writes", (args,), None)

    RedactingFilter(Redactor()).filter(record)

    assert (record.msg, record.args) == ("ann writes", None)


def test_a_level_of_a_scenario_is_redacted() -> None:
    redactor = Redactor()
    redactor.register(PASSWORD)
    record = logging.makeLogRecord({"levelno": 33, "levelname": f"LOUD {PASSWORD}"})

    RedactingFilter(redactor).filter(record)

    assert record.levelname == f"LOUD {STARS}"


def test_what_steers_a_terminal_does_not_reach_a_log() -> None:
    written = logged(Redactor(), "it said %s", "a\x1b[2Jb\x00c\u202ed\re")

    assert written == "it said a?[2Jb?c?d?e\n"


def test_no_text_of_others_looks_like_a_line_of_the_log() -> None:
    try:
        raise ValueError("x\n[2026-11-26] host/INFO/convoy: all is well")
    except ValueError as error:
        written = logged(Redactor(), "it failed: %s", error, exc_info=True)

    first, *others = written.splitlines()
    assert first == "it failed: x"
    assert len(others) > 2 and all(line.startswith("  ") for line in others)


@pytest.mark.parametrize("clean", [unbroken, on_one_line, printable_lines])
def test_a_secret_is_found_after_what_steers_a_terminal_was_replaced(
    clean: Callable[[str], str],
) -> None:
    secret = "open\tsesame\r\nnow\u2028\x1band\u202eü"
    redactor = Redactor()
    redactor.register(secret)

    assert redactor.redact(clean(f"it is {secret}.")) == f"it is {STARS}."


def test_a_secret_with_a_tab_is_found_in_a_fault() -> None:
    redactor = Redactor()
    redactor.register("open\tsesame")

    told = str(SettingsError([Fault("open\tsesame", "is no setting")]))

    assert redactor.redact(told) == f"{STARS}: is no setting"


def test_a_secret_of_white_space_does_not_hide_the_spaces_of_all_texts() -> None:
    redactor = Redactor()
    redactor.register("\t\t\t\t")

    assert redactor.redact("    indented") == "    indented"
