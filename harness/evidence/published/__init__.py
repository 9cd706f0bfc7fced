"""Published figures with their citations, and which of them bear on a hypothesis."""

from harness.evidence.published.figures import TEST_EXAMPLES, Figure, Publication, find, load, sources
from harness.evidence.published.matching import Published, PublishedComparison, Reading, published_comparisons, single

__all__ = [
    "TEST_EXAMPLES",
    "Figure",
    "Publication",
    "Published",
    "PublishedComparison",
    "Reading",
    "find",
    "load",
    "published_comparisons",
    "single",
    "sources",
]
