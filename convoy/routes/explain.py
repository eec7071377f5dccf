"""Explanations: from an answer that says no, and the payload it answers, to the field to change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from textwrap import indent, wrap
from typing import Any

from convoy.routes.catalogue import ROUTES, Route
from convoy.routes.codes import RETIRING_CODES, SECTIONS, advice
from convoy.routes.refusals import GUEST, Refusal, read_refusal
from convoy.routes.schema import BodyFault, BodyRules

_PUBLIC_OPERATION = (
    "It answers as the public API does: POST /api/v2/conversations/messages is another operation "
    "there, by which an agent starts a conversation (queueId, toAddress), and it takes no "
    "message. Such an organisation takes customer messages on its open messaging routes"
)
_PUBLIC_FIELDS = re.compile(r"queueId|toAddress")
_NO_JSON = "Send one JSON object and nothing else, as `Content-Type: application/json`."
_LABEL_WIDTH = 16


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an answer means. `field` is a path such as `to.type`, None where no field is to blame.

    `problem` and `change` are sentences, `example` is JSON to send instead ("" where none helps),
    `said` is the answer's own message and `also` says what else is wrong with the payload. `code`
    is "" when the answer holds no error at all.
    """

    code: str
    headline: str
    field: str | None
    problem: str
    change: str
    example: str = ""
    said: str = ""
    correlation_id: str = ""
    also: tuple[str, ...] = ()


def explain(
    answer: Mapping[str, Any] | bytes,
    payload: Mapping[str, Any] | None = None,
    *,
    status: int | None = None,
    route: Route | None = None,
) -> Explanation:
    """Explain a refusal by its body and, where known, payload, status and route.

    It takes anything, the frames of web messaging's guests too; what is no refusal gets an
    explanation whose `code` is "". Without a route the answer and the payload tell which of the
    thread's two it is about.
    """
    refusal = read_refusal(answer, status)
    if not refusal.code:
        return Explanation("", "The answer holds no error.", None, "", "")
    if refusal.code.startswith(GUEST):
        return _of_code(refusal)
    rules = (route or _likely_route(refusal, payload)).rules()
    if refusal.is_about_the_body:
        return _of_body(refusal, payload, rules)
    if refusal.code in RETIRING_CODES:
        return _of_conversation(refusal, payload, rules)
    return _of_code(refusal)


def explain_code(code: str) -> Explanation:
    """Explain a code that no answer is behind, such as `"timeout"`."""
    return _of_code(Refusal(code))


def as_text(explanation: Explanation, width: int = 100) -> str:
    """Return an explanation as lines for a terminal."""
    labelled = [
        ("problem", explanation.problem),
        ("change", explanation.change),
        *zip(chain(["then also"], repeat("")), explanation.also, strict=False),
        ("the answer said", explanation.said),
        ("correlation id", explanation.correlation_id),
    ]
    lines = [explanation.headline]
    for label, text in labelled:
        lines += wrap(
            text,
            width,
            initial_indent=f"  {label:<{_LABEL_WIDTH}}",
            subsequent_indent=" " * (_LABEL_WIDTH + 2),
            break_on_hyphens=False,
        )
    if explanation.example:
        lines += ["  a right body", indent(explanation.example, " " * 4)]
    return "\n".join(lines)


def _of_body(refusal: Refusal, payload: Mapping[str, Any] | None, rules: BodyRules) -> Explanation:
    faults = [] if payload is None else rules.faults(payload)
    found = _blamed(faults, refusal)
    field = found.field if found else refusal.field
    problem = f"{found.problem}." if found else _unproven(refusal, payload)
    example = rules.example(payload or {})
    change = rules.change(field) or (_NO_JSON if refusal.field == "body" else "")
    return _explanation(
        refusal,
        field,
        _with_public_note(problem, refusal),
        change or "Compare the payload, field by field, with the right body below.",
        example="" if example is None else _as_json(example),
        also=tuple(f"{each.problem}." for each in faults if each is not found),
    )


def _of_conversation(
    refusal: Refusal, payload: Mapping[str, Any] | None, rules: BodyRules
) -> Explanation:
    """The addressed conversation is the matter; a payload can show what was addressed instead."""
    plain, field = _of_code(refusal), rules.conversation_field
    found = next((each for each in rules.faults(payload or {}) if each.field == field), None)
    problem = f"{plain.problem} And {found.problem}." if payload and found else plain.problem
    return _explanation(refusal, field, problem, f"{plain.change} {rules.change(field)}".rstrip())


def _of_code(refusal: Refusal) -> Explanation:
    meant = advice(refusal.code)
    missing = f": {', '.join(refusal.permissions)}" * bool(refusal.permissions)
    problem = _with_public_note(f"{meant.cause}{missing}.", refusal)
    return _explanation(refusal, "", problem, f"{meant.change[:1].upper()}{meant.change[1:]}.")


def _explanation(
    refusal: Refusal, field: str, problem: str, change: str, **more: Any
) -> Explanation:
    return Explanation(
        refusal.code,
        f"{refusal.code}: the field `{field}` is wrong" if field else refusal.code,
        field or None,
        problem,
        change,
        said=refusal.said,
        correlation_id=refusal.correlation_id,
        **more,
    )


def _with_public_note(problem: str, refusal: Refusal) -> str:
    hints_at_it = refusal.code in SECTIONS["outbound"] or _PUBLIC_FIELDS.search(refusal.said)
    return f"{problem} {_PUBLIC_OPERATION}." if hints_at_it else problem


def _unproven(refusal: Refusal, payload: Mapping[str, Any] | None) -> str:
    """Say what is known when no rule of the bodies is seen to be broken."""
    if refusal.field == "body":
        return "The body of the request is not JSON, or no JSON object."
    if refusal.field and payload is None:
        usual = "; most often its `type` is missing" * (refusal.field == "to")
        return f"The answer names `{refusal.field}`{usual}. The payload would show what is wrong."
    if refusal.field == "to.id":
        return "`to.id` has the form of an id, but names nothing that can take a message."
    if refusal.field:
        return f"The answer names `{refusal.field}`, though the payload breaks no rule known of it."
    if payload is None:
        return "The answer names no field; give the payload that it answers to have it found."
    return "The payload breaks no rule known of it: this API has other rules, or another operation."


def _blamed(faults: Sequence[BodyFault], refusal: Refusal) -> BodyFault | None:
    """Return the fault that the answer means; where it is vague, the worst of the payload."""
    named = refusal.field
    exact = [each for each in faults if each.field == named]
    near = [each for each in faults if _are_related(each.field, named)]
    rest = [] if refusal.is_field_certain else faults
    return next(iter([*exact, *near, *rest]), None)


def _are_related(one: str, other: str) -> bool:
    inner, outer = max(one, other, key=len), min(one, other, key=len)
    return bool(outer) and inner.startswith((f"{outer}.", f"{outer}["))


def _likely_route(refusal: Refusal, payload: Mapping[str, Any] | None) -> Route:
    """Return the guest's route where the answer speaks of `to` as a list, which it alone takes."""
    has_list = payload is not None and isinstance(payload.get("to"), list)
    is_guest = (
        refusal.field.startswith("to[")
        or (refusal.field == "to" and "list" in refusal.said)
        or (has_list and (refusal.field == "body" or refusal.code in RETIRING_CODES))
    )
    return ROUTES["guest" if is_guest else "conversation"]


def _as_json(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
