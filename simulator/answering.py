"""From a call to its answer: route, token, budget, size, handler, ledger of rejections."""

from __future__ import annotations

import logging

from simulator.answers import Answer, Headers, error_answer, standard_rejection
from simulator.calls import Call
from simulator.model.marker import find_marker_in_bytes
from simulator.model.rejection import RateExceeded, Rejection
from simulator.model.tokens import Spent
from simulator.routes import Methods, Route, RouteTable
from simulator.world import World

INJECTED_RETRY_AFTER_S = 1
TOO_MANY = "too.many.requests.retry.after"
CONTROL = "/simulator"
_FOREIGN = Rejection("not.authorized", "A page of another origin may not control the simulator.")
logger = logging.getLogger("simulator")


class Answering:
    """Answers calls on one world; never raises."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._table = RouteTable()

    def answer(self, call: Call, injected_code: str = "") -> Answer:
        """The answer, and its trace in the ledger; `injected_code` replaces the handler's word."""
        methods, call.path_values = self._table.find(call.path)
        route = methods.get(call.method)
        try:
            if injected_code:
                answer = error_answer(self._injected(injected_code), call.correlation_id)
            elif call.path.startswith(CONTROL) and call.comes_from_another_origin:
                answer = error_answer(_FOREIGN, call.correlation_id)
            elif route is None:
                answer = _no_route(methods, call)
            elif route.needs_token:
                answer = self._with_token(route, call)
            else:
                answer = self._handled(route, call)
        except Exception:
            # The outermost edge: a fault of the simulator's own must not take the process along.
            logger.exception("%s %s failed", call.method, call.path)
            answer = error_answer(standard_rejection("internal.server.error"), call.correlation_id)
        if answer.code and route is not None and route.is_message:
            self._world.ledger.reject(find_marker_in_bytes(call.body), answer.code)
        return answer

    def _with_token(self, route: Route, call: Call) -> Answer:
        world = self._world
        now_s = world.now_s()
        try:
            call.token = world.tokens.authenticate(call.token_text, now_s)
        except Rejection as rejection:
            return error_answer(rejection, call.correlation_id)
        spent = call.token.spend(world.rate_limit, now_s)
        if spent.is_exceeded:
            exceeded = RateExceeded(spent.reset_s, spent.allowed)
            answer = error_answer(exceeded, call.correlation_id)
        else:
            answer = self._handled(route, call)
        headers = answer.headers + _budget_headers(spent)
        return Answer(answer.status, answer.body, headers, answer.code)

    def _handled(self, route: Route, call: Call) -> Answer:
        try:
            if call.is_too_large:
                raise standard_rejection("request.entity.too.large")
            return route.handle(self._world, call)
        except Rejection as rejection:
            return error_answer(rejection, call.correlation_id)

    def _injected(self, code: str) -> Rejection:
        if code == TOO_MANY:
            return RateExceeded(INJECTED_RETRY_AFTER_S, self._world.rate_limit.count)
        return standard_rejection(code)


def _no_route(methods: Methods, call: Call) -> Answer:
    if not methods:
        return error_answer(standard_rejection("not.found"), call.correlation_id)
    answer = error_answer(standard_rejection("method.not.allowed"), call.correlation_id)
    allow = ", ".join(sorted(methods)).encode()
    return Answer(answer.status, answer.body, ((b"Allow", allow),), answer.code)


def _budget_headers(spent: Spent) -> Headers:
    return (
        (b"inin-ratelimit-count", b"%d" % spent.used),
        (b"inin-ratelimit-allowed", b"%d" % spent.allowed),
        (b"inin-ratelimit-reset", b"%d" % spent.reset_s),
    )
