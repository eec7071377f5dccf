"""The canary messages: one of each template, sent before a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import time
from typing import Any

from convoy.plan.message import PlannedMessage
from convoy.plan.rendering import CUSTOMERS
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.prepare.prepared_run import PreparedRun
from convoy.remote.session import ApiSession
from convoy.results.message_log import ids_in
from convoy.results.outcome import REJECTED, Attempt
from convoy.routes.catalogue import Route
from convoy.routes.codes import RETIRING_CODES, UNEXPECTED_ANSWER, advice
from convoy.routes.explain import as_text, explain
from convoy.routes.refusals import read_refusal
from convoy.untrusted_text import readable

_LONGEST_S = 10.0
_PASSING_STATUSES = (408, 429)
_OF_AN_ID = (404, 409)
"""What is answered where an id is of nothing, or of what is not in use."""
_OUT_OF_THE_POOL = (
    "refresh the pool: the run finds them out by itself, and the first failure of each counts"
)
_WAY_ROUND = "correct the template, or leave the canary messages out with --set canary=false"
MOST_CONVERSATIONS = 5
"""How many conversations are tried for a template; so many message numbers belong to each."""


def canary_run_id(run_id: str) -> str:
    """Return the id in a run's canary messages, which are not counted among its messages."""
    return f"{run_id}-canary"


@dataclass(frozen=True, slots=True)
class Canaries:
    """The canary messages of one scenario: one of each of its templates.

    The results are entered into the checklist of the `run`. `note_opened` takes the id of each
    conversation that an answer names and the message did not; `redact` hides secrets. A refusal
    that every message of the template would get is a failure. What may be temporary (a timeout, a
    503, a 429) is a warning, because the run counts it by its code.
    """

    run: PreparedRun
    inputs: ScenarioInputs
    route: Route
    session: ApiSession
    note_opened: Callable[[str], None]
    redact: Callable[[str], str]

    def send(self) -> None:
        """Send them, as long as there are answers."""
        for number, template in enumerate(self.inputs.weights):
            if not self._send(template, number * MOST_CONVERSATIONS):
                break

    def _send(self, template: str, first_k: int) -> bool:
        """Send one message of a template, numbered from `first_k`; return False after a timeout.

        A conversation that accepts no message is skipped, up to `MOST_CONVERSATIONS` of them.
        """
        check, checklist, stale = f"canary {template}", self.run.checklist, list[str]()
        settings, route = self.run.settings, self.route
        path_of = route.path_to(self.inputs.variables)
        answers = route.answers(settings.scenario[self.inputs.scenario].expect)
        longest_s = min(settings.request_timeout_s, _LONGEST_S)
        for message, body in self._messages(template, first_k):
            waiting = checklist.waiting(f"the answer to {check}", longest_s)
            id = message.conversation.id
            with checklist.step(check), waiting:
                path = path_of(message.conversation)
                attempt = self.session.post(path, body, longest_s, answers, id, route.method)
            if attempt.code not in RETIRING_CODES or attempt.code == message.expected_code:
                self._enter_stale(check, stale)
                self._enter(check, message, attempt, body)
                return attempt.code != "timeout"
            stale.append(f"{message.conversation.id} ({attempt.code})")
        told = f"none of {len(stale)} conversations takes a message: {', '.join(stale)}"
        self.run.checklist.fail(check, told, "refresh the pool, or choose open conversations")
        return True

    def _messages(self, template: str, first_k: int) -> Iterator[tuple[PlannedMessage, bytes]]:
        """Yield messages of a template for the first conversations of the run, each once."""
        # Numbers go beyond the end of a small pool, which is used up by the run alone.
        pick = replace(self.inputs.pick, on_exhausted="recycle")
        plan = ScenarioPlan(replace(self.inputs, weights={template: 1}, pick=pick))
        bodies = plan.bodies(canary_run_id(self.run.run_id), time)
        seen: set[int] = set()
        for k in range(first_k, first_k + MOST_CONVERSATIONS):
            message = plan.message(k)
            if message.conversation_index not in seen:
                seen.add(message.conversation_index)
                yield message, bodies.render(message)

    def _enter_stale(self, check: str, stale: list[str]) -> None:
        if stale:
            told = f"the pool holds conversations that take no message: {', '.join(stale)}"
            self.run.checklist.warn(check, told, _OUT_OF_THE_POOL)

    def _enter(self, check: str, message: PlannedMessage, attempt: Attempt, body: bytes) -> None:
        expected = message.expected_code
        if attempt.code == expected:
            told = f"refused with {expected}, as it should be" if expected else "accepted"
            where = message.conversation.id or "one of its own"
            self.run.checklist.ok(check, f"{told} (conversation {where})")
            opened = ids_in(attempt.body).conversationId
            # Customers who are kept from run to run may have had it before.
            if opened and not message.conversation.id and CUSTOMERS not in self.inputs.variables:
                self.note_opened(opened)
        elif expected:
            told = f"should be refused with {expected}, and was answered with {_answer(attempt)}"
            self.run.checklist.warn(check, told, "see expected.yaml beside it")
        elif attempt.code == UNEXPECTED_ANSWER:
            meant = advice(attempt.code)
            told = f"{attempt.status}, {attempt.code}: {meant.cause}"
            self.run.checklist.fail(check, told, meant.change)
        elif _may_pass(attempt):
            meant = advice(attempt.code)
            self.run.checklist.warn(check, f"{_answer(attempt)}. {meant.cause}", meant.change)
        else:
            # Redacted before they are read, because what is told of them is cut and wrapped.
            sent, answer = (readable(each, self.redact).encode() for each in (body, attempt.body))
            payload = _object_in(sent)
            found = explain(answer, payload, status=attempt.status, route=self.route)
            id = message.conversation.id
            if id and found.field and _value_at(payload, found.field) == id:
                fix = f"correct {id!r} in the pool, or take it out"
            else:
                fix = self._fix(answer, attempt.status, sent)
            self.run.checklist.fail(check, as_text(found), fix)

    def _fix(self, answer: bytes, status: int, body: bytes) -> str:
        """Return what to look at: a role, an id in path or body, or the template."""
        missing = read_refusal(answer, status).permissions
        if missing:
            return f"add {', '.join(missing)} to a role of the client, and start again"
        if status not in _OF_AN_ID:
            return _WAY_ROUND
        variables = self.inputs.variables
        own = [name for name in self.route.placeholders if name in variables]
        own = own or [name for name, value in variables.items() if value and value.encode() in body]
        if not own:
            return _WAY_ROUND
        given = ", ".join(f"{name} {variables[name]!r}" for name in own)
        where = f"scenario.{self.inputs.scenario}.variables"
        return f"see that {given} of {where} is there at the target and active"


def _answer(attempt: Attempt) -> str:
    return attempt.code or str(attempt.status)


def _may_pass(attempt: Attempt) -> bool:
    """Return whether the same message may be accepted at another time."""
    is_rejected = attempt.fate is REJECTED
    return not is_rejected or attempt.status >= 500 or attempt.status in _PASSING_STATUSES


def _object_in(body: bytes) -> dict[str, Any] | None:
    payload: object = None
    with suppress(ValueError):
        payload = json.loads(body)
    return payload if isinstance(payload, dict) else None


def _value_at(payload: object, field: str) -> object:
    """Return what stands at a path such as `to.id`, None where nothing does."""
    for step in field.split("."):
        payload = payload.get(step) if isinstance(payload, dict) else None
    return payload
