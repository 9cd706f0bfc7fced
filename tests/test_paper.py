"""The small paper of the engine's tests: its weights are what make.py makes, and it stays small."""

from pathlib import Path

import numpy as np
import pytest

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.models.npz import read
from tests.paper.micro.make import FOLDER, NAMES, arrays_of

PAPER = Path(__file__).parent / "paper"


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_that_are_made(name):
    written, made = read(file_of(checkpoint(f"micro-{name}"))), arrays_of(name)
    assert written.keys() == made.keys()
    # Where a machine's last bit of a square root is another, a value may be rounded to the other side.
    assert all(np.mean(written[key] == made[key]) > 0.99 for key in made)


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 300_000
    assert sum(len(path.read_text().splitlines()) for path in PAPER.rglob("*.toml")) < 800
