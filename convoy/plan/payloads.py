"""Message templates: compiled once, checked before any load, rendered for every message."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from types import CodeType
from typing import Any, NamedTuple

from jinja2 import Template, TemplateSyntaxError, meta, nodes

from convoy.errors import ConvoyError, ExitCode, there_are
from convoy.plan.draws import draws, stream_key
from convoy.plan.sandbox import MOST_OUTPUT_BYTES, Sandbox, refusals
from convoy.plan.strict_json import NotJsonError, read_json

LARGEST_BODY_BYTES = 512_000
"""What the remote takes as a body (the support thread that `plan.texts` names)."""

MOST_NODES = 10_000
"""Of all syntax trees of a file: one takes some 0.1 ms to compile, a macro 0.5 ms."""


class TemplateFault(NamedTuple):
    """What is wrong in a template; `line` is 0 and `field` empty where that is not known."""

    line: int
    problem: str
    field: str = ""


class PayloadError(ConvoyError):
    """A template that cannot be used; the message names template, line (if known) and problem."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, *faults: TemplateFault) -> None:
        self.faults = faults
        self.sentences = tuple(_sentence(name, fault) for fault in faults)
        super().__init__("\n".join(self.sentences))

    @classmethod
    def raise_for(cls, name: str, faults: Iterable[TemplateFault]) -> None:
        """Raise the error of these faults, if there are any."""
        if found := tuple(faults):
            raise cls(name, *found)


class PayloadTemplate:
    """One message body as a Jinja2 template; it can reach its variables and nothing else.

    Its syntax tree has `size` nodes, of which there may be no more than `most`: those before it in
    the same file count, too. Raises PayloadError with everything in it that the sandbox refuses.
    """

    def __init__(self, name: str, source: str, most: int = MOST_NODES) -> None:
        self.name = name
        self.size = 0
        self._sandbox = sandbox = Sandbox()
        try:
            self.tree = sandbox.parse(source)
            # Before it is compiled, which nothing else bounds: 400 kB of one operator took 13 s and
            # 1.6 GB.
            for node in self.tree.find_all(nodes.Node):
                self.size += 1
                if self.size > most:
                    what = f"{MOST_NODES:,} names, values, operators and statements"
                    problem = f"has more than {what} by here; make it shorter"
                    raise PayloadError(name, TemplateFault(node.lineno, problem))
            refused = sorted({TemplateFault(*each) for each in refusals(self.tree)})
            PayloadError.raise_for(name, refused)
            self._names = _names_in(self.tree)
            # Parsed again, because that rewrites the tree, and the fast path reads this one.
            self._template = sandbox.compiled(source)
        except TemplateSyntaxError as error:
            fault = TemplateFault(error.lineno, error.message or "syntax error")
            raise PayloadError(name, fault) from error
        except (RecursionError, SyntaxError, MemoryError) as error:
            fault = TemplateFault(0, "is too large or too deeply nested to be compiled")
            raise PayloadError(name, fault) from error
        except ValueError as error:  # a number of more digits than Python reads or writes
            fault = TemplateFault(0, f"cannot be compiled: {_reason_of(error)}")
            raise PayloadError(name, fault) from error

    @property
    def names(self) -> frozenset[str]:
        """The variables and functions that the template uses."""
        return frozenset(self._names)

    def render(self, variables: Mapping[str, object]) -> bytes:
        """Return the body as UTF-8; raises PayloadError when the template cannot be rendered."""
        self._sandbox.begin()
        try:
            output = self._template.render(variables).encode()
            if len(output) > MOST_OUTPUT_BYTES:
                raise OverflowError(f"renders to more than {MOST_OUTPUT_BYTES:,} bytes")
            return output
        except Exception as error:  # a template is a program: it can raise anything
            problem = f"cannot be rendered: {_reason_of(error)}"
            fault = TemplateFault(_line_of(error, self._template), problem)
            raise PayloadError(self.name, fault) from error

    def check_names(self, variables: Mapping[str, object]) -> None:
        """Raise PayloadError with every name that is neither a variable nor a function."""
        known = {*variables, "range"}
        PayloadError.raise_for(
            self.name,
            (
                TemplateFault(line, f"{name!r} is no variable{there_are(name, known)}")
                for name, line in self._names.items()
                if name not in known
            ),
        )


def parse_body(name: str, rendered: bytes) -> dict[str, Any]:
    """Return the JSON object that a template rendered to.

    Raises PayloadError with the template's name unless it is one and can be sent.
    """
    if len(rendered) > LARGEST_BODY_BYTES:
        problem = f"renders to {len(rendered):,} bytes; {LARGEST_BODY_BYTES:,} are taken"
        raise PayloadError(name, TemplateFault(0, problem))
    try:
        body = read_json(rendered.decode())
    except NotJsonError as error:
        problem = f"does not render to JSON ({error.problem}); values go through `| tojson`"
        raise PayloadError(name, TemplateFault(error.line, problem, error.field)) from error
    if not isinstance(body, dict):
        raise PayloadError(
            name, TemplateFault(1, "renders to JSON, but a message is a JSON object")
        )
    return body


class PayloadChoice:
    """Which template each message is rendered from, drawn by weight."""

    def __init__(self, weights: Mapping[str, float], seed: int, scenario: str) -> None:
        chosen = {name: weight for name, weight in weights.items() if weight > 0}
        self._names = tuple(chosen)
        self._bounds = list(accumulate(chosen.values()))
        self._key = stream_key(seed, scenario, "template")

    def template_names(self, ks: Sequence[int]) -> list[str]:
        """Return the name of each message's template."""
        names, bounds, last = self._names, self._bounds, len(self._names) - 1
        if not last:
            return [names[0]] * len(ks)
        points = (drawn / 2**64 * bounds[-1] for drawn in draws(self._key, ks))
        # The highest draws are rounded to 1.0, which is beyond the last bound.
        return [names[min(bisect_right(bounds, point), last)] for point in points]


def _sentence(name: str, fault: TemplateFault) -> str:
    line = f", line {fault.line}" if fault.line else ""
    field = f", field {fault.field}" if fault.field else ""
    return f"{name}{line}{field}: {fault.problem}"


def _names_in(tree: nodes.Template) -> dict[str, int]:
    """The names that a template takes from outside, each with the line where it stands first."""
    undeclared = meta.find_undeclared_variables(tree)
    lines: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in undeclared:
            lines.setdefault(node.name, node.lineno)
    return lines


def _reason_of(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it takes too much memory"
    # Python adds how its own limit on the digits of numbers is raised.
    return str(error).partition("; use sys.")[0]


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
