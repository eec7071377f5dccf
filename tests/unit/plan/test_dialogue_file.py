"""What may stand in the file of a dialogue, and what is said about everything else."""

from __future__ import annotations

import msgspec
import pytest

from convoy.plan.dialogue import (
    AnyLine,
    Attach,
    Choose,
    Close,
    Dialogue,
    Expect,
    Say,
    Typing,
    Wait,
)
from convoy.plan.dialogue_file import read_dialogue
from convoy.plan.payloads import PayloadError
from convoy.settings.documents import parse_yaml

HELLO = "- say: Hello\n"


def read(text: str) -> Dialogue:
    values = parse_yaml(text)
    assert isinstance(values, tuple)
    return read_dialogue("d.yaml", list(enumerate(values, start=1)), ["connect"])


def test_every_kind_of_line_is_read() -> None:
    dialogue = read(
        """
- say: Hello
- expect: any
  within: 500ms
- expect: {equals: What is it?, offers: [Yes, "2"]}
  within: 3s
  step: question
- expect: {contains: a, matches: ^a, offers: any}
  within: 1.5 s
- choose: 2
- typing: {characters_per_s: 8, spread: 0.3}
- say: |
    Two
    lines
- typing: 2s
- wait: 10s
- attach: a b.png
- close
"""
    )

    assert dialogue.lines == (
        Say(number=1, step="say", text="Hello"),
        Expect(number=2, step="expect", within_s=0.5),
        Expect(number=3, step="question", within_s=3, equals="What is it?", offers=("Yes", "2")),
        Expect(number=4, step="expect", within_s=1.5, contains="a", matches="^a", offers=()),
        Choose(number=5, step="choose", choice=2),
        Typing(number=6, step="typing", characters_per_s=8, spread=0.3),
        Say(number=7, step="say", text="Two\nlines"),
        Typing(number=8, step="typing", lasts_s=2),
        Wait(number=9, lasts_s=10),
        Attach(number=10, step="attach", name="a b.png"),
        Close(number=11, step="close"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- expect: any\n  within: 1s", "line 1: is the first line, which is the message; begin"),
        (f"{HELLO}- expct: any", "line 2, field expct: should be one of say, expect, choose, wait"),
        (f"{HELLO}- within: 1s\n  expct: any", "field expct: should be one of say, expect,"),
        (f"{HELLO}- expct: any", "as in `- say: Hello`; did you mean expect?"),
        (f"{HELLO}- say: a\n  within: 1s", "field within: is nothing that a line with say may"),
        (f"{HELLO}- say: a\n  stepp: b", "field stepp: is nothing that a line with say may have; "),
        (f"{HELLO}- say: a\n  number: 3", "field number: is nothing that a line with say may have"),
        (f"{HELLO}- attach: a\n  data: b", "with attach may have; there are: attach, step"),
        (f"{HELLO}- expect: {{contain: a}}\n  within: 1s", "field expect.contain: is nothing that"),
        (f"{HELLO}- expect: {{contain: a}}\n  within: 1s", "; did you mean expect.contains?"),
        (f"{HELLO}- expect: {{says: a}}\n  within: 1s", "; there are: expect, expect.equals, expe"),
        (
            f"{HELLO}- typing: {{spred: 1}}",
            "field typing.spred: is nothing that a line with typing",
        ),
        (f"{HELLO}- say: a\n  wait: 1s", "line 2: has say and wait; make each a line of its own"),
        (
            f"{HELLO}- expect: any\n  within: 1s\n  expect.equals: a",
            "line 2: has expect and expect.equals; make each a line of its own",
        ),
        (f"{HELLO}- expect.equals: a\n  within: 1s", "field expect.equals: should be one of say,"),
        (f"{HELLO}- step: a", "line 2: should be one of say, expect,"),
        (f"{HELLO}- [say]", "line 2: should be one of say, expect,"),
        (f"{HELLO}- hello", "line 2, field hello: should be one of say, expect,"),
        (
            f"{HELLO}- expect: any",
            "field within: is not given; write a time with its unit, as in 3",
        ),
        (f"{HELLO}- expect: any\n  within: 3", "field within: is 3; write a time with its unit"),
        (
            f"{HELLO}- expect: any\n  within: 0s",
            "field within: is '0s'; write a time with its unit",
        ),
        (
            f"{HELLO}- expect: any\n  within: 601s",
            "field within: is '601s'; write a time with its unit, as in 3s or 500ms, from 10ms to "
            "600s",
        ),
        (f"{HELLO}- expect: any\n  within: -1s", "field within: is '-1s'; write a time"),
        (f"{HELLO}- expect: Hi\n  within: 1s", "field expect: is 'Hi'; write any, or as in {cont"),
        (f"{HELLO}- expect: {{}}\n  within: 1s", "field expect: is a list or mapping; write any,"),
        (f"{HELLO}- expect: {{equals: }}\n  within: 1s", "field expect.equals: is not given; wri"),
        (f"{HELLO}- expect: {{matches: (}}\n  within: 1s", "is no regular expression: missing )"),
        (f"{HELLO}- expect: {{offers: []}}\n  within: 1s", "field expect.offers: is a list or"),
        (f"{HELLO}- expect: {{offers: Yes}}\n  within: 1s", "field expect.offers: is 'Yes'; write"),
        (
            f"{HELLO}- expect: {{offers: [Yes, 2]}}\n  within: 1s",
            'field expect.offers: is 2; write any, or texts as in [Yes, "2"]',
        ),
        (
            "- say: 4711",
            "field say: is 4711; write a text, which needs quotes if it is a number, t",
        ),
        ("- say:", "field say: is not given; write a text"),
        ("- say: ' '", "field say: is not given; write a text"),
        (f"{HELLO}- choose: Yes", "line 2, field choose: has no choices before it; expect them"),
        (
            f"{HELLO}- expect: {{offers: any}}\n  within: 1s\n- say: b\n- choose: 1",
            "line 4, field choose: has no choices before it",
        ),
        (
            f"{HELLO}- expect: {{offers: [Yes, No]}}\n  within: 1s\n- choose: Yess",
            "field choose: is not among the choices that are expected before it: Yes, No; did you "
            "mean Yes?",
        ),
        (f"{HELLO}- choose: 0", "field choose: is 0; write the text of a choice, or its position"),
        (
            f"{HELLO}- choose: 101",
            "is 101; write the text of a choice, or its position from 1 to 1",
        ),
        (f"{HELLO}- choose: true", "field choose: is True; write the text of a choice, or its pos"),
        (f"{HELLO}- typing: {{characters_per_s: 8}}", "is by characters, so a say has to follow"),
        (
            f"{HELLO}- typing: {{}}",
            "field typing: is a list or mapping; write a time with its unit",
        ),
        (f"{HELLO}- typing: {{spread: 1}}\n{HELLO}", "characters_per_s: is not given; write a num"),
        (f"{HELLO}- typing: {{characters_per_s: 0}}", "is 0; write a number from 0.1 to 1000"),
        pytest.param(
            f"{HELLO}- typing: {{characters_per_s: 1{'0' * 400}}}",
            "0; write a number from 0.1 to 1000",
            id="a number beyond all floats",
        ),
        (
            f"{HELLO}- typing: {{characters_per_s: 1, spread: 2}}\n{HELLO}",
            "field typing.spread: is 2; write a number from 0 to 1",
        ),
        (f"{HELLO}- typing: {{characters_per_s: .nan}}", "is nan; write a number from 0.1 to"),
        (f"{HELLO}- wait: .inf", "field wait: is inf; write a time"),
        (
            f"{HELLO}- attach: ../a.png",
            "field attach: is '../a.png'; write the name of a file that",
        ),
        (
            f"{HELLO}- attach: ..",
            "field attach: is '..'; write the name of a file that lies beside",
        ),
        (f"{HELLO}- attach: /etc/passwd", "field attach: is '/etc/passwd'; write the name of a"),
        (f'{HELLO}- attach: "a\\e"', r"field attach: is 'a\x1b'; write the name of a file"),
        (f"{HELLO}- attach: {'ä' * 128}", "lies beside the dialogue, 255 bytes at most"),
        (f"{HELLO}- close\n{HELLO}", "line 3: comes after close, with which a dialogue ends"),
        (f"{HELLO}- close: true", "field close: is True; write `- close`, which takes no value"),
        (f"{HELLO}- wait: 1s\n  step: a", "field step: is nothing that a line with wait may have"),
        (f"{HELLO}- close:\n  step: A b", "field step: is 'A b'; write a small letter and up to 3"),
        (f"{HELLO}- close:\n  step: say", "field step: is say, a step of another kind"),
        (f"{HELLO}- close:\n  step: dialogue", "field step: is dialogue, a step of"),
        (f"{HELLO}- close:\n  step: connect", "field step: is connect, a step of"),
    ],
)
def test_a_wrong_line_is_a_sentence_with_line_and_field(text: str, told: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read(text)

    [sentence] = caught.value.sentences
    assert sentence.startswith("d.yaml, line ")
    assert told in sentence


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("wait: 10ms", Wait(number=3, lasts_s=0.01)),
        ("wait: 600s", Wait(number=3, lasts_s=600)),
        ("choose: 1", Choose(number=3, step="choose", choice=1)),
        ("choose: 100", Choose(number=3, step="choose", choice=100)),
        (
            "typing: {characters_per_s: 0.1, spread: 0}",
            Typing(number=3, step="typing", characters_per_s=0.1),
        ),
        (
            "typing: {characters_per_s: 1000, spread: 1}",
            Typing(number=3, step="typing", characters_per_s=1000, spread=1),
        ),
        (f"attach: {'a' * 255}", Attach(number=3, step="attach", name="a" * 255)),
        (f"say: a\n  step: a{'0' * 39}", Say(number=3, step=f"a{'0' * 39}", text="a")),
    ],
)
def test_the_bounds_that_are_told_may_be_written(line: str, wanted: AnyLine) -> None:
    dialogue = read(f"{HELLO}- expect: {{offers: any}}\n  within: 1s\n- {line}\n- say: b\n")

    assert dialogue.lines[2] == wanted
    assert msgspec.json.decode(msgspec.json.encode(dialogue), type=Dialogue) == dialogue


def test_all_faults_are_told_at_once_and_what_follows_from_one_is_not() -> None:
    with pytest.raises(PayloadError) as caught:
        read("- say: 1\n- expect: {offers: [A]}\n- choose: A\n- wait: 1\n")

    assert [each.split(":")[0] for each in caught.value.sentences] == [
        "d.yaml, line 1, field say",
        "d.yaml, line 2, field within",
        "d.yaml, line 4, field wait",
    ]


@pytest.mark.parametrize("lines", [0, 101])
def test_a_dialogue_has_one_to_a_hundred_lines(lines: int) -> None:
    with pytest.raises(PayloadError, match="should be a list of 1 to 100 lines"):
        read_dialogue("d.yaml", [(1, {"say": "a"})] * lines)
