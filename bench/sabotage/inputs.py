"""Means that spoil what a run is made of: its pool, its templates, the code of a worker."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.processes import ROOT, exit_code_of, last_lines, output_of, running
from bench.sabotage.scene import Means, Scene
from bench.short_runs import ENVIRONMENT, convoy_options, swarm_ports
from bench.simulators import Simulator

_POOL = "scenario.conversation_messages.conversations"
_PREFLIGHT_DEADLINE_S = 60.0
_MARKED = 'marker ~ " " ~ text'
_DRAWS = Path("convoy/plan/draws.py")
_MIX, _OTHER_MIX = "0xBF58476D1CE4E5B9", "0xBF58476D1CE4E5BB"
_WORKERS = 2


def cache_of_other_filter() -> Means:
    """Return the means that has the pool's cache written for conversations of another type."""

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        cache = scene.start.folder / "pool.jsonl"
        _preflight(scene, {_POOL: _pool_rule("webmessaging", cache), "canary": "false"})
        scene.effects["conversations in the cache"] = len(cache.read_text().splitlines())
        scene.start.settings[_POOL] = _pool_rule("webchat", cache)
        yield

    return means


def _pool_rule(kind: str, cache: Path) -> str:
    return f"{{source: api, type: {kind}, cache: {cache}}}"


def template_unmarked(when: str) -> Means:
    """Return the means that leaves the marker out where a condition of Jinja2 holds.

    The unmarked messages are counted; a template that is refused before the load counts as one.
    """

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        payloads = scene.start.folder / "payloads"
        shutil.copytree(ROOT / "payloads", payloads)
        template = payloads / "conversation" / "text.json"
        marked, source = f"({_MARKED})", template.read_text()
        sometimes = f"(text if {when} else {_MARKED})"
        template.write_text(_replaced(source, marked, sometimes, template))
        scene.start.environment["CONVOY_PAYLOADS_DIR"] = str(payloads)
        yield
        scene.effects["messages without a marker"] = (
            1 if scene.is_refused else _unmarked_messages(scene.simulator)
        )

    return means


def worker_of_other_code() -> Means:
    """Return the means that starts two workers, one of them with other draws in its plan.

    It counts as one where it is refused before the load.
    """

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        start = scene.start
        code = _copy_with_other_draws(start.folder / "other-code")
        ports = swarm_ports()
        start.options += ["--master", "--expect-workers", str(_WORKERS), *ports]
        with ExitStack() as stack:
            for root in (ROOT, code):
                folder = start.folder / f"worker-of-{root.name}"
                folder.mkdir()
                command = [sys.executable, "-m", "locust", "-f", str(root / "locustfile.py")]
                stack.enter_context(
                    running(
                        [*command, "--worker", "--master-host", "127.0.0.1", *ports],
                        core=start.core,
                        folder=folder,
                        environment=ENVIRONMENT | {"PYTHONPATH": str(root)},
                    )
                )
            yield
        scene.effects["workers of other code"] = 1 if scene.is_refused else _workers(scene) - 1

    return means


def _unmarked_messages(simulator: Simulator) -> int:
    whole = simulator.ledger()
    return int(whole["accepted"]) - sum(
        int(simulator.ledger(run_id)["accepted"]) for run_id in whole["runs"]
    )


def _workers(scene: Scene) -> int:
    """Return how many workers had a part in the run, by its summary."""
    summary = None if scene.ended is None else scene.ended.summary
    return 0 if summary is None else len(summary["workers"])


def _preflight(scene: Scene, settings: Mapping[str, str]) -> None:
    """Let Convoy find the pool, and keep it where the settings say; raises BenchError."""
    start, folder = scene.start, scene.start.folder / "preflight"
    folder.mkdir()
    options = convoy_options(folder, start.url, settings)
    command = [sys.executable, "-m", "convoy", "preflight", *options]
    with running(command, core=start.core, folder=folder, environment=ENVIRONMENT) as process:
        exit_code = exit_code_of(process, "preflight", folder, deadline_s=_PREFLIGHT_DEADLINE_S)
    if exit_code:
        raise BenchError(f"no cache was written: {last_lines(output_of(folder), 3)}")


def _copy_with_other_draws(folder: Path) -> Path:
    for name in ("convoy", "scenarios", "config", "payloads"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "locustfile.py", folder)
    source = folder / _DRAWS
    source.write_text(_replaced(source.read_text(), _MIX, _OTHER_MIX, source))
    return folder


def _replaced(text: str, old: str, new: str, path: Path) -> str:
    """Return a text with one passage replaced; raises BenchError if it is not there once."""
    if text.count(old) != 1:
        raise BenchError(f"{path} does not hold {old!r} once, so it was not spoiled")
    return text.replace(old, new)
