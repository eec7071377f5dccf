"""The bot that answers guests: with an echo, with any sentence, or as a script says.

A script is a list of rules, of which the first that fits is followed; simulator/README.md has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import msgspec
import yaml

from simulator.fault_words import BadFault, Delay, parse_delay

Json = dict[str, Any]
ECHO, ANY = "echo", "any"
BODILESS = Literal[
    "ConnectionClosedEvent", "Error", "LogoutEvent", "SessionExpiredEvent", "Unknown"
]


class BadScript(Exception):
    """A script that cannot be read or followed; the message names it and says why."""


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card's button; with a `url` it is a link."""

    text: str
    payload: str = ""
    url: str = ""


class _Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    description: str = ""
    image: str = ""
    actions: tuple[_Action, ...] = ()


class _Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reply, or a bare frame of a class that has no body."""

    text: str = ""
    quick_replies: tuple[str, ...] = ()
    cards: tuple[_Card, ...] = ()
    delay: str = ""
    typing: bool = True
    times: int = 1
    frame: BODILESS | None = None


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    say: tuple[str | _Saying, ...] = ()
    when: str = ""
    on: Literal["text", "join"] = "text"
    disconnect: bool = False


class Reply(NamedTuple):
    """What the bot does next, after `delay_s`: send a message or a bare frame, or disconnect."""

    delay_s: float
    is_typed: bool = False
    text: str = ""
    content: list[Json] | None = None
    frame: str | None = None
    ends: bool = False


_BUILT_IN = {
    ECHO: (_Rule(on="join", say=("Welcome",)), _Rule(say=("{text}",))),
    ANY: (
        _Rule(on="join", say=("Welcome, what can I do for you?",)),
        _Rule(when=r"\bmenu\b", say=(_Saying("What is it about?", ("Order", "Invoice")),)),
        _Rule(when="^(Order|Invoice)$", say=("{text}: thank you. What is its number?",)),
        _Rule(say=("I see. Can you tell me more?",)),
    ),
}


class Bot:
    """Answers guests; its delays and nothing else depend on `rng`."""

    def __init__(self, script: str, delay: str, rng: Random) -> None:
        """`script` is `echo`, `any` or a file; raises `BadScript` or `BadFault`."""
        self._rng = rng
        self._usual_delay = parse_delay(delay, rng)
        rules = _BUILT_IN.get(script) or _read(script)
        try:
            self._rules = [
                (rule, re.compile(rule.when, re.IGNORECASE), [self._delay(s) for s in rule.say])
                for rule in rules
            ]
        except (re.error, BadFault) as exc:
            raise BadScript(f"the bot's script {script} cannot be followed: {exc}") from None

    def replies(self, text: str, *, is_join: bool = False) -> Iterator[Reply]:
        """What to do about a guest's text, or its coming; each delay counts from the last reply."""
        for rule, pattern, delays in self._rules:
            if (rule.on == "join") == is_join and pattern.search(text):
                for saying, delay in zip(rule.say, delays, strict=True):
                    yield from _said(saying, delay, text)
                if rule.disconnect:
                    yield Reply(self._usual_delay(), ends=True)
                return

    def _delay(self, saying: str | _Saying) -> Delay:
        own = "" if isinstance(saying, str) else saying.delay
        return parse_delay(own, self._rng) if own else self._usual_delay


def _read(script: str) -> Sequence[_Rule]:
    try:
        # All scalars as text: otherwise `on`, Yes and No would be booleans.
        content = yaml.load(Path(script).read_text("utf-8"), yaml.BaseLoader)
        return msgspec.convert(content, tuple[_Rule, ...], strict=False)
    except OSError as exc:
        why = exc.strerror or "it cannot be opened"
    except (ValueError, yaml.YAMLError) as exc:
        why = " ".join(str(exc).split())
    raise BadScript(f"the bot's script {script} cannot be read: {why}")


def _said(saying: str | _Saying, delay: Delay, heard: str) -> Iterator[Reply]:
    if isinstance(saying, str):
        saying = _Saying(text=saying)
    content = [*_quick_replies(saying), *_cards(saying)] or None
    text = saying.text.replace("{text}", heard)
    is_typed = saying.typing and saying.frame is None
    for _ in range(saying.times):
        yield Reply(delay(), is_typed, text, content, saying.frame)


def _quick_replies(saying: _Saying) -> list[Json]:
    return [
        {
            "contentType": "QuickReply",
            "quickReply": {"text": each, "payload": each, "action": "Message"},
        }
        for each in saying.quick_replies
    ]


def _cards(saying: _Saying) -> list[Json]:
    cards = [_card(each) for each in saying.cards]
    if len(cards) < 2:
        return [{"contentType": "Card", "card": each} for each in cards]
    return [{"contentType": "Carousel", "carousel": {"cards": cards}}]


def _card(card: _Card) -> Json:
    shown: Json = {"title": card.title, "actions": [_action(each) for each in card.actions]}
    for name, value in (("description", card.description), ("image", card.image)):
        if value:
            shown[name] = value
    return shown


def _action(action: _Action) -> Json:
    if action.url:
        return {"type": "Link", "text": action.text, "url": action.url}
    return {"type": "Postback", "text": action.text, "payload": action.payload or action.text}
