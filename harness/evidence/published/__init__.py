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

__all__ = [
    "Figure",
    "Publication",
    "Published",
    "PublishedComparison",
    "Reading",
    "examples_by_dataset",
    "load",
    "matching_figures",
    "publications",
    "published_comparisons",
    "single",
]
