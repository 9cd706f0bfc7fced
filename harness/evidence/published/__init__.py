"""Published figures with their citations, and which of them bear on a hypothesis."""

from harness.evidence.published.figures import TEST_EXAMPLES, Figure, Source, find, load, sources
from harness.evidence.published.matching import Comparison, Published, Reading, comparisons, single

__all__ = [
    "TEST_EXAMPLES",
    "Comparison",
    "Figure",
    "Published",
    "Reading",
    "Source",
    "comparisons",
    "find",
    "load",
    "single",
    "sources",
]
