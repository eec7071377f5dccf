"""The check of message templates: everything wrong with them, said before any load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from convoy.errors import Fault, RefusedError, SettingsError
from convoy.plan.message import PlannedMessage
from convoy.plan.payloads import PayloadError, PayloadTemplate
from convoy.plan.pool import Conversation, ConversationPool
from convoy.plan.rates import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.plan.template_language import TemplateFault
from convoy.plan.texts import MOST_CORPUS_BYTES, CorpusError, TextRule, parse_corpus
from convoy.prepare.expectations import INVALID, expected_codes, is_invalid
from convoy.routes.bodies import body_problems, line_of_field
from convoy.settings import Settings

_LARGEST_TEMPLATE_BYTES = 512_000
_SOME_CONVERSATION = Conversation(
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e001",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e002",
    "0c0a1f5e-5ad1-4b5c-8f58-6d3f27a9e003",
)
_LONGEST_RUN_ID = "20261122-193343-67bda5-warmup"
_LARGEST_K = 10**9 - 1
_SAMPLES = 32
_TELLING_CHARACTERS = '"\\<&\t{%'
_PARTICIPANTS = ("customer_id", "agent_id")


@dataclass(frozen=True, slots=True)
class ScenarioPayloads:
    """What the messages of a scenario are made of, checked.

    `sources`, `weights` and `expected` are by template name; `expected` holds the error codes of
    those that should be refused. `participants` are the ids that every conversation has to bring:
    `customer_id`, `agent_id`, each with the reason.
    """

    scenario: str
    sources: Mapping[str, str]
    weights: Mapping[str, float]
    expected: Mapping[str, str]
    texts: TextRule
    participants: Mapping[str, str]


def check_templates(settings: Settings, payloads: Path) -> dict[str, ScenarioPayloads]:
    """Return what each scenario draws from the folder; raises SettingsError with every fault."""
    faults: list[Fault] = []
    checked = {
        scenario: _checked_scenario(settings, scenario, payloads, faults)
        for scenario in settings.scenarios
    }
    if faults:
        raise SettingsError(dict.fromkeys(faults))
    return checked


def check_pool(payloads: ScenarioPayloads, pool: ConversationPool) -> None:
    """Raise RefusedError unless every conversation has the participants that messages name."""
    columns = dict(zip(_PARTICIPANTS, (pool.customer_ids, pool.agent_ids), strict=True))
    for name, reason in payloads.participants.items():
        missing = columns[name].count("") if columns[name] else len(pool)
        if missing:
            raise RefusedError(
                f"the pool of scenario {payloads.scenario} has no {name} for {missing:,} of "
                f"{len(pool):,} conversations, but {reason} needs it; use `source: api`, or a pool "
                f"file with a column {name}"
            )


def _checked_scenario(
    settings: Settings, scenario: str, payloads: Path, faults: list[Fault]
) -> ScenarioPayloads:
    rule = settings.scenario[scenario]
    weights = {name: weight for name, weight in rule.payloads.items() if weight > 0}
    texts = TextRule(_texts(rule.texts.corpus, scenario, faults), rule.texts.choice)
    check = _Check(scenario, settings.seed, rule.body, texts)
    sources: dict[str, str] = {}
    participants = {"customer_id": "its route"} if rule.body == "guest" else {}
    for name in weights:
        try:
            sources[name] = _read(payloads, name)
            needed = check.template(name, sources[name])
        except PayloadError as error:
            where = f"scenario.{scenario}.payloads.{name}"
            faults += [Fault(where, sentence) for sentence in error.sentences]
        else:
            participants |= {each: f"template {name}.json" for each in needed}
    expected = expected_codes(payloads, list(weights), faults)
    return ScenarioPayloads(scenario, sources, weights, expected, texts, participants)


class _Check:
    """Renders the templates of one scenario for conversations and texts as they may come."""

    def __init__(self, scenario: str, seed: int, form: str, texts: TextRule) -> None:
        self._form = form
        self._plan = ScenarioPlan(
            ScenarioInputs(
                scenario=scenario,
                seed=seed,
                curve=RateCurve([Stage(1, 1, 1)]),
                pool=ConversationPool.of([_SOME_CONVERSATION]),
                templates={},
                weights={"": 1},
                texts=texts,
            )
        )
        self._bodies = self._plan.bodies(_LONGEST_RUN_ID)
        self._samples = list(_samples(self._plan, texts.texts))

    def template(self, name: str, source: str) -> list[str]:
        """Return the participants that a template names; raises PayloadError with its faults."""
        template = PayloadTemplate(f"{name}.json", source)
        for message in self._samples:
            variables = self._bodies.variables(message)
            if is_invalid(name):
                template.check_names(variables)
                template.render(variables)
            else:
                self._check_body(template, source, variables)
        used = () if is_invalid(name) else _PARTICIPANTS
        return [each for each in used if each in template.names]

    def _check_body(
        self, template: PayloadTemplate, source: str, variables: Mapping[str, object]
    ) -> None:
        body = template.check(variables)
        marker = str(variables["marker"])
        problems = body_problems(self._form, body, _SOME_CONVERSATION, marker)
        faults = [
            TemplateFault(line_of_field(source, field), problem, field)
            for field, problem in problems
        ]
        if faults:
            raise PayloadError(template.name, *faults)


def _samples(plan: ScenarioPlan, texts: Sequence[str]) -> Iterator[PlannedMessage]:
    """Yield the first messages, and late ones with the texts that are likeliest to break a body."""
    yield from map(plan.message, range(_SAMPLES))
    last = plan.message(_LARGEST_K)
    yield replace(last, text=max(texts, key=lambda text: len(text.encode())))
    for character in _TELLING_CHARACTERS:
        telling = next((text for text in texts if character in text), None)
        if telling is not None:
            yield replace(last, text=telling)


def _read(payloads: Path, name: str) -> str:
    """Return the source of a template; raises PayloadError."""
    path = payloads / f"{name}.json"
    try:
        if _leaves_the_folder(name):
            raise _unusable(name, f"{name!r} is no name of a template inside {payloads}")
        if path.exists() and not path.is_file():
            raise _unusable(name, f"{path} is no file")
        if path.stat().st_size > _LARGEST_TEMPLATE_BYTES:
            raise _unusable(name, f"is larger than {_LARGEST_TEMPLATE_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        problem = f"{path} cannot be read: {error.strerror}{_hint(payloads, name)}"
        raise _unusable(name, problem) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise _unusable(name, f"{path} cannot be read: {reason}") from error


def _unusable(name: str, problem: str) -> PayloadError:
    return PayloadError(f"{name}.json", TemplateFault(0, problem))


def _leaves_the_folder(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or not name.isprintable()


def _hint(payloads: Path, name: str) -> str:
    there = [path.stem for path in payloads.glob("*.json")]
    there += [f"{INVALID}/{path.stem}" for path in (payloads / INVALID).glob("*.json")]
    close = get_close_matches(name, there, n=1)
    return f"; did you mean {close[0]}?" if close else "; a weight of 0 leaves it out"


def _texts(corpus: str | None, scenario: str, faults: list[Fault]) -> Sequence[str]:
    if corpus is None:
        return TextRule().texts
    try:
        if Path(corpus).exists() and not Path(corpus).is_file():
            raise CorpusError("is no file")
        with Path(corpus).open("rb") as file:
            return parse_corpus(file.read(MOST_CORPUS_BYTES + 1))
    except CorpusError as error:
        problem = str(error)
    except (OSError, ValueError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'no such path'}"
    faults.append(Fault(f"scenario.{scenario}.texts.corpus", f"the file {corpus} {problem}"))
    return TextRule().texts
