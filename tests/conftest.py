"""What tests share."""

import os

import pytest

from harness.training.devices import start_jax

# Before any test's first JAX array: on a CPU results depend on the number of threads, and runs refuse another than one.
start_jax()
# Tiny networks compile in half the time, which is most of the time of tests in JAX.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}".strip()


@pytest.fixture
def one_thread():
    """PyTorch computes with one thread, on whose number the last bits depend."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
