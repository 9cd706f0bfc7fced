"""The examples of a run, for any dataset."""

from __future__ import annotations

from harness.core.run import Run
from harness.data.download.dataset import at_hand
from harness.data.paths import decoded_folder
from harness.data.pinned import load_real
from harness.data.readers import synthetic
from harness.data.registry import of_dataset
from harness.data.splits import Data, select


def load(run: Run) -> Data:
    """Return what a run trains on and what it is scored on, after checking that they are the bytes it names.

    Raises:
        ClaimsError: the dataset is not here and can't be obtained, is damaged, or has other bytes.
    """
    if run.dataset.reader in synthetic.READERS:
        return select(synthetic.load(run.dataset), run)
    entry = of_dataset(run.dataset)
    return load_real(run, entry, at_hand(entry), decoded_folder())
