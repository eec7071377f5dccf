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
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, jsonify, make_response, request, send_file
from locust.util.timespan import parse_timespan
from locust.web import WebUI

from convoy.errors import ConvoyError, Fault, RefusedError, SettingsError
from convoy.plugin.runs import RunController
from convoy.prepare.preflight import PreparedRun
from convoy.results.record import MESSAGES, SERIES, SETTINGS
from convoy.results.reports import REPORT, REPORTS
from convoy.results.summary import Summary

logger = logging.getLogger(__name__)

_START, _PAGE = "locust.swarm", "locust.index"
_FIXED = ("target", "load_profile", "scenarios", "seed", "run_time", "host")
"""Fields of the form that a run keeps until its end."""
_FIGURES = "locust.request_stats"
_STATE_LINE = Path(__file__).with_name("state_line.html")
_TAB = "verdict"
_OFFERED = (*sorted(REPORTS), SETTINGS, SERIES, MESSAGES)
_COLUMNS = [
    {"key": "criterion", "title": "Criterion"},
    {"key": "observed", "title": "Observed"},
    {"key": "verdict", "title": "Verdict"},
]


@dataclass(frozen=True, slots=True)
class Form:
    """The values that were entered in the form.

    `options` are Convoy's own fields; `asked` holds users and run_time_s where they differ from
    what the form showed at first, and the host, unless it was left as it was beside another target;
    `spawn_rate` is users per second, None for all at once.
    """

    options: Mapping[str, str]
    asked: Mapping[str, object]
    spawn_rate: float | None


def install(
    web_ui: WebUI,
    controller: RunController,
    prepare: Callable[[Form], PreparedRun],
    waits_for: Callable[[], str],
) -> None:
    """Check every start before Locust sees it, and refuse what another web page sends.

    `waits_for` returns what a run that is being prepared waits for, as a sentence.
    """
    form = _RunForm(web_ui, controller, prepare, waits_for)
    check_start = web_ui.auth_required_if_enabled(form.check)

    def check() -> Response | None:
        if request.method == "POST" and _comes_from_elsewhere():
            return make_response("a page of another origin may not control this test", 403)
        checked: Response | None = check_start() if request.endpoint == _START else None
        return checked

    options = web_ui.environment.parsed_options
    base_path = options.web_base_path.rstrip("/") if options else ""
    assert web_ui.app is not None
    web_ui.app.before_request(check)
    for name, view, method in (
        ("pause", _answering(controller.pause), "POST"),
        ("resume", _answering(controller.resume), "POST"),
        ("state", lambda: jsonify(form.state()), "GET"),
    ):
        route = web_ui.auth_required_if_enabled(view)
        url = f"{base_path}/convoy/{name}"
        web_ui.app.add_url_rule(url, f"convoy_{name}", route, methods=[method])
    _show_what_was_asked(web_ui, form.asked, controller)
    _add_verdict_tab(web_ui, controller)
    _add_state_line(web_ui, f"{base_path}/convoy")
    _add_record(web_ui, controller, f"{base_path}/convoy/record")


class _RunForm:
    """The form that starts and edits runs: `asked` is what it held when it was last sent."""

    def __init__(
        self,
        web_ui: WebUI,
        controller: RunController,
        prepare: Callable[[Form], PreparedRun],
        waits_for: Callable[[], str],
    ) -> None:
        options = web_ui.environment.parsed_options
        self.asked = {name: str(getattr(options, name, "") or "") for name in _FIXED}
        self._shown_at_first = {
            "user_count": str(options.num_users if options else ""),
            "spawn_rate": str(options.spawn_rate if options else ""),
            "profile": str(options.profile or "" if options else ""),
        }
        self._web_ui = web_ui
        self._controller = controller
        self._prepare = prepare
        self._waits_for = waits_for
        self._is_preparing = False
        self._refusal = ""

    def check(self) -> Response | None:
        """Prepare the run that is asked for, or change the present one; return why not."""
        web_ui, controller = self._web_ui, self._controller
        host = str(web_ui.environment.host or web_ui.template_args.get("host") or "")
        self._refusal = ""
        try:
            if controller.is_running:
                _edit(controller, request.form, self.asked | {"host": host})
                self.asked["rate"] = request.form.get("rate", "")
            else:
                self._line_up(host)
        except ConvoyError as error:
            if controller.is_running:
                # The page closes the form of an edit whatever the answer.
                self._refusal = f"the run was not changed: {error}"
                logger.error("%s", self._refusal)
            return jsonify(success=False, message=str(error), host=web_ui.environment.host)
        return None

    def _line_up(self, host: str) -> None:
        if self._is_preparing:
            raise RefusedError(f"a run is being prepared already; it begins by itself. {self.line}")
        if self._controller.is_ending:
            raise RefusedError("the last run is just ending; start again in a moment")
        if not self._controller.workers.workers():
            raise RefusedError("no worker is connected; start one, or wait until it is ready")
        shown = self._shown_at_first | {"host": host, "target": self.asked["target"]}
        self._is_preparing = True
        try:
            self._controller.line_up(self._prepare(_read_form(request.form, shown)))
        finally:
            self._is_preparing = False
        self.asked.update(request.form.items())

    @property
    def line(self) -> str:
        """What is going on, as one line; "" where nothing is."""
        if self._is_preparing:
            return self._waits_for() or "The run is being prepared."
        progress = self._controller.progress()
        return "; ".join(filter(None, (progress, self._refusal if progress else "")))

    def state(self) -> dict[str, object]:
        """Return what the page shows besides Locust's own: the line, and whose report there is."""
        folder = self._controller.record_folder
        has_report = folder is not None and (folder / REPORT).exists()
        return {
            "line": self.line,
            "is_preparing": self._is_preparing,
            "report_of": folder.name if folder is not None and has_report else "",
        }


def _add_state_line(web_ui: WebUI, url: str) -> None:
    """Show below Locust's page what is going on, and let Start rest while a run is prepared."""
    script = _STATE_LINE.read_text("utf-8").replace("CONVOY_URL", url)

    def add(response: Response) -> Response:
        if request.endpoint == _PAGE and response.mimetype == "text/html":
            response.set_data(
                response.get_data(as_text=True).replace("</body>", f"{script}</body>")
            )
        return response

    assert web_ui.app is not None
    web_ui.app.after_request(add)


def _add_record(web_ui: WebUI, controller: RunController, url: str) -> None:
    """Offer the files of the last run's record, beside those of Locust."""

    def send(name: str) -> Response:
        folder = controller.record_folder
        if folder is None or name not in _OFFERED or not (folder / name).is_file():
            which = "there is no run that is over" if folder is None else "its record has no such"
            return make_response(f"{name}: {which}", 404)
        kind = "text/html" if name == REPORT else "text/plain"
        response = send_file(
            (folder / name).absolute(), kind, as_attachment=name != REPORT, download_name=name
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    assert web_ui.app is not None
    view = web_ui.auth_required_if_enabled(send)
    web_ui.app.add_url_rule(f"{url}/<name>", "convoy_record", view, methods=["GET"])
    web_ui.template_args["extended_csv_files"] = [
        {
            "href": f"./convoy/record/{name}",
            "title": f"{'Open' if name == REPORT else 'Download'} {name}",
        }
        for name in _OFFERED
    ]


def _show_what_was_asked(
    web_ui: WebUI, asked: Mapping[str, str], controller: RunController
) -> None:
    """Have the form show what it last asked for, where Locust goes back to the command line.

    While a run is going on, its address is shown.
    """
    update: Callable[[], None] = web_ui.update_template_args

    def update_and_show() -> None:
        update()
        if controller.address:
            web_ui.template_args["host"] = controller.address
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
    is_for_other_target = form.get("target", "") not in ("", shown["target"])
    if form.get("host") and not (is_for_other_target and form["host"] == shown["host"]):
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
