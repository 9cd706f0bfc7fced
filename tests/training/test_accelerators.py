"""Accelerators: which there are, asked so that a process can still be given one of its own."""

import pytest
import torch

from harness.training import accelerators


@pytest.fixture
def two_cards(monkeypatch):
    """A PyTorch that was built for CUDA, on a machine where NVML finds two cards; whether CUDA was started is kept."""
    started = []
    monkeypatch.setattr("torch.cuda._is_compiled", lambda: True)
    monkeypatch.setattr("torch.cuda._device_count_nvml", lambda: 2)
    monkeypatch.setattr(torch._C, "_cuda_getDeviceCount", lambda: started.append(1) or 2, raising=False)
    monkeypatch.delenv(accelerators.VARIABLE, raising=False)
    return started


def test_cards_have_numbers_where_nothing_is_listed(two_cards):
    assert accelerators.visible() == ("0", "1")


@pytest.mark.parametrize("listed", ["3,5", "GPU-8932f937,GPU-1a2b", " 7 , 6 , 4"])
def test_a_list_that_is_set_is_kept_to(two_cards, monkeypatch, listed):
    monkeypatch.setenv(accelerators.VARIABLE, listed)
    assert accelerators.visible() == tuple(name.strip() for name in listed.split(","))[:2]


def test_each_part_of_a_card_can_be_the_one_of_a_process(two_cards, monkeypatch):
    monkeypatch.setenv(accelerators.VARIABLE, "MIG-1,MIG-2,MIG-3")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)  # CUDA shows a process one
    assert accelerators.visible() == ("MIG-1", "MIG-2", "MIG-3")


def test_without_cuda_there_is_none(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    assert accelerators.visible() == ()
    monkeypatch.setenv(accelerators.VARIABLE, "MIG-1")
    assert accelerators.visible() == ()
