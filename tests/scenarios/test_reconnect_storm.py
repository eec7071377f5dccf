"""Scenario `reconnect_storm`: against the simulator, and against a far side that loses things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tests.locust_process import run_locust
from tests.simulator_process import SimulatorProcess
from tests.test_new_route import Shop
from tests.unit.remote.misbehaving_server import serving
from tests.unit.remote.websocket_peer import Peer, plays, said

K = re.compile(r"\[convoy:[^:]+(?<!-steps):reconnect_storm:(\d+)\]")
LIMITS = "limits=[{scope: connection, count: 60, per_s: 60}]"


def options(*stages: tuple[float, float], **reconnect: Any) -> list[str]:
    """The command line of a storm: `(rate, for_s)` of each stage, and the policy."""
    written = [{"rate": rate, "for_s": for_s} for rate, for_s in stages]
    given = {
        "stages": written,
        "scenario.reconnect_storm.reconnect": reconnect,
        "late_after_ms": 4000,
        "on_not_judged": "pass",
        "warm_up_s": 0,
    }
    sets = [f"--set={name}={json.dumps(value)}" for name, value in given.items()]
    return ["--scenarios", "reconnect_storm", f"--set={LIMITS}", *sets]


JWTS = [f"e30.e30.of-guest-{number}" for number in range(10)]


def test_guests_of_two_workers_drop_in_bursts_and_find_all_they_said(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    jwts = tmp_path / "jwts"
    jwts.write_text("\n".join(JWTS))
    bursts = options((0, 0.5), (80, 0.1), (0, 1.9), (80, 0.1), (0, 0.4), wait_s=0.6, jitter=0.5)
    criteria = [
        "unknown == 0",
        "count(errors[guest history incomplete], reconnect_storm/history) == 0",
        "count(errors[*], reconnect_storm/reconnect) == 0",
        "p50(timing[reconnected]) > 250ms",
    ]

    ended = run_locust(
        tmp_path,
        *("-H", simulator.url, "-u", "10", "--processes", "2", *bursts),
        f"--set=criteria={json.dumps(criteria)}",
        environment={"CONVOY_GUEST_JWTS_FILE": str(jwts)},
    )

    assert ended.exit_code == 0, ended.output
    assert not any(jwt in ended.output for jwt in JWTS)
    figures: dict[str, Any] = ended.run["scenarios"]["reconnect_storm"]
    assert (figures["scheduled"], figures["sent"], figures["accepted"]) == (16, 16, 16)
    steps = {name: (each["count"], each["errors"]) for name, each in figures["steps"].items()}
    assert steps["reconnect"] == steps["history"] == (16, {})
    assert steps["connect"] == steps["configure"] == steps["disturbance"] == (0, {})
    reconnected = figures["timings"]["reconnected"]
    assert (reconnected["matched"], reconnected["missing"]) == (16, 0)
    # From its drop on a guest has waited, come back, and looked.
    assert 300 <= reconnected["time_ms"]["p50"] <= figures["response_time_ms"]["p50"]
    assert [each["sent"] > 0 for each in ended.run["workers"]] == [True, True]
    assert simulator.ledger(ended.run["run_id"])["accepted"] == 16
    assert re.search(r"reconnected +16 matched", ended.output)
    assert "reconnect_storm/reconnect" in ended.output  # a row of Locust's


HISTORIES: dict[str, list[dict[str, str]]] = {}
"""What was said, by the guest's token, which is its JWT as well."""
KNOWN: dict[str, str] = {}
"""The number of the message that a guest has dropped with, by its token."""


class History(Shop):
    """Logs everybody in, and has the guests' histories."""

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        said = HISTORIES.get(token, [])
        self._answer(200, {"entities": said, "total": len(said)})


@contextmanager
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), History)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def forgets(peer: Peer) -> None:
    """Take guests and what they say; message 0 is lost, and another thing to each other guest.

    Of 1 the history lacks the reply, 2 is closed as it comes back, and 3 not known any more.
    """
    while (request := peer.hear()) is not None:
        token, id = request["token"], request["tracingId"]
        dropped = KNOWN.get(token)
        if request["action"] == "configureSession":
            if dropped == "2" and KNOWN.pop(token):
                peer.close(1013)
                return
            is_new = dropped in (None, "3") and token not in HISTORIES or dropped == "3"
            HISTORIES.setdefault(token, [])
            peer.say("SessionResponse", {"connected": True, "newSession": is_new}, tracingId=id)
        elif request["action"] == "getJwt":
            peer.say("JwtResponse", {"jwt": token, "exp": 2e9}, tracingId=id)
        elif (found := K.search(text := request["message"]["text"])) is None:
            peer.copy(request)
            body = {"direction": "Outbound", "type": "Text", "text": "Yes?", "id": f"to {token}"}
            peer.frame(said("StructuredMessage", body))
            # The copy has an id, too.
            HISTORIES[token] += [{"id": "m1", "text": text}, {"id": f"to {token}", "text": "Yes?"}]
        else:
            KNOWN[token] = found[1]
            if found[1] == "1":
                HISTORIES[token].clear()
            if found[1] != "0":
                HISTORIES[token].append({"id": f"of {token}", "text": text})


def test_what_is_lost_over_a_drop_is_counted_by_what_it_is(tmp_path: Path) -> None:
    peers: list[Peer] = []
    storm = options((0, 0.5), (50, 0.1), (0, 2.4), drop="closed", wait_s=0.2, factor=2)
    criteria = [
        "share(failures[*]) < 21%",
        "unknown == 1",
        "p95(response_time) < 5s",
        "count(errors[guest message lost], reconnect_storm) == 1",
        "count(errors[guest history incomplete], reconnect_storm/history) == 1",
        "count(errors[guest not resumed], reconnect_storm/disturbance) == 1",
    ]

    with api() as url, serving(plays(forgets, peers=peers)) as server:
        ended = run_locust(
            tmp_path,
            *("-H", url, f"--set=target.messaging_url=http://127.0.0.1:{server.port}"),
            *("-u", "5", "--set=request_timeout_s=2", *storm),
            f"--set=criteria={json.dumps(criteria)}",
        )

    assert ended.exit_code == 0, ended.output
    figures: dict[str, Any] = ended.run["scenarios"]["reconnect_storm"]
    assert (figures["sent"], figures["accepted"], figures["unknown"]) == (5, 4, 1)
    assert figures["errors"] == {"guest message lost": 1}
    steps = {name: (each["count"], each["errors"]) for name, each in figures["steps"].items()}
    assert steps["reconnect"] == (6, {"connection closed": 1})
    assert steps["history"] == (5, {"guest history incomplete": 1})
    assert steps["disturbance"] == (1, {"guest not resumed": 1})
    reconnected = figures["timings"]["reconnected"]
    assert (reconnected["matched"], reconnected["missing"]) == (5, 0)
    # The one that was closed as it came back has waited twice as long for its second try.
    assert reconnected["time_ms"]["max"] >= 600 and reconnected["time_ms"]["p50"] >= 200
    assert (
        sum(1 for peer in peers if any(getattr(end, "code", 0) == 1000 for end in peer.ends)) >= 5
    )
    assert "A message left just before its connection dropped" in ended.output
