"""Fused kernels for BiT on a CUDA device: weight standardisation with its update, and group norm with ReLU."""
