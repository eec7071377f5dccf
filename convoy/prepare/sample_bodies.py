"""Sample bodies: templates tried before load, in a process with little time and memory.

A process cannot interrupt its own render, so this module is also run as a program, with limits.
Where a template ends that process, another process continues with the next template.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from time import process_time
from types import MappingProxyType

import msgspec

from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadError, PayloadTemplate, TemplateFault
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.plan.texts import TextRule

SOME_CONVERSATION = Conversation(
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e001",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e002",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e003",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e004",
)
LONGEST_RUN_ID = "20261122-193343-67bda5-warmup"
MOST_CPU_S = 2
MOST_MEMORY_BYTES = 1 << 30

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_DEADLINE_S = 30.0
_DEADLINE_S = 5 * MOST_CPU_S
"""For one template; longer than its CPU time, because other programs use the processor, too."""
_WAY_OUT = "use fewer or shorter loops and texts"


class Sample(msgspec.Struct, frozen=True):
    """A template and the messages of its scenario that it is rendered for."""

    name: str
    source: str
    scenario: str
    seed: int
    variables: Mapping[str, str]
    messages: Sequence[PlannedMessage]


class Rendered(msgspec.Struct, frozen=True):
    """The result of a template: the names that it uses and a body for each message, or faults."""

    names: frozenset[str] = frozenset()
    bodies: list[str] = []
    faults: list[TemplateFault] = []


def sample_plan(
    scenario: str,
    seed: int,
    variables: Mapping[str, str],
    texts: TextRule | None = None,
    conversation: Conversation = SOME_CONVERSATION,
    templates: Mapping[str, str] = MappingProxyType({}),
) -> ScenarioPlan:
    """Return a plan whose messages all go to one conversation; `templates` are sources by name."""
    return ScenarioPlan(
        ScenarioInputs(
            scenario=scenario,
            seed=seed,
            curve=RateCurve([Stage(1, 1, 1)]),
            pool=ConversationPool.of([conversation]),
            templates=templates,
            weights=dict.fromkeys(templates or ("",), 1),
            texts=texts or TextRule(),
            variables=variables,
        )
    )


def render_apart(samples: Sequence[Sample]) -> list[Rendered]:
    """Return the result of each template, rendered in another process."""
    rendered: list[Rendered] = []
    while len(rendered) < len(samples):
        rendered += _in_one_process(samples[len(rendered) :])
    return rendered


def render(sample: Sample) -> Rendered:
    """Return the result of a template, rendered here and without limits."""
    plan = sample_plan(sample.scenario, sample.seed, sample.variables)
    bodies = plan.bodies(LONGEST_RUN_ID)
    try:
        template = PayloadTemplate(sample.name, sample.source)
        variables = [bodies.variables(message) for message in sample.messages]
        template.check_names(variables[0])
        # By Jinja2, because the fast path has to give the same output.
        return Rendered(template.names, [template.render(each).decode() for each in variables])
    except PayloadError as error:
        return Rendered(faults=list(error.faults))


def _in_one_process(samples: Sequence[Sample]) -> list[Rendered]:
    """Return the results of the first templates, up to one that ends the process."""
    try:
        output, problem, is_of_template = _run(samples)
        lines = output.split(b"\n")[:-1]
        rendered = [msgspec.json.decode(line, type=Rendered) for line in lines]
    except (OSError, msgspec.MsgspecError) as error:
        rendered, is_of_template = [], False
        problem = f"cannot be tried: {sys.executable} says nothing intelligible ({error})"
    left = samples[len(rendered) :]
    blamed = left[:1] if is_of_template else left
    return rendered + [Rendered(faults=[TemplateFault(0, problem)]) for _ in blamed]


def _run(samples: Sequence[Sample]) -> tuple[bytes, str, bool]:
    """Return what the process put out, why it ended early, and whether a template made it end."""
    try:
        ended = subprocess.run(
            # -P: without the current folder, where a file may have a standard module's name.
            [sys.executable, "-P", "-m", __name__],
            input=msgspec.json.encode(samples),
            capture_output=True,
            timeout=_START_DEADLINE_S + _DEADLINE_S * len(samples),
            start_new_session=True,  # a Ctrl-C is for us, and would look like the template's fault
            env={"PYTHONPATH": os.pathsep.join([str(_REPOSITORY), *sys.path])},
        )
    except subprocess.TimeoutExpired as error:
        return error.stdout or b"", f"is not rendered in time; {_WAY_OUT}", True
    if ended.returncode == -signal.SIGXCPU:
        return ended.stdout, f"takes more than {MOST_CPU_S} s to render; {_WAY_OUT}", True
    if ended.returncode < 0:
        problem = f"ends the process it is rendered in by signal {-ended.returncode}; {_WAY_OUT}"
        return ended.stdout, problem, True
    errors = ended.stderr.decode(errors="replace").strip()
    last_words = errors.rpartition("\n")[2] or "it says nothing"
    problem = f"cannot be tried: {sys.executable} ended with code {ended.returncode}: {last_words}"
    return ended.stdout, problem, False


def _limit(kind: int, most: int) -> None:
    with suppress(ValueError, OSError):  # there is a lower limit already, or none can be set
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _main() -> None:
    samples = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Sample])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MOST_MEMORY_BYTES)
    for sample in samples:
        _limit(resource.RLIMIT_CPU, ceil(process_time()) + MOST_CPU_S)
        sys.stdout.buffer.write(msgspec.json.encode(render(sample)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
