"""What is refused before any load starts."""

from __future__ import annotations

from collections.abc import Sequence

from convoy.prepare.sample_bodies import Rendered, Sample, render


def render_here(samples: Sequence[Sample]) -> list[Rendered]:
    """Render in this process, which takes a fraction of the time of another one."""
    return [render(sample) for sample in samples]
