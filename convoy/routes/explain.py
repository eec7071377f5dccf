"""Explanations: from an answer that says no, and the payload it answers, to the field to change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import Any

from convoy.routes.codes import OUTBOUND_CODES, RETIRING_CODES, advice
from convoy.routes.refusals import Refusal, read_refusal
from convoy.routes.wrong_fields import (
    WrongField,
    change_for,
    conversation_faults,
    guest_faults,
    right_body,
)

_PUBLIC_OPERATION = (
    "It answers as the public API does: POST /api/v2/conversations/messages is another operation "
    "there, by which an agent starts a conversation (queueId, toAddress), and it takes no "
    "message. Such an organisation takes customer messages on its open messaging routes"
)
_PUBLIC_FIELDS = re.compile(r"queueId|toAddress")
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
) -> Explanation:
    """Explain a refusal by its body and, where known, the payload and the answer's status.

    It takes anything; what is no refusal gets an explanation whose `code` is "".
    """
    refusal = read_refusal(answer, status)
    if not refusal.code:
        return Explanation("", "The answer holds no error.", None, "", "")
    if refusal.is_about_the_body:
        return _of_body(refusal, payload)
    if refusal.code in RETIRING_CODES:
        return _of_conversation(refusal, payload)
    return _of_code(refusal)


def explain_code(code: str) -> Explanation:
    """Explain a code that no answer is behind, such as `"timeout"`."""
    return _of_code(Refusal(code))


def as_text(explanation: Explanation, width: int = 100) -> str:
    """Return an explanation as lines for a terminal."""
    lines = [explanation.headline]
    lines += _labelled("problem", explanation.problem, width)
    lines += _labelled("change", explanation.change, width)
    label = "then also"
    for each in explanation.also:
        lines += _labelled(label, each, width)
        label = ""
    lines += _labelled("the answer said", explanation.said, width)
    lines += _labelled("correlation id", explanation.correlation_id, width)
    if explanation.example:
        lines += ["  a right body", indent(explanation.example, " " * 4)]
    return "\n".join(lines)


def _of_body(refusal: Refusal, payload: Mapping[str, Any] | None) -> Explanation:
    is_guest = _is_guest(refusal, payload)
    faults: Sequence[WrongField] = ()
    if payload is not None:
        faults = guest_faults(payload) if is_guest else conversation_faults(payload)
    found = _blamed(faults, refusal)
    field = found.field if found else refusal.field
    problem = f"{found.problem}." if found else _unproven(refusal, payload)
    change = change_for(field, is_guest=is_guest)
    return Explanation(
        code=refusal.code,
        headline=_headline(refusal.code, field),
        field=field or None,
        problem=_with_public_note(problem, refusal),
        change=change or "Compare the payload, field by field, with the right body below.",
        example=_as_json(right_body(payload, is_guest=is_guest)),
        said=refusal.said,
        correlation_id=refusal.correlation_id,
        also=tuple(f"{each.problem}." for each in faults if each is not found),
    )


def _of_conversation(refusal: Refusal, payload: Mapping[str, Any] | None) -> Explanation:
    """The addressed conversation is the matter; a payload can show what was addressed instead."""
    plain = _of_code(refusal)
    to = None if payload is None else payload.get("to")
    field = "to[0].id" if isinstance(to, list) else "to.id"
    is_guest = field != "to.id"
    faults = (guest_faults if is_guest else conversation_faults)(payload or {})
    found = next((each for each in faults if each.field == field), None)
    problem = f"{plain.problem} And {found.problem}." if payload and found else plain.problem
    return Explanation(
        code=refusal.code,
        headline=_headline(refusal.code, field),
        field=field,
        problem=problem,
        change=f"{plain.change} {change_for(field, is_guest=is_guest)}",
        said=refusal.said,
        correlation_id=refusal.correlation_id,
    )


def _of_code(refusal: Refusal) -> Explanation:
    cause, change = advice(refusal.code)
    return Explanation(
        code=refusal.code,
        headline=_headline(refusal.code, ""),
        field=None,
        problem=_with_public_note(f"{cause}.", refusal),
        change=f"{change[:1].upper()}{change[1:]}.",
        said=refusal.said,
        correlation_id=refusal.correlation_id,
    )


def _headline(code: str, field: str) -> str:
    return f"{code}: the field `{field}` is wrong" if field else code


def _with_public_note(problem: str, refusal: Refusal) -> str:
    hints_at_it = refusal.code in OUTBOUND_CODES or _PUBLIC_FIELDS.search(refusal.said)
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


def _blamed(faults: Sequence[WrongField], refusal: Refusal) -> WrongField | None:
    """Return the fault that the answer means; where it is vague, the worst of the payload."""
    named = refusal.field
    exact = [each for each in faults if each.field == named]
    near = [each for each in faults if _are_related(each.field, named)]
    rest = [] if refusal.is_field_certain else faults
    return next(iter([*exact, *near, *rest]), None)


def _are_related(one: str, other: str) -> bool:
    inner, outer = max(one, other, key=len), min(one, other, key=len)
    return bool(outer) and inner.startswith((f"{outer}.", f"{outer}["))


def _is_guest(refusal: Refusal, payload: Mapping[str, Any] | None) -> bool:
    """Tell whether the answer is of the guest's route, which alone takes `to` as a list."""
    if refusal.field == "body":
        return payload is not None and isinstance(payload.get("to"), list)
    return refusal.field.startswith("to[") or (refusal.field == "to" and "list" in refusal.said)


def _as_json(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def _labelled(label: str, text: str, width: int) -> list[str]:
    if not text:
        return []
    following = " " * (_LABEL_WIDTH + 2)
    return wrap(
        text,
        width,
        initial_indent=f"  {label:<{_LABEL_WIDTH}}",
        subsequent_indent=following,
        break_on_hyphens=False,
    )
