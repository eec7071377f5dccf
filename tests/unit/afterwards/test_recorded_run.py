"""What a record says of a run that is over: what was said, what was opened, whether it ended."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from convoy.afterwards.cleanup import PROGRESS, Cleanup
from convoy.afterwards.recorded_run import (
    SentTexts,
    check_that_it_ended,
    opened_before,
    settings_of,
)
from convoy.errors import RefusedError, SettingsError
from convoy.plan.dialogue import (
    Attach,
    Choose,
    Close,
    Dialogue,
    Expect,
    Say,
    Typing,
    Wait,
)
from convoy.plan.pool import Conversation, ConversationPool, PoolFileError
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.results.message_log import LoggedMessage, MessageLog
from convoy.results.outcome import Attempt, Fate, Phase
from convoy.results.reconciled import digest_of
from convoy.results.record import INPUTS, JOURNAL, MESSAGES, OPENED, begin_record, note_opened
from convoy.secrets import Redactor
from convoy.settings.documents import as_yaml
from convoy.swarm.run_inputs import RunInputs, pack_for_record, plan_hash, read_from_record
from tests.unit.plan import pool_with
from tests.unit.results import RESULT
from tests.unit.settings import configuration

POOL = ConversationPool.of_customers(5)
RUN, SCENARIO = "20261126-100000-abcdef", "conversation_messages"
TEMPLATES = {
    "plain": '{"text": {{ (marker ~ " " ~ text) | tojson }}, "at": {{ time | tojson }}}',
    "of the moment": '{"textBody": {{ (marker ~ " at " ~ time) | tojson }}}',
    "silent": '{"sound": {{ marker | tojson }}}',
}


ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
)
"""A few hundred characters that stand for a hundred million values."""


def recorded(
    folder: Path,
    *sets: str,
    template: str = "plain",
    redact: Callable[[str], str] = str,
    dialogues: Mapping[str, Dialogue] | None = None,
    pool: ConversationPool = POOL,
) -> ScenarioPlan:
    """Write the record of a run with one scenario; return that scenario's plan."""
    settings = configuration.settings_of(*sets)
    inputs = ScenarioInputs(
        SCENARIO,
        7,
        RateCurve([Stage(20.0, 20.0, 10.0)]),
        pool,
        TEMPLATES,
        {template: 1.0},
        dialogues=dialogues or {},
    )
    packed = pack_for_record(RunInputs(RUN, settings, {SCENARIO: inputs}), "c0de", redact)
    begin_record(folder, RUN, as_yaml(settings.model_dump(mode="json")), packed)
    return ScenarioPlan(inputs)


def texts_of(folder: Path, plan: ScenarioPlan, code: str = "c0de") -> SentTexts:
    result = replace(RESULT, plan_hash=plan_hash({SCENARIO: plan}))
    return SentTexts(folder / RUN, result, code)


def logged(k: int) -> LoggedMessage:
    return LoggedMessage(SCENARIO, k, Fate.ACCEPTED, "", "m", "c")


def test_what_a_message_said_is_computed_anew(tmp_path: Path) -> None:
    plan = recorded(tmp_path)

    known = texts_of(tmp_path, plan).of([logged(3), logged(8)])

    assert known == {
        (SCENARIO, k): digest_of(f"[convoy:{RUN}:{SCENARIO}:{k}] {plan.message(k).text}")
        for k in (3, 8)
    }


@pytest.mark.parametrize("template", ["of the moment", "silent"])
def test_a_text_that_nobody_can_know_is_left_out(tmp_path: Path, template: str) -> None:
    plan = recorded(tmp_path, template=template)

    assert texts_of(tmp_path, plan).of([logged(3)]) == {}


def test_other_code_another_plan_or_no_inputs_are_said(tmp_path: Path) -> None:
    plan = recorded(tmp_path)

    other_code = texts_of(tmp_path, plan, "other").unknown
    other_plan = SentTexts(tmp_path / RUN, RESULT, "c0de").unknown
    (tmp_path / RUN / INPUTS).unlink()
    gone = texts_of(tmp_path, plan)

    assert "the code that makes messages, plans, routes and scenarios, has changed" in other_code
    assert "are others than those of the run" in other_plan
    assert "inputs.msgpack: cannot be read" in gone.unknown and gone.of([logged(3)]) == {}


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        pytest.param(zlib.compress(bytes(10**7)), "unpacks to more than 2,0", id="bomb"),
        pytest.param(zlib.compress(b"x")[:-3], "cannot be read: it is not whole", id="half"),
        pytest.param(b"x", "cannot be read", id="not packed"),
        pytest.param(zlib.compress(b"\x81\xa1x" + b"\x91" * 10**5), "cannot be read", id="depth"),
    ],
)
def test_inputs_that_do_harm_are_said(tmp_path: Path, kept: bytes, said: str) -> None:
    plan = recorded(tmp_path)
    (tmp_path / RUN / INPUTS).write_bytes(kept)

    assert f"{INPUTS}: " in texts_of(tmp_path, plan).unknown
    assert said in texts_of(tmp_path, plan).unknown


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"pool": {"conversations": []}}, id="no conversation"),
        pytest.param({"weights": {}}, id="no weight"),
        pytest.param({"templates": {}}, id="no template"),
        pytest.param({"pick": {"name": "another"}}, id="another pick"),
        pytest.param({"curve": [[1e308, 1e308, 1e308]]}, id="too high a rate"),
    ],
)
def test_inputs_that_no_run_has_are_said(tmp_path: Path, changes: dict[str, Any]) -> None:
    recorded(tmp_path)
    path = tmp_path / RUN / INPUTS
    kept = msgspec.msgpack.decode(zlib.decompress(path.read_bytes()))
    kept["scenarios"][SCENARIO] |= changes
    path.write_bytes(zlib.compress(msgspec.msgpack.encode(kept)))

    texts = SentTexts(tmp_path / RUN, replace(RESULT, plan_hash=hash_in(path)), "c0de")

    assert texts.of([logged(3)]) == {}
    assert f"because {INPUTS} holds what no run writes" in texts.unknown


def hash_in(path: Path) -> str:
    """Return the fingerprint that a stranger would give to the plan, "" where there can be none."""
    with suppress(ArithmeticError, LookupError):
        scenarios = read_from_record(path.read_bytes(), "c0de").scenarios
        return plan_hash({name: ScenarioPlan(each) for name, each in scenarios.items()})
    return ""


@pytest.mark.parametrize("sets", [["record_messages=off"], ["rate=max"]])
def test_where_no_message_is_logged_no_inputs_are_kept(tmp_path: Path, sets: list[str]) -> None:
    recorded(tmp_path, *sets)

    assert not (tmp_path / RUN / INPUTS).exists()


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"template": "plain", "redact": "marker"}, id="template"),
        pytest.param({"pool": pool_with("c-hush-hush-1")}, id="id of a conversation"),
        pytest.param({"pool": pool_with(Conversation("c", "hush-hush"))}, id="id of a customer"),
        pytest.param(
            {"pool": pool_with(Conversation("c", "", "", "hush-hush"))},
            id="communication",
        ),
        pytest.param({"dialogues": {"plain": Dialogue((Say(text="hush-hush"),))}}, id="line"),
        pytest.param(
            {
                "dialogues": {
                    "plain": Dialogue((Say(text="a"), Attach(name="a", data=b"a hush-hush-hush")))
                }
            },
            id="attachment",
        ),
    ],
)
def test_inputs_with_a_secret_in_them_are_not_kept(tmp_path: Path, changed: Any) -> None:
    redactor = Redactor()
    redactor.register(changed.pop("redact", "hush-hush"))

    recorded(tmp_path, redact=redactor.redact, **changed)

    assert not (tmp_path / RUN / INPUTS).exists()


def test_inputs_are_kept_without_the_settings(tmp_path: Path) -> None:
    plan = recorded(tmp_path, "labels={team: hush}", "headers={X-Plain: hush}")

    kept = (tmp_path / RUN / INPUTS).read_bytes()
    assert b"hush" not in zlib.decompress(kept)
    assert texts_of(tmp_path, plan).unknown == ""


def test_dialogues_are_kept_with_their_files_unless_a_secret_is_in_them(tmp_path: Path) -> None:
    lines = (
        Say(text="a"),
        Expect(number=2, within_s=1.0, offers=("Yes",)),
        Choose(choice=1),
        Typing(lasts_s=1.0),
        Wait(lasts_s=1.0),
        Attach(name="a", data=b"\xff"),
        Say(text="hush"),
        Close(),
    )
    dialogues = {"plain": Dialogue(lines)}

    plan = recorded(tmp_path, dialogues=dialogues)

    assert texts_of(tmp_path, plan).unknown == ""
    kept = read_from_record((tmp_path / RUN / INPUTS).read_bytes(), "c0de")
    assert kept.scenarios[SCENARIO].dialogues == dialogues
    redacted = tmp_path / "redacted"
    recorded(redacted, dialogues=dialogues, redact=lambda text: text.replace("hush", "****"))
    assert not (redacted / RUN / INPUTS).exists()


def test_the_settings_of_a_record_are_those_of_the_run(tmp_path: Path) -> None:
    recorded(tmp_path, "users=7", "labels={build: '1'}")

    assert settings_of(tmp_path / RUN).users == 7
    (tmp_path / RUN / "settings.yaml").write_text("users: 7\n")
    with pytest.raises(SettingsError, match="written by another version.*profile, target"):
        settings_of(tmp_path / RUN)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param(ALIASES, "aliases", id="aliases"),
        pytest.param("a: " + "[" * 200_000, "nested deeper", id="depth"),
        pytest.param("users: " + "9" * 5_000, "was written by another version", id="number"),
        pytest.param("a: ]", "line 1", id="no YAML"),
        pytest.param("- a", "was written by another version", id="a list"),
        pytest.param("a" * 2**21, "is larger than", id="size"),
    ],
)
def test_settings_that_do_harm_are_refused_in_a_sentence(
    tmp_path: Path, written: str, said: str
) -> None:
    (tmp_path / "settings.yaml").write_text(written)

    with pytest.raises(SettingsError, match=f"settings.yaml: .*{said}"):
        settings_of(tmp_path)


def test_a_run_that_still_writes_its_record_is_left_alone(tmp_path: Path) -> None:
    journal = tmp_path / JOURNAL
    journal.touch()
    os.utime(journal, (1000, 1000))
    going_on = replace(RESULT, is_over=False)

    with pytest.raises(RefusedError, match="is still going on"):
        check_that_it_ended(tmp_path, going_on, 1010)
    check_that_it_ended(tmp_path, going_on, 1020)
    check_that_it_ended(tmp_path, RESULT, 1010)


NONE = f"scenario.{SCENARIO}.conversations={{source: none, count: 5}}"
KEPT = f"scenario.{SCENARIO}.variables={{customers: kept}}"


@pytest.mark.parametrize(
    ("sets", "opened", "told"),
    [
        pytest.param([], ["o-1"], "of the 1 conversations", id="a pool is not the run's own"),
        pytest.param([NONE], ["o-1", "c-0", "c-1"], "of the 3 conversations", id="none"),
        pytest.param([NONE, KEPT], ["o-1"], "; 2 of customers who are kept", id="kept customers"),
    ],
)
def test_what_a_run_opened_is_closed_and_nothing_else(
    tmp_path: Path, sets: list[str], opened: list[str], told: str
) -> None:
    recorded(tmp_path, *sets)
    log = MessageLog()
    for k, phase in enumerate((Phase.WARM_UP, Phase.MEASURE)):
        body = json.dumps({"id": "m", "conversationId": f"c-{k}"}).encode()
        log.add(SCENARIO, k, "", Attempt(Fate.ACCEPTED, "", 1.0, 2.0, body=body), phase)
    log.add(SCENARIO, 2, "", Attempt(Fate.REJECTED, "400 invalid_payload", 1.0, 2.0), Phase.MEASURE)
    (tmp_path / RUN / MESSAGES).write_bytes(log.take(0.0))
    for id in ("o-1", "o-sesame"):
        note_opened(tmp_path, RUN, "", lambda text: text.replace("sesame", "***"), id)

    cleanup = Cleanup(tmp_path / RUN)

    assert cleanup.left == opened
    assert told in str(cleanup)


@pytest.mark.parametrize("content", [b'"\xff"\n', b"1\n", b'"\n'])
def test_what_names_no_conversations_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / OPENED).write_bytes(content)

    with pytest.raises(SettingsError, match=f"{OPENED}: names no conversations"):
        opened_before(tmp_path)


@pytest.mark.parametrize("id", ["..", "a b"])
def test_a_log_that_names_what_is_no_conversation_closes_nothing(tmp_path: Path, id: str) -> None:
    recorded(tmp_path, NONE)
    log = MessageLog()
    body = json.dumps({"id": "m", "conversationId": id}).encode()
    log.add(SCENARIO, 0, id, Attempt(Fate.ACCEPTED, "", 1.0, 2.0, body=body), Phase.MEASURE)
    (tmp_path / RUN / MESSAGES).write_bytes(log.take(0.0))

    with pytest.raises(PoolFileError, match="is no conversation id"):
        Cleanup(tmp_path / RUN)


def test_what_was_closed_is_of_the_run_though_its_log_of_messages_is_gone(tmp_path: Path) -> None:
    recorded(tmp_path)
    for id in ("o-1", "o-2"):
        note_opened(tmp_path, RUN, "", str, id)
    # Two commands at once have both closed one.
    closed = [(f"c-{k}", "closed") for k in (0, 1, 1, 2)] + [("o-1", "over")]
    steps = (json.dumps({"conversation_id": id, "was": was}) for id, was in closed)
    (tmp_path / RUN / PROGRESS).write_text("".join(f"{each}\n" for each in steps))

    told = str(Cleanup(tmp_path / RUN))

    assert "closed 3 of the 5 conversations" in told
    assert "1 were over or gone before, 1 are left" in told
