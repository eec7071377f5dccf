"""The fast path: templates of text and plain placeholders, rendered without Jinja2's machinery.

It takes `{{ name }}`, `{{ name | tojson }}`, and names and literals joined by `~` in their place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from jinja2 import nodes

from convoy.plan.template_language import FUNCTIONS

Render = Callable[[Mapping[str, Any]], str]
_Convert = Callable[[Any], str]
_Slot = tuple[str, _Convert]


def plain_rendering(tree: nodes.Template) -> Render | None:
    """Return what renders this template's bytes, None when it holds more than placeholders.

    What it returns raises KeyError for a variable that is missing, and TypeError or ValueError for
    a value that is no JSON.
    """
    parts: list[str | _Slot] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            found = _parts(node)
            if found is None:
                return None
            parts += found
    return _rendering(parts)


def _rendering(parts: list[str | _Slot]) -> Render:
    frame = ["" if isinstance(part, tuple) else part for part in parts]
    slots = [(index, *part) for index, part in enumerate(parts) if isinstance(part, tuple)]

    def render(variables: Mapping[str, Any]) -> str:
        pieces = frame.copy()
        for index, name, convert in slots:
            pieces[index] = convert(variables[name])
        return "".join(pieces)

    return render


def _parts(node: nodes.Node) -> list[str | _Slot] | None:
    """Return the parts of an expression whose value is put out as it is."""
    if isinstance(node, nodes.TemplateData):
        return [node.data]
    if isinstance(node, nodes.Filter) and node.name == "tojson" and _is_bare(node):
        return _as_json(node.node)
    return _joined(node, str)


def _is_bare(node: nodes.Filter) -> bool:
    return not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)


def _as_json(node: nodes.Expr | None) -> list[str | _Slot] | None:
    if isinstance(node, nodes.Concat):
        # The JSON of joined texts is their joined JSON: every character is written by itself.
        inner = _joined(node, _json_characters)
        return None if inner is None else ['"', *inner, '"']
    if isinstance(node, (nodes.Name, nodes.Const)):
        return _joined(node, _json)
    return None


def _joined(node: nodes.Node, convert: _Convert) -> list[str | _Slot] | None:
    """Return the parts of a name, a literal, or several of them joined by `~`."""
    if isinstance(node, nodes.Name):
        return None if node.name in FUNCTIONS else [(node.name, convert)]
    if isinstance(node, nodes.Const):
        return [convert(node.value)]
    if not isinstance(node, nodes.Concat):
        return None
    parts: list[str | _Slot] = []
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
    # Joined texts mostly hold the marker, which is another one in every message.
    return _html_safe(encode_basestring(value if type(value) is str else str(value)))[1:-1]


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
