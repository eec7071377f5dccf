"""The login of the web UI: one user, and tries that are counted."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gevent
from flask import Response, g, make_response, redirect, request, session, url_for
from flask_login import UserMixin, current_user  # type: ignore[import-untyped]
from locust.web import WebUI
from werkzeug.security import check_password_hash, generate_password_hash

from convoy.clock import clock_s
from convoy.errors import Fault, SettingsError
from convoy.plugin.limited_log import LimitedLog
from convoy.plugin.options import has_web_ui
from convoy.plugin.web_guard import add_to_page, refusal
from convoy.plugin.web_sessions import Sessions
from convoy.secrets import Redactor, Secret
from convoy.settings.environment import WEB_PASSWORD, has_web_password, web_hosts, web_login

_TRIES, _WINDOW_S = 5, 60.0
_SESSION, _LOGOUT = (Path(__file__).with_name(f"{name}.html") for name in ("session", "logout"))
_OPEN = ("locust.login", "convoy_log_in", "convoy_session", "locust.send_assets")
"""Endpoints that need no session; everything else does, whoever has added it."""


class _Operator(UserMixin):  # type: ignore[misc]
    """Who is logged in, known by the place of the session."""

    def __init__(self, place: str) -> None:
        self.id = place


class Tries:
    """Counts the tries to log in by address: each address has five a minute.

    Addresses that one person can take at will count as one. These are the addresses of one /64 of
    IPv6, which a machine usually has for itself, and all loopback addresses, because each user of
    this machine may send from any of them.
    """

    def __init__(self, clock: Callable[[], float] = clock_s) -> None:
        self._clock = clock
        self._made: list[tuple[float, str]] = []

    def wait_s(self, address: str) -> float:
        """Count a try and return 0, or return in how many seconds there may be another one."""
        now, network = self._clock(), _network(address)
        self._made = [each for each in self._made if now - each[0] < _WINDOW_S]
        own_s = [at_s for at_s, of in self._made if of == network]
        if len(own_s) >= _TRIES:
            return own_s[0] + _WINDOW_S - now
        self._made.append((now, network))
        return 0.0

    def forget(self, address: str) -> None:
        """Start again for an address, from which somebody has logged in."""
        self._made = [each for each in self._made if each[1] != _network(address)]


class WebLogin:
    """User and password of the web UI; the password is kept as a hash only."""

    def __init__(self, user: str, password: Secret, clock: Callable[[], float] = clock_s) -> None:
        self._user = user.encode()
        self._hash = generate_password_hash(password.reveal())
        self._sessions = Sessions(clock)
        self._tries = Tries(clock)
        self._log = LimitedLog(clock)
        self._is_hashing = False

    def install(self, web_ui: WebUI, base_path: str) -> None:
        """Let nobody in without a session; call it before checks that do more than to look."""
        app = web_ui.app
        assert app is not None
        self._sessions.install(web_ui, base_path)
        # flask_login looks for a cookie of its own as well, which it never gives here.
        app.config["SECRET_KEY"] = secrets.token_bytes(32)
        web_ui.login_manager.user_loader(_Operator)
        web_ui.login_manager.session_protection = None  # the sessions know their browsers
        web_ui.auth_args = {"username_password_callback": f"{base_path}/login"}

        def log_in() -> Response:
            said, status = self._try()
            if not said:
                return self._sessions.begin()
            # Locust's page shows what its session holds.
            session["auth_error"] = said
            return make_response(app.view_functions["locust.login"](), status)

        def lead() -> Response:
            page = _SESSION.read_text("utf-8").replace("CONVOY_NONCE", g.nonce)
            return make_response(page)

        app.before_request(_check)
        add_to_page(web_ui, "locust.index", _LOGOUT.read_text("utf-8"))
        app.add_url_rule(f"{base_path}/convoy/session", "convoy_session", lead, methods=["GET"])
        app.add_url_rule(f"{base_path}/login", "convoy_log_in", log_in, methods=["POST"])
        app.add_url_rule(
            f"{base_path}/convoy/logout", "convoy_log_out", self._end, methods=["POST"]
        )

    def _try(self) -> tuple[str, int]:
        """Log in who has sent the right words; return what to say otherwise, and the status."""
        # First, because reading them may wait, and others would be checked meanwhile.
        user, password = (request.form.get(name, "") for name in ("username", "password"))
        address = request.remote_addr or ""
        about = f"a try from {address} to log in to the web UI"
        if self._is_hashing:
            self._log.say("was refused, because another one was being checked", about)
            return "Another try is just being checked; try again in a moment.", 429
        wait_s = self._tries.wait_s(address)
        if wait_s:
            self._log.say("was refused, because there were too many", about)
            waiting = f"try again in {wait_s:.0f} s"
            return f"There were {_TRIES} tries within a minute from your address; {waiting}.", 429
        if not self._is_right(user, password):
            self._log.say("failed", about)
            return "User name or password is wrong.", 401
        self._tries.forget(address)
        return "", 303

    def _is_right(self, user: str, password: str) -> bool:
        # The password is checked for a wrong name, too, or the time would tell who is known.
        is_user = hmac.compare_digest(user.encode("utf-8", "replace"), self._user)
        # Hashing takes a tenth of a second, in which messages would be late without the thread. One
        # at a time, because many from everywhere would take the processor from the messages.
        threads = gevent.get_hub().threadpool
        self._is_hashing = True
        try:
            is_password = threads.apply(check_password_hash, (self._hash, password))
        finally:
            self._is_hashing = False
        return is_user and bool(is_password)

    def _end(self) -> Response:
        self._sessions.end(current_user.get_id())
        return make_response(redirect(url_for("locust.login"), 303))


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the web UI: under which host names, and behind which login, None for none."""

    hosts: frozenset[str] = frozenset()
    login: WebLogin | None = None


def read_access(options: Namespace, environ: Mapping[str, str], redactor: Redactor) -> Access:
    """Return who may use the web UI of a process with these options; raises SettingsError."""
    if not has_web_ui(options):
        return Access()
    hosts = web_hosts(environ, redactor.redact)
    if options.web_login:
        user, password = web_login(environ)
        redactor.register(password, permanent=True)
        return Access(hosts, WebLogin(user, password))
    if has_web_password(environ):
        problem = "is given, but without --web-login nobody is asked for it; add that option"
        raise SettingsError([Fault(WEB_PASSWORD, problem)])
    return Access(hosts)


def _check() -> Response | None:
    if request.endpoint in _OPEN or current_user.is_authenticated:
        return None
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return make_response(redirect(url_for("convoy_session")))
    return refusal("log in first", 401)


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return "loopback"
    if ip.version == 4:
        return str(ip)
    return str(ipaddress.ip_network((ip, 64), strict=False))
