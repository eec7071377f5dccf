"""The means that patches the processes of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.sabotage.clocks import STEP
from bench.sabotage.disturbances import acted
from bench.sabotage.proof import effects_in
from bench.sabotage.scene import Means, Scene

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def patched(name: str) -> Means:
    """Return the means that starts a run with one of `PATCHES` in its processes."""

    @contextmanager
    def means(scene: Scene) -> Iterator[None]:
        proof = scene.start.folder / "proof"
        scene.start.locustfile = _LOCUSTFILE
        scene.start.environment |= {"SABOTAGE_PATCH": name, "SABOTAGE_PROOF": str(proof)}
        yield
        scene.effects[f"patch: {name}"] = effects_in(proof)

    return means


def clock_stepped() -> Means:
    """Return the means that lets the patches of the clock step it once messages flow."""

    def step(scene: Scene, _: object) -> int:
        (scene.start.folder / STEP).touch()
        return 1

    return acted("steps of the clock", step)
