"""Which rows of scores a side brings to an interval: a pre-trained network each, or a fine-tuning run each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from harness.judging.evidence import RunsSide
from harness.judging.scoring import Scored

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Unit = Literal["upstream network", "run"]


@dataclass(frozen=True)
class ScoreRows:
    """Per-example scores of a side, a row for each value of what is random."""

    scores: npt.NDArray[np.float64]
    """Shape (units, examples), in [0, 1]: the share of the unit's runs that got an example right."""
    unit: Unit
    """"upstream network": each row is the mean over the fine-tuning runs of one pre-trained network, so the spread of
    the rows is that of new pre-trainings with their fine-tuning. "run": each row is one fine-tuning of the one network
    that there is, and the spread says nothing of another pre-training."""
    networks: tuple[str, ...]
    """Ids of the checkpoints, each once; with unit "upstream network" those of the rows."""


@lru_cache(maxsize=4096)
def hits_of(run: Scored) -> npt.NDArray[np.float64]:
    """Return whether each example was predicted correctly, as 0 and 1, shape (examples,)."""
    import numpy as np

    return np.asarray(run.hits, dtype=np.float64)


def score_rows(side: RunsSide) -> ScoreRows:
    """Return a side's scores with the pre-trained network as the random unit where there are several.

    Runs of one network share its pre-training: taken as independent rows they would understate the spread (pseudo-
    replication), so they are averaged first. A run that diverged has no scores and is left out.

    Raises:
        ValueError: no run has scores.
    """
    import numpy as np

    upstream = side.upstream or ("",) * len(side.runs)
    runs = [(name, run) for name, run in zip(upstream, side.runs, strict=True) if isinstance(run, Scored)]
    if not runs:
        raise ValueError(f"{side.title}: expected runs with predictions, found none")
    networks = tuple(dict.fromkeys(name for name, _ in runs))
    hits = np.stack([hits_of(run) for _, run in runs])
    if len(networks) == 1:
        return ScoreRows(hits, "run", networks)
    of_run = np.array([networks.index(name) for name, _ in runs])
    means = np.stack([hits[of_run == index].mean(axis=0, dtype=np.float64) for index in range(len(networks))])
    return ScoreRows(means, "upstream network", networks)
