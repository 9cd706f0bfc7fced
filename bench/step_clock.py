"""The time of a loop's steps, by when the loop reports them."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case
from bench.rows import Clock, Lap


class StepClock:
    """Times the steps after the first ones.

    An accelerator computes some steps behind the loop, which reports a step once its loss has come over: the reports
    keep the pace of whichever is slower, but for the last ones, which come together. So the lap ends with the last
    report that kept the pace, and before the state is saved.

    Args:
        case: what is trained.
        skip: first steps that do not count.
        lag: steps after which the loop reports one; 0: it reports the last ones in their time, too.
        wait: returns once the device has done all that it was given.
    """

    def __init__(self, case: Case, skip: int, lag: int, wait: Callable[[], None]):
        self.skip, self.lag = skip, lag
        self.batch = case.run.recipe.batch_size
        self.last = (case.run.recipe.steps or 0) - lag
        if self.last <= skip:
            raise ValueError(f"{case.name}: expected more than {skip + lag} steps, found {case.run.recipe.steps}")
        self.clock = Clock(wait)
        self.laps: list[Lap] = []

    def report(self, step: int) -> None:
        """Take the report of a step, counted from 0."""
        if step + 1 == self.skip:
            self.clock.start(wait=False)
        if step + 1 == self.last:
            self.laps.append(self.clock.lap((self.last - self.skip) * self.batch, wait=self.lag == 0))

    def start(self) -> None:
        """Begin, where no step is skipped."""
        self.clock.start()

    @property
    def lap(self) -> Lap:
        """What was timed."""
        return self.laps[0]
