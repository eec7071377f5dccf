"""The series: what happened in one scenario from second to second of a run's own clock.

A process keeps what its counters gained in each second since T0 and reports that together with the
durations of the same time. The durations of a report belong to the middle of the time that it
covers, so they are known for stretches as long as that only. What a lost worker never reported is
in no series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Annotated

import msgspec

from convoy.results.account import Durations, StepReport
from convoy.results.counts import Counts
from convoy.results.histograms import BucketCounts
from convoy.results.outcome import Number, Seconds

REPORT_STEPS = 3
"""So many steps of the counters are one of the durations: a worker reports every three seconds."""
_MOST_STEPS = 14_400
"""A run of up to four hours is kept by the second; in a longer one the steps are longer, so that
its series does not outgrow the memory."""
MOST_STEPS_READ = 2 * _MOST_STEPS
"""Of a record: what happens after the end of a run is in steps of its own."""
Step = Annotated[int, msgspec.Meta(ge=0, lt=MOST_STEPS_READ)]
"""The number of a step, or of a stretch of steps."""


def step_of(duration_s: float) -> int:
    """Return how many seconds one step of a series takes in a run of this length."""
    return max(1, ceil(duration_s / _MOST_STEPS))


class Series(msgspec.Struct, frozen=True):
    """What happened in one scenario, in steps of `step_s` seconds counted from T0.

    `steps` holds what the counters gained, by the number of the step. `reports` holds the durations
    that workers reported, by the number of the stretch: a stretch has `report_steps` steps, and a
    worker reports every `report_steps` seconds. In them response times do not hold the censored
    ones, which are a kind of their own. `due` counts the messages due before the end of each step,
    none where nothing is scheduled. Every worker has reported up to `until_s` seconds after T0.
    """

    step_s: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 1
    report_steps: Annotated[int, msgspec.Meta(ge=1, le=60)] = REPORT_STEPS
    steps: dict[Step, Counts] = {}
    reports: dict[Step, tuple[Durations[BucketCounts], ...]] = {}
    due: Sequence[Number] = ()
    until_s: Seconds = 0.0

    @property
    def report_s(self) -> int:
        """The seconds of one stretch of durations."""
        return self.report_steps * self.step_s

    def due_by(self, at_s: float) -> int:
        """Return how many messages were due by the end of the last step that was over then."""
        over = min(int(at_s // self.step_s), len(self.due))
        return self.due[over - 1] if over else 0

    def due_in(self, step: int) -> int:
        """Return how many messages were due in a step."""
        return self.due_by((step + 1) * self.step_s) - self.due_by(step * self.step_s)

    @property
    def total(self) -> Counts:
        """All that was counted; it is what the workers counted that were not lost."""
        return Counts.total(self.steps.values())


@dataclass(eq=False)
class SeriesAccount:
    """The series of one scenario as the reports of all workers add up to it.

    The record has a line for every step up to the last one. So that one second far off in a report
    cannot make the record huge, seconds after `latest_s` are left out.
    """

    step_s: int
    name_code: Callable[[str], str]
    report_steps: int = REPORT_STEPS
    latest_s: float = inf

    def __post_init__(self) -> None:
        # What is in here is replaced and never changed, because results hold it too.
        self._steps: dict[int, Counts] = {}
        self._reports: defaultdict[int, tuple[Durations[BucketCounts], ...]] = defaultdict(tuple)

    def absorb(self, report: StepReport, from_s: float, at_s: float) -> None:
        """Take in a report that covers the time `from_s` to `at_s` after T0."""
        durations = report.durations
        for second, counts in report.seconds.items():
            if second > self.latest_s:
                continue
            counts.rename_codes(self.name_code)
            step = second // self.step_s
            before = self._steps.get(step)
            self._steps[step] = counts if before is None else Counts.total([before, counts])
        if any(getattr(durations, name) for name in durations.__struct_fields__):
            middle_s = max(0.0, (from_s + at_s) / 2)
            stretch = int(middle_s // (self.report_steps * self.step_s))
            self._reports[stretch] += (durations,)

    def rename_codes(self, name_code: Callable[[str], str]) -> None:
        """Count what was reported so far under the names that `name_code` gives to the codes."""
        for step, counts in self._steps.items():
            renamed = self._steps[step] = Counts.total([counts])
            renamed.rename_codes(name_code)

    def result(self, due: Sequence[int], until_s: float) -> Series:
        """Return the series by now; what is absorbed later is not in it."""
        return Series(
            self.step_s, self.report_steps, dict(self._steps), dict(self._reports), due, until_s
        )
