"""Messages per second flat out on one core: Convoy and the others in turns, counted by nginx."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.contenders import CONVOY, FAST_HTTP_USER, HEY, HTTP_USER, RAW_USER, WRK, Contender
from bench.pairs import ratios, spread
from bench.runs import Range, Reading, measure

Say = Callable[[str], None]
Turn = tuple[Contender, ...]
"""Runs one after the other, Convoy among them: the others are each compared with that one."""

PLAIN: tuple[Turn, ...] = (
    (FAST_HTTP_USER, CONVOY, RAW_USER),
    (HEY, CONVOY, WRK, HTTP_USER),
)
TLS: tuple[Turn, ...] = ((FAST_HTTP_USER, CONVOY, HEY),)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two readings taken next to each other."""

    ours: Reading
    theirs: Reading


def compare(
    turns: Sequence[Turn], place: Range, rounds: int, say: Say, *, is_tls: bool = False
) -> dict[str, Any]:
    """Run all turns so many times over; return rates and ratios by name, None if not installed.

    Raises BenchError when a run gives no figure.
    """
    pairs: dict[str, list[Pair]] = {
        each.name: [] for turn in turns for each in turn if each is not CONVOY
    }
    for number in range(rounds):
        for turn in turns:
            readings = _take_turn(turn, place, is_tls)
            figures = ", ".join(f"{name} {each.messages_per_s:,.0f}" for name, each in readings)
            say(f"round {number + 1} of {rounds}: {figures}")
            ours = dict(readings)[CONVOY.name]
            for name, theirs in readings:
                if name != CONVOY.name:
                    pairs[name].append(Pair(ours, theirs))
    return {"rounds": rounds, "window_s": place.window.measured_s} | figures_of(pairs)


def figures_of(pairs: dict[str, list[Pair]]) -> dict[str, Any]:
    """Return rates and ratios, by the clock and by CPU time; None for a name without pairs."""
    ours = {id(pair.ours): pair.ours for each in pairs.values() for pair in each}
    readings = {CONVOY.name: list(ours.values())} | {
        name: [pair.theirs for pair in each] for name, each in pairs.items()
    }
    return {
        "messages_per_s": {
            name: _rates([each.messages_per_s for each in of]) for name, of in readings.items()
        },
        "messages_per_cpu_s": {
            name: _rates([each.messages_per_cpu_s for each in of]) for name, of in readings.items()
        },
        "ratio_to": {name: _ratios(each, "messages_per_s") for name, each in pairs.items()},
        "cpu_ratio_to": {name: _ratios(each, "messages_per_cpu_s") for name, each in pairs.items()},
        "others_on_the_core": spread(
            [each.others_share for of in readings.values() for each in of]
        ).to_json(3),
    }


def _take_turn(turn: Turn, place: Range, is_tls: bool) -> list[tuple[str, Reading]]:
    installed = [each for each in turn if each.is_installed]
    return [(each.name, measure(each, place, is_tls=is_tls)) for each in installed]


def _rates(rates: Sequence[float]) -> dict[str, float] | None:
    return spread(rates).to_json(0) if rates else None


def _ratios(pairs: Sequence[Pair], figure: str) -> dict[str, float] | None:
    if not pairs:
        return None
    ours = [asdict(pair.ours)[figure] for pair in pairs]
    theirs = [asdict(pair.theirs)[figure] for pair in pairs]
    return spread(ratios(ours, theirs)).to_json(3)
