"""Few-shot linear evaluation: a linear classifier of frozen features, in closed form (ViT paper, sections 4.1 and 4.3).

Regularised least squares from features to targets in {-1, 1}. The details are those of the authors' evaluator
(google-research/big_vision, evaluators/fewshot_lsr.py): features are standardised by the mean and deviation of the
examples that are fitted, and a large constant feature takes the place of a bias, so that it is hardly regularised.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.training.api import OnImages, Outcome

if TYPE_CHECKING:
    from harness.data.splits import Data, Split

Features: TypeAlias = npt.NDArray[np.float32]
"""What a head would be given, (N, D)."""
Values: TypeAlias = npt.NDArray[np.float64]
BIAS = 100.0
"""The constant feature (BIAS_CONSTANT in fewshot_lsr.py)."""
LEAST_DEVIATION = 1e-5
"""Added to each feature's deviation (fewshot_lsr.py)."""


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """Scores of classes from features."""

    mean: Values
    """(D,) of the features that were fitted."""
    deviation: Values
    """(D,), LEAST_DEVIATION included."""
    weights: Values
    """(D + 1, classes) of the standardised features and the constant one, which comes last."""

    def scores(self, features: npt.NDArray[np.floating]) -> Values:
        """Return scores (N, classes) of features (N, D); the largest is the predicted class'."""
        return standardised(features, self.mean, self.deviation) @ self.weights


def standardised(features: npt.NDArray[np.floating], mean: Values, deviation: Values) -> Values:
    """Return features (N, D) less their mean, in deviations, with the constant feature: float64 (N, D + 1)."""
    scaled = (features.astype(np.float64) - mean) / deviation
    return np.concatenate([scaled, np.full((len(scaled), 1), BIAS)], axis=1)


def fit(features: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], classes: int, l2: float) -> LinearClassifier:
    """Return the classifier with the least sum of squared errors and l2 times the squared norm of its weights.

    In float64, by the normal equations of the smaller side: W = (X'X + l2 I)^-1 X'Y with at least as many examples as
    features, else X'(XX' + l2 I)^-1 Y, which is the same.

    Args:
        features: (N, D).
        labels: (N,) classes.
        classes: number of classes; a class without examples has the target -1 throughout.
        l2: above 0.
    """
    from scipy.linalg import solve

    wide = features.astype(np.float64)
    mean, deviation = wide.mean(axis=0), wide.std(axis=0) + LEAST_DEVIATION
    x = standardised(wide, mean, deviation)
    targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    if len(x) >= x.shape[1]:
        weights = solve(x.T @ x + l2 * np.eye(x.shape[1]), x.T @ targets, assume_a="pos")
    else:
        weights = x.T @ solve(x @ x.T + l2 * np.eye(len(x)), targets, assume_a="pos")
    return LinearClassifier(mean, deviation, weights)


def classified(
    run: Run,
    data: Data,
    features: Callable[[Split, OnImages | None], Features],
    memory: Callable[[], int],
    on_images: OnImages | None = None,
) -> Outcome:
    """Return the outcome of a run by least squares: fitted on its train part, its scored part classified.

    Args:
        run: its recipe has `l2`.
        data: the train part holds the drawn examples alone.
        features: of a split, by either framework; called with the split and what to tell of its progress.
        memory: returns the largest memory allocated on the accelerator so far, bytes.
        on_images: called with the images done, of both parts.

    Raises:
        ClaimsError: features are not finite.
    """
    assert run.recipe.l2 is not None  # Recipe says so
    start, total = time.perf_counter(), len(data.train) + len(data.test)

    def told(before: int) -> OnImages | None:
        return None if on_images is None else lambda done, _: on_images(before + done, total)

    found = []
    for split, before in ((data.train, 0), (data.test, len(data.train))):
        found.append(features(split, told(before)))
        bad = int((~np.isfinite(found[-1]).all(axis=1)).sum())
        if bad:
            raise ClaimsError(
                f"{run.label}: expected finite features, found others for {bad:,} of {len(split):,} images in"
                f" {run.recipe.precision}; use another checkpoint or precision"
            )
    classifier = fit(found[0], data.train.labels, run.dataset.classes, run.recipe.l2)
    predictions = classifier.scores(found[1]).argmax(axis=1).astype(np.int64)
    return Outcome(predictions, (), total / (time.perf_counter() - start), device_memory=memory())
