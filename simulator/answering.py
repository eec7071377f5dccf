"""From a call to its answer: dialect, route, token, limits, access, size, handler, ledger."""

from __future__ import annotations

import logging

from simulator.answers import Answer, Headers, error_answer
from simulator.calls import FOREIGN, Call
from simulator.errors import rejection
from simulator.model.clients import PUBLIC, THREAD
from simulator.model.marker import find_marker_in_bytes
from simulator.model.rates import CLIENT_TOKEN_KEY, Spent, token_key
from simulator.model.rejection import RateExceeded, Rejection
from simulator.model.tokens import check_token
from simulator.public_routes import PUBLIC_ROUTES
from simulator.routes import OWN_ROUTES, THREAD_ROUTES, Methods, Route, RouteTable
from simulator.world import World

INJECTED_RETRY_AFTER_S = 1
TOO_MANY = "too.many.requests.retry.after"
CONTROL = "/simulator"
_THREAD_PATHS = {route.path for route in THREAD_ROUTES}
_PUBLIC_ROUTES_ELSEWHERE = tuple(r for r in PUBLIC_ROUTES if r.path not in _THREAD_PATHS)
logger = logging.getLogger("simulator")


class Answering:
    """Answers calls on one world; never raises.

    The client that a call's token belongs to decides which dialect's routes there are. Those of the
    thread find the definition's, too, at paths that the thread does not have. Without a known token
    there are both, so that what is refused is the token and not the path.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._tables = {
            THREAD: RouteTable(OWN_ROUTES + THREAD_ROUTES + _PUBLIC_ROUTES_ELSEWHERE),
            PUBLIC: RouteTable(OWN_ROUTES + PUBLIC_ROUTES),
        }

    def answer(self, call: Call, injected_code: str = "") -> Answer:
        """The answer, and its trace in the ledger; `injected_code` replaces the handler's word."""
        if self.is_foreign(call):
            return error_answer(FOREIGN, call.correlation_id)
        token_text = call.token_text
        call.token = self._world.tokens.find(token_text)
        methods, call.path_values = self._find(call)
        route = methods.get(call.method)
        try:
            if injected_code:
                answer = error_answer(self._injected(injected_code), call.correlation_id)
            elif route is None:
                answer = _no_route(methods, call)
            elif route.needs_token:
                answer = self._with_token(route, call, token_text)
            else:
                answer = self._handled(route, call)
        except Exception:
            # The outermost edge: a fault of the simulator's own must not take the process along.
            logger.exception("%s %s failed", call.method, call.path)
            answer = error_answer(rejection("internal.server.error"), call.correlation_id)
        if answer.code and route is not None and route.is_message:
            self._world.ledger.reject(find_marker_in_bytes(call.body), answer.code)
        return answer

    def is_foreign(self, call: Call) -> bool:
        """Tell whether a page from elsewhere asks, which has no effect here and leaves no trace."""
        bound = self._world.options.host
        if call.path.startswith(CONTROL):
            return call.comes_from_another_origin(bound)
        return call.comes_from_another_site(bound)

    def _find(self, call: Call) -> tuple[Methods, tuple[str, ...]]:
        if call.token is not None:
            return self._tables[call.token.client.dialect].find(call.path)
        found = self._tables[THREAD].find(call.path)
        if call.method in found[0]:
            return found
        public = self._tables[PUBLIC].find(call.path)
        return public if call.method in public[0] or not found[0] else found

    def _with_token(self, route: Route, call: Call, token_text: str) -> Answer:
        world = self._world
        now_s = world.now_s()
        try:
            token = check_token(call.token, token_text, now_s)
        except Rejection as refused:
            return error_answer(refused, call.correlation_id)
        client = token.client
        spent = token.window.spend(world.rate_limit, now_s)
        try:
            if spent.is_exceeded:
                raise RateExceeded(spent.reset_s, spent.allowed, token_key(client))
            world.shared_limits.check(client, now_s)
            if route.access is not None:
                route.access.check(client)
            answer = self._handled(route, call)
        except Rejection as refused:
            answer = error_answer(refused, call.correlation_id)
        headers = answer.headers + _budget_headers(spent)
        return Answer(answer.status, answer.body, headers, answer.code)

    def _handled(self, route: Route, call: Call) -> Answer:
        try:
            if call.is_too_large:
                raise rejection("request.entity.too.large")
            return route.handle(self._world, call)
        except Rejection as refused:
            return error_answer(refused, call.correlation_id)

    def _injected(self, code: str) -> Rejection:
        if code == TOO_MANY:
            allowed = self._world.rate_limit.count
            return RateExceeded(INJECTED_RETRY_AFTER_S, allowed, CLIENT_TOKEN_KEY)
        return rejection(code)


def _no_route(methods: Methods, call: Call) -> Answer:
    if not methods:
        return error_answer(rejection("not.found"), call.correlation_id)
    answer = error_answer(rejection("method.not.allowed"), call.correlation_id)
    allow = ", ".join(sorted(methods)).encode()
    return Answer(answer.status, answer.body, ((b"Allow", allow),), answer.code)


def _budget_headers(spent: Spent) -> Headers:
    return (
        (b"inin-ratelimit-count", b"%d" % spent.used),
        (b"inin-ratelimit-allowed", b"%d" % spent.allowed),
        (b"inin-ratelimit-reset", b"%d" % spent.reset_s),
    )
