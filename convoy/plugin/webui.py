"""Convoy in Locust's web UI: runs started in its form are checked first, and a tab has the verdict.

What is refused is told with the reason.
"""

from __future__ import annotations

import logging
import sys
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import Response, jsonify, make_response, request, send_file
from gevent import subprocess
from locust.web import WebUI

from convoy.errors import ConvoyError, RefusedError
from convoy.plugin import web_guard, web_server
from convoy.plugin.command_line import CommandLine
from convoy.plugin.runs import RunController
from convoy.plugin.web_form import KEPT, LOCUSTS, check_fields, edit, read_form
from convoy.plugin.web_guard import RECORDS_REPORT, HostNames, add_to_page, refusal
from convoy.prepare.setup import Setup
from convoy.results.record import MESSAGES, SERIES, SETTINGS
from convoy.results.reports import REPORT, REPORTS
from convoy.results.summary import Summary
from convoy.settings.environment import environment_of_children
from convoy.swarm.changes import Changes

logger = logging.getLogger(__name__)

_START, _PAGE, _USER_CLASSES = "locust.swarm", "locust.index", "locust.update_user"
_STOP, _FIGURES = "locust.stop", "locust.request_stats"
_STATE_LINE = Path(__file__).with_name("state_line.html")
_TAB = "verdict"
_OFFERED = (*sorted(REPORTS), SETTINGS, SERIES, MESSAGES)
_COLUMNS = [
    {"key": "criterion", "title": "Criterion"},
    {"key": "observed", "title": "Observed"},
    {"key": "verdict", "title": "Verdict"},
]

_OF_A_DESKTOP = (
    *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "BROWSER"),
    *("DESKTOP_SESSION", "KDE_FULL_SESSION", "WSL_DISTRO_NAME", "WSL_INTEROP"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_CURRENT_DESKTOP"),
    *("XDG_DATA_DIRS", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_SESSION_DESKTOP"),
    *("XDG_SESSION_ID", "XDG_SESSION_TYPE", "XDG_STATE_HOME"),
)
"""By their whole names: a secret header's variable may be called XDG_KEY."""


def open_browser_without_secrets(environ: Mapping[str, str]) -> None:
    """Have the browser that Locust opens, where Enter is pressed, get no credential.

    Python starts it in the environment of its own process, so that a process of its own is needed.
    """
    of_a_desktop = {name: environ[name] for name in _OF_A_DESKTOP if name in environ}

    def open_new_tab(url: str) -> bool:
        try:
            subprocess.Popen(
                [sys.executable, "-I", "-m", "webbrowser", "-t", url],
                env=environment_of_children(environ) | of_a_desktop,
                stdin=subprocess.DEVNULL,  # its keys are Locust's
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C in the terminal would end it, too
            )
        except OSError as error:
            logger.error("no browser could be started: %s", error)
            return False
        return True

    webbrowser.open_new_tab = open_new_tab


def install(web_ui: WebUI, controller: RunController, command: CommandLine, setup: Setup) -> None:
    """Check who asks, and then every start before Locust sees it.

    Whoever stops a run that is being prepared has the kill switch drop it.
    """
    app = web_ui.app
    assert app is not None
    options = web_ui.environment.parsed_options
    base_path = options.web_base_path.rstrip("/") if options else ""
    hosts, login = command.access.hosts, command.access.login
    web_server.install(web_ui)
    web_guard.install(web_ui, HostNames.of(web_ui.host, hosts, has_login=login is not None))
    if login is not None:
        login.install(web_ui, base_path)
    form = _RunForm(web_ui, controller, command, setup)

    def check() -> Response | None:
        # Who may ask at all is decided by then: those checks were added before.
        if request.endpoint == _USER_CLASSES:
            return refusal("user classes cannot be changed; the form has what can be")
        if request.method != "POST":  # Flask answers OPTIONS of every address by itself
            return None
        if request.endpoint == _STOP and form.is_preparing:
            setup.kill_switch.throw("the run was stopped in the web UI")
        return form.check() if request.endpoint == _START else None

    app.before_request(check)
    for name, view, method in (
        ("pause", _answering(lambda: controller.change(Changes.pause)), "POST"),
        ("resume", _answering(lambda: controller.change(Changes.resume)), "POST"),
        ("state", lambda: jsonify(form.state()), "GET"),
    ):
        app.add_url_rule(f"{base_path}/convoy/{name}", f"convoy_{name}", view, methods=[method])
    _show_what_was_asked(web_ui, form.asked, controller)
    _add_verdict_tab(web_ui, controller)
    add_to_page(web_ui, _PAGE, _STATE_LINE.read_text("utf-8"))
    _add_record(web_ui, controller, f"{base_path}/convoy/record")


@dataclass(eq=False, repr=False)
class _RunForm:
    """The form that starts and edits runs: `asked` is what it held when it was last sent."""

    web_ui: WebUI
    controller: RunController
    command: CommandLine
    setup: Setup

    def __post_init__(self) -> None:
        options = self.web_ui.environment.parsed_options
        self.asked = {name: str(getattr(options, name, "") or "") for name in KEPT}
        self._given = {name: self.asked[name] for name in ("target", "load_profile")}
        self._shown_at_first = {
            "user_count": str(options.num_users if options else ""),
            "spawn_rate": str(options.spawn_rate if options else ""),
            "run_time": self.asked["run_time"],
            "profile": str(options.profile or "" if options else ""),
        }
        self.is_preparing = False
        self._of_edit = ""

    def check(self) -> Response | None:
        """Prepare the run that is asked for, or change the present one; return why not."""
        web_ui, controller = self.web_ui, self.controller
        host = str(web_ui.environment.host or web_ui.template_args.get("host") or "")
        self._of_edit = ""
        try:
            on_form = {*LOCUSTS, *web_ui.template_args["extra_options"]}
            # The value that was given when Convoy was started may be a path.
            choices = {
                name: {*self.command.names_of(name), own} for name, own in self._given.items()
            }
            check_fields(request.form, on_form, choices)
            if controller.is_running:
                self._tell(edit(controller, request.form, self.asked | {"host": host}))
                self.asked["rate"] = request.form.get("rate", "")
            else:
                self._line_up(host)
        except ConvoyError as error:
            # The page shows it in one line.
            message = "; ".join(self.setup.redactor.redact(str(error)).splitlines())
            if controller.is_running:
                self._tell(f"the run was not changed: {message}")
            return jsonify(success=False, message=message, host=web_ui.environment.host)
        return None

    def _tell(self, what: str) -> None:
        """Say something of an edit beside the progress, as the page closes its form at once."""
        self._of_edit = what
        if what:
            logger.warning("%s", what)

    def _line_up(self, host: str) -> None:
        if self.is_preparing:
            raise RefusedError(f"a run is being prepared already; it begins by itself. {self.line}")
        self.controller.make_way()
        if not self.controller.workers.workers():
            raise RefusedError("no worker is connected; start one, or wait until it is ready")
        shown = self._shown_at_first | {"host": host, "target": self.asked["target"]}
        form = read_form(request.form, shown)
        for name in form.changed:  # or what is changed back later would count as not given
            self._shown_at_first.pop(name, None)
        self.is_preparing = True
        try:
            self.controller.line_up(self.command.prepare_from_form(form))
        finally:
            self.is_preparing = False
        self.asked.update(request.form.items())

    @property
    def line(self) -> str:
        """What is going on, or how the last run ended, as one line; "" where there was none."""
        if self.is_preparing:
            return self.setup.waits_for or "The run is being prepared."
        if progress := self.controller.progress():
            return "; ".join(filter(None, (progress, self._of_edit)))
        final = self.controller.final
        return "" if final is None else f"Run {final.run_id} is over: {final.verdict.upper()}"

    def state(self) -> dict[str, object]:
        """Return what the page shows besides Locust's own: the line, and whose report there is."""
        folder, final = self.controller.record_folder, self.controller.final
        has_report = folder is not None and (folder / REPORT).exists()
        is_going_on = self.is_preparing or self.controller.is_running
        return {
            "line": self.line,
            "is_preparing": self.is_preparing,
            "verdict": "" if final is None or is_going_on else final.verdict,
            "report_of": folder.name if folder is not None and has_report else "",
        }


def _add_record(web_ui: WebUI, controller: RunController, url: str) -> None:
    """Offer the files of the last run's record, beside those of Locust."""

    def send(name: str) -> Response:
        folder = controller.record_folder
        if folder is None or name not in _OFFERED or not (folder / name).is_file():
            which = "there is no run that is over" if folder is None else "its record has no such"
            return refusal(f"{name}: {which}", 404)
        kind = "text/html" if name == REPORT else "text/plain"
        response = send_file(
            (folder / name).absolute(), kind, as_attachment=name != REPORT, download_name=name
        )
        if name == REPORT:
            response.headers["Content-Security-Policy"] = RECORDS_REPORT
        return response

    assert web_ui.app is not None
    web_ui.app.add_url_rule(f"{url}/<name>", "convoy_record", send, methods=["GET"])
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
        web_ui.template_args["run_time"] = asked["run_time"]
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
            figures["extended_stats"] = [{"key": _TAB, "data": rows}]
            # Locust has the same response for all who ask within two seconds; what is added to its
            # headers would be added again for each of them.
            return jsonify(figures)
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
