"""Convoy in Locust's web UI: runs started in its form are checked first, and a tab has the verdict.

What is refused is told with the reason.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlsplit

from flask import Response, jsonify, make_response, request
from locust.util.timespan import parse_timespan
from locust.web import WebUI

from convoy.errors import ConvoyError, Fault, RefusedError, SettingsError
from convoy.plugin.runs import RunController
from convoy.prepare.preflight import PreparedRun
from convoy.results.summary import Summary

logger = logging.getLogger(__name__)

_START = "locust.swarm"
_FIXED = ("target", "load_profile", "scenarios", "seed", "run_time", "host")
"""Fields of the form that a run keeps until its end."""
_FIGURES = "locust.request_stats"
_TAB = "verdict"
_COLUMNS = [
    {"key": "criterion", "title": "Criterion"},
    {"key": "observed", "title": "Observed"},
    {"key": "verdict", "title": "Verdict"},
]


@dataclass(frozen=True, slots=True)
class Form:
    """The values that were entered in the form.

    `options` are Convoy's own fields; `asked` holds users, run_time_s and host where they differ
    from what the form showed at first; `spawn_rate` is users per second, None for all at once.
    """

    options: Mapping[str, str]
    asked: Mapping[str, object]
    spawn_rate: float | None


def install(
    web_ui: WebUI, controller: RunController, prepare: Callable[[Form], PreparedRun]
) -> None:
    """Check every start before Locust sees it, and refuse what another web page sends."""
    options = web_ui.environment.parsed_options
    shown = {
        "user_count": str(options.num_users if options else ""),
        "spawn_rate": str(options.spawn_rate if options else ""),
        "profile": str(options.profile or "" if options else ""),
    }

    asked = {name: str(getattr(options, name, "") or "") for name in _FIXED}

    def check_start() -> Response | None:
        if request.method == "POST" and _comes_from_elsewhere():
            return make_response("a page of another origin may not control this test", 403)
        if request.endpoint != _START:
            return None
        host = str(web_ui.environment.host or web_ui.template_args.get("host") or "")
        try:
            if controller.is_running:
                _edit(controller, request.form, asked | {"host": host})
                asked["rate"] = request.form.get("rate", "")
                return None
            if controller.is_ending:
                raise RefusedError("the last run is just ending; start again in a moment")
            if not controller.workers.workers():
                raise RefusedError("no worker is connected; start one, or wait until it is ready")
            controller.line_up(prepare(_read_form(request.form, shown | {"host": host})))
        except ConvoyError as error:
            if controller.is_running:
                # The page closes the form of an edit whatever the answer, but it shows the log.
                logger.error("the run was not changed: %s", error)
            return jsonify(success=False, message=str(error), host=web_ui.environment.host)
        asked.update(request.form.items())
        return None

    base_path = options.web_base_path.rstrip("/") if options else ""
    assert web_ui.app is not None
    web_ui.app.before_request(check_start)
    for name, change in (("pause", controller.pause), ("resume", controller.resume)):
        route = web_ui.auth_required_if_enabled(_answering(change))
        url = f"{base_path}/convoy/{name}"
        web_ui.app.add_url_rule(url, f"convoy_{name}", route, methods=["POST"])
    _show_what_was_asked(web_ui, asked)
    _add_verdict_tab(web_ui, controller)


def _show_what_was_asked(web_ui: WebUI, asked: Mapping[str, str]) -> None:
    """Have the form show what it last asked for, where Locust goes back to the command line."""
    update: Callable[[], None] = web_ui.update_template_args

    def update_and_show() -> None:
        update()
        for name, field in web_ui.template_args["extra_options"].items():
            value = field["default_value"] = asked.get(name, field["default_value"])
            if field["choices"] is not None:
                # A browser shows and sends the first choice where the value, a path, is none.
                field["choices"] = list(dict.fromkeys([*field["choices"], value]))

    web_ui.update_template_args = update_and_show  # type: ignore[method-assign]


def _add_verdict_tab(web_ui: WebUI, controller: RunController) -> None:
    """Show the verdict so far, or the last run's, beside Locust's statistics."""
    # Locust's page takes a tab's rows from the table of the same key.
    web_ui.template_args["extended_tabs"] = [{"title": "Verdict", "key": _TAB}]
    web_ui.template_args["extended_tables"] = [{"key": _TAB, "structure": _COLUMNS}]

    def add_rows(response: Response) -> Response:
        if request.endpoint == _FIGURES and response.is_json:
            figures = response.get_json()
            rows = verdict_rows(controller.summary(), is_over=not controller.is_running)
            # Locust answers with the same response for two seconds, so that there may be rows.
            figures["extended_stats"] = [{"key": _TAB, "data": rows}]
            response.set_data(json.dumps(figures))
        return response

    assert web_ui.app is not None
    web_ui.app.after_request(add_rows)


def verdict_rows(summary: Summary | None, *, is_over: bool) -> list[dict[str, str]]:
    """Return the rows of the tab: the verdict with its reasons, then each criterion."""
    if summary is None:
        return []
    so_far = "" if is_over else " so far"
    rows = [("the run", "; ".join(summary.reasons), f"{summary.verdict}{so_far}")]
    rows += [
        (each.criterion, f"{each.shown}{each.when}", each.verdict) for each in summary.criteria
    ]
    names = [column["key"] for column in _COLUMNS]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _answering(change: Callable[[], None]) -> Callable[[], Response]:
    """Return a view that calls `change`, and answers 409 with the reason when it is refused."""

    def answer() -> Response:
        try:
            change()
        except ConvoyError as error:
            return make_response(jsonify(success=False, message=str(error)), 409)
        return jsonify(success=True, message="")

    return answer


def _edit(controller: RunController, form: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Apply an edit to the rate of the present run; the number of users is changed by Locust.

    `before` holds the fields that it was started with; raises ConvoyError for any other change.
    """
    for name in _FIXED:
        if form.get(name, "") not in ("", before.get(name, "")):
            changed = f"{name} cannot be changed while a run is going on"
            raise RefusedError(f"{changed}; only the rate and the number of users can")
    faults: list[Fault] = []
    present, text = controller.present_rate, form.get("rate", "").strip()
    rate = None if text == str(present) else _number(text, "rate", faults)
    users = _number(form.get("user_count", ""), "users", faults)
    if faults:
        raise SettingsError(faults)
    if users is not None:
        controller.check_users(int(users))
    if rate is not None and rate != present:
        controller.change_rate(rate)


def _comes_from_elsewhere() -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def _read_form(form: Mapping[str, str], shown: Mapping[str, str]) -> Form:
    """Return the values of the form; raises SettingsError for one that Locust could not read."""
    faults: list[Fault] = []
    users = _number(form.get("user_count", ""), "users", faults)
    spawn_rate = _number(form.get("spawn_rate", ""), "spawn rate", faults)
    run_time_s = _run_time_s(form.get("run_time", ""), faults)
    if form.get("profile", "") not in ("", shown["profile"]):
        label = f"{form['profile']!r} would be Locust's label of the run"
        faults.append(Fault("profile", f"{label}; the load's shape is Load Profile"))
    if faults:
        raise SettingsError(faults)
    asked: dict[str, object] = {}
    if users is not None and users != _number(shown["user_count"], "", []):
        asked["users"] = int(users) if users.is_integer() else users
    if run_time_s is not None:
        asked["run_time_s"] = run_time_s
    if form.get("host", "") not in ("", shown["host"]):
        asked["host"] = form["host"]
    is_default_rate = spawn_rate == _number(shown["spawn_rate"], "", [])
    return Form(dict(form), asked, None if is_default_rate else spawn_rate)


def _number(text: str, name: str, faults: list[Fault]) -> float | None:
    if not text:
        return None
    with suppress(ValueError):
        if isfinite(number := float(text)):
            return number
    faults.append(Fault(name, f"{text!r} is no number"))
    return None


def _run_time_s(text: str, faults: list[Fault]) -> int | None:
    try:
        return int(parse_timespan(text)) if text else None
    except ValueError:
        faults.append(Fault("run time", f"{text!r} is no length of time; write 30s, 3m or 1h20m"))
        return None
