"""The bot: what it answers by which script, when, and scripts that cannot be followed."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from random import Random

import pytest

from simulator.fault_words import BadFault
from simulator.model.bot import BadScript, Bot
from tests.simulator.guest_in_process import AUTOSTART, UNLIMITED, Guest, briefs
from tests.simulator.in_process import Organisation

README = Path(__file__).parents[2] / "simulator" / "README.md"


@pytest.fixture
def scripted(tmp_path: Path) -> Organisation:
    """With the script of the README."""
    path = tmp_path / "bot.yaml"
    [script] = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    path.write_text(script, "utf-8")
    return Organisation("--bot", str(path), "--bot-delay", "50ms", *UNLIMITED)


def test_it_types_at_once_and_answers_after_its_delay() -> None:
    organisation = Organisation("--bot-delay", "50ms")
    guest = Guest(organisation)

    at_once = guest.say("hello")
    before = guest.hear(0.049)
    then = guest.hear(0.002)

    assert briefs(at_once) == ["hello", "Typing"]
    assert at_once[1]["body"]["direction"] == "Outbound"
    assert before == []
    assert briefs(then) == ["I see. Can you tell me more?"]
    assert then[0]["body"]["originatingEntity"] == "Bot"
    assert then[0]["body"]["channel"]["type"] == "Private"
    assert len(then[0]["body"]["metadata"]["correlationId"]) == 36


def test_it_offers_a_menu_to_who_asks_for_it() -> None:
    guest = Guest(Organisation("--bot-delay", "0ms"))

    *_, menu = guest.say("The menu, please [convoy:r:s:1]")
    *_, chosen = guest.say("Order")

    offered = [each["quickReply"]["text"] for each in menu["body"]["content"]]
    assert (menu["body"]["text"], offered) == ("What is it about?", ["Order", "Invoice"])
    assert briefs([chosen]) == ["Order: thank you. What is its number?"]


def test_an_echo_is_the_text_whose_marker_counts_once() -> None:
    organisation = Organisation("--bot", "echo")
    guest = Guest(organisation)

    guest.say("hello [convoy:r:s:1]")

    assert briefs(guest.hear()) == ["hello [convoy:r:s:1]"]
    account = organisation.world.ledger.account("r")
    assert (account.accepted, account.duplicates) == (1, 0)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("What is the PRICE?", ["One moment", "Which one?", "", *["burst"] * 5]),
        ("What?", ["You said What?"]),
        ("bye", ["Goodbye", "Disconnect"]),
        ("log me out", ["LogoutEvent"]),
        ("join", ["You said join"]),
    ],
)
def test_the_first_rule_that_fits_is_followed(
    scripted: Organisation, said: str, heard: list[str]
) -> None:
    guest = Guest(scripted)

    guest.say(said)
    guest.hear()

    assert [text for text in briefs(guest.frames)[1:] if text != "Typing"] == [said, *heard]


def test_replies_come_in_their_order_each_after_its_own_delay(scripted: Organisation) -> None:
    guest = Guest(scripted)
    guest.say("price")

    steps = [briefs(guest.hear(seconds)) for seconds in (0.051, 0.198, 0.002, 0.05)]

    assert steps == [["One moment"], [], ["Which one?"], ["", *["burst"] * 5]]


def test_quick_replies_and_cards_are_structured_messages(
    scripted: Organisation,
) -> None:
    guest = Guest(scripted)
    guest.say("price")

    replies, card = (each["body"] for each in guest.hear()[1:3])

    assert (replies["type"], card["type"]) == ("Structured", "Structured")
    assert replies["content"][1] == {
        "contentType": "QuickReply",
        "quickReply": {"text": "No", "payload": "No", "action": "Message"},
    }
    assert card["content"] == [
        {
            "contentType": "Card",
            "card": {
                "title": "Red",
                "actions": [
                    {"type": "Postback", "text": "Buy", "payload": "red"},
                    {"type": "Link", "text": "Look", "url": "https://example.com"},
                ],
            },
        }
    ]


def test_several_cards_are_a_carousel(tmp_path: Path) -> None:
    path = tmp_path / "bot.json"
    cards = [{"title": "Red", "description": "warm", "image": "https://example.com/r.png"}]
    path.write_text(json.dumps([{"say": [{"cards": [*cards, {"title": "Blue"}]}]}]), "utf-8")
    guest = Guest(Organisation("--bot", str(path)))
    guest.say("show me")

    [content] = guest.hear()[0]["body"]["content"]

    assert content["contentType"] == "Carousel"
    assert content["carousel"]["cards"] == [
        cards[0] | {"actions": []},
        {"title": "Blue", "actions": []},
    ]


def test_a_pressed_button_is_heard_as_its_text(scripted: Organisation) -> None:
    guest = Guest(scripted)
    button = {"type": "QuickReply", "text": "Blue", "payload": "Blue"}

    guest.ask(
        "onMessage",
        message={
            "text": "",
            "content": [{"contentType": "ButtonResponse", "buttonResponse": button}],
        },
    )

    assert briefs(guest.hear()) == ["You said Blue"]


def test_who_joins_is_welcomed(scripted: Organisation) -> None:
    guest = Guest(scripted, AUTOSTART)

    guest.do("Join")

    assert briefs(guest.hear()) == ["Welcome"]


def test_it_is_silent_once_its_guest_has_begun_anew() -> None:
    guest = Guest(Organisation("--bot-delay", "1s"))
    guest.say()

    guest.configure(startNew=True)

    assert guest.hear() == []


def test_delays_have_the_median_asked_for_and_come_from_the_seed() -> None:
    first, second = (Bot("any", "lognormal(40ms,0.5)", Random("1")) for _ in range(2))

    delays_s = [next(first.replies("x")).delay_s for _ in range(5_000)]

    assert statistics.median(delays_s) == pytest.approx(0.040, rel=0.05)
    assert delays_s[:9] == [next(second.replies("x")).delay_s for _ in range(9)]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("- say: hello", "array"),
        ("- says: [hello]", "says"),
        ("- say: [{text: hello, delay: soon}]", "soon"),
        ("- say: [{frame: SessionResponse}]", "SessionResponse"),
        ("- when: '('\n  say: [x]", "missing )"),
        ("say: [hello]", "array"),
        ("- [", "expected"),
        ("\x00", "special characters"),
    ],
)
def test_a_script_that_cannot_be_followed_is_named(script: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text(script, "utf-8")

    with pytest.raises(BadScript) as complaint:
        Bot(str(path), "20ms", Random(1))

    assert str(path) in str(complaint.value) and why in str(complaint.value)
    assert "\n" not in str(complaint.value)


def test_a_script_that_is_not_there_and_a_delay_that_is_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadScript, match=r"nowhere.yaml cannot be read: No such file"):
        Bot(str(tmp_path / "nowhere.yaml"), "20ms", Random(1))
    with pytest.raises(BadFault, match="delay 'soon' is none"):
        Bot("any", "soon", Random(1))
