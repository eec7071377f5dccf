"""Message templates: compiled once, checked before any load, rendered for every message."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from types import CodeType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from convoy.errors import ConvoyError, ExitCode
from convoy.plan.draws import draw, draw_below, stream_key

SENTENCES = (
    "Hello, I have a question about my last order.",
    "Could you tell me when my parcel arrives?",
    "I would like to change my delivery address.",
    "The invoice I received shows the wrong amount.",
    "How do I reset my password?",
    "Thank you, that solved it.",
    "Is somebody there?",
    "I would like to speak to a person, please.",
)
"""Texts for the variable `text`, one drawn for each message."""


class PayloadError(ConvoyError):
    """A template that cannot be used; the message names template, line (if known) and problem."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, line: int, problem: str) -> None:
        where = f"{name}, line {line}" if line else name
        super().__init__(f"{where}: {problem}")


class PayloadTemplate:
    """One message body as a Jinja2 template; it can reach its variables and nothing else."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        environment = _environment()
        try:
            self._names = _names_in(environment.parse(source))
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise PayloadError(name, error.lineno, error.message or "syntax error") from error
        except (RecursionError, SyntaxError, MemoryError) as error:
            raise PayloadError(name, 0, "is too deeply nested to be compiled") from error

    def render(self, variables: Mapping[str, object]) -> bytes:
        """Return the body as UTF-8; raises PayloadError when the template cannot be rendered."""
        try:
            return self._template.render(variables).encode()
        except Exception as error:  # a template is a program: it can raise anything
            line = _line_of(error, self._template)
            raise PayloadError(self.name, line, f"cannot be rendered: {error}") from error

    def check(self, variables: Mapping[str, object]) -> None:
        """Render once; raises PayloadError for unknown names and what is no JSON object."""
        for name, line in self._names.items():
            if name not in variables and name not in self._template.globals:
                there_are = ", ".join(sorted(variables))
                raise PayloadError(
                    self.name, line, f"{name!r} is no variable; there are: {there_are}"
                )
        rendered = self.render(variables)
        try:
            body = json.loads(
                rendered.decode(), parse_constant=_no_number, object_pairs_hook=_without_repeats
            )
        except ValueError as error:
            line = getattr(error, "lineno", 0)
            problem = f"does not render to JSON ({error}); put values through `| tojson`"
            raise PayloadError(self.name, line, problem) from error
        if not isinstance(body, dict):
            raise PayloadError(self.name, 1, "renders to JSON, but a message is a JSON object")


class PayloadChoice:
    """Which template and which text message `k` carries, drawn by weight."""

    def __init__(self, weights: Mapping[str, float], seed: int, scenario: str) -> None:
        chosen = {name: weight for name, weight in weights.items() if weight > 0}
        self._names = tuple(chosen)
        self._bounds = list(accumulate(chosen.values()))
        self._template_key = stream_key(seed, scenario, "template")
        self._text_key = stream_key(seed, scenario, "text")

    def template_name(self, k: int) -> str:
        if len(self._names) == 1:
            return self._names[0]
        point = draw(self._template_key, k) / 2**64 * self._bounds[-1]
        return self._names[min(bisect_right(self._bounds, point), len(self._names) - 1)]

    def text(self, k: int) -> str:
        return SENTENCES[draw_below(self._text_key, k, len(SENTENCES))]


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    # Whatever draws for itself would make message k another one each time.
    environment.globals = {"range": environment.globals["range"]}
    del environment.filters["random"]
    return environment


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    body = dict(pairs)
    if len(body) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return body


def _names_in(tree: nodes.Template) -> dict[str, int]:
    """The names that a template takes from outside, each with the line where it stands first."""
    undeclared = meta.find_undeclared_variables(tree)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in undeclared:
            lines.setdefault(node.name, node.lineno)
    return lines


def _line_of(error: Exception, template: Template) -> int:
    """The template line an exception came from: Jinja2 rewrites its frames to template lines."""
    line = 0
    trace: Any = error.__traceback__
    while trace is not None:
        code: CodeType = trace.tb_frame.f_code
        if code.co_filename == (template.filename or "<template>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
