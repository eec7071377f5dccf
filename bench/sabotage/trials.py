"""A trial: one sabotage carried out in a real run, and whether its verdict is as declared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.processes import Cores
from bench.sabotage.sabotages import Declared, Sabotage
from bench.sabotage.scene import Scene
from bench.short_runs import EndedRun, Start, await_end, await_flow, run_ids, started
from bench.simulators import simulating

_MOST_TRIALS = 3
"""A run that other programs disturbed says nothing of the sabotage."""
_EXIT_CODES = {"pass": 0, "fail": 3}
_STARTED_WITHIN_S = 60.0


class State(StrEnum):
    """What came of a trial; only the first is as it should be."""

    AS_DECLARED = "ok"
    OTHERWISE = "NOT"
    WITHOUT_EFFECT = "no effect"
    DISTURBED = "disturbed"
    NOT_CARRIED_OUT = "not run"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one sabotage: verdict, exit code and first reason of its run.

    `effects` counts what each means did; `findings` say what is not as declared, or what kept the
    sabotage from being carried out.
    """

    state: State
    verdict: str
    exit_code: int | None
    reason: str
    effects: Mapping[str, int]
    findings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "state": self.state.value,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "effects": dict(self.effects),
            "findings": list(self.findings),
        }


def attempt(sabotage: Sabotage, cores: Cores, say: Callable[[str], None]) -> Trial:
    """Carry out a sabotage, again when other programs disturbed its run, and judge what came."""
    for number in range(1, _MOST_TRIALS + 1):
        try:
            trial = _carry_out(sabotage, cores)
        except (BenchError, OSError) as error:
            return Trial(State.NOT_CARRIED_OUT, "", None, "", {}, (str(error),))
        if trial.state is not State.DISTURBED:
            break
        say(f"trial {number} of {_MOST_TRIALS} was disturbed: {trial.reason}")
    return trial


def _carry_out(sabotage: Sabotage, cores: Cores) -> Trial:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder, simulator_folder = Path(name) / "run", Path(name) / "simulator"
        for each in (folder, simulator_folder):
            each.mkdir()
        faults = [part for fault in sabotage.faults for part in ("--fault", fault)]
        simulator = stack.enter_context(simulating(simulator_folder, cores.server, *faults))
        start = Start(folder, cores.generator, sabotage.load, simulator.url)
        start.settings |= sabotage.settings
        scene = Scene(start, simulator, cores)
        if sabotage.faults:
            scene.effects["faults"] = len(simulator.get("/simulator/faults")["faults"])
        began_s = time.time()
        with ExitStack() as spoiled:
            for means in sabotage.means:
                spoiled.enter_context(means(scene))
            scene.ended = _run(scene)
        ledger = simulator.ledger(str((scene.ended.summary or {}).get("run_id", "")))
        return judge(sabotage, scene.ended, scene.effects, int(ledger["accepted"]), began_s)


def _run(scene: Scene) -> EndedRun:
    start = scene.start
    older_runs, accepted_before = run_ids(start.folder), scene.simulator.ledger()["accepted"]
    with started(start) as process:
        if scene.acts:
            await_flow(process, scene.simulator, start, accepted_before)
        for act in scene.acts:
            act(process)
        return await_end(process, start.folder, older_runs)


def judge(
    sabotage: Sabotage,
    ended: EndedRun,
    effects: Mapping[str, int],
    accepted_there: int,
    began_s: float,
) -> Trial:
    """Return what came of a sabotage whose run has ended.

    `accepted_there` are the run's messages in the simulator's ledger, `began_s` is a moment of the
    wall clock shortly before the start.
    """
    findings: tuple[str, ...] = ()
    idle = tuple(f"{what}: none" for what, count in effects.items() if not count)
    is_disturbed = ended.is_generator_slow and not sabotage.slows_generator
    if idle:
        state, findings = State.WITHOUT_EFFECT, idle
    elif sabotage.declared is Declared.MUST_NOT_PASS:
        findings = tuple(_signs_of_pass(ended))
        state = State.OTHERWISE if findings else State.AS_DECLARED
        if is_disturbed and not findings:
            state = State.DISTURBED
    else:
        findings = tuple(_untruths(sabotage, ended, accepted_there, began_s))
        state = State.OTHERWISE if findings else State.AS_DECLARED
    return Trial(state, ended.verdict, ended.exit_code, ended.reason, effects, findings)


def _signs_of_pass(ended: EndedRun) -> Iterator[str]:
    if ended.verdict.startswith("pass"):
        yield f"the verdict is {ended.verdict}"
    if ended.exit_code == 0:
        yield "the exit code is 0"


def _untruths(
    sabotage: Sabotage, ended: EndedRun, accepted_there: int, began_s: float
) -> Iterator[str]:
    """Yield what is not as it would be without the sabotage."""
    exit_code = _EXIT_CODES[sabotage.verdict]
    if ended.verdict != sabotage.verdict:
        yield f"the verdict is {ended.verdict}, not {sabotage.verdict}"
    if ended.exit_code != exit_code:
        yield f"the exit code is {ended.exit_code}, not {exit_code}"
    if ended.summary is not None:
        yield from _wrong_counts(sabotage, ended.summary, accepted_there)
        yield from _wrong_times(sabotage, ended.summary, began_s)


def _wrong_counts(
    sabotage: Sabotage, summary: Mapping[str, Any], accepted_there: int
) -> Iterator[str]:
    totals, messages = summary["totals"], sabotage.load.messages
    counted = totals["sent"] + sum(totals["not_sent"].values())
    for what, found, right in (
        ("scheduled", totals["scheduled"], messages),
        ("sent and not sent", counted, messages),
        ("accepted", totals["accepted"], accepted_there),
    ):
        if found != right:
            yield f"{what} is {found}, not {right}"


def _wrong_times(sabotage: Sabotage, summary: Mapping[str, Any], began_s: float) -> Iterator[str]:
    if summary["duration_s"] != sabotage.load.run_time_s:
        yield f"duration_s is {summary['duration_s']}, not {sabotage.load.run_time_s}"
    apart_s = datetime.fromisoformat(summary["started_at"]).timestamp() - began_s
    if not 0 <= apart_s <= _STARTED_WITHIN_S:
        yield f"started_at is {apart_s:,.0f} s after the start"
    (scenario,) = summary["scenarios"].values()
    for each in sabotage.between:
        found = scenario[each.durations][each.quantile]
        if not each.lowest <= found <= each.highest:
            limits = f"{each.lowest:g} to {each.highest:g}"
            yield f"{each.durations} {each.quantile} is {found:,.0f}, not {limits}"
