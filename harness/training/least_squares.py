"""Few-shot linear evaluation: a linear classifier of frozen features, in closed form (ViT paper, sections 4.1 and 4.3).

Regularised least squares from features to targets in {-1, 1}. The details are those of the authors' evaluator
(google-research/big_vision, evaluators/fewshot_lsr.py): features are standardised by the mean and deviation of the
examples that are fitted, and a large constant feature takes the place of a bias, so that it is hardly regularised.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.models.load import digest
from harness.training.api import OnImages, Outcome, Weights
from harness.training.kept import Kept

if TYPE_CHECKING:
    from harness.data.splits import Data, Split

Features: TypeAlias = npt.NDArray[np.float32]
"""What a head would be given, (N, D)."""
Values: TypeAlias = npt.NDArray[np.float64]
BIAS = 100.0
"""The constant feature (BIAS_CONSTANT in fewshot_lsr.py)."""
LEAST_DEVIATION = 1e-5
"""Added to each feature's deviation (fewshot_lsr.py)."""
_SCORED: Kept[Features] = Kept(lambda features: features.nbytes)


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
    weights: Weights,
    data: Data,
    features: Callable[[Split, OnImages | None], Features],
    device: str,
    memory: Callable[[], int],
    on_images: OnImages | None = None,
) -> Outcome:
    """Return the outcome of a run by least squares: fitted on its train part, its scored part classified.

    Seeds and numbers of shots draw the fitted examples, not the scored ones: for a shipped checkpoint the features of
    these are computed once for all of a process' runs.

    Args:
        run: its recipe has `l2`.
        weights: of the frozen network.
        data: the train part holds the drawn examples alone.
        features: of a split, by either framework; called with the split and what to tell of its progress.
        device: where they are computed.
        memory: returns the largest memory allocated on the accelerator so far, bytes.
        on_images: called with the images done, of both parts.

    Raises:
        ClaimsError: features are not finite.
    """
    assert run.recipe.l2 is not None  # Recipe says so
    start, total = time.perf_counter(), len(data.train) + len(data.test)

    def told(before: int) -> OnImages | None:
        return None if on_images is None else lambda done, _: on_images(before + done, total)

    computed = [len(data.train)]

    def of_scored() -> Features:
        computed.append(len(data.test))
        return features(data.test, told(len(data.train)))

    fitted = _finite(run, features(data.train, told(0)))
    shipped = run.checkpoint.shipped
    found = _SCORED.get(_depends_on(run, weights, data.test, device), of_scored) if shipped else of_scored()
    scored = _finite(run, found)
    if on_images is not None:
        on_images(total, total)
    classifier = fit(fitted, data.train.labels, run.dataset.classes, run.recipe.l2)
    predictions = classifier.scores(scored).argmax(axis=1).astype(np.int64)
    return Outcome(predictions, (), sum(computed) / (time.perf_counter() - start), device_memory=memory())


def _finite(run: Run, features: Features) -> Features:
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise ClaimsError(
            f"{run.label}: expected finite features, found others for {bad:,} of {len(features):,} images in"
            f" {run.recipe.precision}; use another checkpoint or precision"
        )
    return features


def _depends_on(run: Run, weights: Weights, scored: Split, device: str) -> Hashable:
    """Return everything that the features of the scored images depend on."""
    images = scored.array()
    pixels = hashlib.sha256(f"{images.shape}".encode() + np.ascontiguousarray(images).tobytes()).hexdigest()
    recipe = replace(run.recipe, id="features", sources=(), shots=1, l2=1.0)
    return run.backend, device, run.checkpoint, recipe, digest(weights), pixels
