"""Published figures with their citations, and which of them are evidence for a hypothesis."""

from harness.evidence.published.figures import (
    Figure,
    Publication,
    examples_by_dataset,
    load,
    matching_figures,
    publications,
)
from harness.evidence.published.matching import Published, PublishedComparison, Reading, published_comparisons, single
from harness.evidence.published.publication_rows import Row, rows, rows_of_one
from harness.evidence.published.seed_spread import SeedSpread, seed_spread

__all__ = [
    "Figure",
    "Publication",
    "Published",
    "PublishedComparison",
    "Reading",
    "Row",
    "SeedSpread",
    "examples_by_dataset",
    "load",
    "matching_figures",
    "publications",
    "published_comparisons",
    "rows",
    "rows_of_one",
    "seed_spread",
    "single",
]
