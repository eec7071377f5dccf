"""The language of templates: what of Jinja2 a message may be written in, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from jinja2 import nodes

from convoy.plan.template_filters import FILTERS, TESTS

FUNCTIONS = ("choice", "number", "range")
LOOP_ATTRIBUTES = frozenset(
    {"depth", "first", "index", "index0", "last", "length", "revindex", "revindex0"}
)
MOST_NODES = 10_000
DEEPEST_LOOP = 2

_ALLOWED = {
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List),
    *(nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Filter, nodes.Test, nodes.Call),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul),
    *(nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.And, nodes.Or, nodes.Not, nodes.Neg),
    *(nodes.Pos, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.If, nodes.For, nodes.Assign),
    # Jinja2 puts one around an autoescape block, which is refused itself.
    nodes.Scope,
}
_WORDS: dict[type[nodes.Node], str] = {
    nodes.AssignBlock: "set … endset",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter … endfilter",
    nodes.FromImport: "from … import",
    nodes.NSRef: "namespace",
    nodes.ScopedEvalContextModifier: "autoescape",
}


class TemplateFault(NamedTuple):
    """What is wrong in a template; `line` is 0 and `field` empty where that is not known."""

    line: int
    problem: str
    field: str = ""


def refusals(tree: nodes.Template) -> Iterator[TemplateFault]:
    """Yield a fault for everything in a template that is no part of the language."""
    for count, (node, depth) in enumerate(_walk(tree)):
        if count >= MOST_NODES:
            yield TemplateFault(1, f"has more than {MOST_NODES:,} parts")
            return
        problem = _problem(node, depth)
        if problem:
            yield TemplateFault(node.lineno or 0, problem)


def size_of(node: nodes.Node) -> int:
    """Return how many parts of a template are below this one."""
    return sum(1 for _ in _walk(node))


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int]]:
    """Yield every node with the number of loops around it, without recursion."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        depth += isinstance(node, nodes.For)
        yield node, depth
        waiting += [(child, depth) for child in node.iter_child_nodes()]


def _problem(node: nodes.Node, depth: int) -> str:
    if type(node) not in _ALLOWED:
        word = _WORDS.get(type(node), type(node).__name__.lower())
        return f"`{word}` is not allowed in a template"
    if isinstance(node, nodes.For) and depth > DEEPEST_LOOP:
        return f"`for` is nested deeper than {DEEPEST_LOOP} loops"
    check = _CHECKS.get(type(node))
    return check(node) if check else ""


def _for(node: nodes.For) -> str:
    return "`for … recursive` is not allowed in a template" if node.recursive else ""


def _name(node: nodes.Name) -> str:
    if node.ctx == "load" or (node.name not in FUNCTIONS and not node.name.startswith("_")):
        return ""
    return f"{node.name!r} cannot be the name of a variable of your own"


def _call(node: nodes.Call) -> str:
    if isinstance(node.node, nodes.Name) and node.node.name in FUNCTIONS:
        return ""
    called = getattr(node.node, "attr", "") or getattr(node.node, "name", "") or "a value"
    there_are = ", ".join(FUNCTIONS)
    return f"the call of {called!r} is not allowed; functions are: {there_are}"


def _attribute(node: nodes.Getattr) -> str:
    of_loop = isinstance(node.node, nodes.Name) and node.node.name == "loop"
    if of_loop and node.attr in LOOP_ATTRIBUTES:
        return ""
    return f"the attribute {node.attr!r} is unsafe or unknown; use a filter, as in `text | upper`"


def _filter(node: nodes.Filter) -> str:
    if node.name in FILTERS:
        return ""
    return f"there is no filter {node.name!r}; there are: {', '.join(sorted(FILTERS))}"


def _test(node: nodes.Test) -> str:
    if node.name in TESTS:
        return ""
    return f"there is no test {node.name!r}; there are: {', '.join(sorted(TESTS))}"


_CHECKS: dict[type[nodes.Node], Callable[..., str]] = {
    nodes.For: _for,
    nodes.Name: _name,
    nodes.Call: _call,
    nodes.Getattr: _attribute,
    nodes.Filter: _filter,
    nodes.Test: _test,
}
