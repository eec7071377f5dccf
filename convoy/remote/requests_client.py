"""The client for what is no message: `requests`, with our admission, trust, proxies and bounds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import gevent

from convoy.errors import RemoteError
from convoy.foreign import unbroken
from convoy.remote.addresses import Admission
from convoy.remote.proxies import proxy_to
from convoy.remote.wire_faults import NO_TLS, NO_TLS_REASONS, AnswerTooLargeError
from convoy.routes.codes import TLS_EXPECTED, error_code, meaning
from convoy.routes.refusals import read_refusal
from convoy.settings import Origin

if TYPE_CHECKING:
    import requests

_TRIES = 4
_TLS_ALERT = "\\x15\\x03"
"""How the first bytes of an answer in TLS look in an exception's text."""
PASSING_STATUSES = (500, 502, 503, 504)
_MOST_BYTES, _PIECE_BYTES = 2**24, 2**16


def open_client(
    origin_url: str,
    admission: Admission,
    ca_file: str | None = None,
    headers: Mapping[str, str] | None = None,
    connected: list[str] | None = None,
    *,
    repeats: bool = True,
) -> requests.Session:
    """Return a client for an API; its connections go where those of the messages go.

    By itself it `repeats` what is asked by GET where that may pass.
    """
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
        total=_TRIES - 1 if repeats else 0,
        connect=0,
        status_forcelist=PASSING_STATUSES,
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


def whole_answer(
    client: requests.Session,
    method: str,
    url: str,
    timeout_s: float,
    params: Mapping[str, Any] | None = None,
    body: bytes | None = None,
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
        answer = client.request(
            method,
            url,
            params=params,
            data=body,
            timeout=timeout_s,
            allow_redirects=False,
            stream=True,
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


def refusal_of(
    answer: requests.Response, url: str, what: str, *, advice: str = "", permission: str = ""
) -> RemoteError:
    """Return what an answer that says no means, with its code; `what` was asked for.

    `advice` stands in the place of what the code usually means. The `permission` that it takes is
    named, or those that the answer itself says are missing.
    """
    status, code = answer.status_code, error_code(answer.status_code, answer.content)
    correlation_id = unbroken(answer.headers.get("ININ-Correlation-Id", "none given"))
    told = f"{url} answered {status} ({code}, correlation id {correlation_id}) when asked for "
    told += f"{what}. {advice or meaning(code)}"
    if permission and status == HTTPStatus.FORBIDDEN:
        told += f" It takes the permission {permission}."
    elif missing := read_refusal(answer.content).permissions:
        told += f" It lacks {', '.join(missing)}."
    refusal = RemoteError(told.rstrip())
    refusal.code = code
    return refusal


def cause_of(fault: Exception) -> str:
    """Return what an exception of `requests` means, in the words for the wire."""
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
        return meaning("connection refused" if is_nobody(fault) else "connection closed")
    return type(fault).__name__


def is_nobody(fault: Exception) -> bool:
    """Return whether no connection was made, which means that nothing listens there."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

    reason = fault.args[0] if isinstance(fault, requests.ConnectionError) and fault.args else None
    if isinstance(reason, MaxRetryError):
        return isinstance(reason.reason, (NewConnectionError, ConnectTimeoutError))
    return False
