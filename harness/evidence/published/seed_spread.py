"""How much fine-tuning seeds differ on a dataset, pooled over every publication that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from harness.core.paper import paper
from harness.evidence.published.figures import Figure, FigureIndex, of_paper
from harness.stats.intervals import seed_sd_from_range


@dataclass(frozen=True)
class SeedSpread:
    """The variance between runs of one recipe on one dataset."""

    variance: float
    """Of one run, fraction squared: the mean over configurations, weighted by their degrees of freedom."""
    df: float
    """Degrees of freedom: runs minus configurations."""
    configurations: int
    """Models, recipes and sources that publish a spread."""

    @property
    def sd(self) -> float:
        """Standard deviation of one run, a fraction."""
        return math.sqrt(self.variance)


def seed_spread(dataset: str) -> SeedSpread | None:
    """Return the spread over fine-tuning seeds that publications give for a dataset; None: none does.

    It stands for the spread of figures that are one run, whose own nobody knows. Models and recipes differ in it, so it
    is a mean, not theirs. Counted are standard deviations, ranges of up to ten runs and repeated runs of one
    configuration, of full top-1 accuracies; not what a range spans besides runs, nor weights that were only evaluated.

    Args:
        dataset: as in the figures.
    """
    parts = _parts(of_paper(), dataset, dict(paper().metrics).get(dataset, "top1"), paper().defaults.evaluation)
    df = sum(each for _, each in parts)
    if not df:
        return None
    return SeedSpread(math.fsum(variance * each for variance, each in parts) / df, float(df), len(parts))


@cache
def _parts(published: FigureIndex, dataset: str, metric: str, evaluation: str) -> tuple[tuple[float, int], ...]:
    """Return (variance, degrees of freedom) of every configuration with a spread."""
    configurations: dict[tuple[object, ...], list[Figure]] = {}
    for figure in published.figures:
        made = figure.recipe or published.publications[figure.source].recipe
        if figure.dataset == dataset and figure.metric in ("top1", metric) and made != evaluation:
            key = (figure.source, figure.table, figure.setting, figure.resolution)
            model = (figure.architecture, figure.pretrain, figure.variant)
            configurations.setdefault((*key, *model), []).append(figure)
    found = []
    for alike in configurations.values():
        first = alike[0]
        if len(alike) > 1:
            values = [figure.value / 100 for figure in alike]
            mean = math.fsum(values) / len(values)
            found.append((math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1), len(values) - 1))
        elif first.seeds is None or first.seeds < 2 or first.over:
            continue
        elif first.std is not None:
            found.append(((first.std / 100) ** 2, first.seeds - 1))
        elif first.range is not None:
            sd = seed_sd_from_range(first.range[0] / 100, first.range[1] / 100, first.seeds)
            found.append((sd**2, first.seeds - 1))
    return tuple(found)
