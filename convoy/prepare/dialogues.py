"""The dialogues of a scenario: which files, what stands in them, and whether it can be sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import yaml
from msgspec.structs import replace

from convoy.errors import Fault, SettingsError, there_are
from convoy.files import FileError, read_bytes, read_text
from convoy.plan.dialogue import WHOLE, AnyLine, Attach, Dialogue, LineTemplates, Say
from convoy.plan.dialogue_file import read_dialogue
from convoy.plan.payloads import PayloadError, TemplateFault
from convoy.prepare.scenarios import KnownScenario
from convoy.routes.catalogue import GUEST_CHAT, Route
from convoy.routes.schema import BodyRules
from convoy.settings import Settings
from convoy.settings.documents import MAX_BYTES, DocumentError, parse_yaml
from convoy.settings.model import LongestDialogue, ScenarioSettings

FOLDER = "guest_chat/dialogues"
"""Where they lie among the payloads."""
ALL = "all"
"""The name that stands for every file in that folder which is not named itself."""
MOST_ATTACHED_BYTES = 10_240_000
"""Of one file Genesys takes 10,240 KB (fixtures of its mobile SDK, as `plan.dialogue` names it);
here it is for all of a dialogue, because workers are sent them before load."""

_MOST_STEPS = 50
_ANY_TYPE = "application/octet-stream"
_NO_MARKER = (
    "holds no {{ marker }}, by which both sides account for the message; as in "
    "`say: Hello {{ marker }}`"
)
_TOGETHER = f" that are left of {MOST_ATTACHED_BYTES:,} for all of a dialogue"
_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)


def dialogue_names(payloads: Path) -> list[str]:
    """Return the names of all dialogues of a folder, without that of their own one."""
    return sorted(path.stem for path in payloads.joinpath(FOLDER).glob("*.yaml"))


def setting_of(name: str) -> str:
    """Return the setting of a scenario that chooses a payload, a dialogue or a template."""
    own = name.removeprefix(f"{FOLDER}/")
    return f"payloads.{name}" if own == name else f"dialogues.{own}"


def dialogue_weights(rule: ScenarioSettings, route: Route, payloads: Path) -> dict[str, float]:
    """Return the weights of a scenario's dialogues by their names among the payloads, if any."""
    if route is not GUEST_CHAT:
        return {}
    weights = dict(rule.dialogues)
    if ALL in weights:
        each = weights.pop(ALL)
        weights = {**dict.fromkeys(dialogue_names(payloads), each), **weights}
    return {f"{FOLDER}/{name}": weight for name, weight in weights.items() if weight > 0}


def read_dialogue_file(payloads: Path, name: str, taken: Collection[str] = ()) -> Dialogue:
    """Return a dialogue with its attachments, by its name among the payloads.

    Raises PayloadError. `taken` are names that no step of its own may have.
    """
    own = name.removeprefix(f"{FOLDER}/")
    if "/" in own or "\\" in own or not own.isprintable() or own.startswith("."):
        problem = f"{own!r} is no name of a dialogue in {payloads / FOLDER}"
        raise PayloadError(f"{name}.yaml", TemplateFault(0, problem))
    path = payloads / f"{name}.yaml"
    try:
        return read_dialogue_at(path, f"{name}.yaml", taken)
    except FileError as error:
        others = "" if path.exists() else there_are(own, dialogue_names(payloads))
        problem = f"{path} {error}{others}"
        raise PayloadError(f"{name}.yaml", TemplateFault(0, problem)) from error


def read_dialogue_at(path: Path, name: str, taken: Collection[str] = ()) -> Dialogue:
    """Return the dialogue of a file, which errors call by its `name`.

    Raises FileError where that cannot be read, else as `read_dialogue_file`.
    """
    dialogue = read_dialogue(name, _entries(name, read_text(path, MAX_BYTES)), taken)
    lines: list[AnyLine] = []
    faults, room = [], MOST_ATTACHED_BYTES
    for line in dialogue.lines:
        if isinstance(line, Attach):
            attached = path.parent / line.name
            try:
                if attached.is_symlink():
                    raise FileError("is a link; put the file itself beside the dialogue")
                line = _attached(line, attached, room)
                room -= len(line.data)
            except FileError as error:
                problem = f"the file {attached} {error}{_TOGETHER * (room < MOST_ATTACHED_BYTES)}"
                faults.append(TemplateFault(line.number, problem, "attach"))
        lines.append(line)
    PayloadError.raise_for(name, faults)
    return Dialogue(tuple(lines))


def check_dialogue(
    name: str, dialogue: Dialogue, samples: Sequence[Mapping[str, object]], rules: BodyRules
) -> None:
    """Raise PayloadError where a line cannot be rendered, or holds what the route does not take.

    `samples` are the variables of some messages.
    """
    templates = LineTemplates(name, dialogue)
    templates.check_names(samples[0])
    longest: dict[int, str] = {}
    first = dialogue.lines[0].number
    for variables in samples:
        text = templates.message(variables)
        if str(variables["marker"]) not in text:
            raise PayloadError(name, TemplateFault(first, _NO_MARKER, "say"))
        for line in (Say(number=first, text=text), *templates.lines(variables, 0)):
            if not isinstance(line, Say):
                continue
            if not line.text.strip():
                raise PayloadError(name, TemplateFault(line.number, "renders to no text", "say"))
            longest[line.number] = max(longest.get(line.number, ""), line.text, key=_size)
    faults = [
        TemplateFault(number, each.problem, "say")
        for number, text in longest.items()
        for each in rules.faults({"type": "Text", "text": text})
    ]
    PayloadError.raise_for(name, faults)


def _size(text: str) -> int:
    return len(text.encode())


def with_longest_dialogues(
    settings: Settings, payloads: Path, known: Mapping[str, KnownScenario]
) -> Settings:
    """Return the settings with what the longest dialogue of each scenario does.

    Where there are criteria and none is about its dialogues as wholes, one is added. Raises
    SettingsError with every fault in their files.
    """
    sections, criteria, faults = dict(settings.scenario), settings.criteria, list[Fault]()
    for scenario in settings.scenarios:
        where, rule = f"scenario.{scenario}", sections[scenario]
        if rule.longest_dialogue is not None:
            problem = "is counted in the files of the dialogues; leave it out"
            faults.append(Fault(f"{where}.longest_dialogue", problem))
        found = _read_all(where, rule, payloads, known[scenario], faults)
        if found:
            longest = _longest(found)
            sections[scenario] = rule.model_copy(update={"longest_dialogue": longest})
            whole = f"{scenario}/{WHOLE}"
            if criteria and not any(whole in line for line in criteria):
                criteria = (*criteria, f"share(failures[*], {whole}) < 1%")
    SettingsError.raise_for(faults)
    return settings.model_copy(update={"scenario": sections, "criteria": criteria})


def _read_all(
    where: str, rule: ScenarioSettings, payloads: Path, known: KnownScenario, faults: list[Fault]
) -> list[Dialogue]:
    """Return the dialogues of a scenario; adds a fault for all that is wrong with them."""
    found, taken = [], {*known.steps, *known.optional_steps}
    weights = dialogue_weights(rule, known.route, payloads)
    for name in weights:
        try:
            found.append(read_dialogue_file(payloads, name, taken))
        except PayloadError as error:
            own = f"{where}.{setting_of(name)}"
            faults += [Fault(own, sentence) for sentence in error.sentences]
    if rule.dialogues and not weights and known.route is GUEST_CHAT:
        known_here = ", ".join(dialogue_names(payloads)) or "none"
        faults.append(Fault(f"{where}.dialogues", f"leaves none; there are: {known_here}"))
    steps = {step for each in found for step in each.steps}
    if len(steps) > _MOST_STEPS:
        problem = f"name {len(steps)} steps, each with a row; {_MOST_STEPS} are the most"
        faults.append(Fault(f"{where}.dialogues", problem))
    return found


def _longest(dialogues: Sequence[Dialogue]) -> LongestDialogue:
    return LongestDialogue(
        messages=max(sum(line.messages for line in each.longest) for each in dialogues),
        requests=max(sum(line.requests for line in each.longest) for each in dialogues),
        lasts_s=max(sum(line.lasts_s for line in each.shortest) for each in dialogues),
    )


def _entries(name: str, source: str) -> list[tuple[int, object]]:
    """Return the entries of a file's list, each with its line; none where it is no list."""
    try:
        values = parse_yaml(source)
    except DocumentError as error:
        found = _LINE.fullmatch(str(error))
        number, problem = (int(found[1]), found[2]) if found else (0, str(error))
        if any("{{" in line for line in source.splitlines()[max(0, number - 2) : number]):
            problem += "; a text that begins with {{ needs quotes"
        raise PayloadError(name, TemplateFault(number, problem)) from error
    if not isinstance(values, tuple):
        return []
    # What has been read holds no aliases, so that its nodes are as few as its values.
    nodes: Any = yaml.compose(source, Loader=yaml.CSafeLoader)
    lines = [node.start_mark.line + 1 for node in nodes.value]
    return list(zip(lines, values, strict=True))


def _attached(line: Attach, path: Path, room: int) -> Attach:
    """Return an attachment with its file, of so many bytes at most; raises FileError."""
    data = read_bytes(path, room)
    if not data:
        raise FileError("is empty")
    return replace(line, data=data, media_type=guess_type(line.name)[0] or _ANY_TYPE)
