"""Whether published figures are possible: an accuracy over n examples and s runs is a multiple of 1 / (n s)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.evidence.published.figures import Figure, examples_by_dataset, load
from harness.stats.granularity import Explanation, always_possible, explanations, possible

FEW = 0.2
"""An explanation that would explain fewer of the impossible figures around it than this is worth naming alone."""

HEADER = ("source", "model", "dataset", "figure", "examples", "suggests")
"""Of a table of impossible figures."""


@dataclass(frozen=True)
class Checked:
    """A figure that scoring every example, once a run, can't give."""

    figure: Figure
    n: int
    """Test examples that it should have been scored on."""
    runs: int
    """Runs that it is said to be the mean of; 1 where nothing is said."""
    explanations: tuple[Explanation, ...]
    """What can give it, those that are met least often by chance first; empty: nothing that was tried."""
    repeats: Figure | None
    """The same figure elsewhere in the source, as a mean of several runs."""

    @property
    def suggests(self) -> str:
        """What it suggests, for a reader."""
        if self.repeats is not None:
            where, runs = self.repeats.table, self.repeats.seeds
            return f"a mean of {runs} runs: {where} has the same figure with a spread over {runs}"
        few = [each.way for each in self.explanations if each.chance <= FEW]
        if few:
            return few[0]
        examples = [f", e.g. {each.way}" for each in self.explanations if "scored" in each.way]
        return f"several runs, or other examples{''.join(examples[:1])}; so few digits can't tell"


@dataclass(frozen=True)
class Check:
    """What checking figures found."""

    without_n: int
    """Figures of data sets that have no one number of test examples."""
    too_few_digits: int
    """Figures whose digits are so few that all of them are possible."""
    possible: int
    """Figures that could have been impossible, and are not."""
    impossible: tuple[Checked, ...]
    """In the order of the file."""


def check(figures: Iterable[Figure] | None = None) -> Check:
    """Return which figures are possible at the digits that they show.

    Trailing zeros are lost in figures.json: 90.9 stands for 90.90, too. A figure is called impossible only if it is so
    at the digits that are left.

    Args:
        figures: None: all of the paper's.
    """
    listed = load() if figures is None else tuple(figures)
    without_n = too_few = fine = 0
    impossible = []
    for figure in listed:
        n = figure.scored or examples_by_dataset()[figure.dataset]
        runs = runs_averaged(figure)
        if n is None:
            without_n += 1
        elif always_possible(figure.value, n, runs):
            too_few += 1
        elif possible(figure.value, n, runs):
            fine += 1
        else:
            found = explanations(figure.value, n, runs)
            impossible.append(Checked(figure, n, runs, found, _repeats(figure, n, listed)))
    return Check(without_n, too_few, fine, tuple(impossible))


def runs_averaged(figure: Figure) -> int:
    """Return how many runs a figure is a mean of: of a median the one or two in the middle; 1 where nothing is said."""
    runs = figure.seeds or 1
    return runs if figure.centre != "median" else 2 - runs % 2


def cells(found: Checked) -> tuple[str, ...]:
    """Return a figure as a row under HEADER."""
    figure = found.figure
    setting = f", {figure.setting}" if figure.setting else ""
    metric = "" if figure.metric == "top1" else f", {figure.metric}"
    release = "" if figure.variant == "orig" else f", {figure.variant}"
    return (
        f"{figure.source}, {figure.table}",
        f"{figure.architecture} ({figure.pretrain}{release}{setting})",
        f"{figure.dataset}{metric}",
        f"{figure.value!r}",
        f"{found.n:,}",
        found.suggests,
    )


def _repeats(figure: Figure, n: int, listed: Iterable[Figure]) -> Figure | None:
    """Return the same figure of the same source that is a mean of several runs and possible as such."""

    def identity(of: Figure) -> tuple[object, ...]:
        return (of.source, of.architecture, of.pretrain, of.variant, of.dataset, of.metric, of.value)

    alike = (other for other in listed if identity(other) == identity(figure) and runs_averaged(other) > 1)
    return next((other for other in alike if possible(other.value, n, runs_averaged(other))), None)
