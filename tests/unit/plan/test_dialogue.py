"""What the lines of a dialogue mean: which reply fits, what is picked, how long one types."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from convoy.plan.dialogue import (
    Attach,
    Choose,
    Close,
    Dialogue,
    Expect,
    LineTemplates,
    Said,
    Say,
    Typing,
    Wait,
)
from convoy.plan.payloads import PayloadError, PayloadTemplate
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from tests.unit.plan import pool_of

NONE: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("expected", "replies", "code"),
    [
        pytest.param({}, [], "expect.timeout", id="nobody replied"),
        pytest.param({}, [("", NONE)], "", id="any reply"),
        pytest.param({"equals": "Hi"}, [(" Hi\n", NONE)], "", id="equal"),
        pytest.param({"equals": "Hi"}, [("Hi.", NONE)], "expect.other_text", id="not equal"),
        pytest.param({"contains": "order"}, [("Your order?", NONE)], "", id="contained"),
        pytest.param({"contains": "order"}, [("Order", NONE)], "expect.other_text", id="case"),
        pytest.param({"matches": r"\d+$"}, [("No 17", NONE)], "", id="matching"),
        pytest.param({"matches": r"^\d+"}, [("No 17", NONE)], "expect.other_text", id="no match"),
        pytest.param(
            {"matches": "b"}, [("a" * 10_000 + "b", NONE)], "expect.other_text", id="far behind"
        ),
        pytest.param({"contains": "a", "matches": "b"}, [("ab", NONE)], "", id="both"),
        pytest.param(
            {"contains": "a", "matches": "b"},
            [("a", NONE), ("b", NONE)],
            "expect.other_text",
            id="both, in different replies",
        ),
        pytest.param({"contains": "b"}, [("a", NONE), ("b", NONE)], "", id="the second of two"),
        pytest.param({"offers": ()}, [("a", ["Yes"])], "", id="any choice"),
        pytest.param({"offers": ()}, [("a", NONE)], "expect.other_choices", id="no choice"),
        pytest.param({"offers": ("Yes",)}, [("a", ["No", "Yes"])], "", id="that choice"),
        pytest.param(
            {"offers": ("Yes", "No")}, [("a", ["Yes"])], "expect.other_choices", id="one is missing"
        ),
        pytest.param(
            {"equals": "a", "offers": ("Yes",)},
            [("a", NONE), ("b", ["Yes"])],
            "expect.other_choices",
            id="the text without its choices",
        ),
    ],
)
def test_a_reply_fits_or_there_is_a_code(
    expected: dict[str, Any], replies: list[Said], code: str
) -> None:
    line = Expect(within_s=1, **expected)

    assert any(map(line.fits, replies)) == (code == "")
    assert not code or line.failure(replies) == code


@pytest.mark.parametrize(
    ("choice", "index"), [("No", 1), ("Maybe", None), (1, 0), (2, 1), (3, None)]
)
def test_a_choice_is_picked_by_text_or_position(choice: str | int, index: int | None) -> None:
    assert Choose(choice=choice).picked(["Yes", "No"]) == index


@pytest.mark.parametrize(("drawn", "lasts_s"), [(0, 1.5), (2**63, 2.0), (2**64 - 1, 2.5)])
def test_one_types_as_long_as_a_text_needs_give_or_take(drawn: int, lasts_s: float) -> None:
    typing = Typing(characters_per_s=5, spread=0.25)

    assert typing.timed("0123456789", drawn).lasts_s == pytest.approx(lasts_s)
    assert Typing(lasts_s=3).timed("0123456789", drawn).lasts_s == 3


LINES = Dialogue(
    (
        Say(number=1, step="say", text='Where is "it"? {{ marker }} {{ number(1, 9) }}'),
        Expect(number=2, step="expect", within_s=3, contains="no {{ k }}"),
        Typing(number=3, step="typing", characters_per_s=10, spread=0.5),
        Say(number=4, step="say", text="{{ marker }} {{ choice('a', 'b') }} {{ number(1, 99) }}"),
        Wait(number=5, lasts_s=2),
        Typing(number=6, step="typing", lasts_s=11),
        Attach(number=7, step="bill", name="a.txt", media_type="text/plain", data=b"a"),
        Close(number=8, step="close"),
    )
)


def plan_of(**more: Any) -> ScenarioPlan:
    inputs = ScenarioInputs(
        scenario="guest_chat",
        seed=1,
        curve=RateCurve([Stage(20, 20, 30)]),
        pool=pool_of(1),
        templates={"d": LINES.message, "text": '{"text": {{ marker | tojson }}}'},
        weights={"d": 1, "text": 1},
        dialogues={"d": LINES},
    )
    return ScenarioPlan(replace(inputs, **more))


def test_the_first_line_is_the_message_and_the_others_follow_from_seed_and_number() -> None:
    plan = plan_of()
    lines_of, again = plan.lines("r-steps"), plan_of().lines("r-steps")
    messages = [plan.message(k) for k in range(50)]
    held = [each for each in messages if each.template_name == "d"]

    body = json.loads(plan.bodies("r").render(held[0]))
    lines = [lines_of(each) for each in held]

    assert body["text"].startswith(f'Where is "it"? [convoy:r:guest_chat:{held[0].k}] ')
    assert lines == [again(each) for each in reversed(held)][::-1]
    assert [lines_of(each) for each in messages if each.template_name == "text"][0] == ()
    assert len(held) > 9
    for message, (expect, typing, say, *_) in zip(held, lines, strict=True):
        assert isinstance(expect, Expect) and isinstance(typing, Typing) and isinstance(say, Say)
        assert expect.contains == f"no {message.k}"
        assert say.text.startswith(f"[convoy:r-steps:guest_chat:{message.k}] ")
        assert 0.5 <= typing.lasts_s / (len(say.text) / 10) <= 1.5
    assert len({line[2] for line in lines}) == len(held)
    other_seed = plan_of(seed=2).lines("r-steps")
    assert [other_seed(each) for each in held] != lines


def test_what_is_counted_beforehand_is_the_most_that_can_be_sent() -> None:
    assert LINES.steps == ("dialogue", "expect", "typing", "say", "bill", "close")
    assert [each.messages for each in LINES.longest] == [0, 2, 1, 0, 3, 1, 0]
    assert [each.requests for each in LINES.longest] == [0, 2, 1, 0, 3, 2, 1]
    assert sum(each.lasts_s for each in LINES.shortest) > 13


def test_another_dialogue_is_another_plan() -> None:
    hashes = {
        plan_of().hash,
        plan_of(dialogues={}).hash,
        plan_of(dialogues={"d": Dialogue(LINES.lines[:-1])}).hash,
    }

    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (Say(number=7, text="{{ nothing }}"), "line 7, field say: 'nothing' is no variable; there"),
        (Say(number=7, text="{% if %}"), "line 7, field say: Expected an expression"),
        (Expect(number=7, within_s=1, equals="{{ k / 0 }}"), "line 7, field equals: cannot be re"),
    ],
)
def test_a_template_in_a_line_is_refused_with_that_line(line: Say | Expect, told: str) -> None:
    variables = {"k": 1}
    with pytest.raises(PayloadError, match=r"^d\.yaml, ") as caught:
        templates = LineTemplates("d.yaml", Dialogue((Say(text="a"), line)))
        templates.check_names(variables)
        templates.lines(variables, 1)

    assert told in str(caught.value)


def test_lines_that_would_take_long_to_compile_together_are_refused() -> None:
    long = "{{ " + "k ~ " * 4000 + "k }}"
    lines = tuple(Say(text=long, number=number) for number in range(1, 101))

    assert LineTemplates("d.yaml", Dialogue(lines[:2]))
    with pytest.raises(PayloadError) as refused:
        LineTemplates("d.yaml", Dialogue(lines))

    assert str(refused.value).startswith("d.yaml, line 3, field say: has more than 10,000 names")


def test_the_template_of_a_message_takes_any_text() -> None:
    text = '"a" \\ <b> {{ "{{" }} {% raw %}{{ x }}{% endraw %} é'
    message = Dialogue((Say(text=text),)).message

    rendered = json.loads(PayloadTemplate("d", message).render({}))

    assert rendered == {"type": "Text", "text": '"a" \\ <b> {{ {{ x }} é'}
