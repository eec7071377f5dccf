"""The sandbox of templates: Jinja2's own, with few names in reach, and values and work bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.filters import FILTERS as _JINJA_FILTERS
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as _JINJA_TESTS
from jinja2.utils import pass_eval_context
from jinja2.visitor import NodeTransformer

from convoy.errors import there_are

MOST_OUTPUT_BYTES = 600_000
LONGEST_VALUE = 600_000
"""Characters or bits of any value that a template makes, with all that is in it."""
_LONGEST_INTEGER = 10_000
"""Bits of any integer: dividing two takes the product of their lengths."""
_WORK_OF_AN_ENTRY = 50
"""What an entry of a list counts, in characters: so much longer it takes to sort or compare."""
MOST_WORK = 10_000_000
"""Characters that a render reads, makes or puts out."""
_WORK_OF_A_PASS = 500
"""What a pass of a loop or a call counts: 20,000 passes take some 30 ms, as many draws 200 ms."""
_WORK_OF_A_VALUE = 150
"""What each value counts that is looked at, as operand, entry or output, and each attribute."""
_WORK_OF_NODES = ((nodes.Call, _WORK_OF_A_PASS), (nodes.Stmt, 50), (nodes.Node, 10))
"""What the nodes of the syntax tree count in a pass, where the body is a long one."""
LONGEST_RANGE = 1_000

_SPECIFIERS = re.compile(r"%[-+ #0-9.*(]+")


class Sandbox(ImmutableSandboxedEnvironment):
    """Templates reach their variables, `FILTERS`, `TESTS`, `range` and what `loop` knows.

    A value beyond `LONGEST_VALUE` raises OverflowError, and so does output beyond
    `MOST_OUTPUT_BYTES`, or more than `MOST_WORK` since the last `begin`: a render cannot be
    interrupted, and a template may behave until it meets a certain message of a run.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=self._plain)
        self.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
        self.filters = {name: self._bounded(*each) for name, each in FILTERS.items()}
        self.tests = {name: self._bounded(*each) for name, each in TESTS.items()}
        self.globals = {"range": _range}
        self.begin()

    def begin(self) -> None:
        """Allow the work of one render."""
        self._work_left = MOST_WORK

    def compiled(self, source: str) -> Template:
        """Return a template that counts its passes, calls and values as it makes them."""
        return self.from_string(_Counting().visit(self.parse(source)))

    def passes(self, work: int) -> bool:
        """Count a pass of a loop or a call of a macro; true, so that a condition can hold it."""
        self._spend(work)
        return True

    def counted(self, value: Any) -> Any:
        """Return what is compared, handed over or written down; raises OverflowError."""
        self._spend_value(_extent(value))
        return value

    def unpacked(self, value: Any) -> Any:
        """Return what becomes the arguments of a call; raises OverflowError."""
        self._spend_value(_size_of_entries(value))
        return value

    def joined(self, *values: Any) -> str:
        """Return what `~` makes; raises OverflowError."""
        self._spend_value(sum(map(_extent, values)))
        return "".join(map(str, values))

    def _spend(self, work: int) -> None:
        self._work_left -= work
        if self._work_left < 0:
            raise OverflowError("takes too long; use fewer or shorter loops and texts")

    def _spend_value(self, size: int) -> None:
        if size > LONGEST_VALUE:
            entries = LONGEST_VALUE // _WORK_OF_AN_ENTRY
            raise OverflowError(
                f"makes a value of more than {LONGEST_VALUE:,} characters, or {entries:,} entries"
            )
        # A negative width or factor makes nothing, and gives no work back; nor does no number.
        self._spend(_WORK_OF_A_VALUE + max(0, size))

    def _plain(self, value: object) -> object:
        """Return what is put out; raises TypeError for functions and the like."""
        kinds = (str, int, float, list, tuple, dict, range, Undefined)
        if value is None or isinstance(value, kinds):
            return self.counted(value)
        raise TypeError(f"{type(value).__name__!r} is no kind of value that a message can hold")

    def _bounded(self, function: Any, size: _Size) -> Any:
        """Return a filter or test that is not called where it would read or make too much."""
        own = int(hasattr(function, "jinja_pass_arg"))

        @wraps(function)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            self._spend_value(size(*args[own:], **kwargs))
            return function(*args, **kwargs)

        return bounded

    # Jinja2 has a function in this place and calls it as one.
    def concat(self, pieces: Iterable[str]) -> str:
        """Join what a template, a macro or a block renders to; raises OverflowError."""
        kept: list[str] = []
        length = 0
        for piece in pieces:
            length += len(piece)
            if length > MOST_OUTPUT_BYTES:
                raise OverflowError(f"renders to more than {MOST_OUTPUT_BYTES:,} bytes")
            kept.append(piece)
        self._spend(length)
        return "".join(kept)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        self._spend(_WORK_OF_A_VALUE)
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Keep the method `format` out of reach, like any other method."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self._spend_value(_SIZES_OF_OPERATIONS[operator](left, right))
        return super().call_binop(context, operator, left, right)


class _Counting(NodeTransformer):
    """Has a template count what it does and makes, where Jinja2 intercepts nothing."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        test = node.test
        if test is not None:  # it is tried also where the body is not reached
            node.test = nodes.And(_passes([test]), test)
        return self._counting_body(node)

    def _counting_body(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        passes = _passes(node.body)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(passes).set_lineno(node.lineno))
        return node

    # What a call block calls stays a call of its own.
    visit_Macro = visit_CallBlock = _counting_body

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _call("joined", node.nodes).set_lineno(node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        operands: list[Any] = [node, *node.ops]
        for operand in operands:
            operand.expr = _call("counted", [operand.expr])
        return node

    def visit_List(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _call("counted", [node]).set_lineno(node.lineno)

    visit_Dict = visit_List

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _call("counted", [node]).set_lineno(node.lineno)
        if not isinstance(node.arg, nodes.Const):  # a mapping compares it
            node.arg = _call("counted", [node.arg])
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self._count_unpacked(node)
        node.args = [_call("counted", [each]) for each in node.args]  # `loop.changed` compares
        return node

    def _count_unpacked(self, node: nodes.Call | nodes.Filter | nodes.Test) -> nodes.Node:
        self.generic_visit(node)
        if node.dyn_args is not None:
            node.dyn_args = _call("unpacked", [node.dyn_args])
        if node.dyn_kwargs is not None:
            node.dyn_kwargs = _call("unpacked", [node.dyn_kwargs])
        return node

    visit_Filter = visit_Test = _count_unpacked

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self.visit_List(node) if node.ctx == "load" else node


def _passes(body: Iterable[nodes.Node]) -> nodes.Call:
    """Return the call that counts a pass of the body, which has no such calls yet."""
    work = 0
    for node in nodes.Output([*body]).find_all(nodes.Node):
        work += next(each for kind, each in _WORK_OF_NODES if isinstance(node, kind))
    return _call("passes", [nodes.Const(max(_WORK_OF_A_PASS, work))])


def _call(method: str, args: list[nodes.Expr] | None = None) -> nodes.Call:
    """Return the call of a method of the sandbox."""
    return nodes.Call(nodes.EnvironmentAttribute(method), args or [], [], None, None)


def refusals(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Yield line and problem of everything that could never be rendered, reached or not."""
    for node in tree.find_all(nodes.Node):
        match node:
            case nodes.Filter() if node.name not in FILTERS:
                yield node.lineno, _unknown("filter", node.name, FILTERS)
            case nodes.Test() if node.name not in TESTS:
                yield node.lineno, _unknown("test", node.name, TESTS)
            case nodes.Getattr(node=of) if not (isinstance(of, nodes.Name) and of.name == "loop"):
                hint = "use a filter, as in `text | upper`"
                yield node.lineno, f"the attribute {node.attr!r} is unsafe; {hint}"
            case nodes.Extends() | nodes.FromImport() | nodes.Import() | nodes.Include():
                words = "`extends`, `from`, `import` and `include` are not allowed"
                yield node.lineno, f"{words}, because a template reaches no other file"


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {kind} {name!r}{there_are(name, known)}"


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > LONGEST_RANGE:
        raise OverflowError(f"range is longer than {LONGEST_RANGE:,}")
    return numbers


def _extent(value: Any) -> int:
    """Return the size in characters of a value with all that is in it, as often as it is there.

    It counts only a little beyond `LONGEST_VALUE`: a list in a list in a list has no end. Raises
    OverflowError for an integer beyond `_LONGEST_INTEGER`.
    """
    if isinstance(value, str):
        return len(value)
    extent, left = 0, [value]
    while left and extent <= LONGEST_VALUE:
        each = left.pop()
        if isinstance(each, str):
            extent += len(each)
        elif isinstance(each, int):
            extent += _size_of_integer(each.bit_length())
        elif isinstance(each, (list, tuple, dict, range)):
            extent += len(each) * _WORK_OF_AN_ENTRY
            if extent > LONGEST_VALUE:
                break
            left += each
            if isinstance(each, dict):
                left += each.values()
    return extent


def _size_of_integer(bits: int) -> int:
    if bits > _LONGEST_INTEGER:
        raise OverflowError(f"makes a number of more than {_LONGEST_INTEGER:,} bits")
    return bits


def _size_of_entries(value: Any, *args: Any, **kwargs: Any) -> int:
    """Each character of a text is an entry for what walks through them."""
    return len(value) * _WORK_OF_AN_ENTRY if isinstance(value, str) else _extent(value)


def _size_of_sum(left: Any, right: Any) -> int:
    return _extent(left) + _extent(right)


def _size_of_product(left: Any, right: Any) -> int:
    if isinstance(left, int) and isinstance(right, int):
        return _size_of_integer(_size_of_sum(left, right))
    times, value = (left, right) if isinstance(left, int) else (right, left)
    return times * _extent(value) if isinstance(times, int) else 0


def _size_of_power(left: Any, right: Any) -> int:
    size = _size_of_sum(left, right)
    if isinstance(left, int) and isinstance(right, int):
        return size + max(0, _size_of_integer((left.bit_length() - 1) * right))
    return size


def _size_of_format(text: Any, *values: Any) -> int:
    """`%` formats a text, and is the remainder of anything else."""
    if not isinstance(text, str):
        return _size_of_sum(text, values)
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
    step = max(0, width) if isinstance(width, int) else len(width)
    return len(text) + (step + _WORK_OF_AN_ENTRY) * (len(text.splitlines()) + 1)


_Size = Callable[..., int]
_SIZES_OF_OPERATIONS: dict[str, _Size] = {
    **dict.fromkeys(("+", "-", "/", "//"), _size_of_sum),
    "*": _size_of_product,
    "**": _size_of_power,
    "%": lambda left, right: _size_of_format(left, *(right if type(right) is tuple else (right,))),
}
_SIZES_OF_FILTERS: dict[str, _Size] = {
    "center": lambda value, width=80: max(width, _extent(value)),
    "filled": lambda value, size_bytes, filling=" ": max(size_bytes, _size_of_sum(value, filling)),
    "format": _size_of_format,
    "indent": _size_of_indented,
    "join": lambda values, d="": max(
        _size_of_entries(values), _size_of_texts(values) + len(values) * len(d)
    ),
    "replace": _size_of_replaced,
    "round": lambda value, precision=0, method="common": (
        _extent(value) + _size_of_integer(4 * abs(precision))
    ),
    "trim": lambda value, chars=None: _extent(value) * max(1, len(chars or "")),
    # It copies what is left of a long word for each line of it.
    "wordwrap": lambda text, width=79: 2 * _size_of_entries(text),
    **dict.fromkeys(
        ("list", "max", "min", "sort", "title", "urlencode", "wordcount"), _size_of_entries
    ),
}
"""The most that filters can make of these arguments; none takes any more of them than these."""


def _filled(value: str, size_bytes: int, filling: str = " ") -> str:
    """Return the value with `filling` repeated behind it, cut to `size_bytes` of UTF-8.

    It is shorter by up to three bytes where a character does not fit, and as it was where
    `filling` is empty and it is short enough.
    """
    content, more = value.encode(), filling.encode()
    if more and len(content) < size_bytes:
        content += more * ((size_bytes - len(content)) // len(more) + 1)
    return content[: max(0, size_bytes)].decode(errors="ignore")


@pass_eval_context
def _tojson(context: EvalContext, value: object) -> str:
    # As text and not as Jinja2's Markup, which would escape what is added to it.
    return str(_JINJA_FILTERS["tojson"](context, value))


_HARMLESS_FILTERS = (
    *("abs", "capitalize", "count", "first", "float", "int", "last", "length", "lower"),
    *("string", "truncate", "upper"),
)
_HARMLESS_TESTS = ("boolean", "float", "integer", "none", "number", "string")
_DIVIDING_TESTS = ("divisibleby", "even", "odd")
"""They divide by `%`."""


def _size_of_read(value: Any, *args: Any, **kwargs: Any) -> int:
    return _extent(value)


_OWN_FILTERS = {"filled": _filled, "tojson": _tojson}
FILTERS: dict[str, tuple[Any, _Size]] = {
    name: (
        _OWN_FILTERS.get(name, _JINJA_FILTERS.get(name)),
        _SIZES_OF_FILTERS.get(name, _size_of_read),
    )
    for name in (*_HARMLESS_FILTERS, *_SIZES_OF_FILTERS, "tojson")
}
"""Filters by name, each with what tells the size of what it reads or makes; none of them uses
random numbers, a clock or a file."""

TESTS: dict[str, tuple[Any, _Size]] = {
    name: (_JINJA_TESTS[name], size)
    for names, size in ((_HARMLESS_TESTS, _size_of_read), (_DIVIDING_TESTS, _size_of_format))
    for name in names
}
"""Tests by name, as in `k is even`, each with what tells the size of what it reads or makes."""
