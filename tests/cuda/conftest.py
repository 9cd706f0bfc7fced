"""Tests that need a GPU: `pytest tests -m cuda`. Elsewhere they are skipped, with one line for all of them."""

import pytest


def pytest_runtest_setup(item):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")


@pytest.fixture(autouse=True)
def emptied():
    """A test begins and ends with no memory that PyTorch keeps, and with all of the card's allowed."""
    import torch

    from harness.training.torch.memory import free

    yield
    free()
    torch.cuda.set_per_process_memory_fraction(1.0)
