"""The rules of a route's body: a JSON Schema (draft 2020-12) with keywords of our own.

`description`       what a property is; it follows "… is missing: "
`x-change`          what to write when the property is wrong, a whole sentence
`x-problem`         the sentence on a body that this part of the schema refuses, in place of ours
`x-field`           the field that the API names when this property is missing
`x-from`            where the value may stand in a body of another shape
`x-variable`        it must be one of these variables of the message
`x-same-as`         it must equal the fields named, `x-other-than` it must differ from them
`x-max-bytes`       the most bytes that it may have in UTF-8
`x-marker`          it has to carry the message's marker
`x-unread`          the route does not read this property; the sentence to say so

Before load the message of a body is known, so that the body is compared with its variables and its
marker. Of a body that was refused, only the body is known; then an id that cannot be one is a
fault, and so is a property that the route does not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import extend

from convoy.untrusted_text import cut, printable

Schema = Mapping[str, Any]
_Errors = Iterator[ValidationError]

ANY_BODY: Schema = {"type": "object", "x-marker": True}
"""Any JSON object that carries its marker somewhere: for a route without a schema of its own."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FEWEST_DIGITS_OF_AN_ID = 4
"""Different ones. An id that somebody made up, as in 1111…, has one or two, a random one most."""
_LONGEST_SHOWN, _LONGEST_MESSAGE = 60, 200
_STEP = re.compile(r"[^.\[\]]+")
_NO_MARKER = (
    "holds no {{ marker }}, by which both sides account for the message; as in "
    '{{ (marker ~ " " ~ text) | tojson }}'
)


class BodyFault(NamedTuple):
    """A field that breaks a rule, as a path such as `to.type` ("" for the whole body).

    `problem` and `change` are sentences, `change` is "" where the schema has none.
    """

    field: str
    problem: str
    change: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a body has to say of its message: the variables by name, and the marker."""

    variables: Mapping[str, str]
    marker: str


class BodyRules:
    """The schema of one route's body; raises ValueError with a sentence for one that is none."""

    def __init__(self, schema: Schema) -> None:
        if not isinstance(schema, dict):
            raise ValueError("is no JSON object")
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"is no JSON Schema: {error.message[:200]}") from error
        self._schema = schema
        self._properties: dict[str, Schema] = {}
        for field, part in _properties(schema, ""):
            self._properties[field] = {**part, **self._properties.get(field, {})}

    def faults(self, body: object, expected: Expected | None = None) -> list[BodyFault]:
        """Return what is wrong, one fault a field, in the order of the schema: worst first.

        Without `expected` the body is one that was refused and has to be explained.
        """
        found: dict[str, BodyFault] = {}
        for error in _errors(self._schema, _Message(body, expected)):
            field = _path(error.absolute_path)
            rule = self._properties.get(field, {})
            if error.validator == "required":
                field = rule.get("x-field", field)
            problem = _problem(error, field, rule, body)
            found.setdefault(field, BodyFault(field, problem, self.change(field)))
        order = list(self._properties)
        return sorted(
            found.values(),
            key=lambda fault: order.index(fault.field) if fault.field in order else len(order),
        )

    def change(self, field: str) -> str:
        """Return what to write into a field, "" for one that the route does not have."""
        change: str = self._properties.get(field, {}).get("x-change", "")
        return change

    def description(self, field: str) -> str:
        """Return what a field is, "" for one that the route does not have."""
        description: str = self._properties.get(field, {}).get("description", "")
        return description

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._properties)

    @property
    def conversation_field(self) -> str:
        """The field that holds the conversation's id, "" where no field does."""
        return next(
            (
                field
                for field, rule in self._properties.items()
                if "conversation_id" in rule.get("x-variable", ()) and "x-from" in rule
            ),
            "",
        )

    def example(self, body: Mapping[str, Any]) -> Any:
        """Return a right body with what can be taken over from another; None without an example."""
        wrong = {re.split(r"[.\[]", fault.field)[0] for fault in self.faults(body)}
        examples = self._schema.get("examples")
        if not examples:
            return None
        return {
            name: _shortened(body[name])
            if name in body and name not in wrong
            else self._filled(value, name, body)
            for name, value in examples[0].items()
        }

    def _filled(self, value: Any, field: str, body: Mapping[str, Any]) -> Any:
        """Return a part of the example with the values that stand somewhere in the body."""
        if isinstance(value, dict):
            return {
                name: self._filled(each, f"{field}.{name}", body) for name, each in value.items()
            }
        if isinstance(value, list):
            return [self._filled(each, f"{field}[{at}]", body) for at, each in enumerate(value)]
        rule = self._properties.get(field, {})
        found = (value_at(body, path) for path in rule.get("x-from", ()))
        is_id = "x-variable" in rule
        fitting = (
            each for each in found if isinstance(each, str) and (_is_an_id(each) if is_id else each)
        )
        return _shortened(next(fitting, value))


def value_at(body: object, path: str) -> Any:
    """Return what stands at a path such as `to[0].id`, None where nothing does."""
    for step in _STEP.findall(path):
        if isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        elif isinstance(body, dict):
            body = body.get(step)
        else:
            return None
    return body


def line_of_field(source: str, field: str) -> int:
    """Return the line of a template where a field stands, or the nearest one around it, or 1."""
    position = 0
    for name in re.split(r"\W+", re.sub(r"\[\d+\]", "", field)):
        found = re.compile(rf'"{re.escape(name)}"\s*:').search(source, position)
        if found is None:
            break
        position = found.start()
    return source.count("\n", 0, position) + 1


def _properties(schema: Schema, field: str) -> Iterator[tuple[str, Schema]]:
    """Yield every property that a schema speaks of, wherever it does, outer ones first."""
    for name, part in schema.get("properties", {}).items():
        inner = f"{field}.{name}" if field else name
        yield inner, part
        yield from _properties(part, inner)
    if "items" in schema:
        yield f"{field}[0]", schema["items"]
        yield from _properties(schema["items"], f"{field}[0]")
    parts = [schema[name] for name in ("else", "then") if name in schema]
    for part in (*parts, *schema.get("allOf", ())):
        yield from _properties(part, field)


def _path(steps: Iterable[int | str]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".")


class _Message(NamedTuple):
    """A body as a whole, and what is known of its message."""

    body: object
    expected: Expected | None


_message: ContextVar[_Message] = ContextVar("_message")
"""The message that is being checked: a validator's class is made once, in 20 ms, for all of them,
and jsonschema passes nothing on to the functions of its keywords."""


def _errors(schema: Schema, message: _Message) -> list[ValidationError]:
    token = _message.set(message)
    try:
        return list(_validator()(schema).iter_errors(message.body))
    finally:
        _message.reset(token)


@cache
def _validator() -> Any:
    """Return a validator class with our own keywords.

    Each takes a validator, the keyword's value, the part of the body that it stands at, and the
    schema around it, as jsonschema calls them.
    """
    own = {
        "required": _required,
        "x-variable": _variable,
        "x-same-as": _same_as,
        "x-other-than": _other_than,
        "x-max-bytes": _max_bytes,
        "x-marker": _marker,
        "x-unread": _unread,
    }
    return extend(Draft202012Validator, own)  # type: ignore[no-untyped-call]


def _required(_: Any, names: list[str], part: object, schema: Schema) -> _Errors:
    # In place of jsonschema's own, whose error does not say which property is missing.
    if isinstance(part, dict):
        for name in names:
            if name not in part:
                yield ValidationError("is missing", path=[name])


def _variable(_: Any, names: list[str], part: object, schema: Schema) -> _Errors:
    expected = _message.get().expected
    if expected is not None:
        variables = expected.variables
        if part not in [variables[name] for name in names if name in variables]:
            wanted = f"should be {{{{ {names[0]} | tojson }}}}"
            yield ValidationError(f"is {_shown(part)}, and {wanted}")
    elif not isinstance(part, str) or not _UUID.fullmatch(part):
        yield ValidationError(f"is {_shown(part)}, no id but a placeholder or a part of one")
    elif not _is_an_id(part):
        yield ValidationError(f"is {_shown(part)}, which looks made up, not like an id")


def _same_as(_: Any, fields: list[str], part: object, schema: Schema) -> _Errors:
    body, expected = _message.get()
    for other in fields:
        there = value_at(body, other)
        if expected is None and there is not None and there != part:
            yield ValidationError(f"is {_shown(part)}, and `{other}` is {_shown(there)}")


def _other_than(_: Any, fields: list[str], part: object, schema: Schema) -> _Errors:
    body, expected = _message.get()
    for other in fields:
        if expected is None and part is not None and value_at(body, other) == part:
            yield ValidationError(f"is the same as `{other}`")


def _max_bytes(_: Any, most: int, part: object, schema: Schema) -> _Errors:
    expected = _message.get().expected
    size = len(part.encode("utf-8", "surrogatepass")) if isinstance(part, str) else 0
    if size > most:
        with_marker = ", marker included" * (expected is not None)
        yield ValidationError(f"is {size:,} bytes long; {most:,} are taken{with_marker}")


def _marker(_: Any, wanted: bool, part: object, schema: Schema) -> _Errors:
    expected = _message.get().expected
    if expected is not None and part:
        text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
        if expected.marker not in text:
            yield ValidationError(_NO_MARKER)


def _unread(_: Any, sentence: str, part: object, schema: Schema) -> _Errors:
    expected = _message.get().expected
    if expected is None:
        yield ValidationError(sentence)


def _problem(error: ValidationError, field: str, rule: Schema, body: object) -> str:
    """Return the sentence on a fault; its subject is the field in backticks."""
    own = error.schema.get("x-problem") if isinstance(error.schema, dict) else None
    if own is not None or error.validator == "x-unread":
        return own or error.message
    subject = f"`{field}`" if field else "the body"
    description = rule.get("description", "")
    meant = f": {description}" if description else ""
    keyword = str(error.validator)
    if keyword == "required":
        named = next((path for path in rule.get("x-from", ()) if value_at(body, path)), None)
        elsewhere = f"; it stands in `{named}`, which this route does not read" if named else ""
        return f"{subject} is missing{meant}{elsewhere}"
    if keyword in ("x-same-as", "x-other-than"):
        return f"{subject} {error.message}{meant}"
    if keyword.startswith("x-"):
        return f"{subject} {error.message}"
    if sentence := _SENTENCES.get(keyword):
        return f"{subject} {sentence(error)}"
    is_short = len(error.message) <= _LONGEST_MESSAGE
    return f"{subject} {error.message if is_short else f'breaks the rule {keyword!r}'}"


def _counted(error: Any) -> str:
    return f"is a list of {len(error.instance)}, here it should be {error.validator_value}"


_SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "type": lambda error: f"is {_shape(error.instance)}, not {_kind(error.validator_value)}",
    "enum": lambda error: f"is {_shown(error.instance)}, not {_joined(error.validator_value)}",
    "const": lambda error: f"is {_shown(error.instance)}, not {_shown(error.validator_value)}",
    "minLength": lambda error: "is empty",
    "maxLength": lambda error: (
        f"has {len(error.instance):,} characters; {error.validator_value:,} are taken"
    ),
    "minItems": _counted,
    "maxItems": _counted,
}
_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def _kind(kinds: str | list[str]) -> str:
    names = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_TYPES[name] for name in names)


def _joined(values: list[object]) -> str:
    return " or ".join(map(_shown, values))


def _shape(value: object) -> str:
    """Return what kind of JSON a value is, in words."""
    if isinstance(value, bool) or value is None:
        return _TYPES["null" if value is None else "boolean"]
    names = {str: "string", list: "array", dict: "object", int: "number", float: "number"}
    return _TYPES[names.get(type(value), "object")]


def _shown(value: object) -> str:
    """Return a value short and printable, in quotes where it is a string."""
    if not isinstance(value, str):
        return _shape(value)
    is_short = len(value) <= _LONGEST_SHOWN
    return f'"{printable(value)}"' if is_short else f"a text of {len(value):,} characters"


def _is_an_id(value: str) -> bool:
    """Tell whether a text looks like an id of the API's: a UUID of four or more digits."""
    digits = set(value.replace("-", ""))
    return bool(_UUID.fullmatch(value)) and len(digits) >= _FEWEST_DIGITS_OF_AN_ID


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return cut(value, _LONGEST_SHOWN) if isinstance(value, str) else value
