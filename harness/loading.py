"""The examples of a run, whatever its dataset is."""

from __future__ import annotations

from harness.data.entries import of_dataset
from harness.data.locations import decoded
from harness.data.obtain import at_hand
from harness.data.real import load_real
from harness.data.splits import Data, select
from harness.micro import tasks
from harness.spec import Run


def load(run: Run) -> Data:
    """Return what a run trains on and what it is scored on, after checking that they are the bytes it names.

    Raises:
        ClaimsError: the dataset is not here and can't be had, is damaged, or has other bytes.
    """
    if run.dataset.reader in tasks.READERS:
        return select(tasks.load(run.dataset), run)
    entry = of_dataset(run.dataset)
    return load_real(run, entry, at_hand(entry), decoded())
