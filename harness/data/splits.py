"""The rule that decides which examples are trained on and which are scored.

- The test set is scored once, by the final run, and never seen by choices.
- The dev split is a fixed share of the training examples, the same for every run of a dataset; runs
  that make choices train on the rest and are scored on it (hyper-parameters
  are chosen on a held-out part of the training set, the final run uses all of it).
- A few-shot task, or recipe, draws its examples per class from the training examples with the run's seed, so
  that an interval over seeds speaks of the draw, too. Fewer shots of a seed are among its more shots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.data.pixel_cache import PixelCache
from harness.data.rng import Indices, permutation

DEV_STREAM = 0xDE7
"""Stream of the dev split: the same rule for every dataset."""
SHOTS_STREAM = 0x5407
ORDER_STREAM = 0x04DE


@dataclass(frozen=True, eq=False)
class Split:
    """Some labelled images; nothing is copied until it is used."""

    images: npt.NDArray[np.uint8] | PixelCache
    """uint8 (N, H, W) grey or (N, H, W, 3), or a cache of images of many sizes; may be memory-mapped."""
    labels: Indices
    """(n,) int64: of the split's examples, in their order."""
    index: Indices | None = None
    """(n,): which of `images` the examples are; None: all of them, in order."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Indices) -> Split:
        """Return the chosen examples, in the order given."""
        index = chosen if self.index is None else self.index[chosen]
        return Split(self.images, self.labels[chosen], index)

    def take_none(self) -> Split:
        """Return no example of it."""
        return self.take(np.arange(0))

    def array(self) -> npt.NDArray[np.uint8]:
        """Return the split's images as one array, copied only where it does not hold just these.

        Raises:
            ClaimsError: they have several sizes.
        """
        whole = self.images.array() if isinstance(self.images, PixelCache) else self.images
        return whole if self.index is None else whole[self.index]


@dataclass(frozen=True, eq=False)
class Data:
    """A dataset's two parts; of a run, what it trains on and what it is scored on."""

    train: Split
    """Empty where nothing is trained."""
    test: Split


def dev_split(n: int, fraction: float) -> tuple[Indices, Indices]:
    """Return (kept, held out) indices of n training examples, each sorted."""
    order = permutation(n, DEV_STREAM)
    held = max(1, round(n * fraction))
    return np.sort(order[held:]), np.sort(order[:held])


def few_shot(labels: Indices, shots: int, seed: int) -> Indices:
    """Return the indices of `shots` examples of each class, drawn by `seed`, sorted.

    Raises:
        ClaimsError: a class has fewer than `shots` examples.
    """
    order = permutation(len(labels), SHOTS_STREAM, seed)
    chosen = []
    for klass in np.unique(labels):
        of_class = order[labels[order] == klass][:shots]
        if len(of_class) < shots:
            raise ClaimsError(
                f"few shots: expected at least {shots} training examples of class {klass}, found {len(of_class)};"
                " choose fewer shots or another dataset"
            )
        chosen.append(of_class)
    return np.sort(np.concatenate(chosen))


def held_out(n: int, run: Run) -> Indices:
    """Return which of n training examples are a run's dev split, sorted."""
    return dev_split(n, run.dataset.dev_fraction)[1]


def trained_on(train: Split, run: Run) -> Split:
    """Return what a run trains on, of all training examples; images stay where they are.

    Args:
        train: all training examples.
        run: says whether the dev split is scored, or left out all the same (`recipe.trains_on`), the few-shot rule
            and the seed.
    """
    chosen = trained_index(train.labels, run)
    return train if len(chosen) == len(train) else train.take(chosen)


def trained_index(labels: Indices, run: Run) -> Indices:
    """Return which of all training examples, by their labels, a run trains on: sorted; see `trained_on`."""
    chosen = np.arange(len(labels))
    if run.recipe.evaluates_only:
        return chosen[:0]
    if run.split == "dev" or run.recipe.trains_on == "all but dev":
        chosen = dev_split(len(labels), run.dataset.dev_fraction)[0]
    for shots in (run.dataset.shots, run.recipe.shots):
        if shots is not None:
            chosen = chosen[few_shot(labels[chosen], shots, run.seed)]
    return chosen


def select(data: Data, run: Run) -> Data:
    """Return what a run trains on and what it is scored on, the test set or the dev split; images stay where they are.

    Args:
        data: the whole dataset, its images stored alike for training and for scoring.
        run: what is computed.
    """
    scored = data.train.take(held_out(len(data.train), run)) if run.split == "dev" else data.test
    return Data(trained_on(data.train, run), scored)


def batch_indices(n: int, batch_size: int, step: int, seed: int) -> Indices:
    """Return the examples of one training step, shape (batch_size,).

    Epochs are permutations of the n examples put end to end, and step k reads the k-th slice of
    batch_size: a batch may span epochs, no example is dropped, and the order at any step follows
    from (n, batch_size, step, seed) alone, so a resumed run sees what an uninterrupted one sees.
    """
    first, last = step * batch_size, (step + 1) * batch_size
    epochs = range(first // n, (last - 1) // n + 1)
    stream = np.concatenate([epoch_order(n, seed, epoch) for epoch in epochs])
    return stream[first - epochs[0] * n : last - epochs[0] * n]


@lru_cache(maxsize=4)
def epoch_order(n: int, seed: int, epoch: int) -> Indices:
    """Return the order of n examples in one epoch; cached, because all steps of an epoch read it."""
    return permutation(n, ORDER_STREAM, seed, epoch)
