"""A dialogue: what a guest says, does and expects, line by line. Its first line is the message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from convoy.plan.draws import draw
from convoy.plan.payloads import MOST_NODES, PayloadError, PayloadTemplate, TemplateFault

WHOLE = "dialogue"
"""The step that is a whole dialogue, from its message to its last line."""
_MOST_MATCHED = 10_000
"""Characters of a reply that an expression is tried on: many take the square of the length, and all
that this process sends waits meanwhile."""
EXPECT_TIMEOUT = "expect.timeout"
OTHER_TEXT = "expect.other_text"
OTHER_CHOICES = "expect.other_choices"
NOT_OFFERED = "choose.not_offered"
TYPED_AGAIN_S = 5.0
"""Genesys' clients show typing once in 5 s at most (UserTypingProvider.kt of
https://github.com/MyPureCloud/genesys-messenger-transport-mobile-sdk, read 2026-11-26)."""

Said = tuple[str, Sequence[str]]
"""A reply: its text, and the texts of the choices that it offers."""
_Text = Annotated[str, Meta(min_length=1)]
_Seconds = Annotated[float, Meta(ge=0.01, le=600)]
"""The longest is as long as a message may take."""
_Speed = Annotated[float, Meta(ge=0.1, le=1000)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="does", omit_defaults=True):
    """A line of a file, `number` counted from 1; `step` is the name of its row.

    Its fields are encoded under their names in the file, such as `expect.offers`. A field with its
    default is not encoded: a default may be a value that no file may give, such as a time of 0 s,
    and would be refused when it is decoded.
    """

    number: int = 0
    step: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")] = ""

    @property
    def messages(self) -> int:
        """How many messages it sends at most, by the limits of a session."""
        return 0

    @property
    def requests(self) -> int:
        """How many requests it sends at most, by the limits of a connection."""
        return self.messages

    @property
    def lasts_s(self) -> float:
        """How long it takes at least."""
        return 0.0


class Say(Line, frozen=True, kw_only=True, tag="say"):
    """Say a text, which is a template."""

    text: _Text = msgspec.field(name="say")
    messages: ClassVar[int] = 1

    def __str__(self) -> str:
        return f"say: {self.text}"


class Expect(Line, frozen=True, kw_only=True, tag="expect"):
    """Expect a reply that is, has or matches a text, with certain choices or () for any.

    `within_s` counts from when the last thing that was said before it left. With none of the others
    any reply will do; where there are several, all have to hold for one reply. `equals` and
    `contains` are templates.
    """

    within_s: _Seconds = msgspec.field(name="within")
    equals: _Text | None = msgspec.field(default=None, name="expect.equals")
    contains: _Text | None = msgspec.field(default=None, name="expect.contains")
    matches: _Text | None = msgspec.field(default=None, name="expect.matches")
    offers: tuple[_Text, ...] | None = msgspec.field(default=None, name="expect.offers")

    def fits(self, said: Said) -> bool:
        """Return whether this is a reply that is expected."""
        text, offered = said
        return self._fits_text(text) and self._fits_choices(offered)

    def failure(self, replies: Iterable[Said]) -> str:
        """Return the code of what came instead."""
        texts = [self._fits_text(text) for text, _ in replies]
        if not texts:
            return EXPECT_TIMEOUT
        return OTHER_CHOICES if any(texts) else OTHER_TEXT

    def _fits_text(self, text: str) -> bool:
        return (
            (self.equals is None or text.strip() == self.equals)
            and (self.contains is None or self.contains in text)
            and (self.matches is None or re.search(self.matches, text[:_MOST_MATCHED]) is not None)
        )

    def _fits_choices(self, offered: Sequence[str]) -> bool:
        return self.offers is None or (bool(offered) and {*self.offers} <= {*offered})

    def __str__(self) -> str:
        kinds = ("equals", "contains", "matches")
        told = [f"{kind} {value!r}" for kind in kinds if (value := getattr(self, kind)) is not None]
        if self.offers is not None:
            told.append(f"offers {', '.join(self.offers) or 'choices'}")
        return f"expect: {' and '.join(told) or 'any reply'}, within {self.within_s:g} s"


class Choose(Line, frozen=True, kw_only=True, tag="choose"):
    """Pick one of the choices that were offered: by its text, or its position from 1 on."""

    choice: _Text | Annotated[int, Meta(ge=1, le=100)] = msgspec.field(name="choose")
    messages: ClassVar[int] = 1

    def picked(self, offered: Sequence[str]) -> int | None:
        """Return the index of the choice, None where it is not offered."""
        if isinstance(self.choice, int):
            return self.choice - 1 if self.choice <= len(offered) else None
        return offered.index(self.choice) if self.choice in offered else None

    def __str__(self) -> str:
        return f"choose: {self.choice}"


class Wait(Line, frozen=True, kw_only=True, tag="wait"):
    """Do nothing for some time. It is no step, because nothing comes of it."""

    lasts_s: _Seconds = msgspec.field(name="wait")

    def __str__(self) -> str:
        return f"wait: {self.lasts_s:g} s"


class Typing(Line, frozen=True, kw_only=True, tag="typing"):
    """Show that the guest writes: for `lasts_s`, or for as long as the next text takes.

    With `characters_per_s` that time follows from the length of the text. It is longer or shorter
    by up to the share `spread`, which is drawn by the seed.
    """

    lasts_s: _Seconds = msgspec.field(default=0.0, name="typing")
    characters_per_s: _Speed = msgspec.field(default=0.0, name="typing.characters_per_s")
    spread: _Share = msgspec.field(default=0.0, name="typing.spread")

    @property
    def messages(self) -> int:
        return 1 + int(self.lasts_s / TYPED_AGAIN_S)

    def timed(self, text: str, drawn: int) -> Typing:
        """Return it with the time that this text needs; `drawn` is of 64 bits."""
        if not self.characters_per_s:
            return self
        part = 1 + self.spread * (drawn / 2**63 - 1)
        return replace(self, lasts_s=len(text) / self.characters_per_s * part)

    def __str__(self) -> str:
        return f"typing: {self.lasts_s:.3g} s"


class Attach(Line, frozen=True, kw_only=True, tag="attach"):
    """Upload a file, and send a message that names it."""

    name: Annotated[str, Meta(pattern=r"^(?!\.\.?$)[^/\\]+$")] = msgspec.field(name="attach")
    media_type: str = ""
    data: bytes = b""
    messages: ClassVar[int] = 1
    requests: ClassVar[int] = 2

    def __str__(self) -> str:
        return f"attach: {self.name} ({self.media_type}, {len(self.data):,} bytes)"


class Close(Line, frozen=True, kw_only=True, tag="close"):
    """End the session; whoever holds the dialogue goes on as another guest."""

    requests: ClassVar[int] = 1

    def __str__(self) -> str:
        return "close"


AnyLine = Say | Expect | Choose | Wait | Typing | Attach | Close
_TEMPLATES: dict[type[Line], tuple[str, ...]] = {Say: ("text",), Expect: ("equals", "contains")}


class Dialogue(msgspec.Struct, frozen=True):
    """The lines of a dialogue; the first is one that says something."""

    lines: tuple[AnyLine, ...]

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps, that of the whole included."""
        return (WHOLE, *dict.fromkeys(line.step for line in self.lines[1:] if line.step))

    @property
    def longest(self) -> tuple[AnyLine, ...]:
        """The lines after the message, with the longest times; texts are templates still."""
        return _timed(self.lines[1:], lambda number: 2**64 - 1)

    @property
    def shortest(self) -> tuple[AnyLine, ...]:
        """As `longest`, with the shortest times."""
        return _timed(self.lines[1:], lambda number: 0)

    @property
    def message(self) -> str:
        """The template of its message, the JSON of what a guest sends."""
        first = self.lines[0]
        assert isinstance(first, Say)
        return f'{{"type": "Text", "text": {{% filter tojson %}}{first.text}{{% endfilter %}}}}'


class LineTemplates:
    """The texts of a dialogue as templates, compiled once. All of it raises PayloadError."""

    def __init__(self, name: str, dialogue: Dialogue) -> None:
        self._name = name
        self._dialogue = dialogue
        self._nodes_left = MOST_NODES
        self._templates = [dict(self._compiled(line)) for line in dialogue.lines]

    def check_names(self, variables: Mapping[str, object]) -> None:
        """Raise PayloadError for a name in them that is no variable."""
        for line, templates in zip(self._dialogue.lines, self._templates, strict=True):
            for field, template in templates.items():
                with self._at(line, field):
                    template.check_names(variables)

    def lines(self, variables: Mapping[str, object], key: int) -> tuple[AnyLine, ...]:
        """Return the lines after the first with the texts and times of one message.

        `key` is that of a stream of draws for it.
        """
        said = [
            replace(line, **dict(self._rendered(line, templates, variables)))
            for line, templates in zip(self._dialogue.lines[1:], self._templates[1:], strict=True)
        ]
        return _timed(said, lambda number: draw(key, number))

    def message(self, variables: Mapping[str, object]) -> str:
        """Return what the message says."""
        first = self._dialogue.lines[0]
        found = dict(self._rendered(first, self._templates[0], variables))
        return found.get("text", str(getattr(first, "text", "")))

    def _compiled(self, line: AnyLine) -> Iterator[tuple[str, PayloadTemplate]]:
        for field in _TEMPLATES.get(type(line), ()):
            source = getattr(line, field)
            if source is not None and "{" in source:
                with self._at(line, field):
                    template = PayloadTemplate(self._name, source, self._nodes_left)
                    self._nodes_left -= template.size
                    yield field, template

    def _rendered(
        self,
        line: AnyLine,
        templates: Mapping[str, PayloadTemplate],
        variables: Mapping[str, object],
    ) -> Iterator[tuple[str, str]]:
        for field, template in templates.items():
            with self._at(line, field):
                yield field, template.render(variables).decode()

    @contextmanager
    def _at(self, line: AnyLine, field: str) -> Iterator[None]:
        """Name the line in a PayloadError that is raised inside."""
        try:
            yield
        except PayloadError as error:
            where = "say" if field == "text" else field
            faults = [TemplateFault(line.number, each.problem, where) for each in error.faults]
            raise PayloadError(self._name, *faults) from error


def _timed(lines: Sequence[AnyLine], drawn: Callable[[int], int]) -> tuple[AnyLine, ...]:
    """Return lines with the times of typing; `drawn` returns 64 bits for the number of a line."""
    return tuple(
        line.timed(after.text, drawn(line.number))
        if isinstance(line, Typing) and isinstance(after, Say)
        else line
        for line, after in zip(lines, [*lines, None][1:], strict=True)
    )
