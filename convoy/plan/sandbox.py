"""The sandbox: Jinja2 with nothing in reach, and with its work and its output bounded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from convoy.plan.template_filters import (
    FILTERS,
    TESTS,
    TooLargeError,
    check_format,
    check_length,
)
from convoy.plan.template_language import LOOP_ATTRIBUTES, size_of

MOST_WORK = 1_000_000
"""Steps for one message: one for each part of a loop in each turn, or for 8 characters handled."""
MOST_OUTPUT_BYTES = 600_000
LONGEST_RANGE = 1_000

_MOST_BITS = 4_096
_HIGHEST_POWER = 64
_JOINED, _WEIGHED, _TURNS = "convoy:joined", "convoy:weighed", "convoy:turns"


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one template; it counts what a rendering does, and ends it in time.

    Every value is weighed before it is used, so that none grows beyond bounds between two looks.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=self._weighed)
        self.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
        own: dict[str, Callable[..., Any]] = {
            _JOINED: lambda *values: "".join(map(str, values)),
            _WEIGHED: lambda value: value,
            _TURNS: self._charge_turns,
        }
        self.filters = {name: self._guarded(each) for name, each in {**FILTERS, **own}.items()}
        self.tests = {name: self._guarded(each) for name, each in TESTS.items()}
        self.globals = {"range": _range}
        self._left = MOST_WORK

    def compiled(self, tree: nodes.Template) -> Template:
        """Return the template of a tree that `template_language.refusals` finds nothing in.

        The tree is changed on the way.
        """
        _Weighing(self).visit(tree)
        return self.from_string(tree)

    def rendered(self, template: Template, variables: Mapping[str, object]) -> bytes:
        """Return what a template renders to; raises whatever a template can raise."""
        self._left = MOST_WORK
        output = template.render(variables).encode()
        if len(output) > MOST_OUTPUT_BYTES:
            raise TooLargeError(f"renders to more than {MOST_OUTPUT_BYTES:,} bytes")
        return output

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join the pieces that a template renders to, as far as a message goes."""
        kept: list[str] = []
        length = 0
        for piece in pieces:
            length += len(piece)
            if length > MOST_OUTPUT_BYTES:
                raise TooLargeError(f"renders to more than {MOST_OUTPUT_BYTES:,} bytes")
            kept.append(piece)
        return "".join(kept)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, LoopContext) and attr in LOOP_ATTRIBUTES

    def wrap_str_format(self, value: Any) -> None:
        """Leave `format` the method out of reach like any other."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self._weighed(left)
        self._weighed(right)
        if operator in _LIMITS:
            _LIMITS[operator](left, right)
        return self._weighed(super().call_binop(context, operator, left, right))

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter or test with what goes in and what comes out weighed."""
        context_first = hasattr(function, "jinja_pass_arg")

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            for value in (*args[context_first:], *kwargs.values()):
                self._weighed(value)
            return self._weighed(function(*args, **kwargs))

        return guarded

    def _charge_turns(self, values: Any, cost: int) -> Any:
        self._charge(len(values) * cost)
        return values

    def _weighed(self, value: Any) -> Any:
        """Charge for the size of a value, however deep, and return it."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, (str, range, list, tuple, dict)):
                check_length(len(item))
                self._charge(1 + len(item) // 8)
            else:
                _check_plain(item)
                self._charge(1)
            if isinstance(item, (list, tuple)):
                waiting += item
            elif isinstance(item, dict):
                waiting += [*item.keys(), *item.values()]
        return value

    def _charge(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooLargeError(f"takes more than {MOST_WORK:,} steps; use fewer or shorter loops")


class _Weighing(NodeTransformer):
    """Puts the scales where Jinja2 has no hook for them: joining, comparing, cutting, looping."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return self._filter(_JOINED, node.nodes[0], node.nodes[1:])

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = self._filter(_WEIGHED, node.expr)
        for operand in node.ops:
            operand.expr = self._filter(_WEIGHED, operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        node.node = self._filter(_WEIGHED, node.node)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        cost = nodes.Const(size_of(node), lineno=node.lineno, environment=self._sandbox)
        self.generic_visit(node)
        node.iter = self._filter(_TURNS, node.iter, [cost])
        return node

    def _filter(
        self, name: str, node: nodes.Node, args: list[nodes.Expr] | None = None
    ) -> nodes.Expr:
        return nodes.Filter(
            *(node, name, args or [], [], None, None),
            lineno=node.lineno,
            environment=self._sandbox,
        )


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > LONGEST_RANGE:
        raise TooLargeError(f"range is longer than {LONGEST_RANGE:,}")
    return numbers


def _check_plain(value: object) -> None:
    if isinstance(value, Undefined):
        str(value)
    if value is not None and not isinstance(value, (bool, int, float)):
        raise TypeError(f"{type(value).__name__!r} is no kind of value that a message can hold")
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise TooLargeError(f"a number of more than {_MOST_BITS:,} bits is made")


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and not isinstance(right, (int, float)):
        left, right = right, left
    if isinstance(left, (str, list, tuple)) and isinstance(right, int):
        check_length(len(left) * right)


def _check_power(left: Any, right: Any) -> None:
    if isinstance(right, (int, float)) and abs(right) > _HIGHEST_POWER:
        raise TooLargeError(f"`**` goes to the power of {_HIGHEST_POWER} at most")


def _check_modulo(left: Any, right: Any) -> None:
    if isinstance(left, str):
        check_format(left)


_LIMITS: dict[str, Callable[[Any, Any], None]] = {
    "*": _check_product,
    "**": _check_power,
    "%": _check_modulo,
}
