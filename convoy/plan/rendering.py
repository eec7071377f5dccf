"""The bodies of a run: the template of each message, rendered with its values from the plan.

There is a fast path for templates of text and plain placeholders: `{{ name }}`,
`{{ name | tojson }}`, and names and literals joined by `~` in their place. It makes one Python
function of a template, as Jinja2 does, without scopes and filters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from jinja2 import nodes

from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadTemplate
from convoy.plan.sandbox import MOST_OUTPUT_BYTES
from convoy.plan.texts import Draws

CUSTOMERS = "customers"
"""The variable that names the customers of a run; a scenario's own one keeps them for all runs."""

_Fast = Callable[[PlannedMessage], str]
_Convert = Callable[[Any], str]
_Written = Mapping[_Convert, str]
"""The source code of a variable in a function, for each way to convert a value."""


class Bodies:
    """Renders the messages of one scenario for one run; `variables` are the scenario's own.

    `clock` returns Unix seconds for the variable `time`.
    """

    def __init__(
        self,
        templates: Mapping[str, PayloadTemplate],
        value_key: int,
        scenario: str,
        run_id: str,
        variables: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._templates = templates
        self._value_key = value_key
        self._variables = variables = {CUSTOMERS: run_id, **variables}
        self._clock = clock
        self._marker = f"[convoy:{run_id}:{scenario}:"
        self._fast = {
            name: fast
            for name, template in templates.items()
            if (fast := fast_path(template.tree, self._marker, variables, clock)) is not None
        }
        self._of_the_moment = {name for name, each in templates.items() if "time" in each.names}

    def is_of_the_moment(self, template_name: str) -> bool:
        """Return whether a body is another one when it is rendered later."""
        return template_name in self._of_the_moment

    def render(self, message: PlannedMessage) -> bytes:
        """Return the body to send as UTF-8 JSON; raises PayloadError."""
        fast = self._fast.get(message.template_name)
        if fast is not None:
            try:
                body = fast(message).encode()
                if len(body) <= MOST_OUTPUT_BYTES:
                    return body
            except ValueError:
                pass  # Jinja2 reports what is wrong and where
        return self._templates[message.template_name].render(self.variables(message))

    def variables(self, message: PlannedMessage) -> dict[str, object]:
        """Return everything that a template can name."""
        draws = Draws(self._value_key, message.k)
        variables = {**self._variables, **_values(message)}
        variables["marker"] = f"{self._marker}{message.k}]"
        variables["time"] = stamp(self._clock())
        variables["choice"], variables["number"] = draws.choice, draws.number
        return variables


def fast_path(
    tree: nodes.Template, marker: str, variables: Mapping[str, str], clock: Callable[[], float]
) -> _Fast | None:
    """Return what renders a message where a template is text and plain placeholders, else None.

    `marker` is the marker up to the message's number, `variables` are the scenario's own.
    """
    written = {name: _constant_written(value) for name, value in variables.items()}
    written |= {**_WRITTEN, "marker": _marker_written(marker)}
    try:
        # All that is evaluated is code of this module and `repr` of texts: whatever a template, a
        # variable or a scenario's name holds, none of it becomes code. Python joins literals that
        # follow each other when it compiles them.
        terms = " ".join(term for node in tree.body for term in _terms(node, written))
    except LookupError:
        return None
    fast: _Fast = eval(f"lambda message: '' {terms}", {**_NAMES, "clock": clock})
    return fast


def _terms(node: nodes.Node, written: Mapping[str, _Written]) -> Iterator[str]:
    """Yield literals of Python for what is put out; raises LookupError for more than that."""
    match node:
        case nodes.Output():
            for child in node.nodes:
                yield from _terms(child, written)
        case nodes.TemplateData():
            yield repr(node.data)
        case nodes.Filter(name="tojson", args=[], kwargs=[], dyn_args=None, dyn_kwargs=None):
            if isinstance(node.node, nodes.Concat):
                # The JSON of joined texts is their joined JSON: each character is by itself.
                yield from ("'\"'", *_joined(node.node, _json_characters, written), "'\"'")
            else:
                yield from _joined(node.node, _json, written)
        case _:
            yield from _joined(node, str, written)


def _joined(
    node: nodes.Node | None, convert: _Convert, written: Mapping[str, _Written]
) -> Iterator[str]:
    """Yield literals of Python for a name, a literal, or several of them joined by `~`."""
    match node:
        case nodes.Name():
            yield written[node.name][convert]
        case nodes.Const():
            yield repr(convert(node.value))
        case nodes.Concat():
            for child in node.nodes:
                yield from _joined(child, convert, written)
        case _:
            raise LookupError("no plain placeholder")


def _json(value: Any) -> str:
    """Return what the filter `tojson` makes: JSON that is safe inside HTML, too."""
    if type(value) is str:
        return _json_text(value)
    return _html_safe(json.dumps(value, ensure_ascii=False))


def _json_characters(value: Any) -> str:
    """Return the text of a value as it stands between the quotes of JSON."""
    return _json_text(value if type(value) is str else str(value))[1:-1]


# Cached, because texts, names and the ids of hot conversations recur.
@lru_cache(maxsize=4096)
def _json_text(text: str) -> str:
    return _html_safe(encode_basestring(text))


def _html_safe(text: str) -> str:
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("'", "\\u0027")
    )


def stamp(unix_s: float) -> str:
    """Return a moment as the API writes it, such as `2026-11-22T10:00:00.000Z`."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


@lru_cache(maxsize=1024)
def _guest(author: int) -> tuple[str, str]:
    """Return the name and the address that an author writes under."""
    return f"Load Test Guest {author}", f"guest-{author}@load-test.invalid"


def _text_written(code: str) -> _Written:
    return {
        str: f"f'{{{code}}}'",
        _json: f"f'{{json_text({code})}}'",
        _json_characters: f"f'{{json_text({code})[1:-1]}}'",
    }


def _number_written(code: str) -> _Written:
    return dict.fromkeys((str, _json, _json_characters), f"f'{{{code}}}'")


def _constant_written(value: str) -> _Written:
    return {convert: repr(convert(value)) for convert in (str, _json, _json_characters)}


def _marker_written(before: str) -> _Written:
    # Without `json_text`, because a marker never recurs and would displace others in its cache.
    number = "f'{message.k}]'"
    return {
        str: repr(before) + number,
        _json: repr(_json(before)[:-1]) + number + "'\"'",
        _json_characters: repr(_json_characters(before)) + number,
    }


_TIME = "f'{stamp(clock())}'"
_TEXTS = {
    "conversation_id": "message.conversation.id",
    "customer_id": "message.conversation.customer_id",
    "agent_id": "message.conversation.agent_id",
    "communication_id": "message.conversation.communication_id",
    "text": "message.text",
    "author_name": "guest(message.author)[0]",
    "author_address": "guest(message.author)[1]",
}
_NUMBERS = {"k": "message.k", "sequence": "message.k", "author": "message.author"}
_WRITTEN: dict[str, _Written] = {
    **{name: _text_written(code) for name, code in _TEXTS.items()},
    **{name: _number_written(code) for name, code in _NUMBERS.items()},
    # Without `json_text`, as a marker is; there is nothing in it that JSON would escape.
    "time": {str: _TIME, _json: f"'\"' {_TIME} '\"'", _json_characters: _TIME},
}
"""The variables of a template but `marker`."""
BUILT_IN = frozenset({*_WRITTEN, "marker", "choice", "number", "range"})
"""The names that a scenario's own variables cannot have."""

_NAMES = {"guest": _guest, "json_text": _json_text, "stamp": stamp}
_EACH = ", ".join(f"{name!r}: {code}" for name, code in {**_TEXTS, **_NUMBERS}.items())
_values: Callable[[PlannedMessage], dict[str, object]] = eval(
    f"lambda message: {{{_EACH}}}", _NAMES
)
"""Returns the variables by name that come from the message alone, but `marker`."""
