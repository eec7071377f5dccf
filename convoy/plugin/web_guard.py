"""The guard of the web UI: which requests it takes, and what browsers may do with its answers.

A page that a browser has open from elsewhere can send requests to this machine, also under a name
of its own that it lets point here (DNS rebinding). Neither may start, stop or read a test.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, g, request
from locust.web import WebUI
from werkzeug.routing import RequestRedirect

from convoy.settings.origin import is_loopback
from convoy.untrusted_text import quoted

_ASSETS = "locust.send_assets"
_LOGINS = ("locust.login", "convoy_log_in")
_PAGES = ("locust.index", "locust.stats_report", "convoy_session", *_LOGINS)
"""Endpoints whose pages hold a script; a link from elsewhere leads to them alone."""
_ROOT = '<div id="root"></div>'
_LARGEST_REQUEST = 64 * 1024
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/?#@\s]+)(:[0-9]{1,5})?")

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Locust's page makes its style sheets when it runs, and its charts set styles of elements.
_LOCUSTS = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The report has a stricter policy of its own, by the hashes of its scripts; both count.
RECORDS_REPORT = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICY = "Content-Security-Policy"
_DEFAULTS = {
    _POLICY: _NOTHING,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A page that leads here cannot choose what of this one its window shows.
    "Document-Policy": "force-load-at-top",
    # With no-referrer, browsers would send `Origin: null` with the form of the login.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# Another user of this machine may have had the port before, and left a script in the browser: in
# its cache, under the address of one of Locust's, or as a service worker. There is none here.
_FORGET, _CACHE, _STORAGE = "Clear-Site-Data", '"cache"', '"storage"'
_Environ = dict[str, Any]
_StartResponse = Callable[..., Callable[[bytes], object]]


@dataclass(frozen=True, slots=True)
class HostNames:
    """The names that the Host header of a request may have, with any port.

    Any port, because an SSH tunnel to the web UI listens at a port of its own. `names` are in lower
    case. Those of them that the operator has `given` may be the names of a proxy, and its pages may
    come over TLS where the web UI itself has none. Where the web UI `is_open` to other machines,
    any IP address is allowed as well: DNS rebinding needs a name.

    `localhost` stands for two addresses, and browsers try ::1 first, where another user may listen
    and get the session's cookie. So where the web UI `has_login`, it has to be given.
    """

    names: frozenset[str]
    is_open: bool
    given: frozenset[str]
    has_login: bool

    @classmethod
    def of(cls, bound: str, given: Iterable[str], *, has_login: bool) -> HostNames:
        """Return those of a web UI that listens at `bound`; `given` are allowed on purpose."""
        bound = bound.lower()
        is_open = not is_loopback(bound)
        own = {bound} if is_open or _is_address(bound) else set()
        if is_open:
            machine = socket.gethostname().lower()
            own |= {machine, machine.partition(".")[0]}
        given = frozenset(given)
        return cls(frozenset(filter(None, own)) | given, is_open, given, has_login)

    def have(self, header: str) -> bool:
        """Tell whether a Host header is one of them."""
        host = _name_in(header)
        if is_loopback(host) and (_is_address(host) or not self.has_login):
            return True
        return host in self.names or (self.is_open and _is_address(host))

    def complaint(self, header: str, scheme: str) -> str:
        """Return what to say of a Host header that is none of them."""
        host = _name_in(header)
        if not is_loopback(host):
            return (
                f"{quoted(header)} is no name of this web UI; names besides its own address "
                "are given in CONVOY_WEB_HOSTS when Convoy is started"
            )
        port = header[len(host) :]
        return (
            f"{quoted(header)} may lead to another user of this machine as well, who would get the "
            f"session; log in at {scheme}://127.0.0.1{port}/"
        )

    def schemes(self, header: str, own: str) -> tuple[str, ...]:
        """Return which schemes the pages of a Host header may have; `own` is the web UI's."""
        return (own, "https") if _name_in(header) in self.given else (own,)


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def _name_in(header: str) -> str:
    """Return the name in a Host header, "" where it is none."""
    match = _HOST.fullmatch(header)
    return match[1].strip("[]").lower() if match else ""


def install(web_ui: WebUI, hosts: HostNames) -> None:
    """Refuse what does not come from the web UI's own pages, and send every answer's headers."""
    app = web_ui.app
    assert app is not None
    # Locust switches it on; exceptions would pass Flask by, with what they say on the terminal.
    app.debug = False
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_REQUEST

    def check() -> Response | None:
        g.nonce = secrets.token_urlsafe(16)
        host = request.headers.get("Host", "")
        if not hosts.have(host):
            return refusal(hosts.complaint(host, request.scheme))
        if _is_foreign(hosts.schemes(host, request.scheme)):
            return refusal(
                "a page of another origin may neither control this test nor read it; follow a link "
                "of the web UI's own page"
            )
        if "Transfer-Encoding" in request.headers:
            # The limit on a request's size holds for those that say it first.
            return refusal("a request has to say how long it is", 411)
        return None

    # Before any other: those of a locustfile of one's own may be there already.
    app.before_request_funcs.setdefault(None, []).insert(0, check)
    app.after_request(_add_policy)
    app.wsgi_app = _Headers(app)  # type: ignore[method-assign]


def add_to_page(web_ui: WebUI, endpoint: str, html: str) -> None:
    """Add this at the end of a page of Locust's; CONVOY_NONCE in it allows a script."""

    def add(response: Response) -> Response:
        if request.endpoint == endpoint and response.mimetype == "text/html":
            page = response.get_data(as_text=True)
            allowed = html.replace("CONVOY_NONCE", g.nonce)
            response.set_data(page.replace("</body>", f"{allowed}</body>"))
        return response

    assert web_ui.app is not None
    web_ui.app.after_request(add)


def refusal(sentence: str, status: int = 403) -> Response:
    """Return an answer that says why, as plain text, because it may repeat what was asked.

    It is the last one of its connection: where a proxy and gevent's server disagree on the length
    of a request, the rest of a refused one would be read as another one.
    """
    return Response(sentence, status, {"Connection": "close"}, mimetype="text/plain")


def _is_foreign(schemes: Iterable[str]) -> bool:
    """Tell whether a browser sent this request for a page that is not the web UI's own.

    Its own have one of the `schemes`.
    Programs that are no browsers send neither header. A port of its own makes another origin,
    which browsers call `same-site`. Following a link to a page here is allowed, but not to a file:
    the page with the link can tell whether a download begins.
    """
    sent = request.headers
    own = [f"{scheme}://{request.host}".lower() for scheme in schemes]
    if "Origin" in sent and sent["Origin"].lower() not in own:
        return True
    is_page = request.endpoint in _PAGES or isinstance(request.routing_exception, RequestRedirect)
    is_page = is_page and "download" not in request.args  # of Locust's report
    if "Sec-Fetch-Site" not in sent:
        # So do browsers by plain http under a name. They want a page where a link is followed, and
        # who follows one of the web UI's says so, because of its Referrer-Policy.
        wants_page = "text/html" in sent.get("Accept", "") and "Origin" not in sent
        is_linked = sent.get("Referer", "").lower().startswith(tuple(f"{each}/" for each in own))
        return wants_page and request.endpoint is not None and not is_page and not is_linked
    # A prefetch by a page's speculation rules is `none`, too, as an address that was typed.
    is_typed = sent["Sec-Fetch-Site"] == "none" and "Sec-Purpose" not in sent
    if is_typed or sent["Sec-Fetch-Site"] == "same-origin":
        return False
    how = [sent.get(f"Sec-Fetch-{name}") for name in ("Mode", "Dest")]
    return request.method != "GET" or how != ["navigate", "document"] or not is_page


def _add_policy(response: Response) -> Response:
    if request.endpoint != _ASSETS:  # which hold no data
        response.headers["Cache-Control"] = "no-store"
    if request.endpoint in _PAGES and response.mimetype == "text/html":
        page = response.get_data(as_text=True)
        response.set_data(_with_nonce(page, g.nonce))
        response.headers[_POLICY] = _LOCUSTS.format(nonce=g.nonce)
        response.headers[_FORGET] = _CACHE
    is_worker = request.headers.get("Service-Worker") == "script"
    if is_worker or (request.endpoint in _LOGINS and response.mimetype == "text/html"):
        response.headers[_FORGET] = f"{_CACHE}, {_STORAGE}"
    return response


def _with_nonce(page: str, nonce: str) -> str:
    """Allow Locust's scripts: those in the head, and the first behind the root, which has the data.

    Nothing that was sent to Locust stands before that one. What comes from a file gets an address
    that it never had: a tab remembers scripts by theirs, also when its cache is cleared.
    """
    # The tags are those of the page of Locust 2.47. A nonce for every script would also allow one
    # that somebody has brought into the data.
    head, root, rest = page.partition(_ROOT)
    allowed = f'<script nonce="{nonce}"'
    module = '<script type="module" crossorigin>'
    head = head.replace(module, f'{allowed} type="module" crossorigin>', 1)
    head = re.sub(r'(<script type="module" crossorigin src="[^"?]+)"', rf'\1?{nonce}"', head)
    return head + root + rest.replace("<script>", f"{allowed}>", 1)


class _Headers:
    """Gives every answer the headers that it lacks, and takes away those that let others read it.

    It wraps the whole app, because Flask's own pages for errors get Locust's CORS headers last.
    """

    def __init__(self, app: Flask) -> None:
        self._answer = app.wsgi_app

    def __call__(self, environ: _Environ, start_response: _StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [each for each in headers if not each[0].lower().startswith("access-control-")]
            there = {name.lower() for name, _ in kept}
            kept += [each for each in _DEFAULTS.items() if each[0].lower() not in there]
            return start_response(status, kept, exc_info)

        # Locust logs what it answers to a wrong one, with the whole path, whoever asks. Nobody has
        # anything of before to ask on, because nothing may be kept.
        for name in [each for each in environ if each.startswith(("HTTP_IF_", "HTTP_RANGE"))]:
            del environ[name]
        return self._answer(environ, start)
