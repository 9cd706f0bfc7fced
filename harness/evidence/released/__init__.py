"""The released checkpoints as a source of evidence: fine-tuned and evaluated on the paper's datasets."""
