"""The sandbox of templates: Jinja2's own, with few names in reach and sizes of values bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.filters import FILTERS as _JINJA_FILTERS
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as _JINJA_TESTS
from jinja2.utils import pass_eval_context

MOST_OUTPUT_BYTES = 600_000
LONGEST_VALUE = 600_000
"""Characters, entries or bits that an operator, filter or test that multiplies may make."""
LONGEST_RANGE = 1_000

_SPECIFIERS = re.compile(r"%[-+ #0-9.*(]+")


class Sandbox(ImmutableSandboxedEnvironment):
    """Templates reach their variables, `FILTERS`, `TESTS`, `range` and what `loop` knows.

    An operator, filter or test that would make a value beyond `LONGEST_VALUE` raises OverflowError,
    and so does output beyond `MOST_OUTPUT_BYTES`. How long a template takes is not bounded here,
    because a render cannot be interrupted: before load `prepare.sample_bodies` tries each one in a
    process with limits.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=_plain)
        self.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
        self.filters, self.tests = FILTERS, TESTS
        self.globals = {"range": _range}

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join the pieces that a template renders to; raises OverflowError beyond the bound."""
        kept: list[str] = []
        length = 0
        for piece in pieces:
            length += len(piece)
            if length > MOST_OUTPUT_BYTES:
                raise OverflowError(f"renders to more than {MOST_OUTPUT_BYTES:,} bytes")
            kept.append(piece)
        return "".join(kept)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Keep the method `format` out of reach, like any other method."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_size(_SIZES_OF_OPERATIONS[operator](left, right))
        return super().call_binop(context, operator, left, right)


def refusals(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Yield line and problem of everything that could never be rendered, reached or not."""
    for node in tree.find_all(nodes.Node):
        match node:
            case nodes.Filter() if node.name not in FILTERS:
                yield node.lineno, _unknown("filter", node.name, FILTERS)
            case nodes.Test() if node.name not in TESTS:
                yield node.lineno, _unknown("test", node.name, TESTS)
            case nodes.Getattr() if not _is_loop(node.node):
                hint = "use a filter, as in `text | upper`"
                yield node.lineno, f"the attribute {node.attr!r} is unsafe; {hint}"
            case nodes.Extends() | nodes.FromImport() | nodes.Import() | nodes.Include():
                words = "`extends`, `from`, `import` and `include` are not allowed"
                yield node.lineno, f"{words}, because a template reaches no other file"


def _is_loop(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "loop"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {kind} {name!r}; there are: {', '.join(sorted(known))}"


def _plain(value: object) -> object:
    """Return what is put out; raises TypeError for functions and the like."""
    if value is None or isinstance(value, (str, int, float, list, tuple, dict, range, Undefined)):
        return value
    raise TypeError(f"{type(value).__name__!r} is no kind of value that a message can hold")


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > LONGEST_RANGE:
        raise OverflowError(f"range is longer than {LONGEST_RANGE:,}")
    return numbers


def _check_size(size: int) -> None:
    if size > LONGEST_VALUE:
        raise OverflowError(f"a value of {size:,} characters is made; {LONGEST_VALUE:,} may be")


def _size_of_product(left: Any, right: Any) -> int:
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    times, value = (left, right) if isinstance(left, int) else (right, left)
    return times * len(value) if isinstance(times, int) and hasattr(value, "__len__") else 0


def _size_of_power(left: Any, right: Any) -> int:
    are_whole = isinstance(left, int) and isinstance(right, int)
    return left.bit_length() * right if are_whole else 0


def _size_of_format(text: Any, *values: Any) -> int:
    """`%` formats a text, and is the remainder of anything else."""
    if not isinstance(text, str):
        return 0
    marks = "".join(_SPECIFIERS.findall(text))
    if "(" in marks or "*" in marks:
        raise OverflowError("a format takes its values in order and its widths as numbers")
    widths = sum(map(int, re.findall(r"\d+", marks)))
    return len(text) + widths + _size_of_texts(values)


def _size_of_texts(values: Iterable[Any]) -> int:
    return sum(len(str(value)) for value in values)


def _size_of_replaced(text: Any, old: Any, new: Any, count: Any = None) -> int:
    return len(str(text)) + str(text).count(str(old)) * len(str(new))


def _size_of_indented(text: str, width: int | str = 4, first: Any = 0, blank: Any = 0) -> int:
    step = width if isinstance(width, int) else len(width)
    return len(text) + step * (text.count("\n") + 1)


_SIZES_OF_OPERATIONS: dict[str, Callable[[Any, Any], int]] = {
    "*": _size_of_product,
    "**": _size_of_power,
    "%": lambda left, right: _size_of_format(left, *(right if type(right) is tuple else (right,))),
}
_SIZES_OF_FILTERS: dict[str, Callable[..., int]] = {
    "center": lambda value, width=80: width,
    "format": _size_of_format,
    "indent": _size_of_indented,
    "join": lambda values, d="": _size_of_texts(values) + len(values) * len(d),
    "replace": _size_of_replaced,
    "round": lambda value, precision=0, method="common": 4 * abs(precision),
    "wordwrap": lambda text, width=79: 2 * len(text),
}
"""The most that filters can make of these arguments; none takes any more of them than these."""


def _bounded(function: Any, size: Callable[..., int]) -> Callable[..., Any]:
    """Return a filter or test of Jinja2 that is not called where it would make too much."""
    own = int(hasattr(function, "jinja_pass_arg"))

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _check_size(size(*args[own:], **kwargs))
        return function(*args, **kwargs)

    return bounded


def _filled(value: str, size_bytes: int, filling: str = " ") -> str:
    """Return the value with `filling` repeated behind it, cut to `size_bytes` of UTF-8.

    It is shorter by up to three bytes where a character does not fit, and as it was where
    `filling` is empty and it is short enough.
    """
    _check_size(size_bytes)
    content, more = value.encode(), filling.encode()
    if more and len(content) < size_bytes:
        content += more * ((size_bytes - len(content)) // len(more) + 1)
    return content[: max(0, size_bytes)].decode(errors="ignore")


@pass_eval_context
def _tojson(context: EvalContext, value: object) -> str:
    # As text and not as Jinja2's Markup, which would escape what is added to it.
    return str(_JINJA_FILTERS["tojson"](context, value))


_HARMLESS_FILTERS = (
    *("abs", "capitalize", "count", "first", "float", "int", "last", "length", "list", "lower"),
    *("max", "min", "sort", "string", "title", "trim", "truncate", "upper", "urlencode"),
    "wordcount",
)
_HARMLESS_TESTS = ("boolean", "float", "integer", "none", "number", "string")

FILTERS: dict[str, Any] = {
    **{name: _JINJA_FILTERS[name] for name in _HARMLESS_FILTERS},
    **{name: _bounded(_JINJA_FILTERS[name], size) for name, size in _SIZES_OF_FILTERS.items()},
    "filled": _filled,
    "tojson": _tojson,
}
"""Filters by name; none of them uses random numbers, a clock or a file."""

TESTS: dict[str, Any] = {
    **{name: _JINJA_TESTS[name] for name in _HARMLESS_TESTS},
    # They divide by `%`.
    **{name: _bounded(_JINJA_TESTS[name], _size_of_format) for name in ("even", "odd")},
    "divisibleby": _bounded(_JINJA_TESTS["divisibleby"], _size_of_format),
}
"""Tests by name, as in `k is even`."""
