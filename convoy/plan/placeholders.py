"""The fast path: templates of text and plain placeholders, rendered without Jinja2's machinery.

It takes `{{ name }}`, `{{ name | tojson }}`, and names and literals joined by `~` in their place,
and makes one Python function of a template, as Jinja2 does, without scopes and filters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from jinja2 import nodes

_FUNCTIONS = ("choice", "number", "range")
_Convert = Callable[[Any], str]


class Slot(NamedTuple):
    """A placeholder: the name of a variable, and how its value is written."""

    name: str
    convert: _Convert


Part = str | Slot


def plain_parts(tree: nodes.Template) -> list[Part] | None:
    """Return what this template puts out part by part, None for more than placeholders."""
    parts: list[Part] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            found = _parts(node)
            if found is None:
                return None
            parts += found
    return parts


class Expression(NamedTuple):
    """A variable's value in Python, in terms of an argument and names, and its type."""

    code: str
    kind: type[str] | type[int]


def compiled(
    parts: Iterable[Part],
    argument: str,
    expressions: Mapping[str, Expression],
    names: Mapping[str, Any],
) -> Callable[[Any], str]:
    """Return a function of one argument that renders the parts; each variable has an expression.

    Raises KeyError for a variable without one.
    """
    known = {"json_text": _json_text, **names}
    terms = [
        _term(part, f"part_{at}", expressions, known) for at, part in enumerate(_merged(parts))
    ]
    rendered: Callable[[Any], str] = eval(f"lambda {argument}: ''.join([{','.join(terms)}])", known)
    return rendered


def _term(
    part: Part, name: str, expressions: Mapping[str, Expression], known: dict[str, Any]
) -> str:
    """Return the expression of a part, with what it refers to by a name of its own."""
    if not isinstance(part, Slot):
        known[name] = part
        return name
    code, kind = expressions[part.name]
    return f"str({code})" if kind is int else _TERMS_OF_TEXT[part.convert].format(code)


def _merged(parts: Iterable[Part]) -> Iterator[Part]:
    """Join the texts that follow each other."""
    for is_text, group in groupby(parts, lambda part: isinstance(part, str)):
        if is_text:
            yield "".join(map(str, group))
        else:
            yield from group


def with_value(parts: Iterable[Part], name: str, value: Iterable[Part]) -> Iterator[Part]:
    """Put a text made of parts in the place of a variable; they are written as it would be."""
    for part in parts:
        if not (isinstance(part, Slot) and part.name == name):
            yield part
        elif part.convert is _json:
            yield from ('"', *_written(value, _json_characters), '"')
        else:
            yield from _written(value, part.convert)


def _written(parts: Iterable[Part], convert: _Convert) -> Iterator[Part]:
    for part in parts:
        yield Slot(part.name, convert) if isinstance(part, Slot) else convert(part)


def _parts(node: nodes.Node) -> list[Part] | None:
    """Return the parts of an expression whose value is put out as it is."""
    if isinstance(node, nodes.TemplateData):
        return [node.data]
    if isinstance(node, nodes.Filter) and node.name == "tojson" and _is_bare(node):
        return _as_json(node.node)
    return _joined(node, str)


def _is_bare(node: nodes.Filter) -> bool:
    return not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)


def _as_json(node: nodes.Expr | None) -> list[Part] | None:
    if isinstance(node, nodes.Concat):
        # The JSON of joined texts is their joined JSON: every character is written by itself.
        inner = _joined(node, _json_characters)
        return None if inner is None else ['"', *inner, '"']
    if isinstance(node, (nodes.Name, nodes.Const)):
        return _joined(node, _json)
    return None


def _joined(node: nodes.Node, convert: _Convert) -> list[Part] | None:
    """Return the parts of a name, a literal, or several of them joined by `~`."""
    if isinstance(node, nodes.Name):
        return None if node.name in _FUNCTIONS else [Slot(node.name, convert)]
    if isinstance(node, nodes.Const):
        return [convert(node.value)]
    if not isinstance(node, nodes.Concat):
        return None
    parts: list[Part] = []
    for child in node.nodes:
        found = _joined(child, convert)
        if found is None:
            return None
        parts += found
    return parts


def _json(value: Any) -> str:
    """Return what the filter `tojson` makes: JSON that is safe inside HTML, too."""
    if type(value) is str:
        return _json_text(value)
    return _html_safe(json.dumps(value, ensure_ascii=False))


def _json_characters(value: Any) -> str:
    """Return the text of a value as it stands between the quotes of JSON."""
    return _json_text(value if type(value) is str else str(value))[1:-1]


# Texts, names and the ids of hot conversations come again and again.
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


_TERMS_OF_TEXT: dict[_Convert, str] = {
    _json: "json_text({})",
    _json_characters: "json_text({})[1:-1]",
    str: "{}",
}
"""How each conversion is written where the value is a text."""
