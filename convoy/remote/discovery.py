"""Finds conversations to write to, and recognises a Convoy simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from convoy.errors import RefusedError, RemoteError
from convoy.plan.pool import Conversation
from convoy.remote.oauth import Token
from convoy.remote.proxies import proxy_to
from convoy.results.far_side import Ledger
from convoy.routes.catalogue import ROUTES, SIMULATOR
from convoy.routes.codes import error_code, meaning
from convoy.settings import Origin

if TYPE_CHECKING:
    import requests

ANY = "any"
"""As `state` or `type`: no filter."""
PERSON = "a person"
"""Who starts a simulator by hand; it is there until that person stops it."""
_PURPOSES = ("customer", "agent")
_MOST_PAGES = 200
"""20,000 conversations at 100 a page; well below what a token may ask for in a minute."""
_TRIES = 4
_PASSING_STATUSES = (429, 500, 502, 503, 504)


class _Participant(msgspec.Struct):
    id: str = ""
    purpose: str = ""


class _Conversation(msgspec.Struct):
    id: str
    state: str = ""
    type: str = ""
    participants: list[_Participant] = []

    def participant_id(self, purpose: str) -> str:
        return next((each.id for each in self.participants if each.purpose == purpose), "")


class _Simulator(msgspec.Struct):
    simulator: str
    started_by: str


class _Page(msgspec.Struct, rename="camel"):
    entities: list[_Conversation]
    page_count: int | None = None


def find_conversations(
    origin_url: str,
    token: Token,
    *,
    timeout_s: float,
    page_size: int = 100,
    state: str = "connected",
    type: str = "webchat",
    ca_file: str | None = None,
) -> list[Conversation]:
    """Return the conversations in `state` and of `type`, each once, sorted by id.

    They are sorted so that the pool does not depend on the order in which the remote lists them.
    `timeout_s` is for each page. Raises RemoteError with the remote's code and correlation id,
    RefusedError for a listing of more than 200 pages.
    """
    url = origin_url.rstrip("/") + ROUTES["conversations"].path
    found: dict[str, Conversation] = {}
    with _client(origin_url, ca_file) as client:
        client.headers["Authorization"] = f"Bearer {token.value.reveal()}"
        for number in range(1, _MOST_PAGES + 1):
            page = _read_page(client, url, page_size, number, timeout_s)
            found.update(
                (each.id, Conversation(each.id, *map(each.participant_id, _PURPOSES)))
                for each in page.entities
                if state in (each.state, ANY) and type in (each.type, ANY)
            )
            if _is_last(page, number, page_size):
                return [found[id] for id in sorted(found)]
    raise RefusedError(
        f"{url} lists more than {_MOST_PAGES} pages of {page_size} conversations; "
        "give the conversations in a file instead"
    )


def _client(origin_url: str, ca_file: str | None = None) -> requests.Session:
    # Imported here: this module may be imported before gevent has patched the sockets.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    client = requests.Session()
    # A GET changes nothing, so it may be repeated. A connection that fails is not tried again.
    again = Retry(
        total=_TRIES - 1,
        connect=0,
        status_forcelist=_PASSING_STATUSES,
        backoff_factor=0.2,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    for scheme in ("http://", "https://"):
        client.mount(scheme, HTTPAdapter(max_retries=again))
    # Without the environment: a .netrc would replace our token, and the proxy is chosen below.
    client.trust_env = False
    proxy = proxy_to(Origin.parse(origin_url))
    if proxy is not None:
        client.proxies = {"https": proxy.url_with_login.reveal()}
    client.headers.update({"Accept": "application/json", "User-Agent": "convoy"})
    client.verify = ca_file or True
    return client


def _read_page(
    client: requests.Session, url: str, page_size: int, number: int, timeout_s: float
) -> _Page:
    import requests

    asked = {"pageSize": page_size, "pageNumber": number}
    try:
        answer = client.get(url, params=asked, timeout=timeout_s, allow_redirects=False)
    except requests.RequestException as exc:
        raise RemoteError(f"no listing of conversations from {url}: {_cause(exc)}") from exc
    if answer.status_code != 200:
        raise RemoteError(_refusal(url, answer))
    try:
        return msgspec.json.decode(answer.content, type=_Page)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RemoteError(f"{url} answered 200, but with no listing: {exc}") from exc


def _is_last(page: _Page, number: int, page_size: int) -> bool:
    if page.page_count is not None:
        return number >= page.page_count
    return len(page.entities) < page_size


def _refusal(url: str, answer: requests.Response) -> str:
    code = error_code(answer.status_code, answer.content)
    correlation_id = answer.headers.get("ININ-Correlation-Id", "none given")
    told = f"{url} answered {answer.status_code} ({code}, correlation id {correlation_id})"
    return f"{told} when asked for conversations. {meaning(code)}".rstrip()


def _cause(fault: Exception) -> str:
    import requests

    if isinstance(fault, requests.exceptions.ProxyError):
        return meaning("proxy")
    if isinstance(fault, requests.exceptions.SSLError):
        return meaning("tls")
    if isinstance(fault, requests.Timeout):
        return meaning("timeout")
    if isinstance(fault, requests.ConnectionError):
        return meaning("connection refused" if _is_nobody(fault) else "connection closed")
    return type(fault).__name__


def starter_of_simulator(url: str, *, timeout_s: float = 2) -> str | None:
    """Return who started the Convoy simulator at `url`: `PERSON`, or the id of a run.

    "" stands for anything else that listens there, None for nothing.
    """
    import requests

    try:
        with _client(url) as client:
            answer = client.get(
                url.rstrip("/") + SIMULATOR, timeout=timeout_s, allow_redirects=False
            )
    except requests.RequestException as exc:
        return None if _is_nobody(exc) else ""
    if answer.status_code != 200:
        return ""
    try:
        found = msgspec.json.decode(answer.content, type=_Simulator)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return found.started_by if found.simulator == "convoy" else ""


def is_convoy_simulator(url: str) -> bool:
    """Return whether a Convoy simulator answers at `url`."""
    return bool(starter_of_simulator(url))


def read_ledger(url: str, run_id: str, *, timeout_s: float = 10) -> Ledger:
    """Return what the simulator at `url` has counted of a run; raises RemoteError."""
    import requests

    asked = url.rstrip("/") + SIMULATOR + "/ledger"
    try:
        with _client(url) as client:
            answer = client.get(
                asked, params={"run_id": run_id}, timeout=timeout_s, allow_redirects=False
            )
    except requests.RequestException as exc:
        raise RemoteError(f"no ledger from {asked}: {_cause(exc)}") from exc
    try:
        return msgspec.json.decode(answer.content, type=Ledger)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RemoteError(f"{asked} answered {answer.status_code}, but with no ledger") from exc


def _is_nobody(fault: Exception) -> bool:
    """Return whether no connection was made, which means that nothing listens there."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

    reason = fault.args[0] if isinstance(fault, requests.ConnectionError) and fault.args else None
    if isinstance(reason, MaxRetryError):
        return isinstance(reason.reason, (NewConnectionError, ConnectTimeoutError))
    return False
