"""The files of dialogues: which are meant, what is checked in them, what the settings learn."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from convoy.errors import SettingsError
from convoy.plan.dialogue import Attach
from convoy.prepare.dialogues import (
    FOLDER,
    dialogue_weights,
    read_dialogue_file,
    with_longest_dialogues,
)
from convoy.prepare.guard import check_rate, check_total
from convoy.prepare.scenarios import KnownScenario, check_scenarios
from convoy.prepare.templates import check_templates
from convoy.routes.catalogue import GUEST_CHAT, ROUTES, Route
from convoy.settings import Settings
from convoy.settings.model import Approval
from tests.unit.settings.configuration import settings_of

CHAT = "guest_chat"
OF = f"scenario.{CHAT}"
OK = "- say: Hello {{ marker }}\n- expect: any\n  within: 1s\n"


def known(route: Route = GUEST_CHAT, *, holds_dialogues: bool = True) -> dict[str, KnownScenario]:
    scenario = KnownScenario(
        route,
        ("connect", "configure", "disturbance"),
        dict.fromkeys(("join", "typing", "answer", "attachment", "history"), ()),
        (),
        lambda connections, settings: None,  # type: ignore
        None,
        holds_dialogues,
    )
    return {CHAT: scenario}


def chosen(dialogues: str, *more: str) -> Settings:
    return settings_of(f"scenarios=[{CHAT}]", f"{OF}.dialogues={dialogues}", *more)


@pytest.fixture
def payloads(tmp_path: Path, repository: Path) -> Path:
    shutil.copytree(repository / "payloads", tmp_path / "payloads")
    return tmp_path / "payloads"


def prepared(settings: Settings, payloads: Path) -> Settings:
    """What a run does with dialogues before it has a network."""
    settings = with_longest_dialogues(settings, payloads, known())
    check_templates(settings, payloads, {CHAT: GUEST_CHAT})
    check_scenarios(settings, known())
    return settings


@pytest.mark.parametrize(
    ("dialogues", "weights"),
    [
        ("{}", {}),
        ("menu", {"menu": 1}),
        ("{menu: 3, question: 0.5}", {"menu": 3, "question": 0.5}),
        ("all", {"complaint": 1, "menu": 1, "question": 1}),
        ("{all: 2, menu: 0, question: 5}", {"complaint": 2, "question": 5}),
    ],
)
def test_dialogues_are_one_several_or_all(
    dialogues: str, weights: dict[str, float], repository: Path
) -> None:
    rule = chosen(dialogues).scenario[CHAT]

    found = dialogue_weights(rule, GUEST_CHAT, repository / "payloads")

    assert found == {f"{FOLDER}/{name}": weight for name, weight in weights.items()}


def test_the_shipped_dialogues_are_right_and_the_settings_learn_the_longest(
    repository: Path,
) -> None:
    settings = prepared(chosen("all"), repository / "payloads")

    longest = settings.scenario[CHAT].longest_dialogue
    assert longest is not None
    assert (longest.messages, longest.requests) == (3, 4)
    assert longest.lasts_s > 1
    assert settings.requests_each(CHAT) == 5
    assert settings.criteria[-1] == "share(failures[*], guest_chat/dialogue) < 1%"
    again = settings.model_copy(update={"scenario": chosen("all").scenario})
    assert with_longest_dialogues(again, repository / "payloads", known()) == settings


def test_the_example_of_the_docs_is_a_shipped_one(repository: Path) -> None:
    page = (repository / "docs" / "scenarios.md").read_text("utf-8")
    shipped = (repository / "payloads" / FOLDER / "menu.yaml").read_text("utf-8")

    [section] = re.findall(r"^### Dialogues$(.*?)^### ", page, re.MULTILINE | re.DOTALL)
    assert f"```yaml\n{shipped}```" in section


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("[]", ()),
        (
            '["count(errors[*], guest_chat/dialogue) == 0"]',
            ("count(errors[*], guest_chat/dialogue) == 0",),
        ),
    ],
)
def test_criteria_of_ones_own_about_dialogues_are_kept(
    given: str, wanted: tuple[str, ...], repository: Path
) -> None:
    settings = prepared(chosen("menu", f"criteria={given}"), repository / "payloads")

    assert [each for each in settings.criteria if "guest_chat" in each] == list(wanted)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- say: Hello", "line 1, field say: holds no {{ marker }}, by which both sides account"),
        ("- say: {{ marker }} Hello", "line 1: "),
        ("- say: {{ marker }} Hello", "a text that begins with {{ needs quotes"),
        (f"{OK}- say: *a", "line 4: "),
        (f"{OK}- say: a\n  say: b", "line 5: the key 'say' is given twice"),
        (f"{OK}- say: [", "line 5: "),
        ("say: Hello", "line 1: should be a list of 1 to 100 lines"),
        ("", "line 1: should be a list of 1 to 100 lines"),
        (f"{OK}- attach: a.png", "line 4, field attach: the file "),
        (f"{OK}- attach: a.png", "a.png cannot be read: No such file"),
        (f"{OK}- attach: empty", "/empty is empty"),
        (f"{OK}- attach: pipe", "/pipe is no file, but a pipe"),
        (f"{OK}- attach: link", "/link is a link; put the file itself beside the dialogue"),
        (f"{OK}- attach: large", "/large is larger than 10,240,000 bytes"),
        (f"{OK}- attach: half\n- attach: half", "/half is larger than 4,240,000 bytes that are l"),
        (f'{OK}- say: \'{{{{ "a" | filled(5000, "b") }}}}\'', "is 5,000 bytes long; 4,096 are"),
        (f"{OK}- say: '{{{{ nothing }}}}'", "line 4, field say: 'nothing' is no variable"),
        (f"{OK}- say: '{{{{ \"\" }}}}'", "line 4, field say: renders to no text"),
    ],
)
def test_a_wrong_file_is_a_sentence_with_file_line_and_field(
    text: str, told: str, payloads: Path
) -> None:
    folder = payloads / FOLDER
    (folder / "mine.yaml").write_text(text, "utf-8")
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/passwd")
    for name, size in (("large", 10_240_001), ("half", 6_000_000)):
        with (folder / name).open("wb") as file:
            file.truncate(size)

    with pytest.raises(SettingsError) as caught:
        prepared(chosen("mine"), payloads)

    [fault] = caught.value.faults
    assert fault.path == f"{OF}.dialogues.mine"
    assert fault.problem.startswith("guest_chat/dialogues/mine.yaml, line ")
    assert told in fault.problem


@pytest.mark.parametrize(
    ("settings", "path", "told"),
    [
        (
            ("mnu",),
            f"{OF}.dialogues.mnu",
            "taken, utf16; did you mean menu?",
        ),
        (("xyz",), f"{OF}.dialogues.xyz", "; there are: complaint, many, menu, pipe, "),
        (("../../text",), f"{OF}.dialogues.../../text", "'../../text' is no name of a dialogue"),
        (("pipe",), f"{OF}.dialogues.pipe", "pipe.yaml is no file, but a pipe"),
        (("utf16",), f"{OF}.dialogues.utf16", "it is not UTF-8 text"),
        (("{menu: 0}",), f"{OF}.dialogues", "leaves none; there are: complaint, many, "),
        (
            ("menu", f"{OF}.steps=[typing]"),
            f"{OF}.steps",
            "has typing, which a dialogue says by itself",
        ),
        (
            ("menu", f"{OF}.longest_dialogue={{messages: 0, requests: 0, lasts_s: 0}}"),
            f"{OF}.longest_dialogue",
            "is counted in the files of the dialogues; leave it out",
        ),
        (("many",), f"{OF}.dialogues", "name 52 steps, each with a row; 50 are the most"),
        (("taken",), f"{OF}.dialogues.taken", "field step: is join, a step of another kind"),
    ],
)
def test_wrong_settings_of_dialogues_are_a_sentence(
    settings: tuple[str, ...], path: str, told: str, payloads: Path
) -> None:
    folder = payloads / FOLDER
    many = [f"- expect: any\n  within: 1s\n  step: s{number}\n" for number in range(51)]
    (folder / "many.yaml").write_text("".join(["- say: a {{ marker }}\n", *many]), "utf-8")
    (folder / "taken.yaml").write_text(f"{OK}- close:\n  step: join\n", "utf-8")
    (folder / "utf16.yaml").write_bytes(OK.encode("utf-16"))

    with pytest.raises(SettingsError) as caught:
        os.mkfifo(folder / "pipe.yaml")
        prepared(chosen(*settings), payloads)

    [fault] = caught.value.faults
    assert fault.path == path
    assert told in fault.problem


def test_dialogues_are_refused_where_nobody_is_a_guest(repository: Path) -> None:
    settings = chosen("menu")
    others = known(ROUTES["conversation"], holds_dialogues=False)

    assert with_longest_dialogues(settings, repository / "payloads", others) == settings
    with pytest.raises(SettingsError, match="dialogues: are not held by its users"):
        check_scenarios(settings, others)


def test_dialogues_are_refused_where_guests_hold_none() -> None:
    with pytest.raises(SettingsError, match="dialogues: are not held by its users"):
        check_scenarios(chosen("menu"), known(holds_dialogues=False))


def test_a_byte_order_mark_is_no_fault_and_a_file_comes_with_the_dialogue(payloads: Path) -> None:
    path = payloads / FOLDER / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + f"{OK}- attach: invoice.txt\n".encode())

    attached = read_dialogue_file(payloads, f"{FOLDER}/bom").lines[-1]

    assert isinstance(attached, Attach)
    assert (attached.number, attached.media_type) == (4, "text/plain")
    assert attached.data == (payloads / FOLDER / "invoice.txt").read_bytes()


@pytest.mark.parametrize(
    ("highest_rate", "highest_total", "told"),
    [
        (100, 500, ""),
        (99, 500, "with what the dialogues send makes 100 requests per second"),
        (100, 499, "500 messages with what the dialogues send"),
    ],
)
def test_an_approval_counts_every_line(
    highest_rate: int, highest_total: int, told: str, repository: Path
) -> None:
    settings = prepared(chosen("all", "rate=20", "run_time_s=5"), repository / "payloads")
    approval = Approval(
        ticket="T-1",
        organisation_id="o",
        highest_rate=highest_rate,
        highest_total=highest_total,
    )
    target = settings.target.model_copy(update={"approval": approval})
    settings = settings.model_copy(update={"target": target})

    try:
        check_rate(settings)
        check_total(settings, {CHAT: 100})
        refused = ""
    except Exception as error:
        refused = str(error)
    assert told in refused and bool(told) == bool(refused)
