"""The kinds of value a setting may have: numbers with sensible bounds, addresses, words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, LiteralString
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from convoy.settings.origin import Origin

LONGEST_S = 30 * 24 * 3600
HIGHEST_RATE = 100_000
"""Messages per second."""
MOST_USERS = 100_000


def _origin_url(url: str) -> str:
    """Return the canonical address of an origin, without a slash at the end."""
    try:
        return Origin.parse(url).url
    except ValueError as error:
        raise PydanticCustomError("origin", str(error)) from error


def _some_weight(weights: dict[str, float]) -> dict[str, float]:
    if not any(weight > 0 for weight in weights.values()):
        raise PydanticCustomError("weights", "should give at least one payload a weight above 0")
    return weights


def _some(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise PydanticCustomError("empty", "should not be empty")
    return values


def _tokens(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Replace pydantic's errors, one for each kind of token count, by a single sentence."""
    try:
        return check(value)
    except ValidationError as error:
        raise PydanticCustomError(
            "tokens",
            "should be per_user, per_worker or a whole number from 1 to {most}",
            {"most": f"{_MOST_TOKENS:,}"},
        ) from error


def _named(written: object) -> object:
    """Return a single name as one that has a weight."""
    return {written: 1.0} if isinstance(written, str) else written


def _variable_name(name: str) -> str:
    if not name.isidentifier() or not name.isascii() or name.startswith("_"):
        raise PydanticCustomError("variable", "should be a name such as integration_id")
    return name


def _status(written: object) -> object:
    return int(written) if isinstance(written, str) and written.isdecimal() else written


def _fields(written: object) -> object:
    if written == "empty":
        return ()
    # A validator before pydantic's own is handed JSON's lists, and strict mode takes tuples only.
    return tuple(written) if isinstance(written, list) else written


def _moment(text: object) -> object:
    """Return the text of a moment without a time zone; YAML reads one as a date and a time."""
    written = str(text) if isinstance(text, date) else text
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise PydanticCustomError("moment", "should be as in 2026-11-26 22:00, without a time zone")
    return moment.isoformat(" ")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise PydanticCustomError("zone", _NO_ZONE) from None
    return name


def _label(value: object) -> object:
    """Return a number as text, because YAML reads the build 1234 as one."""
    return str(value) if isinstance(value, (int, float)) else value


def _on_or_off(word: object) -> object:
    """Return the word that was written: `on` and `off` are booleans in YAML."""
    return {True: "on", False: "off"}[word] if isinstance(word, bool) else word


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise PydanticCustomError("header", "should be the name of a header, such as X-Test-Run")
    if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_PREFIXES):
        raise PydanticCustomError("header", "is set by Convoy itself")
    return name


def _header_value(value: str) -> str:
    if problem := header_problem(value):
        raise PydanticCustomError("header", problem)
    return value


def header_problem(value: str) -> LiteralString:
    """Return what the value of a header should be instead (RFC 9110, 5.5), "" where it is right."""
    if len(value) > _LONGEST_HEADER:
        return "should have at most 4,000 characters"
    if not value.isascii() or not value.isprintable() or value != value.strip():
        return "should be printable ASCII on one line, with no spaces around it"
    return ""


@dataclass(frozen=True, slots=True)
class HeaderSource:
    """Where the value of a header is kept: in a variable (`env`) or a file of this `name`."""

    kind: Literal["env", "file"]
    name: str


def _text_or_source(value: object, text: ValidatorFunctionWrapHandler) -> object:
    if isinstance(value, HeaderSource):
        return value
    if isinstance(value, dict):
        [(kind, name), *more] = [*value.items(), ("", "")]
        if more != [("", "")] or kind not in ("env", "file") or not isinstance(name, str):
            raise PydanticCustomError("header", "should be text, {env: NAME} or {file: PATH}")
        return HeaderSource(kind, name)
    return text(value)


def _no_maximum(rate: object) -> object:
    if rate == "max":
        raise PydanticCustomError("max", "should be a number; max is only for the rate of all")
    return rate


def _number_or_max(rate: object, number: ValidatorFunctionWrapHandler) -> object:
    if rate == "max":
        return rate
    if isinstance(rate, str):
        raise PydanticCustomError("rate", "should be a number, or max")
    return number(rate)


_NumberOrMax = Annotated[
    float,
    Field(gt=0, le=HIGHEST_RATE),
    WrapValidator(_number_or_max),
    PlainSerializer(lambda rate: rate),
]

_MOST_TOKENS = 100_000
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OWN_HEADERS = (
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
)
_OWN_PREFIXES = ("content-", "proxy-")
_LONGEST_HEADER = 4_000

HeaderName = Annotated[str, AfterValidator(_header_name)]
_TextOrSource = Annotated[
    str,
    AfterValidator(_header_value),
    WrapValidator(_text_or_source),
    PlainSerializer(lambda value: value if isinstance(value, str) else {value.kind: value.name}),
]
HeaderValue = Annotated[
    str | HeaderSource,
    # Instead of a union's schema, which would report a fault for each of its members.
    GetPydanticSchema(lambda _, schema_of: schema_of(_TextOrSource)),
]
"""The text itself, which is shown, or where a secret one is kept."""
Tokens = Annotated[
    Literal["per_user", "per_worker"] | Annotated[int, Field(gt=0, le=_MOST_TOKENS)],
    WrapValidator(_tokens),
]

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Url = Annotated[str, Field(max_length=1000), AfterValidator(_origin_url)]

Rate = Annotated[float, BeforeValidator(_no_maximum), Field(gt=0, le=HIGHEST_RATE)]
"""Messages per second."""
StageRate = Annotated[float, BeforeValidator(_no_maximum), Field(ge=0, le=HIGHEST_RATE)]
RateOrMax = Annotated[
    float | Literal["max"],
    # Instead of a union's schema, which would report a fault for each of its members.
    GetPydanticSchema(lambda _, schema_of: schema_of(_NumberOrMax)),
]
"""Messages per second, or `max`: as many as come back."""
Weight = Annotated[float, Field(gt=0, le=1_000_000)]
PayloadWeights = Annotated[
    dict[Text, Annotated[float, Field(ge=0, le=1_000_000)]], AfterValidator(_some_weight)
]
Dialogues = Annotated[
    dict[Text, Annotated[float, Field(ge=0, le=1_000_000)]], BeforeValidator(_named)
]
"""Dialogues by name, each with its weight; `all` stands for those that are not named."""
Variables = Annotated[
    dict[Annotated[str, AfterValidator(_variable_name)], Annotated[str, Field(max_length=1000)]],
    Field(max_length=100),
]
"""Texts by the name that a path or a template knows them by."""
_NO_ZONE = "should be the name of a time zone, such as Europe/Berlin or UTC"
Moment = Annotated[str, BeforeValidator(_moment)]
Zone = Annotated[str, Field(max_length=100), AfterValidator(_zone)]
_Label = Annotated[str, Field(min_length=1, max_length=200)]
Labels = Annotated[dict[_Label, Annotated[_Label, BeforeValidator(_label)]], Field(max_length=50)]
"""Texts by name, for those who look for a run among others."""
OnOff = Annotated[Literal["auto", "on", "off"], BeforeValidator(_on_or_off)]
Expect = Annotated[
    dict[
        Annotated[int, BeforeValidator(_status), Field(ge=200, le=299)],
        Annotated[tuple[Text, ...], BeforeValidator(_fields), Field(max_length=20)],
    ],
    Field(max_length=10),
]
"""The fields of an answer by its status; none for an answer with no body."""
NOT_EMPTY = AfterValidator(_some)
"""For lists. A `min_length` would also count out the entries that have faults of their own."""

Duration = Annotated[float, Field(ge=0.001, le=LONGEST_S)]
"""Seconds, more than none."""
Pause = Annotated[float, Field(ge=0, le=3600)]
"""Seconds, none allowed."""
