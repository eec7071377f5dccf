"""Finds conversations to write to and whose a token is, and recognises a Convoy simulator."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import msgspec

from convoy.errors import RefusedError, RemoteError
from convoy.foreign import on_one_line
from convoy.plan.pool import Conversation
from convoy.remote.addresses import Admission
from convoy.remote.limits import retry_after_s
from convoy.remote.oauth import Token
from convoy.remote.participants import read_conversation
from convoy.remote.proxies import proxy_to
from convoy.remote.wire_faults import NO_TLS, NO_TLS_REASONS, AnswerTooLargeError
from convoy.results.far_side import Ledger
from convoy.routes.catalogue import ROUTES, SIMULATOR
from convoy.routes.codes import TLS_EXPECTED, error_code, meaning
from convoy.secrets import Secret
from convoy.settings import Origin

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
THIS_MACHINE = Admission()
ANY = "any"
"""As `state` or `type`: no filter."""
_LISTED_TOO_OFTEN = (
    "The token's budget is spent; wait a minute, or keep the conversations in a file (`cache`)."
)
PERSON = "a person"
"""Who starts a simulator by hand; it is there until that person stops it."""
PAGE_SIZE = 100
_MOST_PAGES = 200
"""20,000 conversations at 100 a page; well below what a token may ask for in a minute."""
_TRIES = 4
_TLS_ALERT = "\\x15\\x03"
"""How the first bytes of an answer in TLS look in an exception's text."""
_PASSING_STATUSES = (500, 502, 503, 504)
_REST_AFTER_429_S = 1.0
_MOST_BYTES, _PIECE_BYTES = 2**24, 2**16


class _Simulator(msgspec.Struct):
    simulator: str
    started_by: str
    proof: str = ""


class _Organisation(msgspec.Struct):
    id: str


class _TokenInfo(msgspec.Struct):
    organization: _Organisation


class _Page(msgspec.Struct, rename="camel"):
    entities: list[msgspec.Raw]
    page_count: int | None = None


def find_conversations(
    origin_url: str,
    token: Token,
    *,
    timeout_s: float,
    page_size: int = PAGE_SIZE,
    state: str = "connected",
    type: str = "webchat",
    ca_file: str | None = None,
    admission: Admission = THIS_MACHINE,
    headers: Mapping[str, str] | None = None,
    route: str = "conversations",
) -> tuple[list[Conversation], int]:
    """Return the conversations in `state` and of `type`, each once, sorted by id.

    `route` is the listing to ask for.

    They are sorted so that the pool does not depend on the order in which the remote lists them.
    With them comes the number of those that were left out, because their id, state, type or
    participants are not what they should be. `timeout_s` and `headers` are for each page.
    Raises RemoteError with the remote's code and correlation id, RefusedError for a listing of more
    than 200 pages.
    """
    url = origin_url.rstrip("/") + ROUTES[route].path
    asked_for = [None if each == ANY else each for each in (state, type)]
    found: dict[str, Conversation] = {}
    left_out = 0
    with _client(origin_url, admission, ca_file, headers) as client:
        client.headers["Authorization"] = f"Bearer {token.value.reveal()}"
        for number in range(1, _MOST_PAGES + 1):
            asked = {"pageSize": page_size, "pageNumber": number}
            page = _read(client, url, "conversations", _Page, timeout_s, asked)
            for entity in page.entities:
                each = read_conversation(entity)
                if each is None:
                    left_out += 1
                elif each.is_of(*asked_for):
                    found[each.id] = each.for_pool()
            if _is_last(page, number, page_size):
                return [found[id] for id in sorted(found)], left_out
    raise RefusedError(
        f"{url} lists more than {_MOST_PAGES} pages of {page_size} conversations; "
        "give the conversations in a file instead"
    )


def _client(
    origin_url: str,
    admission: Admission,
    ca_file: str | None = None,
    headers: Mapping[str, str] | None = None,
    connected: list[str] | None = None,
) -> requests.Session:
    # Imported here: this module may be imported before gevent has patched the sockets.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    from convoy.remote.requests_connections import pool_classes
    from convoy.remote.tls import tls_context

    origin = Origin.parse(origin_url)
    tls = tls_context(ca_file) if origin.is_https else None

    class Adapter(HTTPAdapter):
        """Trusts what the connections of the messages trust; by itself `requests` asks certifi."""

        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options, ssl_context=tls)
            if proxy is None:  # otherwise the proxy looks the name up
                self.poolmanager.pool_classes_by_scheme = pool_classes(admission, connected)

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            return super().proxy_manager_for(proxy, **options, ssl_context=tls)

    proxy = proxy_to(origin)
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
        client.mount(scheme, Adapter(max_retries=again))
    # Without the environment: a .netrc would replace our token, and the proxy is chosen below.
    client.trust_env = False
    if proxy is not None:
        client.proxies = {"https": proxy.url_with_login.reveal()}
    client.headers.update(
        {
            **(headers or {}),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "convoy",
        }
    )
    client.verify = ca_file or True
    return client


def organisation_of(
    origin_url: str,
    token: Token,
    *,
    timeout_s: float,
    ca_file: str | None = None,
    admission: Admission = THIS_MACHINE,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return the id of the organisation that a token is of; raises RemoteError."""
    url = origin_url.rstrip("/") + ROUTES["own_token"].path
    with _client(origin_url, admission, ca_file, headers) as client:
        client.headers["Authorization"] = f"Bearer {token.value.reveal()}"
        return _read(client, url, "the token's organisation", _TokenInfo, timeout_s).organization.id


def _read(
    client: requests.Session,
    url: str,
    what: str,
    type: type[T],
    timeout_s: float,
    params: Mapping[str, int] | None = None,
) -> T:
    """Return what a GET answers; raises RemoteError, which says `what` was asked for."""
    import requests

    try:
        answer = _get(client, url, params, timeout_s)
    except requests.RequestException as exc:
        raise RemoteError(f"{url} did not give {what}: {_cause(exc)}") from exc
    if answer.status_code != 200:
        refusal = RemoteError(_refusal(url, what, answer))
        headers = {name.lower().encode(): each.encode() for name, each in answer.headers.items()}
        refusal.retry_after_s = retry_after_s(headers)
        if answer.status_code == 429 and refusal.retry_after_s is None:
            refusal.retry_after_s = _REST_AFTER_429_S
        raise refusal
    try:
        return msgspec.json.decode(answer.content, type=type)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise RemoteError(f"{url} answered 200, but not {what}: {exc}") from exc


def _get(
    client: requests.Session, url: str, params: Mapping[str, Any] | None, timeout_s: float
) -> requests.Response:
    """Return a whole answer; raises RequestException, also for one without end, or too long.

    `requests` itself has a time limit for each piece of an answer only, and none on its length.
    """
    import requests
    from urllib3.exceptions import DecodeError, HTTPError

    ends_s, pieces, left = time.monotonic() + timeout_s, [], _MOST_BYTES
    too_late = requests.exceptions.ReadTimeout("no whole answer in time")
    # For what `requests` does by itself, the head of an answer and repetitions.
    with gevent.Timeout(timeout_s, too_late):
        answer = client.get(
            url, params=params, timeout=timeout_s, allow_redirects=False, stream=True
        )
        try:
            while left >= 0 and (piece := answer.raw.read1(_PIECE_BYTES, decode_content=True)):
                pieces.append(piece)
                left -= len(piece)
                if time.monotonic() > ends_s:
                    raise too_late
        except DecodeError as error:
            raise requests.exceptions.ContentDecodingError(error) from error
        except HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(error) from error
        finally:
            answer.close()
    if left < 0:
        raise requests.RequestException(AnswerTooLargeError(f"more than {_MOST_BYTES:,} bytes"))
    answer._content = b"".join(pieces)  # as `requests` itself keeps what it has read
    return answer


def _is_last(page: _Page, number: int, page_size: int) -> bool:
    if page.page_count is not None:
        return number >= page.page_count
    return len(page.entities) < page_size


def _refusal(url: str, what: str, answer: requests.Response) -> str:
    code = error_code(answer.status_code, answer.content)
    correlation_id = on_one_line(answer.headers.get("ININ-Correlation-Id", "none given"))
    told = f"{url} answered {answer.status_code} ({code}, correlation id {correlation_id})"
    advice = _LISTED_TOO_OFTEN if answer.status_code == 429 else meaning(code)
    return f"{told} when asked for {what}. {advice}".rstrip()


def _cause(fault: Exception) -> str:
    import requests

    if isinstance(fault, requests.exceptions.ProxyError):
        return meaning("proxy")
    if isinstance(fault, requests.exceptions.SSLError):
        return meaning(NO_TLS if any(each in str(fault) for each in NO_TLS_REASONS) else "tls")
    # A silent server's timeout is a ConnectionError, as deep in others as it was tried often.
    if isinstance(fault, requests.Timeout) or "timed out" in str(fault):
        return meaning("timeout")
    if fault.args and isinstance(fault.args[0], AnswerTooLargeError):
        return meaning("answer too large")
    if isinstance(fault, requests.exceptions.ContentDecodingError):
        return meaning("malformed answer")
    if _TLS_ALERT in str(fault):
        return meaning(TLS_EXPECTED)
    if isinstance(fault, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return meaning("connection refused" if _is_nobody(fault) else "connection closed")
    return type(fault).__name__


def starter_of_simulator(url: str, *, timeout_s: float = 2) -> str | None:
    """Return who started the Convoy simulator at `url`: `PERSON`, or the id of a run.

    "" stands for anything else that listens there, None for nothing.
    """
    import requests

    try:
        found = _simulator_at(url, THIS_MACHINE, {}, timeout_s)
    except requests.RequestException as exc:
        return None if _is_nobody(exc) else ""
    return found.started_by if found is not None else ""


def is_convoy_simulator(
    url: str, key: Secret, *, admission: Admission = THIS_MACHINE, timeout_s: float = 2
) -> bool:
    """Return whether a Convoy simulator answers at `url` that was started with this key.

    It proves that by an HMAC-SHA256 of what it is asked and of the address and port that this
    process is connected to, and never tells the key. Whoever only passes the question on to one, or
    stands before it (a proxy, address translation), proves nothing.
    """
    import requests

    challenge, connected = token_hex(), list[str]()
    try:
        found = _simulator_at(url, admission, {"challenge": challenge}, timeout_s, connected)
    except requests.RequestException:
        return False
    if found is None or not connected:
        return False
    proven = f"{challenge} {connected[-1]}"
    proof = hmac.new(key.reveal().encode(), proven.encode(), "sha256").hexdigest()
    return hmac.compare_digest(found.proof.encode(), proof.encode())


def _simulator_at(
    url: str,
    admission: Admission,
    asked: Mapping[str, str],
    timeout_s: float,
    connected: list[str] | None = None,
) -> _Simulator | None:
    with _client(url, admission, connected=connected) as client:
        answer = _get(client, url.rstrip("/") + SIMULATOR, asked, timeout_s)
    if answer.status_code != 200:
        return None
    try:
        found = msgspec.json.decode(answer.content, type=_Simulator)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if found.simulator == "convoy" else None


def read_ledger(
    url: str, run_id: str, *, admission: Admission = THIS_MACHINE, timeout_s: float = 10
) -> Ledger:
    """Return what the simulator at `url` has counted of a run; raises RemoteError."""
    import requests

    asked = url.rstrip("/") + SIMULATOR + "/ledger"
    try:
        with _client(url, admission) as client:
            answer = _get(client, asked, {"run_id": run_id}, timeout_s)
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
