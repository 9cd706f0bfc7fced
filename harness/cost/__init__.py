"""The cost of runs, estimated beforehand: FLOPs, memory, hours, downloads, and whether they fit a card."""
