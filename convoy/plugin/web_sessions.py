"""The sessions of the web UI's login: each has a place, and its cookie goes nowhere else."""

from __future__ import annotations

import functools
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, Response, make_response, redirect, request
from flask.sessions import SessionInterface, SessionMixin
from locust.web import WebUI

_SESSION_S = 12 * 3600.0
_PLACE = "convoy.place"
_Environ = dict[str, Any]
_Application = Callable[[_Environ, Any], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class _Session:
    """A browser that is logged in: what its cookie holds, where it is, and until when."""

    token: str
    browser: tuple[str, str]
    ends_s: float


class _OfOneRequest(dict[str, Any], SessionMixin):
    """What Locust and flask_login keep in Flask's session: in no cookie, but for one request."""


class Sessions(SessionInterface):
    """Who is logged in, by the place of each session, a part of all its addresses.

    Browsers send a cookie to every port of a host name, so also to a web server that another user
    of this machine runs. They send it to the cookie's path alone, which nobody else knows.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun: dict[str, _Session] = {}
        self._base_path = self._cookie = ""
        self._own_cookie = re.compile("")
        self._is_secure = False

    def install(self, web_ui: WebUI, base_path: str) -> None:
        """Keep the sessions of this web UI, and have its routes answer below each place as well."""
        assert web_ui.app is not None
        self._base_path = base_path
        # Browsers that are sent to several web UIs of one host would mix up cookies of one name.
        self._cookie = f"convoy_session_{web_ui.port}"
        self._own_cookie = re.compile(rf"{self._cookie}=[\w-]{{1,100}}", re.ASCII)
        self._is_secure = bool(web_ui.tls_cert)
        web_ui.app.session_interface = self
        web_ui.app.wsgi_app = functools.partial(  # type: ignore[method-assign]
            self._answer, web_ui.app.wsgi_app
        )

    def begin(self) -> Response:
        """Return what sends the browser that asks to a new session of its own."""
        now = self._clock()
        self._begun = {place: each for place, each in self._begun.items() if each.ends_s > now}
        place, token = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        self._begun[place] = _Session(token, _browser(request), now + _SESSION_S)
        path = f"{self._base_path}/{place}/"
        response = make_response(redirect(path, 303))
        response.set_cookie(
            self._cookie,
            token,
            path=path,
            secure=self._is_secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    def end(self, place: str) -> None:
        """Have no copy of a session's cookie count any longer."""
        self._begun.pop(place, None)

    def open_session(self, app: Flask, request: Request) -> _OfOneRequest:
        """Return a session that names the place whose cookie was sent, from where it began."""
        place = request.environ.get(_PLACE, "")
        begun = self._begun.get(place)
        sent = request.cookies.get(self._cookie, "").encode("utf-8", "replace")
        if (
            begun is None
            or begun.ends_s <= self._clock()
            or begun.browser != _browser(request)
            or not hmac.compare_digest(begun.token.encode(), sent)
        ):
            return _OfOneRequest()
        return _OfOneRequest(_user_id=place)  # flask_login's name for it

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep nothing: what is in a session besides its place is for one request."""

    def _answer(
        self, answer: _Application, environ: _Environ, start_response: object
    ) -> Iterable[bytes]:
        """Answer what is asked for below the place of a session as if it were not there."""
        # Of what browsers send of other ports, and anybody who likes, nothing is parsed: a cookie
        # of 60 KB of blanks takes werkzeug 15 s.
        sent = map(str.strip, environ.pop("HTTP_COOKIE", "").split(";"))
        if own := next(filter(self._own_cookie.fullmatch, sent), ""):
            environ["HTTP_COOKIE"] = own
        asked = environ["PATH_INFO"].removeprefix(f"{self._base_path}/")
        place, slash, rest = asked.partition("/")
        if slash and place in self._begun:
            environ[_PLACE] = place
            environ["PATH_INFO"] = f"{self._base_path}/{rest}"
        return answer(environ, start_response)


def _browser(request: Request) -> tuple[str, str]:
    # The address of the connection: whoever asks can send any X-Forwarded-For.
    return request.remote_addr or "", request.headers.get("User-Agent", "")
