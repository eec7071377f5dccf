"""What may stand in the file of a dialogue, and what is said about everything else."""

from __future__ import annotations

import pytest

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
        (f"{HELLO}- expct: any", "line 2, field expct: is nothing that a line may have; did you"),
        (f"{HELLO}- say: a\n  within: 1s", "field within: belongs to a line with expect"),
        (f"{HELLO}- expect: {{contain: a}}\n  within: 1s", "field expect.contain: is nothing to"),
        (f"{HELLO}- typing: {{spred: 1}}", "field typing.spred: is nothing of typing; did you"),
        (f"{HELLO}- say: a\n  wait: 1s", "line 2: has say and wait; make each a line of its own"),
        (f"{HELLO}- step: a", "line 2: should be one of say, expect,"),
        (f"{HELLO}- [say]", "line 2: should be one of say, expect,"),
        (f"{HELLO}- hello", "line 2, field hello: is nothing that a line may have"),
        (f"{HELLO}- expect: any", "field within: is missing; how long may the reply take?"),
        (f"{HELLO}- expect: any\n  within: 3", "field within: is 3; write a time with its unit"),
        (f"{HELLO}- expect: any\n  within: 0s", "field within: is 0 s, but should be from 0.01"),
        (f"{HELLO}- expect: any\n  within: 1000s", "field within: is 1000 s, but should be from"),
        (f"{HELLO}- expect: any\n  within: -1s", "field within: is '-1s'; write a time"),
        (f"{HELLO}- expect: Hi\n  within: 1s", "field expect: is 'Hi'; write any, or as in"),
        (f"{HELLO}- expect: {{matches: (}}\n  within: 1s", "is no regular expression: missing )"),
        (f"{HELLO}- expect: {{offers: []}}\n  within: 1s", "field expect.offers: is a list or"),
        (f"{HELLO}- expect: {{offers: Yes}}\n  within: 1s", "field expect.offers: is 'Yes'; write"),
        ("- say: 4711", "field say: is 4711, but should be text; put it in quotes"),
        ("- say:", "field say: is empty, but should be text"),
        ("- say: ' '", "field say: is empty"),
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
        (f"{HELLO}- choose: 0", "field choose: is 0, but positions count from 1"),
        (f"{HELLO}- choose: true", "field choose: is True, but should be text"),
        (f"{HELLO}- typing: {{characters_per_s: 8}}", "is by characters, so a say has to follow"),
        (f"{HELLO}- typing: {{spread: 1}}\n{HELLO}", "characters_per_s: is empty, but should be a"),
        (f"{HELLO}- typing: {{characters_per_s: 0}}", "is 0, but should be from 0.1 to 1000"),
        (
            f"{HELLO}- typing: {{characters_per_s: 1, spread: 2}}\n{HELLO}",
            "field typing.spread: is 2, but should be from 0 to 1",
        ),
        (f"{HELLO}- wait: .inf", "field wait: is inf; write a time"),
        (f"{HELLO}- attach: ../a.png", "field attach: is '../a.png'; name a file that lies beside"),
        (f"{HELLO}- attach: ..", "field attach: is '..'; name a file that lies beside"),
        (f"{HELLO}- attach: /etc/passwd", "field attach: is '/etc/passwd'; name a file that"),
        (f"{HELLO}- attach: {'a' * 256}", "field attach: is a name of more than 255 bytes"),
        (f"{HELLO}- close\n{HELLO}", "line 3: comes after close, with which a dialogue ends"),
        (f"{HELLO}- close: true", "field close: is True, but takes no value; write `- close`"),
        (f"{HELLO}- wait: 1s\n  step: a", "field step: is 'a'; give a name such as order_number"),
        (f"{HELLO}- close:\n  step: A b", "field step: is 'A b'; give a name such as"),
        (f"{HELLO}- close:\n  step: say", "field step: is say, which is a step of another kind"),
        (f"{HELLO}- close:\n  step: dialogue", "field step: is dialogue, which is a step of"),
        (f"{HELLO}- close:\n  step: connect", "field step: is connect, which is a step of"),
    ],
)
def test_a_wrong_line_is_a_sentence_with_line_and_field(text: str, told: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read(text)

    [sentence] = caught.value.sentences
    assert sentence.startswith("d.yaml, line ")
    assert told in sentence


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
