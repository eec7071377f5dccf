"""The report on one message sent by hand: request, answer, explanation, and the same for curl."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from textwrap import indent
from typing import Any

from convoy.cli.sending import Sent
from convoy.remote.session import Exchange
from convoy.routes.catalogue import ROUTES
from convoy.routes.explain import Explanation, as_text, explain, explain_code
from convoy.settings import Settings

_LONGEST_SHOWN = 4_096
_NOT_FOR_CURL = ("host", "authorization", "content-length", "user-agent")


def as_report(sent: Sent) -> str:
    """Return request, answer, explanation and the same as a curl command, for a terminal."""
    return "\n".join(_lines(sent))


def curl_command(sent: Sent) -> str:
    """Return shell lines that send the same message, with the token in `$TOKEN`."""
    kept = [line for line in sent.head[1:] if line.split(":")[0].lower() not in _NOT_FOR_CURL]
    parts = ["curl -sS -i -X POST " + shlex.quote(sent.url)]
    if sent.settings.target.ca_file is not None:
        parts.append("--cacert " + shlex.quote(sent.settings.target.ca_file))
    parts.append('-H "Authorization: Bearer $TOKEN"')
    parts += ["-H " + shlex.quote(line) for line in kept]
    parts.append("--data-binary " + shlex.quote(sent.body.decode()))
    return " \\\n  ".join(parts)


def token_command(settings: Settings) -> str:
    """Return the shell line that brings a token into `$TOKEN`, by the credentials' variables."""
    url = settings.target.login_url.rstrip("/") + ROUTES["oauth_token"].path
    read = 'import json, sys; print(json.load(sys.stdin)["access_token"])'
    is_simulator = settings.target.embedded_simulator or settings.target.name == "simulator"
    or_else = ":-demo" * is_simulator
    return (
        f'TOKEN=$(curl -sS -u "${{CONVOY_CLIENT_ID{or_else}}}:${{CONVOY_CLIENT_SECRET{or_else}}}" '
        f"-d grant_type=client_credentials {shlex.quote(url)} | python3 -c {shlex.quote(read)})"
    )


def _lines(sent: Sent) -> Iterator[str]:
    exchange = sent.exchange
    yield "request"
    yield f"  POST {sent.url}"
    yield from (f"  {line}" for line in sent.head[1:])
    yield ""
    yield indent(_readable(sent.body), "  ")
    yield ""
    yield "answer"
    yield f"  {_outcome(exchange)}"
    if exchange.body:
        yield indent(_readable(exchange.body), "  ")
    yield ""
    if not sent.is_accepted:
        yield "explanation"
        yield indent(as_text(_explanation(sent)), "  ")
        yield ""
    yield "the same with curl, where $TOKEN holds a token"
    yield token_command(sent.settings)
    yield curl_command(sent)


def _outcome(exchange: Exchange) -> str:
    if not exchange.status:
        return f"none: {exchange.code} ({exchange.fate})"
    lasted_ms = (exchange.done_s - (exchange.sent_s or exchange.done_s)) * 1000
    correlation = exchange.correlation_id or "none given"
    told = f"{exchange.status} after {lasted_ms:.1f} ms, correlation id {correlation}"
    return told + ", sent again after a new login" * (exchange.attempts > 1)


def _explanation(sent: Sent) -> Explanation:
    exchange = sent.exchange
    if not exchange.status:
        return explain_code(exchange.code)
    payload: Any = json.loads(sent.body)
    return explain(exchange.body, payload, status=exchange.status, route=sent.route)


def _readable(body: bytes) -> str:
    """Return a body bounded and without anything that would steer a terminal."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in shown)
