"""Faults of guests' connections: what each SPEC does to upgrades, requests and frames."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.fault_words import BadFault
from simulator.faults import Faults
from tests.simulator.guest_in_process import UNLIMITED, Guest, brief, briefs
from tests.simulator.in_process import Organisation


def guest_under(*specs: str, options: tuple[str, ...] = ()) -> Guest:
    """A guest who is configured already when the faults are set."""
    organisation = Organisation("--bot", "echo", "--bot-delay", "10ms", *UNLIMITED, *options)
    guest = Guest(organisation)
    organisation.post("/simulator/faults", {"faults": specs})
    return guest


def dialogue(guest: Guest, count: int) -> list[str]:
    """What comes back for so many texts, without typing."""
    before = len(guest.frames)
    for k in range(count):
        guest.say(str(k))
    guest.hear()
    return [text for text in briefs(guest.frames[before:]) if text != "Typing"]


@pytest.mark.parametrize(
    "spec",
    [
        "ws-drop=0.01",
        "ws-drop=2/s",
        "ws-close=4029",
        "ws-close=1005:0.1",
        "ws-close=200:0.1",
        "ws-error=4000000:0.1",
        "ws-error=4999:0.1",
        "ws-refuse=101:0.1",
        "ws-stall=5s",
        "ws-latency=soon",
        "ws-lose=1.1",
        "ws-corrupt=0.1",
    ],
)
def test_a_wrong_spec_is_refused_and_changes_nothing(spec: str) -> None:
    faults = Faults(seed=1)

    with pytest.raises(BadFault, match="ws-"):
        faults.add(["ws-lose=1", spec], now_s=0.0)

    assert not faults.specs and not faults.sockets.strike_frames


def test_some_upgrades_are_refused() -> None:
    faults = Faults(seed=1)
    faults.add(["ws-refuse=503:0.3"], now_s=0.0)

    refusals = [faults.sockets.refusal() for _ in range(1_000)]

    assert 250 < refusals.count(503) < 350
    assert set(refusals) == {0, 503}


@pytest.mark.parametrize(
    ("spec", "heard"),
    [
        pytest.param("ws-lose=1", [], id="lost"),
        pytest.param("ws-double=1", ["0", "0", "0", "0"], id="doubled"),
        pytest.param("ws-reorder=0", ["0", "0"], id="none"),
        pytest.param("ws-error=4007:1", ["4007"], id="refused"),
        pytest.param("ws-error=4029:1", ["TooManyRequestsErrorMessage 4029"], id="refused by rate"),
    ],
)
def test_what_a_fault_does_to_one_message_and_its_echo(spec: str, heard: list[str]) -> None:
    guest = guest_under(spec)

    assert dialogue(guest, 1) == heard


def test_answers_are_neither_lost_nor_doubled() -> None:
    guest = guest_under("ws-lose=1", "ws-double=1", "ws-reorder=1")

    assert briefs(guest.ask("getJwt")) == ["JwtResponse"]


def test_what_is_overtaken_comes_after_the_next_or_half_a_second_later() -> None:
    guest = guest_under("ws-reorder=1")

    at_once = briefs(guest.say("0"))
    at_last = [brief(each) for each in guest.frames[2:] + guest.hear(0.6)]

    assert at_once == ["Typing", "0"], "the copy is overtaken by what follows it"
    assert at_last[-1] == "0"


@pytest.mark.parametrize("spec", ["ws-lose=0.2", "ws-double=0.2", "ws-reorder=0.2"])
def test_a_share_is_struck_by_the_seed_and_all_else_arrives(spec: str) -> None:
    first, second = dialogue(guest_under(spec), 100), dialogue(guest_under(spec), 100)
    sound = dialogue(guest_under(), 100)

    difference = len(first) - len(sound)

    assert first == second
    assert first != sound
    if spec == "ws-reorder=0.2":
        assert sorted(first) == sorted(sound)
    else:
        assert 25 < abs(difference) < 60
        assert (difference > 0) == (spec == "ws-double=0.2")
    assert dialogue(guest_under(spec, options=("--seed", "2")), 100) != first


@pytest.mark.parametrize("delay", ["20ms", "lognormal(20ms,2)"])
def test_frames_that_wait_stay_in_their_order(delay: str) -> None:
    guest = guest_under(f"ws-latency={delay}", options=("--bot-delay", "0ms"))

    at_once = [guest.say(str(k)) for k in range(50)]
    heard = briefs(guest.hear(3_600))

    assert at_once == [[]] * 50
    assert heard == [str(k // 2) for k in range(100)]


def test_frames_after_a_cleared_fault_do_not_overtake_those_that_wait() -> None:
    guest = guest_under("ws-latency=5s", options=("--bot-delay", "0ms"))
    guest.say("0")
    guest.organisation.ask("DELETE", "/simulator/faults")

    guest.say("1")

    assert briefs(guest.hear()) == ["0", "0", "1", "1"]
    assert brief(guest.say("2")[0]) == "2"


def test_a_stall_freezes_all_frames_until_its_end() -> None:
    guest = guest_under("ws-stall=5s@10s")
    before = briefs(guest.ask("getJwt"))
    guest.hear(12)

    frozen = guest.ask("getJwt")
    still = guest.hear(2.9)
    thawed = guest.hear(0.2)

    assert (before, frozen, still) == (["JwtResponse"], [], [])
    assert briefs(thawed) == ["JwtResponse"]


def test_a_request_is_not_served_whose_connection_is_closed() -> None:
    guest = guest_under("ws-close=4029:1")

    heard = dialogue(guest, 1)

    assert heard == []
    assert guest.closed == 4029
    assert guest.organisation.world.ledger.whole.accepted == 0


def test_in_each_second_a_share_of_the_connections_is_cut() -> None:
    organisation = Organisation(*UNLIMITED)
    organisation.post("/simulator/faults", {"faults": ["ws-drop=0.1/s"]})
    guests = [Guest(organisation) for _ in range(500)]

    def left_after(seconds: float) -> int:
        organisation.pass_time(seconds)
        return sum(each.closed is None for each in guests)

    left = [left_after(1.0), left_after(9.0)]

    assert 425 < left[0] < 475
    assert 130 < left[1] < 220
    assert {each.closed for each in guests} == {None, "cut"}
    assert Guest(organisation, token=guests[0].token).session["newSession"] is False


def test_the_examples_of_a_complaint_are_all_understood() -> None:
    faults = Faults(seed=1)
    with pytest.raises(BadFault) as complaint:
        faults.add(["nonsense"], now_s=0.0)
    examples: Any = str(complaint.value).partition("words are: ")[2].split(", ")

    faults.add(examples, now_s=0.0)

    assert sum(each.startswith("ws-") for each in faults.specs) == 10
