"""Faults: what each SPEC does, alone and together, and that they hit nothing but the API."""

from __future__ import annotations

import http.client
import statistics
from collections.abc import Iterator

import pytest

from simulator.faults import UNHARMED, BadFault, Effect, Faults
from tests.simulator.api import MESSAGES, bearer, call, canonical_body, open_conversations
from tests.simulator_process import SimulatorProcess


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


def order(simulator: SimulatorProcess, *specs: str) -> None:
    reply = call(simulator, "POST", "/simulator/faults", {"faults": specs})
    assert reply.status == 200


def faults(*specs: str) -> Faults:
    made = Faults(seed=1)
    made.add(specs, now_s=100.0)
    return made


@pytest.mark.parametrize(
    ("specs", "now_s", "effect"),
    [
        ((), 100.0, UNHARMED),
        (("latency=20ms",), 100.0, Effect(delay_s=0.02)),
        (("latency=20ms", "latency=1s"), 100.0, Effect(delay_s=1.02)),
        (("error=503:1", "error=500:1"), 100.0, Effect(error_code="service.unavailable")),
        (("error=503:0",), 100.0, UNHARMED),
        (("drop=1",), 100.0, Effect(is_dropped=True)),
        (("truncate=1",), 100.0, Effect(is_truncated=True)),
        (("stall=5s@10s",), 109.0, UNHARMED),
        (("stall=5s@10s",), 110.0, Effect(delay_s=5.0)),
        (("stall=5s@10s",), 112.0, Effect(delay_s=3.0)),
        (("stall=5s@10s",), 115.0, UNHARMED),
        (("stall=5s@10s", "latency=2s"), 109.0, Effect(delay_s=6.0)),
        (("rate=3/10s",), 100.0, UNHARMED),
    ],
)
def test_faults_compose(specs: tuple[str, ...], now_s: float, effect: Effect) -> None:
    assert faults(*specs).effect(now_s) == effect


def test_lognormal_latency_has_the_median_asked_for() -> None:
    made = faults("latency=lognormal(20ms,0.5)")

    delays_s = [made.effect(100.0).delay_s for _ in range(5_000)]

    assert statistics.median(delays_s) == pytest.approx(0.020, rel=0.05)
    assert len(set(delays_s)) > 4_900


def test_the_same_seed_harms_the_same_requests() -> None:
    first, second = faults("error=503:0.3", "drop=0.1"), faults("error=503:0.3", "drop=0.1")

    effects = [first.effect(100.0) for _ in range(500)]

    assert effects == [second.effect(100.0) for _ in range(500)]
    assert 100 < sum(effect.error_code != "" for effect in effects) < 200


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "latency",
        "latency=20",
        "latency=-1ms",
        "latency=lognormal(20ms)",
        "latency=lognormal(20ms,99)",
        "error=503",
        "error=302:0.1",
        "error=503:2",
        "drop=1.01",
        "drop=nan",
        "stall=5s",
        "rate=0/60s",
        "rate=3/0s",
        "latency=999999999999s",
        "latency=٣ms",
    ],
)
def test_a_wrong_fault_is_refused_by_name(spec: str) -> None:
    with pytest.raises(BadFault) as refusal:
        faults(spec)

    assert repr(spec) in str(refusal.value)


def test_a_wrong_fault_changes_nothing(simulator: SimulatorProcess) -> None:
    order(simulator, "latency=1ms")

    reply = call(simulator, "POST", "/simulator/faults", {"faults": ["drop=1", "drop=2"]})

    assert reply.status == 400
    assert "drop=2" in reply.json["message"]
    assert call(simulator, "GET", "/simulator/faults").json == {"faults": ["latency=1ms"]}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"faults": "drop=1"}', b'{"fault": []}', b"[" * 99999]
)
def test_a_body_that_sets_no_faults_is_refused(simulator: SimulatorProcess, body: bytes) -> None:
    reply = call(simulator, "POST", "/simulator/faults", body)

    assert reply.status == 400
    assert reply.json["code"] == "bad.request"


def test_faults_are_cleared(simulator: SimulatorProcess) -> None:
    token = bearer(simulator)
    order(simulator, "error=503:1", "rate=1/60s")

    harmed = call(simulator, "GET", "/api/v2/conversations", headers=token)
    clearing = call(simulator, "DELETE", "/simulator/faults")
    unharmed = call(simulator, "GET", "/api/v2/conversations", headers=token)

    assert harmed.status == 503
    assert clearing.status == 204
    assert unharmed.status == 200
    assert unharmed.headers["inin-ratelimit-allowed"] == "300"


def test_a_dropped_message_is_not_accepted(simulator: SimulatorProcess) -> None:
    body = canonical_body(open_conversations(simulator)[0]["id"], "[convoy:dropped:chat:1]")
    token = bearer(simulator)
    order(simulator, "drop=1")

    with pytest.raises(http.client.RemoteDisconnected):
        call(simulator, "POST", MESSAGES, body, token)

    assert simulator.ledger("dropped")["accepted"] == 0


def test_a_truncated_answer_is_short_and_its_message_accepted(
    simulator: SimulatorProcess,
) -> None:
    body = canonical_body(open_conversations(simulator)[0]["id"], "[convoy:cut:chat:1]")
    token = bearer(simulator)
    order(simulator, "truncate=1")

    with pytest.raises(http.client.IncompleteRead) as cut:
        call(simulator, "POST", MESSAGES, body, token)

    assert len(cut.value.partial) > 0
    assert simulator.ledger("cut")["accepted"] == 1


def test_injected_errors_are_rejections_of_the_run(simulator: SimulatorProcess) -> None:
    body = canonical_body(open_conversations(simulator)[0]["id"], "[convoy:hurt:chat:1]")
    token = bearer(simulator)
    order(simulator, "error=429:1")

    reply = call(simulator, "POST", MESSAGES, body, token)

    assert reply.status == 429
    assert reply.headers["retry-after"] == "1"
    assert simulator.ledger("hurt")["rejected"] == {"too.many.requests.retry.after": 1}


def test_a_rate_fault_replaces_the_token_limit(simulator: SimulatorProcess) -> None:
    token = bearer(simulator)
    order(simulator, "rate=1/60s")

    replies = [call(simulator, "GET", "/api/v2/conversations", headers=token) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 429]
    assert replies[1].json["limit"]["value"] == 1


def test_login_and_control_are_never_harmed(simulator: SimulatorProcess) -> None:
    order(simulator, "drop=1", "truncate=1", "error=500:1", "stall=3600s@0s")

    token = bearer(simulator)
    reply = call(simulator, "GET", "/simulator/faults")

    assert token["Authorization"].startswith("Bearer ")
    assert len(reply.json["faults"]) == 4
