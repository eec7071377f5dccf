"""The check of message templates before load, and the error codes expected for invalid ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from msgspec.structs import replace

from convoy.errors import Fault, RefusedError, SettingsError, did_you_mean
from convoy.files import FileError, read_bytes, read_text
from convoy.plan.dialogue import Dialogue
from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import (
    LARGEST_BODY_BYTES,
    PayloadError,
    PayloadTemplate,
    TemplateFault,
    parse_body,
)
from convoy.plan.picks import PickRule
from convoy.plan.pool import NO_CONVERSATION, Conversation, ConversationPool
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.rendering import BUILT_IN
from convoy.plan.scenario import ArrivalRule, ScenarioInputs, ScenarioPlan
from convoy.plan.texts import MOST_CORPUS_BYTES, CorpusError, TextRule, parse_corpus
from convoy.prepare.dialogues import (
    check_dialogue,
    dialogue_weights,
    read_dialogue_file,
    setting_of,
)
from convoy.routes.catalogue import Route
from convoy.routes.codes import KNOWN_CODES
from convoy.routes.schema import BodyFault, Expected, line_of_field
from convoy.settings import Settings
from convoy.settings.documents import DocumentError, read_yaml

SOME_CONVERSATION = Conversation(
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e001",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e002",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e003",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e004",
)
LONGEST_RUN_ID = "20261122-193343-67bda5-warmup"
"""As long as any with a suffix, such as `-canary`, so that no body has a longer marker."""
INVALID = "invalid"
"""The folder, inside that of a route, of templates that are wrong on purpose."""

_EXPECTED_FILE = "expected.yaml"
_CODE = re.compile(r"[45]\d\d [A-Za-z0-9._-]{1,64}")
_LARGEST_K = 10**9 - 1
_SAMPLES = 32
_TELLING_CHARACTERS = '"\\<&\t{%'
"""Characters that mean something in JSON, HTML or Jinja2, or are escaped there."""
_PARTICIPANTS = ("customer_id", "agent_id", "communication_id")
_BY_ROUTE = "its route"
_CUSTOMERS_OF_NONE = ", or give `source: none` a `count` of customers"


def sample_plan(
    scenario: str,
    seed: int,
    variables: Mapping[str, str],
    texts: TextRule | None = None,
    conversation: Conversation = SOME_CONVERSATION,
    templates: Mapping[str, str] = MappingProxyType({}),
    dialogues: Mapping[str, Dialogue] = MappingProxyType({}),
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
            dialogues=dialogues,
        )
    )


def sample_bodies(
    template: PayloadTemplate, variables: Sequence[Mapping[str, object]]
) -> list[bytes]:
    """Return a body for each of these variables; raises PayloadError, also for unknown names.

    It is rendered by Jinja2, because the fast path has to give the same output.
    """
    template.check_names(variables[0])
    return [template.render(each) for each in variables]


def is_invalid(name: str) -> bool:
    """Tell whether a template is wrong on purpose, by the folder in its name."""
    return INVALID in PurePosixPath(name).parts[:-1]


def expected_codes(payloads: Path, names: Iterable[str], faults: list[Fault]) -> dict[str, str]:
    """Return the expected error code of each template among `names` that is wrong on purpose.

    Adds a fault for each that has none, and for every mistake in the files of codes.
    """
    expected: dict[str, str] = {}
    wrong = [name for name in names if is_invalid(name)]
    for folder in dict.fromkeys(name.rpartition("/")[0] for name in wrong):
        path = payloads / folder / _EXPECTED_FILE
        written = _read_expected(path, faults)
        if written is None:
            continue
        for name in (name for name in wrong if name.rpartition("/")[0] == folder):
            code = written.get(name.rpartition("/")[2])
            if code is None:
                problem = "is missing; which error code should this template bring?"
                faults.append(Fault(f"{path}, {name.rpartition('/')[2]}", problem))
            else:
                expected[name] = str(code)
    return expected


def _read_expected(path: Path, faults: list[Fault]) -> Mapping[str, object] | None:
    try:
        written = read_yaml(path)
    except DocumentError as error:
        faults.append(Fault(str(path), f"{error}; it says which code each template should bring"))
        return None
    if not isinstance(written, dict):
        faults.append(Fault(str(path), "should hold a line `template: code` for each template"))
        return None
    faults += [
        Fault(f"{path}, {entry}", problem)
        for entry, problem in _problems_of_expected(path, written)
    ]
    return written


def _problems_of_expected(path: Path, written: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    there = {each.stem for each in path.parent.glob("*.json")}
    for name, code in written.items():
        if name not in there:
            yield name, f"there is no template {name}.json beside it"
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            yield name, f"{code!r:.60} is no error code; write status and code, as in 404 not.found"
            continue
        close = did_you_mean(code, KNOWN_CODES, cutoff=0.9)
        if code not in KNOWN_CODES and close:
            yield name, f"{code!r} is no known code{close}"


@dataclass(frozen=True, slots=True)
class CheckedScenario:
    """What the plan of a scenario is made of, its templates checked, and no pool yet.

    `participants` are the ids that every conversation has to have: `customer_id`, `agent_id`,
    `communication_id`, each with the reason.
    """

    inputs: ScenarioInputs
    participants: Mapping[str, str]


def check_templates(
    settings: Settings,
    payloads: Path,
    routes: Mapping[str, Route],
) -> dict[str, CheckedScenario]:
    """Return what each scenario draws from the folder, checked by the rules of its route.

    `routes` are by scenario. Raises SettingsError with every fault, RouteError for a route that
    cannot be used.
    """
    faults: list[Fault] = []
    checked = {
        scenario: _Check(settings, scenario, routes[scenario], payloads, faults).checked()
        for scenario in settings.scenarios
    }
    SettingsError.raise_for(faults)
    return checked


def check_pool(checked: CheckedScenario, pool: ConversationPool) -> None:
    """Raise RefusedError unless every conversation has the participants that messages name."""
    for name, reason in checked.participants.items():
        missing = sum(not getattr(each, name) for each in pool.conversations)
        if missing:
            # Where the path names somebody, conversations have to be there.
            hint = "" if _BY_ROUTE in checked.participants.values() else _CUSTOMERS_OF_NONE
            raise RefusedError(
                f"the pool of scenario {checked.inputs.scenario} has no {name} for {missing:,} of "
                f"{len(pool):,} conversations, but {reason} needs it; use `source: api`, or a pool "
                f"file with a column {name}{hint}"
            )


class _Check:
    """Checks the templates of one scenario with sample conversations and texts."""

    def __init__(
        self, settings: Settings, scenario: str, route: Route, payloads: Path, faults: list[Fault]
    ) -> None:
        rule = settings.scenario[scenario]
        self.scenario, self._settings = scenario, settings
        self._route, self._payloads, self._faults = route, payloads, faults
        dialogues = dialogue_weights(rule, route, payloads)
        own = {name: weight for name, weight in rule.payloads.items() if weight > 0}
        self._weights = dialogues or own
        self._dialogues: dict[str, Dialogue] = {}
        self._texts = TextRule(_texts(rule.texts.corpus, scenario, faults), rule.texts.choice)
        for name in BUILT_IN & rule.variables.keys():
            where = f"scenario.{scenario}.variables.{name}"
            faults.append(Fault(where, "is the name of a built-in variable; choose another one"))
        route.path_to(rule.variables)
        self._rules = route.rules()
        plan = sample_plan(scenario, settings.seed, rule.variables, self._texts)
        messages = list(_messages(plan, self._texts.texts))
        self._variables = list(map(plan.bodies(LONGEST_RUN_ID).variables, messages))
        self._sources: dict[str, str] = {}
        for name in self._weights:
            with self._collecting(name):
                if name in dialogues:
                    self._dialogues[name] = dialogue = read_dialogue_file(payloads, name)
                    self._sources[name] = dialogue.message
                else:
                    self._sources[name] = _read(payloads, name)

    def checked(self) -> CheckedScenario:
        """Return the scenario; the faults of its rendered samples are collected."""
        participants = dict.fromkeys(self._route.participants, _BY_ROUTE)
        for name, source in self._sources.items():
            with self._collecting(name):
                if name in self._dialogues:
                    dialogue = self._dialogues[name]
                    check_dialogue(f"{name}.yaml", dialogue, self._variables, self._rules)
                    continue
                template = PayloadTemplate(f"{name}.json", source)
                bodies = sample_bodies(template, self._variables)
                if is_invalid(name):
                    continue
                for body, variables in zip(bodies, self._variables, strict=True):
                    self._check_body(name, body, variables)
                needed = [each for each in _PARTICIPANTS if each in template.names]
                participants |= {each: f"template {name}.json" for each in needed}
        expected = expected_codes(self._payloads, list(self._weights), self._faults)
        settings, rule = self._settings, self._settings.scenario[self.scenario]
        pools = rule.conversations
        inputs = ScenarioInputs(
            scenario=self.scenario,
            seed=settings.seed,
            curve=settings.curves()[self.scenario],
            pool=NO_CONVERSATION,
            templates=self._sources,
            weights=self._weights,
            users=settings.users,
            pick=PickRule(pools.pick, pools.exponent, pools.on_exhausted),
            arrivals=ArrivalRule(settings.arrivals, settings.messages, settings.think_time_s),
            texts=self._texts,
            expected=expected,
            variables=rule.variables,
            dialogues=self._dialogues,
        )
        return CheckedScenario(inputs, participants)

    @contextmanager
    def _collecting(self, name: str) -> Iterator[None]:
        """Add a PayloadError raised inside to the faults."""
        try:
            yield
        except PayloadError as error:
            where = f"scenario.{self.scenario}.{setting_of(name)}"
            self._faults += [Fault(where, sentence) for sentence in error.sentences]

    def _check_body(self, name: str, body: bytes, variables: Mapping[str, object]) -> None:
        texts = {name: value for name, value in variables.items() if isinstance(value, str)}
        expected = Expected(texts, texts["marker"])
        faults = [
            TemplateFault(
                line_of_field(self._sources[name], fault.field), _joined(fault), fault.field
            )
            for fault in self._rules.faults(parse_body(f"{name}.json", body), expected)
        ]
        PayloadError.raise_for(f"{name}.json", faults)


def _joined(fault: BodyFault) -> str:
    return f"{fault.problem}. {fault.change}".rstrip()


def _messages(plan: ScenarioPlan, texts: Sequence[str]) -> Iterator[PlannedMessage]:
    """Yield the first messages, and late ones with the texts that are likeliest to break a body."""
    yield from map(plan.message, range(_SAMPLES))
    last = plan.message(_LARGEST_K)
    yield replace(last, text=max(texts, key=lambda text: len(text.encode())))
    for character in _TELLING_CHARACTERS:
        telling = next((text for text in texts if character in text), None)
        if telling is not None:
            yield replace(last, text=telling)


def template_names(payloads: Path) -> list[str]:
    """Return the names of all templates of a folder, such as `conversation/text`."""
    files = sorted(payloads.rglob("*.json"))
    return [path.relative_to(payloads).with_suffix("").as_posix() for path in files]


def _read(payloads: Path, name: str) -> str:
    """Return the source of a template by its name; raises PayloadError."""
    path = payloads / f"{name}.json"
    is_outside = PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts
    if is_outside or not name.isprintable():
        problem = f"{name!r} is no name of a template inside {payloads}"
        raise PayloadError(f"{name}.json", TemplateFault(0, problem))
    try:
        return read_text(path, LARGEST_BODY_BYTES)
    except FileError as error:
        hint = did_you_mean(name, template_names(payloads)) or "; a weight of 0 leaves it out"
        problem = f"{path} {error}{'' if path.exists() else hint}"
        raise PayloadError(f"{name}.json", TemplateFault(0, problem)) from error


def _texts(corpus: str | None, scenario: str, faults: list[Fault]) -> Sequence[str]:
    if corpus is None:
        return TextRule().texts
    try:
        return parse_corpus(read_bytes(Path(corpus), MOST_CORPUS_BYTES))
    except (FileError, CorpusError) as error:
        problem = str(error)
    faults.append(Fault(f"scenario.{scenario}.texts.corpus", f"the file {corpus} {problem}"))
    return TextRule().texts
