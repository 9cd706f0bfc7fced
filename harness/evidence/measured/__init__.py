"""A paper's own numbers as a source of evidence: what a function of its folder measures."""
