"""Tokens: lifetime, revoking, and a rate window for each."""

from __future__ import annotations

import pytest

from simulator.model.clients import CLIENTS
from simulator.model.rates import RateLimit, Spent, Window
from simulator.model.rejection import Rejection
from simulator.model.tokens import Tokens, check_token
from tests.simulator.api import basic, bearer, call
from tests.simulator_process import SimulatorProcess

LISTING = "/api/v2/conversations?pageSize=1"


def test_a_token_may_spend_its_window_and_no_more() -> None:
    window, limit = Window(), RateLimit(2, 60.0)

    spent = [window.spend(limit, now_s) for now_s in (100.0, 110.5, 159.9)]

    assert spent == [Spent(1, 2, 60, False), Spent(2, 2, 50, False), Spent(2, 2, 1, True)]


def test_the_next_window_opens_with_the_first_request_after_the_last() -> None:
    window, limit = Window(), RateLimit(1, 60.0)
    window.spend(limit, 100.0)

    spent = window.spend(limit, 160.0)

    assert spent == Spent(1, 1, 60, False)


def test_each_token_has_a_budget_of_its_own_and_reads_spend_it() -> None:
    with SimulatorProcess("--token-rate-per-minute", "2") as simulator:
        first, second = bearer(simulator), bearer(simulator)

        statuses = [call(simulator, "GET", LISTING, headers=first).status for _ in range(3)]
        other = call(simulator, "GET", LISTING, headers=second)

    assert statuses == [200, 200, 429]
    assert other.status == 200
    assert other.headers["inin-ratelimit-count"] == "1"


def test_a_token_is_good_until_its_lifetime_is_over() -> None:
    tokens = Tokens(lifetime_s=600)
    text = tokens.issue(CLIENTS["demo"], now_s=100.0)

    token = check_token(tokens.find(text), text, now_s=699.9)

    assert token.client is CLIENTS["demo"]
    with pytest.raises(Rejection, match="Invalid login credentials"):
        check_token(token, text, now_s=700.0)


def test_a_login_tells_the_configured_lifetime() -> None:
    with SimulatorProcess("--token-lifetime-s", "900") as simulator:
        form = b"grant_type=client_credentials"

        reply = call(simulator, "POST", "/oauth/token", form, basic("demo", "demo"))

    assert reply.json["expires_in"] == 900


def test_revoking_ends_every_token_issued_so_far_and_none_after() -> None:
    with SimulatorProcess() as simulator:
        before = bearer(simulator)

        revoking = call(simulator, "POST", "/simulator/tokens/revoke")
        after = bearer(simulator)

        assert revoking.status == 204
        assert call(simulator, "GET", LISTING, headers=before).json["code"] == "bad.credentials"
        assert call(simulator, "GET", LISTING, headers=after).status == 200
