"""The rule by which a learning rate is chosen from a grid."""

from __future__ import annotations

from collections.abc import Mapping

RULE = "highest mean dev-split accuracy; a tie goes to the lower rate; a rate that diverged is never chosen"


def best_rate(accuracies: Mapping[float, float | None]) -> float | None:
    """Return the rate that was best on the dev split; None if every rate diverged.

    Args:
        accuracies: mean accuracy by learning rate; None: training diverged.
    """
    finite = {rate: accuracy for rate, accuracy in accuracies.items() if accuracy is not None}
    return max(finite, key=lambda rate: (finite[rate], -rate)) if finite else None
