"""Tests of the ViT paper's own folder, claims/. `using(PAPER)` where a module reads it while it is imported."""

from pathlib import Path

PAPER = Path(__file__).parents[2] / "claims"
