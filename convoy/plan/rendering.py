"""The bodies of a run: the template of each message, rendered with what the plan says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadTemplate
from convoy.plan.placeholders import Expression, Slot, compiled, with_value
from convoy.plan.sandbox import MOST_OUTPUT_BYTES
from convoy.plan.texts import Draws

_Fast = Callable[[PlannedMessage], str]

_EXPRESSIONS = {
    "conversation_id": Expression("message.conversation.id", str),
    "customer_id": Expression("message.conversation.customer_id", str),
    "agent_id": Expression("message.conversation.agent_id", str),
    "k": Expression("message.k", int),
    "sequence": Expression("message.k", int),
    "text": Expression("message.text", str),
    "author": Expression("message.author", int),
    "author_name": Expression("guest(message.author)[0]", str),
    "author_address": Expression("guest(message.author)[1]", str),
}
"""The variables of a template, each as it comes from its message; `marker` is made of parts."""

BUILT_IN = frozenset({*_EXPRESSIONS, "marker", "choice", "number", "range"})
"""What a scenario's own variables cannot be called."""


class Bodies:
    """Renders the messages of one scenario for one run; `variables` are the scenario's own."""

    def __init__(
        self,
        templates: Mapping[str, PayloadTemplate],
        value_key: int,
        scenario: str,
        run_id: str,
        variables: Mapping[str, str],
    ) -> None:
        self._templates = templates
        self._variables = variables
        self._value_key = value_key
        self._marker = (f"[convoy:{run_id}:{scenario}:", Slot("k", str), "]")
        self._fast = {
            name: fast
            for name, template in templates.items()
            if (fast := self._compiled(template)) is not None
        }

    def render(self, message: PlannedMessage) -> bytes:
        """Return the body to send as UTF-8 JSON; raises PayloadError."""
        fast = self._fast.get(message.template_name)
        if fast is not None:
            try:
                body = fast(message).encode()
                if len(body) <= MOST_OUTPUT_BYTES:
                    return body
            except ValueError:
                pass  # Jinja2 can say what is wrong and where
        return self._templates[message.template_name].render(self.variables(message))

    def variables(self, message: PlannedMessage) -> dict[str, object]:
        """Return everything that a template can name."""
        before, _, behind = self._marker
        draws = Draws(self._value_key, message.k)
        variables = {**self._variables, **_values(message)}
        variables["marker"] = f"{before}{message.k}{behind}"
        variables["choice"], variables["number"] = draws.choice, draws.number
        return variables

    def _compiled(self, template: PayloadTemplate) -> _Fast | None:
        if template.parts is None:
            return None
        try:
            parts = with_value(template.parts, "marker", self._marker)
            for name, value in self._variables.items():
                parts = with_value(parts, name, (value,))
            return compiled(parts, "message", _EXPRESSIONS, _NAMES)
        except KeyError:
            return None


@lru_cache(maxsize=1024)
def _guest(author: int) -> tuple[str, str]:
    """Return the name and the address that an author writes under."""
    return f"Load Test Guest {author}", f"guest-{author}@load-test.invalid"


_NAMES = {"guest": _guest}
_EACH = ", ".join(f"{name!r}: {each.code}" for name, each in _EXPRESSIONS.items())
_values: Callable[[PlannedMessage], dict[str, object]] = eval(
    f"lambda message: {{{_EACH}}}", _NAMES
)
"""Returns all of `_EXPRESSIONS` for a message."""
